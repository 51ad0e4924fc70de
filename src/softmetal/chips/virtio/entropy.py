"""Virtio entropy device: random bytes that are the same in every run from the same seed.

Sources: VIRTIO 5.4 "Entropy Device"; the generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
number generators", OOPSLA 2014).
"""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.queue import Chain
from softmetal.lang import u1, u16, u64

MOST = 4096  # bytes for a chain: a device may give fewer than there is room for


class VirtioEntropy(VirtioDevice):
    """Fills buffers."""

    DEVICE_ID = 4

    seed: u64  # set when the machine is built, and moved on with every number
    chain: Chain

    def number(self) -> u64:
        """The next random number."""
        self.seed += 0x9E3779B97F4A7C15
        x: u64 = self.seed
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9
        x = (x ^ x >> 27) * 0x94D049BB133111EB
        return x ^ x >> 31

    def notify(self, bus: Dma, queue: u1) -> None:
        self.resume(bus)

    def attend(self, bus: Dma) -> None:
        self.resume(bus)

    def resume(self, bus: Dma) -> None:
        """Fill what is offered; `calls` is up where that was too much for one time."""
        budget: u16 = self.QUEUE_SIZE
        while budget and self.take(bus, 0, self.chain):
            count = min(self.chain.room, MOST)
            for at in range(0, count, 8):
                self.chain.put(bus, self.number(), min(count - at, 8))
            self.give(bus, 0, self.chain, count)
            self.cost += count  # a tick for each byte
            budget -= 1
        self.calls = budget == 0
        self.publish(bus, 0)
