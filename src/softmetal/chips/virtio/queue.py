"""Split virtqueues, seen from the device, and the chains of descriptors that are taken from them.

The rings and descriptors are the guest's, so nothing in them is believed: an index outside its table, memory that is
not there, buffers in the wrong order or a chain without an end make `take` answer BROKEN, after a bounded number of steps.

Sources: VIRTIO 2.7 "Split Virtqueues".
Not modelled: packed virtqueues (2.8), resetting one queue (2.6.1), use in order (2.7.9).
"""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.lang import Chip, cold, u1, u2, u4, u16, u32, u64

EMPTY, TAKEN, FULL, BROKEN = 0, 1, 2, 3
"""What `take` found: no chain; one; one that must wait until there is room for it; what no driver may write."""

NEXT, WRITE, INDIRECT = 1, 2, 4  # flags of a descriptor
NO_INTERRUPT = 1  # flag of the available ring
LONGEST = 1024  # descriptors in a chain


class Chain(Chip):
    """Runs of guest memory ("segments"), all of them inside memory and none empty, and the chain that was taken last.

    A chain's readable segments come first. What is taken off its front, or put there, is cut off the segments.
    """

    MOST = 256

    address: u64[256]
    length: u32[256]
    count: u16  # segments in use
    head: u16  # the chain's first descriptor, by which it is given back
    at: u16  # its first readable segment
    split: u16  # its first writable segment
    left: u32  # readable bytes that were not taken
    room: u32  # writable bytes that were not put

    def skip(self, size: u32) -> None:
        """Cut bytes off the front of the first readable segment; it has as many."""
        at = self.at
        if at < self.MOST:
            self.address[at] += size
            self.length[at] -= size
            self.left -= size
            if self.length[at] == 0:
                self.at += 1

    def pass_over(self, size: u32) -> None:
        """Cut bytes off the front of the first writable segment; it has as many."""
        at = self.split
        if at < self.MOST:
            self.address[at] += size
            self.length[at] -= size
            self.room -= size
            if self.length[at] == 0:
                self.split += 1

    def get(self, bus: Dma, size: u4) -> u64:
        """Take a little-endian number off the front; behind the end there are zeros."""
        value: u64 = 0
        for i in range(size):
            at = self.at
            if self.left and at < self.MOST:
                value |= bus.dma_read8(self.address[at]) << 8 * i
                self.skip(1)
        return value

    def put(self, bus: Dma, value: u64, size: u4) -> None:
        """Put a little-endian number; what finds no room is lost."""
        for i in range(size):
            at = self.split
            if self.room and at < self.MOST:
                bus.dma_write8(self.address[at], value >> 8 * i)
                self.pass_over(1)

    @cold
    def pop(self) -> u64:
        """Cut off the last writable byte; its address. There is one."""
        at: u16 = self.count - 1
        if at >= self.MOST:
            return 0
        self.length[at] -= 1
        self.room -= 1
        last = u64(self.address[at] + self.length[at])
        if self.length[at] == 0:
            self.count -= 1
        return last


class Table(Chain):
    """Segments of many chains that are answered later."""

    MOST = 1024

    address: u64[1024]
    length: u32[1024]


class Queue(Chip):
    """A virtqueue."""

    size: u16
    ready: u1
    desc: u64  # addresses of the descriptors,
    driver: u64  # the available ring,
    device: u64  # and the used ring
    last: u16  # chains taken so far
    filled: u16  # chains given back so far,
    used: u16  # and what the driver knows of them
    steps: u32  # descriptors looked at
    event: u1  # VIRTIO_F_EVENT_IDX
    indirect: u1  # VIRTIO_F_INDIRECT_DESC

    @cold
    def start(self, bus: Dma, most: u16) -> u1:
        """Make the queue ready, if its size is good and its rings lie in memory. Did it?"""
        size = self.size
        if size == 0 or size > most or size & (size - 1):
            return 0
        if self.desc & 15 or self.driver & 1 or self.device & 3:
            return 0
        if not bus.dma_reaches(self.desc, 16 * size) or not bus.dma_reaches(self.driver, 6 + 2 * size):
            return 0
        if not bus.dma_reaches(self.device, 6 + 8 * size):
            return 0
        self.last = self.filled = self.used = 0
        self.ready = 1
        return 1

    @cold
    def reset(self) -> None:
        self.ready = self.event = self.indirect = 0
        self.size = self.last = self.filled = self.used = 0
        self.desc = self.driver = self.device = 0

    def waiting(self, bus: Dma) -> u16:
        """Chains that the driver offers. Where there are none, it is asked to tell of the next."""
        ahead: u16 = bus.dma_read16(self.driver + 2) - self.last
        if ahead == 0 and self.event:
            bus.dma_write16(self.device + 4 + 8 * self.size, self.last)
            bus.dma_fence()
            ahead = bus.dma_read16(self.driver + 2) - self.last  # it may have been faster
        bus.dma_fence()  # the ring and the descriptors are read behind the index
        return ahead

    def take(self, bus: Dma, chain: Chain) -> u2:
        """Take the next chain; its segments are put behind those that `chain` holds."""
        ahead = self.waiting(bus)
        if ahead == 0:
            return EMPTY
        if ahead > self.size:
            return BROKEN
        head = bus.dma_read16(self.driver + 4 + 2 * (self.last & (self.size - 1)))
        found = self.walk(bus, chain, head)
        if found == TAKEN:
            self.last += 1
        return found

    def walk(self, bus: Dma, chain: Chain, head: u16) -> u2:
        """Follow a chain from its head."""
        table: u64 = self.desc
        limit: u32 = self.size
        index: u16 = head
        count: u16 = chain.count
        first: u16 = count
        split: u16 = count
        left: u64 = 0
        room: u64 = 0
        inside: u1 = 0  # an indirect table
        for _ in range(LONGEST):
            self.steps += 1
            if index >= limit:
                return BROKEN
            entry: u64 = table + 16 * index
            address = bus.dma_read64(entry)
            length = bus.dma_read32(entry + 8)
            flags = bus.dma_read16(entry + 12)
            index = bus.dma_read16(entry + 14)
            if flags & INDIRECT:
                if inside or flags & NEXT or not self.indirect or length & 15 or not bus.dma_reaches(address, length):
                    return BROKEN
                table = address
                limit = length >> 4
                index = 0
                inside = 1
                continue
            if length:
                if not bus.dma_reaches(address, length) or (room and not flags & WRITE):
                    return BROKEN
                if count >= chain.MOST:
                    return FULL if first else BROKEN
                chain.address[count] = address
                chain.length[count] = length
                count += 1
                if flags & WRITE:
                    room += length
                else:
                    left += length
                    split = count
            if not flags & NEXT:
                if left + room >> 32:
                    return BROKEN
                chain.head = head
                chain.at = first
                chain.split = split
                chain.count = count
                chain.left = left
                chain.room = room
                return TAKEN
        return BROKEN

    def fill(self, bus: Dma, head: u16, written: u32) -> None:
        """Give a chain back; the driver sees it once it is published."""
        if not self.ready:
            return
        entry: u64 = self.device + 4 + 8 * (self.filled & (self.size - 1))
        bus.dma_write32(entry, head)
        bus.dma_write32(entry + 4, written)
        self.filled += 1

    def publish(self, bus: Dma) -> u1:
        """Notify the driver what was given back. Does it want an interrupt?"""
        fresh: u16 = self.filled - self.used
        if fresh == 0 or not self.ready:
            return 0
        self.used = self.filled
        bus.dma_fence()  # behind the entries
        bus.dma_write16(self.device + 2, self.used)
        bus.dma_fence()  # ahead of a look at what the driver wants
        if self.event:
            beyond: u16 = self.used - bus.dma_read16(self.driver + 4 + 2 * self.size) - 1
            return beyond < fresh
        return not bus.dma_read16(self.driver) & NO_INTERRUPT
