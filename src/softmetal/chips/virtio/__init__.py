"""Virtio devices: what a guest and its host agreed on, instead of imitating real disks and network cards.

Source for all of them: Virtual I/O Device (VIRTIO) Version 1.2, OASIS Committee Specification 01, 2022 ("VIRTIO").
"""
