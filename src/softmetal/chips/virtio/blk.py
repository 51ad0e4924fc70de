"""Virtio block device: a disk.

Sources: VIRTIO 5.2 "Block Device".
Not modelled: several queues, geometry, write-back switching, lifetime, secure erase, zoned disks.
"""

from __future__ import annotations

from enum import IntEnum

from softmetal.chips.device import Dma
from softmetal.chips.virtio.hosted import HostedDevice
from softmetal.lang import u1, u6, u8, u32, u64


class Kind(IntEnum):
    """Types of requests (5.2.6)."""

    IN = 0
    OUT = 1
    FLUSH = 4
    GET_ID = 8
    DISCARD = 11
    WRITE_ZEROES = 13


OK, IOERR, UNSUPP = 0, 1, 2
FOR_HOST = 0xFF  # no status yet

SECTOR = 512
SEG_MAX = 254  # data segments in a request: with header and status as many as a queue has descriptors
MOST_SECTORS = 1 << 22  # in one request to discard or to write zeroes: 2 GiB
MOST_DATA = 1 << 28  # bytes in one request: what a host can move without keeping the machine waiting
UNMAP = 1  # flag of such a request

F_SEG_MAX, F_RO, F_BLK_SIZE, F_FLUSH, F_TOPOLOGY, F_DISCARD, F_WRITE_ZEROES = 2, 5, 6, 9, 10, 13, 14


class VirtioBlk(HostedDevice):
    """A disk. The host moves the data; the chip answers what needs none, and refuses what is out of range."""

    DEVICE_ID = 2
    CONFIG_WORDS = 15
    FEATURES = 1 << F_SEG_MAX | 1 << F_BLK_SIZE | 1 << F_FLUSH | 1 << F_TOPOLOGY | 1 << F_DISCARD | 1 << F_WRITE_ZEROES

    capacity: u64  # sectors; said, like the next two, by whoever builds the machine
    read_only: u1
    serial: u8[20]
    status_at: u64[64]  # where a request's status goes

    def features(self) -> u64:
        return self.FEATURES | self.read_only << F_RO

    def config_word(self, index: u32) -> u32:
        match index:
            case 0:
                return self.capacity
            case 1:
                return self.capacity >> 32
            case 3:
                return SEG_MAX
            case 5:
                return SECTOR
            case 6:
                return 3 | 8 << 16  # 2**3 sectors make a physical block; 8 sectors are the least that is good to transfer
            case 9 | 12:
                return MOST_SECTORS
            case 10 | 13:
                return 1  # range in a request to discard, to write zeroes
            case 11:
                return 8  # alignment for discarding
            case 14:
                return 1  # writing zeroes may free
            case _:
                return 0

    def parse(self, bus: Dma, place: u6) -> u1:
        if self.table.left < 16 or self.table.room < 1:
            self.fail()
            return 0
        kind = u32(self.table.get(bus, 4))
        self.table.get(bus, 4)
        self.sector[place] = self.table.get(bus, 8)
        self.kind[place] = kind
        self.sectors[place] = 0
        status_at = self.table.pop()
        status = self.judge(bus, place, kind)
        if status == FOR_HOST:
            self.status_at[place] = status_at
            return 1
        written = 20 if status == OK else 0  # the serial number
        bus.dma_write8(status_at, status)
        self.answer(bus, self.table.head, written + 1)
        return 0

    def judge(self, bus: Dma, place: u6, kind: u32) -> u8:
        """The status of a request that the host does not need to see, or FOR_HOST."""
        match kind:
            case Kind.IN:
                return self.data(place, self.table.room)
            case Kind.OUT:
                return IOERR if self.read_only else self.data(place, self.table.left)
            case Kind.FLUSH:
                return FOR_HOST
            case Kind.GET_ID:
                if self.table.room < 20:
                    return IOERR
                for i in range(20):
                    self.table.put(bus, self.serial[i], 1)
                return OK
            case Kind.DISCARD | Kind.WRITE_ZEROES:
                return self.range_of(bus, place, kind)
            case _:
                return UNSUPP

    def data(self, place: u6, size: u32) -> u8:
        """Is there a disk where these bytes go?"""
        sectors = size // SECTOR
        if size % SECTOR or size > MOST_DATA or self.sector[place] + sectors > self.capacity:
            return IOERR
        self.sectors[place] = sectors
        return FOR_HOST

    def range_of(self, bus: Dma, place: u6, kind: u32) -> u8:
        """The range to discard or to fill with zeroes."""
        if self.read_only or self.table.left != 16:
            return IOERR
        sector = self.table.get(bus, 8)
        sectors = u32(self.table.get(bus, 4))
        flags = self.table.get(bus, 4)
        if flags & ~UNMAP or (flags and kind == Kind.DISCARD):
            return UNSUPP
        if sectors > MOST_SECTORS or sector + sectors > self.capacity:
            return IOERR
        self.sector[place] = sector
        self.sectors[place] = sectors
        return FOR_HOST

    def complete(self, bus: Dma, request: u6, status: u8, written: u32) -> None:
        """The host has done a request: its status, and how many bytes of data it wrote to memory."""
        if self.busy[request] and self.usable(0):
            bus.dma_write8(self.status_at[request], status)
        self.finish(bus, request, min(written, self.room[request]) + 1)
