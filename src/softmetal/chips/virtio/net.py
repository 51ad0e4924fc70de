"""Virtio network device: an Ethernet card whose frames go through two rings.

A record in a ring is a frame with what is known of it: the first ten bytes of the guest's `virtio_net_hdr` (5.1.6), then the
frame. So two machines that offer `offload` hand 64 KiB segments on without cutting them or summing them up.

Sources: VIRTIO 5.1 "Network Device".
Not modelled: the control queue, several pairs of queues, UDP fragmentation and segmentation offload, RSS.
"""

from __future__ import annotations

from typing import Any

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import VERSION_1
from softmetal.chips.virtio.stream import RECEIVE, StreamDevice
from softmetal.lang import Chip, cold, host, memory, u1, u8, u16, u32, u64

F_CSUM, F_GUEST_CSUM, F_MAC, F_GUEST_TSO4, F_GUEST_TSO6, F_HOST_TSO4, F_HOST_TSO6 = 0, 1, 5, 7, 8, 11, 12
F_MRG_RXBUF, F_STATUS = 15, 16
OFFLOADS = 1 << F_CSUM | 1 << F_GUEST_CSUM | 1 << F_GUEST_TSO4 | 1 << F_GUEST_TSO6 | 1 << F_HOST_TSO4 | 1 << F_HOST_TSO6
NEEDS_CSUM = 1  # flag of a header
TCPV4, TCPV6, ECN = 1, 4, 0x80  # its kinds of segments

HEADER = 10  # bytes of the header in a ring; in a guest there is the number of buffers behind them
LARGEST = HEADER + 65550  # record
RING = 1 << 20
SKIP = 0xFFFFFFFF  # instead of a length: the next record starts at the ring's start


class Frames(Chip):
    """A ring of records: length (4 bytes), content, up to a multiple of 8 bytes; none goes across the end."""

    ring: memory[(1 << 20) + 8]
    head: u32  # bytes ever put in,
    tail: u32  # and taken out

    def gap(self, size: u32) -> u32:
        """Bytes to leave free before a record, so that it does not go across the end."""
        left = RING - (self.head & RING - 1)
        return left if size + 4 > left else 0

    def fits(self, size: u32) -> u1:
        """Is there room for a record?"""
        held: u32 = self.head - self.tail
        return held + self.gap(size) + size + 11 <= RING

    def start(self, size: u32) -> u32:
        """Begin a record, which fits; where its content goes. `end` ends it."""
        gap = self.gap(size)
        if gap:
            self.ring.u32[self.head & RING - 1] = SKIP
            self.head += gap
        self.ring.u32[self.head & RING - 1] = size
        return (self.head & RING - 1) + 4

    def end(self, size: u32) -> None:
        self.head += size + 11 & ~7

    def first(self) -> u32:
        """The length of the oldest record; 0: there is none. Its content lies at `content`."""
        if self.head == self.tail:
            return 0
        size = self.ring.u32[self.tail & RING - 1]
        if size == SKIP:
            self.tail += RING - (self.tail & RING - 1)
            size = self.ring.u32[self.tail & RING - 1]
        return size

    def content(self) -> u32:
        return (self.tail & RING - 1) + 4

    def drop(self, size: u32) -> None:
        """Take out the oldest record, which has this length."""
        self.tail += size + 11 & ~7

    def copy_in(self, bus: Dma, at: u32, address: u64, size: u32) -> None:
        """Copy from guest memory into the ring."""
        words = size >> 3
        for i in range(words):
            self.ring.u64[at + 8 * i & RING - 1] = bus.dma_read64(address + 8 * i)
        for i in range(8 * words, size):
            self.ring[at + i & RING - 1] = bus.dma_read8(address + i)

    def copy_out(self, bus: Dma, at: u32, address: u64, size: u32) -> None:
        """Copy from the ring into guest memory."""
        words = size >> 3
        for i in range(words):
            bus.dma_write64(address + 8 * i, self.ring.u64[at + 8 * i & RING - 1])
        for i in range(8 * words, size):
            bus.dma_write8(address + i, self.ring[at + i & RING - 1])

    @host
    def put(self, record: bytes) -> bool:
        """Put a record in. Was there room?"""
        chip: Any = self
        if not HEADER <= len(record) <= LARGEST:
            raise ValueError(f"a record of {len(record)} bytes; it has {HEADER}..{LARGEST}")
        if not chip.fits(len(record)):
            return False
        at = chip.start(len(record))
        chip.ring[at : at + len(record)] = record
        chip.end(len(record))
        return True

    @host
    def take(self) -> list[bytes]:
        """Take all records out."""
        chip: Any = self
        found = []
        while size := chip.first():
            at = chip.content()
            found.append(bytes(chip.ring[at : at + size]))
            chip.drop(size)
        return found


class VirtioNet(StreamDevice):
    """The host puts records in with `feed`, then calls `poll`; it takes them out with `frames`, then calls `resume`."""

    DEVICE_ID = 1
    CONFIG_WORDS = 3
    FEATURES = 1 << F_MAC | 1 << F_STATUS | 1 << F_MRG_RXBUF

    tx: Frames
    rx: Frames
    mac: u8[6]  # said, like the next, by whoever builds the machine
    offload: u1  # may records be long and their checksums left out?
    link: u1 = 1
    dropped: u32  # frames that fitted nowhere

    def features(self) -> u64:
        return self.FEATURES | (OFFLOADS if self.offload else 0)

    def agrees(self) -> u1:
        """Older drivers' headers have another length (5.1.6.1)."""
        return self.has(VERSION_1)

    def config_word(self, index: u32) -> u32:
        match index:
            case 0:
                return self.mac[0] | self.mac[1] << 8 | self.mac[2] << 16 | self.mac[3] << 24
            case 1:
                return self.mac[4] | self.mac[5] << 8 | self.link << 16
            case _:
                return 0

    def set_link(self, up: u1) -> None:
        """The cable is put in or pulled out."""
        self.link = up
        self.changed()

    # -- out

    def send(self, bus: Dma) -> u1:
        """Move a chain's frame to the ring. Was there room?"""
        size: u32 = self.sent.left - 2
        if self.sent.left < HEADER + 2 or size > LARGEST or not self.link:
            self.dropped += 1
            return 1
        if not self.tx.fits(size):
            return 0
        at: u32 = self.tx.start(size)
        self.tx.ring.u64[at & RING - 1] = self.sent.get(bus, 8)
        self.tx.ring.u16[at + 8 & RING - 1] = self.sent.get(bus, 2)
        self.sent.get(bus, 2)
        if not self.has(F_CSUM):
            self.tx.ring.u64[at & RING - 1] = 0
        at += HEADER
        for _ in range(self.sent.MOST):
            first = self.sent.at
            if self.sent.left == 0 or first >= self.sent.MOST:
                break
            length = self.sent.length[first]
            self.tx.copy_in(bus, at, self.sent.address[first], length)
            self.sent.skip(length)
            at += length
        self.tx.end(size)
        self.cost += size >> 3  # 8 bytes a tick
        return 1

    # -- in

    def poll(self, bus: Dma) -> None:
        """Move what came from outside into the driver's buffers."""
        budget: u16 = self.QUEUE_SIZE
        while budget and self.usable(RECEIVE):
            size = self.rx.first()
            if size == 0 or not self.receive(bus, size):
                break
            self.rx.drop(size)
            budget -= 1
        self.publish(bus, RECEIVE)

    def receive(self, bus: Dma, size: u32) -> u1:
        """Deliver the oldest record, or drop it; 0: it waits for more buffers."""
        at: u32 = self.rx.content()
        if not self.welcome(at, size):
            self.dropped += 1
            return 1
        last = self.queues[RECEIVE].last
        filled = self.queues[RECEIVE].filled
        left: u32 = size - HEADER
        low: u64 = 0
        high: u64 = 0
        lost: u1 = 0
        for buffers in range(1, self.QUEUE_SIZE + 1):
            if not self.take(bus, RECEIVE, self.received):
                break
            room = self.received.room
            if buffers == 1:
                if room < HEADER + 2:
                    self.received.count = 0
                    self.fail()
                    return 1
                self.received.put(bus, self.rx.ring.u64[at & RING - 1], 8)
                self.received.put(bus, self.rx.ring.u16[at + 8 & RING - 1], 2)
                low = self.spot()
                self.received.put(bus, 0, 1)
                high = self.spot()
                self.received.put(bus, 0, 1)
                at += HEADER
            length = min(left, self.received.room)
            self.scatter(bus, at, length)
            at += length
            left -= length
            self.give(bus, RECEIVE, self.received, room - self.received.room)
            if left == 0:
                bus.dma_write8(low, buffers)
                bus.dma_write8(high, buffers >> 8)
                return 1
            if not self.has(F_MRG_RXBUF) or buffers == self.queues[RECEIVE].size:
                lost = 1  # no buffers will ever hold it
                break
        self.received.count = 0
        self.queues[RECEIVE].last = last
        self.queues[RECEIVE].filled = filled
        self.dropped += lost
        return lost

    def spot(self) -> u64:
        """Where the next byte is put."""
        first = self.received.split
        return self.received.address[first] if first < self.received.MOST else 0

    def scatter(self, bus: Dma, at: u32, size: u32) -> None:
        """Copy from the ring to a chain that has room."""
        left: u32 = size
        for _ in range(self.received.MOST):
            first = self.received.split
            if left == 0 or first >= self.received.MOST:
                break
            length = min(left, self.received.length[first])
            self.rx.copy_out(bus, at, self.received.address[first], length)
            self.received.pass_over(length)
            at += length
            left -= length

    def welcome(self, at: u32, size: u32) -> u1:
        """Does the driver take such a record? Its checksum is made where the driver wants all of them complete."""
        kind = self.rx.ring[at + 1 & RING - 1] & ~ECN
        if size < HEADER or size > LARGEST or not self.link:
            return 0
        if kind and not (kind == TCPV4 and self.has(F_GUEST_TSO4)) and not (kind == TCPV6 and self.has(F_GUEST_TSO6)):
            return 0
        if self.rx.ring[at & RING - 1] & NEEDS_CSUM and not self.has(F_GUEST_CSUM):
            self.sum_up(at, size)
        return 1

    @cold
    def sum_up(self, at: u32, size: u32) -> None:
        """Make the checksum that a record leaves out (5.1.6.2), in the ring."""
        start = self.rx.ring.u16[at + 6 & RING - 1]
        offset = self.rx.ring.u16[at + 8 & RING - 1]
        self.rx.ring[at & RING - 1] = 0
        length: u32 = size - HEADER
        if start + offset + 2 > length:
            return
        total: u64 = 0
        for i in range(start, length):
            total += self.rx.ring[at + HEADER + i & RING - 1] << 8 * (i - start & 1)
        self.rx.ring.u16[at + HEADER + start + offset & RING - 1] = 0xFFFF - total % 0xFFFF  # never 0, which means "none" to UDP

    @host
    def feed(self, record: bytes) -> bool:
        """Put a record in from outside. Was there room?"""
        return self.rx.put(record)

    @host
    def frames(self) -> list[bytes]:
        """Take out all records that wait."""
        return self.tx.take()
