"""Disks of the host for machines: raw and qcow2 files, written, read-only, or below an overlay in memory."""

from softmetal.host.disks.disk import Disk, DiskError, open_disk

__all__ = ["Disk", "DiskError", "open_disk"]
