"""What virtio devices share that take from the outside into one queue, and send from the other."""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.queue import Chain
from softmetal.lang import u1, u16

RECEIVE, TRANSMIT = 0, 1  # queues


class StreamDevice(VirtioDevice):
    """Types say how a chain is sent (`send`), and how what came in is delivered (`poll`)."""

    QUEUES = 2

    sent: Chain  # what is on its way out,
    sending: u1  # if anything is
    received: Chain

    def send(self, bus: Dma) -> u1:
        """Move what the chain in `sent` holds to the outside. Has all of it gone?"""
        return 1

    def attend(self, bus: Dma) -> None:
        self.poll(bus)
        self.resume(bus)

    def poll(self, bus: Dma) -> None:
        """Move what came from outside into the driver's buffers."""

    def notify(self, bus: Dma, queue: u1) -> None:
        if queue == TRANSMIT:
            self.resume(bus)
        else:
            self.poll(bus)

    def resume(self, bus: Dma) -> None:
        """Send what the driver offers, until the outside has no more room."""
        budget: u16 = self.QUEUE_SIZE
        while budget:
            if not self.sending and not self.take(bus, TRANSMIT, self.sent):
                break
            self.sending = not self.send(bus)
            if self.sending:
                break
            self.give(bus, TRANSMIT, self.sent, 0)
            budget -= 1
        self.calls = self.sending or budget == 0
        self.publish(bus, TRANSMIT)

    def reset_device(self) -> None:
        self.sending = 0
        self.sent.count = self.received.count = 0
