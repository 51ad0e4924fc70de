"""A disk whose open requests are kept in memory that outlives the back end: if it is killed, the next one goes on with them.

Sources: vhost-user, "Inflight I/O tracking" (QEMU docs/interop/vhost-user.rst): the region's layout and the order of its
writes for split virtqueues. A request stays open until the driver can see its answer: one may be done twice, none is lost.
Not modelled: packed virtqueues.
"""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.chips.virtio.blk import VirtioBlk
from softmetal.chips.virtio.queue import TAKEN
from softmetal.lang import cold, memory, u1, u16, u20, u32, u64

FEATURES, VERSION, SIZE, LAST_BATCH, USED, ENTRIES = 0, 8, 10, 12, 14, 16  # offsets in a queue's part of the region
OPEN, NEXT, ORDER, ENTRY = 0, 6, 8, 16  # offsets in an entry, one for each descriptor; bytes of one


class TrackedBlk(VirtioBlk):
    """The host attaches the region to `region` and sets `part`; `recover` reads it once the queue has been started."""

    region: memory[(1 << 20) + 64]
    part: u20  # where the queue's part begins
    tracked: u1
    lost: u16  # open requests of the last back end that are not listed again yet
    again: u64  # the order of the last of them that is
    order: u64

    def entry(self, head: u16) -> u20:
        return self.part + ENTRIES + ENTRY * head

    @cold
    def recover(self, bus: Dma) -> None:
        """Go on where another back end ended. The queue's `used` is what its driver has seen."""
        size = self.queues[0].size
        used = self.queues[0].used
        self.tracked = 1
        if self.region.u16[self.part + VERSION] == 0:  # new
            self.region.u16[self.part + VERSION] = 1
            self.region.u16[self.part + SIZE] = size
        elif self.region.u16[self.part + USED] != used:  # it ended between publishing and closing a batch
            self.close(self.region.u16[self.part + LAST_BATCH], used - self.region.u16[self.part + USED])
        self.region.u16[self.part + USED] = used
        self.lost = 0
        self.again = self.order = 0
        for head in range(256):
            if head < size and self.region[self.entry(head) + OPEN]:
                self.lost += 1
                self.order = max(self.order, self.region.u64[self.entry(head) + ORDER])
        self.queues[0].last = used + self.lost

    def next_chain(self, bus: Dma) -> u1:
        if self.lost:
            return self.readmit(bus)
        found = self.take(bus, 0, self.table)
        if found and self.tracked:
            entry = self.entry(self.table.head)
            self.order += 1
            self.region.u64[entry + ORDER] = self.order
            self.region[entry + OPEN] = 1
        return found

    @cold
    def readmit(self, bus: Dma) -> u1:
        """List the oldest request that the last back end left open and that is not listed yet."""
        least: u64 = 0xFFFFFFFFFFFFFFFF
        head: u16 = 0
        for i in range(256):
            if i < self.queues[0].size and self.region[self.entry(i) + OPEN]:
                order = self.region.u64[self.entry(i) + ORDER]
                if self.again < order < least:
                    least = order
                    head = i
        self.lost -= 1
        self.again = least
        if self.queues[0].walk(bus, self.table, head) != TAKEN:
            self.fail()
            return 0
        return 1

    def answer(self, bus: Dma, head: u16, written: u32) -> None:
        self.queues[0].fill(bus, head, written)
        if self.tracked:
            self.region.u16[self.entry(head) + NEXT] = self.region.u16[self.part + LAST_BATCH]
            self.region.u16[self.part + LAST_BATCH] = head

    def publish(self, bus: Dma, queue: u1) -> None:
        fresh: u16 = self.queues[0].filled - self.queues[0].used
        super().publish(bus, queue)
        if self.tracked and fresh:
            self.close(self.region.u16[self.part + LAST_BATCH], fresh)
            self.region.u16[self.part + USED] = self.queues[0].used

    def close(self, last: u16, count: u16) -> None:
        """The driver has seen the answers of a batch."""
        head: u16 = last
        for i in range(256):
            if i < count:
                self.region[self.entry(head) + OPEN] = 0
                head = self.region.u16[self.entry(head) + NEXT]
