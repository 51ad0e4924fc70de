"""Virtio devices whose requests the host answers: disks, shared directories.

The chip takes all chains that wait, checks them and lists them in a table of its state; `calls` rises. The host moves
data between its files and the segments of guest memory that the table names, calls `complete` for each request, and
at last `resume`, which tells the driver, and takes what has come or did not fit. One call of the host serves a whole queue.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.queue import Table
from softmetal.lang import host, u1, u6, u7, u16, u32, u64


class Request(NamedTuple):
    """What the host is asked. Segments are (address, length), all of them in memory."""

    index: int
    kind: int
    sector: int
    sectors: int
    readable: list[tuple[int, int]]
    writable: list[tuple[int, int]]


class HostedDevice(VirtioDevice):
    """A virtio device with one queue of requests to the host."""

    REQUESTS = 64

    table: Table
    listed: u7  # places of the table in use since it was last empty
    open: u7  # requests that are not complete
    busy: u1[64]
    kind: u32[64]
    sector: u64[64]
    sectors: u32[64]
    head: u16[64]
    first: u16[64]  # the request's segments in the table: readable from here,
    split: u16[64]  # writable from here,
    end: u16[64]  # to before here
    room: u32[64]  # writable bytes

    def parse(self, bus: Dma, place: u6) -> u1:
        """Read the request in the chain that was just taken. Is it one for the host? Else it has been answered."""
        return 1

    def next_chain(self, bus: Dma) -> u1:
        """Put the next request's chain behind those in the table. Was there one, and room for it?"""
        return self.take(bus, 0, self.table)

    def answer(self, bus: Dma, head: u16, written: u32) -> None:
        """Give back the chain of a request."""
        self.queues[0].fill(bus, head, written)

    def notify(self, bus: Dma, queue: u1) -> None:
        self.resume(bus)

    def resume(self, bus: Dma) -> None:
        """Notify the driver what is complete, and take what waits."""
        if not self.open:
            self.table.count = self.listed = 0
        budget: u16 = self.QUEUE_SIZE
        while budget and self.listed < self.REQUESTS:
            before = self.table.count
            if not self.next_chain(bus):
                break
            budget -= 1
            place = u6(self.listed)
            if self.parse(bus, place):
                self.busy[place] = 1
                self.head[place] = self.table.head
                self.first[place] = self.table.at
                self.split[place] = self.table.split
                self.end[place] = self.table.count
                self.room[place] = self.table.room
                self.listed += 1
                self.open += 1
            else:
                self.table.count = before
        self.publish(bus, 0)
        self.calls = self.open != 0 or budget == 0

    def finish(self, bus: Dma, request: u6, written: u32) -> None:
        """Give back a request of which so many bytes were written."""
        if self.busy[request]:
            self.busy[request] = 0
            self.open -= 1
            self.answer(bus, self.head[request], written)

    def reset_device(self) -> None:
        self.table.count = self.listed = self.open = 0
        for i in range(64):
            self.busy[i] = 0

    @host
    def requests(self) -> list[Request]:
        """What waits for the host."""
        chip: Any = self
        table = chip.table
        runs = list(zip(table.address[: table.count], table.length[: table.count], strict=True))
        found = []
        for i, busy in enumerate(chip.busy[: chip.listed]):
            if busy:
                first, split, end = chip.first[i], chip.split[i], chip.end[i]
                found.append(Request(i, chip.kind[i], chip.sector[i], chip.sectors[i], runs[first:split], runs[split:end]))
        return found
