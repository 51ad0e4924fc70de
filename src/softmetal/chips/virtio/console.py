"""Virtio console: bytes to and from a terminal.

Sources: VIRTIO 5.3 "Console Device".
Not modelled: several ports, emergency write.
"""

from __future__ import annotations

from softmetal.chips.device import Dma, Port
from softmetal.chips.virtio.stream import RECEIVE, StreamDevice
from softmetal.lang import u1, u16, u32

F_SIZE = 0


class VirtioConsole(StreamDevice):
    """One console port. The host feeds `rx` and then calls `poll`; it drains `tx`, and calls `resume` where `calls` is up."""

    DEVICE_ID = 3
    CONFIG_WORDS = 3
    FEATURES = 1 << F_SIZE

    tx: Port
    rx: Port
    cols: u16 = 80
    rows: u16 = 25

    def config_word(self, index: u32) -> u32:
        return self.cols | self.rows << 16 if index == 0 else index == 1

    def resize(self, cols: u16, rows: u16) -> None:
        """The terminal has another size."""
        self.cols = cols
        self.rows = rows
        self.changed()

    def send(self, bus: Dma) -> u1:
        """Move the chain's bytes to the port. Have all gone?"""
        before = self.sent.left
        for _ in range(self.tx.room()):
            if not self.sent.left:
                break
            self.tx.put(self.sent.get(bus, 1))
        self.cost += before - self.sent.left  # a tick for each byte
        return self.sent.left == 0

    def poll(self, bus: Dma) -> None:
        """Move what came from outside into the driver's buffers."""
        budget: u16 = self.QUEUE_SIZE
        while budget and self.rx.waiting() and self.take(bus, RECEIVE, self.received):
            count = min(self.rx.waiting(), self.received.room)
            for _ in range(count):
                self.received.put(bus, self.rx.take(), 1)
            self.give(bus, RECEIVE, self.received, count)
            budget -= 1
        self.publish(bus, RECEIVE)
