"""Virtio 9P transport: a directory of the host, by the 9P protocol, which the host speaks.

Sources: VIRTIO 5 "Device Types" (number 9); the tag's place in the configuration space is that of Linux's
include/uapi/linux/virtio_9p.h, for the specification has no chapter on this device.
"""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.chips.virtio.hosted import HostedDevice
from softmetal.lang import u6, u8, u16, u32

F_MOUNT_TAG = 0
MOST_MESSAGE = 1 << 20  # bytes: what is behind them in a request nobody reads


class Virtio9p(HostedDevice):
    """A request's readable segments hold a message, its writable ones take the reply."""

    DEVICE_ID = 9
    CONFIG_WORDS = 9
    FEATURES = 1 << F_MOUNT_TAG

    tag: u8[32]  # the name to mount by, and its length; set when the machine is built
    tag_length: u16

    def config_word(self, index: u32) -> u32:
        value: u32 = 0
        for i in range(4):
            at = 4 * index + i - 2
            if 0 <= at < 32:
                value |= self.tag[at] << 8 * i
        return value if index else value | self.tag_length

    def complete(self, bus: Dma, request: u6, written: u32) -> None:
        """The host has written a reply of this length."""
        self.finish(bus, request, min(written, self.room[request]))
