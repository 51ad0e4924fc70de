"""The block device: what a driver asks, what a disk on the host gets to do, what is refused."""

import struct

import pytest

from softmetal.chips.virtio.blk import Kind, VirtioBlk
from softmetal.chips.virtio.mmio import VERSION_1, Register
from softmetal.lang import u6, u8, u32
from softmetal.testing.bench import bench

from .bed import BASE, Bed, Driver

SECTORS = 64


class BlkBed(Bed):
    device: VirtioBlk

    def complete(self, request: u6, status: u8, written: u32) -> None:
        self.device.complete(self, request, status, written)

    def resume(self) -> None:
        self.device.resume(self)


class Disk:
    """A host that keeps a disk in a bytearray."""

    def __init__(self, bed):
        self.bed, self.data, self.seen = bed, bytearray(SECTORS * 512), []
        self.calls = 0

    def serve(self):
        while self.bed.chip.device.calls:
            self.calls += 1
            for request in self.bed.chip.device.requests():
                self.seen.append(Kind(request.kind))
                at, written = request.sector * 512, 0
                if request.kind == Kind.IN:
                    for address, length in request.writable:
                        self.bed.chip.ram[address - BASE : address - BASE + length] = self.data[at : at + length]
                        at, written = at + length, written + length
                elif request.kind == Kind.OUT:
                    for address, length in request.readable:
                        self.data[at : at + length] = self.bed.chip.ram[address - BASE : address - BASE + length]
                        at += length
                elif request.kind in (Kind.DISCARD, Kind.WRITE_ZEROES):
                    self.data[at : at + 512 * request.sectors] = bytes(512 * request.sectors)
                self.bed.complete(request.index, 0, written)
            self.bed.resume()


@pytest.fixture
def driver(engine):
    bed = bench(BlkBed, engine)
    bed.chip.device.capacity = SECTORS
    bed.chip.device.serial[:6] = b"disk-7"
    made = Driver(bed)
    made.disk = Disk(bed)
    yield made
    assert bed.chip.stray == 0


def header(kind, sector=0):
    return struct.pack("<IIQ", kind, 0, sector)


def ask(driver, kind, sector=0, data=(), **how):
    """Send a request; (status, bytes that were told as written)."""
    status = driver.space(1)
    driver.poke(status[0] - BASE, b"\xee")
    driver.send([driver.buffer(header(kind, sector)), *data, status], **how)
    driver.disk.serve()
    [(_, written)] = driver.back()
    return driver.content(status)[0], written


def test_the_configuration_tells_capacity_and_limits(driver):
    assert driver.get(Register.CONFIG, 8) == SECTORS
    assert driver.get(Register.CONFIG + 12) == 254
    assert driver.get(Register.CONFIG + 20) == 512
    assert driver.get(Register.CONFIG + 24, 1) == 3
    assert driver.get(Register.CONFIG + 26, 2) == 8
    assert driver.get(Register.CONFIG + 56, 1) == 1


def test_what_was_written_is_read_again(driver):
    text = bytes(i * 7 & 0xFF for i in range(1024))
    assert ask(driver, Kind.OUT, 5, [driver.buffer(text)]) == (0, 1)
    parts = [driver.space(512), driver.space(512)]
    assert ask(driver, Kind.IN, 5, parts) == (0, 1025)
    assert b"".join(map(driver.content, parts)) == text


def test_a_request_may_lie_in_an_indirect_table(driver):
    driver.disk.data[:512] = b"x" * 512
    part = driver.space(512)
    assert ask(driver, Kind.IN, 0, [part], indirect=True) == (0, 513)
    assert driver.content(part) == b"x" * 512


def test_header_data_and_status_may_be_cut_anywhere(driver):
    head, text = header(Kind.OUT, 2), bytes(range(256)) * 2
    pieces = [head[:3], head[3:12], head[12:] + text[:100], text[100:]]
    status = driver.space(1)
    driver.send([*map(driver.buffer, pieces), status])
    driver.disk.serve()
    assert driver.content(status) == b"\0"
    assert driver.disk.data[1024:1536] == text
    whole = driver.space(513)
    driver.send([driver.buffer(header(Kind.IN, 2)), whole])
    driver.disk.serve()
    assert driver.content(whole) == text + b"\0"


def test_the_serial_number_comes_without_the_host(driver):
    text = driver.space(20)
    assert ask(driver, Kind.GET_ID, 0, [text]) == (0, 21)
    assert driver.content(text) == b"disk-7".ljust(20, b"\0")
    assert driver.disk.calls == 0


def test_flush_discard_and_zeroes_reach_the_host(driver):
    driver.disk.data[:] = b"y" * len(driver.disk.data)
    assert ask(driver, Kind.FLUSH) == (0, 1)
    assert ask(driver, Kind.DISCARD, 0, [driver.buffer(struct.pack("<QII", 8, 8, 0))]) == (0, 1)
    assert ask(driver, Kind.WRITE_ZEROES, 0, [driver.buffer(struct.pack("<QII", 24, 8, 1))]) == (0, 1)
    assert driver.disk.seen == [Kind.FLUSH, Kind.DISCARD, Kind.WRITE_ZEROES]
    zeros = [i for i in range(SECTORS) if driver.disk.data[512 * i] == 0]
    assert zeros == [*range(8, 16), *range(24, 32)]


@pytest.mark.parametrize(
    ("kind", "sector", "data", "status"),
    [
        (Kind.IN, SECTORS, 512, 1),
        (Kind.IN, SECTORS - 1, 1024, 1),
        (Kind.IN, 2**64 - 1, 512, 1),
        (Kind.IN, 0, 511, 1),
        (Kind.GET_ID, 0, 19, 1),
        (10, 0, 512, 2),
        (0xFFFFFFFF, 0, 512, 2),
    ],
)
def test_a_bad_request_is_refused_without_the_host(driver, kind, sector, data, status):
    assert ask(driver, kind, sector, [driver.space(data)]) == (status, 1)
    assert driver.disk.calls == 0
    assert not driver.broken


@pytest.mark.parametrize(
    ("kind", "range_", "status"),
    [
        (Kind.DISCARD, (SECTORS - 1, 2, 0), 1),
        (Kind.DISCARD, (2**64 - 1, 2, 0), 1),
        (Kind.DISCARD, (0, 2**32 - 1, 0), 1),
        (Kind.DISCARD, (0, 1, 1), 2),
        (Kind.WRITE_ZEROES, (0, 1, 2), 2),
    ],
)
def test_a_bad_range_is_refused(driver, kind, range_, status):
    assert ask(driver, kind, 0, [driver.buffer(struct.pack("<QII", *range_))]) == (status, 1)
    assert driver.disk.calls == 0


def test_a_read_only_disk_says_so_and_refuses_writes(engine):
    bed = bench(BlkBed, engine)
    bed.chip.device.capacity, bed.chip.device.read_only = SECTORS, 1
    driver = Driver(bed)
    driver.disk = Disk(bed)
    assert driver.offered() >> 5 & 1
    assert ask(driver, Kind.OUT, 0, [driver.buffer(bytes(512))]) == (1, 1)
    assert ask(driver, Kind.DISCARD, 0, [driver.buffer(struct.pack("<QII", 0, 1, 0))]) == (1, 1)
    assert driver.disk.calls == 0
    assert ask(driver, Kind.IN, 0, [driver.space(512)]) == (0, 513)


def test_a_full_queue_is_one_call_of_the_host_and_one_interrupt(driver):
    for i in range(5):
        driver.offer([driver.buffer(header(Kind.OUT, i)), driver.buffer(bytes([i]) * 512), driver.space(1)], first=3 * i)
    driver.kick()
    assert len(driver.device.requests()) == 5
    assert not driver.device.irq
    driver.disk.serve()
    assert driver.disk.calls == 1
    assert [head for head, _ in driver.back()] == [0, 3, 6, 9, 12]
    assert driver.device.irq
    driver.set(Register.INTERRUPT_ACK, 1)
    assert not driver.device.irq


def test_what_does_not_fit_into_the_table_waits(engine):
    bed = bench(BlkBed, engine)
    bed.chip.device.capacity = SECTORS
    driver = Driver(bed, size=256)
    driver.disk = Disk(bed)
    status, head, part = driver.space(1), driver.buffer(header(Kind.IN)), driver.space(512)
    many = driver.buffer(driver.describe([head, *[part] * 64, status]))
    for i in range(100):  # of 66 segments each: 15 fit
        driver.poke(16 * i, driver.describe([(many[0], many[1], 4)]))
        driver.offer_head(i)
    driver.kick()
    assert len(bed.chip.device.requests()) == 15
    driver.disk.serve()
    assert len(driver.back()) == 100
    assert driver.disk.calls == 7
    assert bed.chip.stray == 0


def test_a_reset_drops_what_the_host_has_not_done(driver):
    driver.send([driver.buffer(header(Kind.FLUSH)), driver.space(1)])
    assert driver.device.calls
    driver.set(Register.STATUS, 0)
    assert not driver.device.calls
    assert driver.device.requests() == []
    driver.bed.complete(0, 0, 0)
    driver.bed.resume()
    assert driver.back() == []


def test_a_request_without_header_or_status_breaks_the_queue(driver):
    driver.send([driver.buffer(header(Kind.FLUSH))])
    assert driver.broken
    assert driver.get(Register.INTERRUPT_STATUS) == 2
    driver = Driver(driver.bed, 1 << VERSION_1)
    driver.send([driver.buffer(header(Kind.FLUSH)[:15]), driver.space(1)])
    assert driver.broken
    driver.send([driver.buffer(header(Kind.FLUSH)), driver.space(1)])
    assert not driver.device.calls


def test_the_features_are_those_of_the_specification(driver):
    """VIRTIO 5.2.3: SEG_MAX 2, RO 5, BLK_SIZE 6, FLUSH 9, TOPOLOGY 10, DISCARD 13, WRITE_ZEROES 14."""
    common = 1 << 28 | 1 << 29 | 1 << 32
    for read_only in (0, 1):
        driver.device.read_only = read_only
        assert driver.offered() & ~common == sum(1 << bit for bit in (2, 6, 9, 10, 13, 14)) | read_only << 5
