"""The console: bytes out, bytes in, a full port, another size."""

import pytest

from softmetal.chips.device import Port
from softmetal.chips.virtio.console import VirtioConsole
from softmetal.chips.virtio.mmio import Register
from softmetal.lang import u16
from softmetal.testing.bench import bench

from .bed import Bed, Driver

RECEIVE, TRANSMIT = 0, 1


class ConsoleBed(Bed):
    device: VirtioConsole

    def poll(self) -> None:
        self.device.poll(self)

    def resume(self) -> None:
        self.device.resume(self)

    def resize(self, cols: u16, rows: u16) -> None:
        self.device.resize(cols, rows)


@pytest.fixture
def driver(engine):
    bed = bench(ConsoleBed, engine)
    yield Driver(bed)
    assert bed.chip.stray == 0


def test_what_the_driver_sends_comes_out_of_the_port(driver):
    driver.send([driver.buffer(b"hello, "), driver.buffer(b"world")], TRANSMIT)
    driver.send([driver.buffer(b"!")], TRANSMIT)
    assert driver.device.tx.drain() == b"hello, world!"
    assert driver.back(TRANSMIT) == [(0, 0), (0, 0)]
    assert driver.device.irq


def test_what_comes_in_lies_in_the_buffers_in_order(driver):
    driver.device.rx.feed(b"abcdef")
    driver.bed.poll()
    assert driver.back(RECEIVE) == []
    spaces = [driver.space(4), driver.space(4)]
    driver.offer([spaces[0]], RECEIVE, first=0)
    driver.send([spaces[1]], RECEIVE, first=1)
    assert driver.back(RECEIVE) == [(0, 4), (1, 2)]
    assert b"".join(map(driver.content, spaces)) == b"abcdef\0\0"


def test_bytes_wait_in_the_port_until_a_buffer_comes(driver):
    space = driver.space(4)
    driver.send([space], RECEIVE)
    assert driver.back(RECEIVE) == []
    driver.device.rx.feed(b"xy")
    driver.bed.poll()
    assert driver.back(RECEIVE) == [(0, 2)]
    assert driver.content(space) == b"xy\0\0"


def test_a_full_port_calls_the_host_and_nothing_is_lost(driver):
    text = bytes(i * 31 >> 3 & 0xFF for i in range(Port.SIZE + 1000))
    driver.send([driver.buffer(text)], TRANSMIT)
    assert driver.device.calls
    assert driver.back(TRANSMIT) == []
    first = driver.device.tx.drain()
    driver.bed.resume()
    assert not driver.device.calls
    assert driver.back(TRANSMIT) == [(0, 0)]
    assert first + driver.device.tx.drain() == text


def test_a_reset_ends_what_was_on_its_way_out(driver):
    driver.send([driver.buffer(bytes(Port.SIZE + 1))], TRANSMIT)
    driver.set(Register.STATUS, 0)
    assert not driver.device.calls
    driver.device.tx.drain()
    driver.bed.resume()
    assert driver.device.tx.drain() == b""


def test_another_size_is_told(driver):
    assert driver.get(Register.CONFIG) == 80 | 25 << 16
    driver.bed.resize(132, 50)
    assert driver.get(Register.CONFIG) == 132 | 50 << 16
    assert driver.get(Register.CONFIG_GENERATION) == 1
    assert driver.get(Register.INTERRUPT_STATUS) == 2
