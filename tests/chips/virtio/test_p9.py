"""The 9P transport: a tag in the configuration, messages for the host, replies."""

import pytest

from softmetal.chips.virtio.mmio import Register
from softmetal.chips.virtio.p9 import Virtio9p
from softmetal.lang import u6, u32
from softmetal.testing.bench import bench

from .bed import BASE, Bed, Driver


class P9Bed(Bed):
    device: Virtio9p

    def complete(self, request: u6, written: u32) -> None:
        self.device.complete(self, request, written)

    def resume(self) -> None:
        self.device.resume(self)


@pytest.fixture
def driver(engine):
    bed = bench(P9Bed, engine)
    bed.chip.device.tag[:5], bed.chip.device.tag_length = b"share", 5
    yield Driver(bed)
    assert bed.chip.stray == 0


def test_the_configuration_holds_the_tag(driver):
    assert driver.get(Register.CONFIG, 2) == 5
    assert bytes(driver.get(Register.CONFIG + 2 + i, 1) for i in range(5)) == b"share"
    assert driver.offered() & 1


def test_a_message_reaches_the_host_and_its_reply_the_driver(driver):
    ask, space = driver.buffer(b"Tversion"), driver.space(32)
    driver.send([ask, space])
    assert driver.device.calls
    [request] = driver.device.requests()
    assert (request.readable, request.writable) == ([ask[:2]], [space[:2]])
    driver.poke(request.writable[0][0] - BASE, b"Rversion")
    driver.bed.complete(request.index, 8)
    assert driver.back() == []
    driver.bed.resume()
    assert driver.back() == [(0, 8)]
    assert driver.device.irq
    assert not driver.device.calls


def test_a_reply_is_told_no_longer_than_its_room(driver):
    driver.send([driver.buffer(b"T"), driver.space(4)])
    driver.bed.complete(0, 100)
    driver.bed.complete(0, 3)
    driver.bed.resume()
    assert driver.back() == [(0, 4)]
