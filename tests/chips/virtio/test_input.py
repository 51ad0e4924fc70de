"""Keyboard and tablet: what they say they are, events in, lights."""

import struct

import pytest

from softmetal.chips.virtio.input import KEYBOARD, TABLET, Ev, Show, VirtioInput
from softmetal.chips.virtio.mmio import Register
from softmetal.testing.bench import bench

from .bed import Bed, Driver

EVENTS, STATUS = 0, 1


class InputBed(Bed):
    device: VirtioInput

    def poll(self) -> None:
        self.device.poll(self)


@pytest.fixture(params=[KEYBOARD, TABLET], ids=["keyboard", "tablet"])
def driver(engine, request):
    bed = bench(InputBed, engine)
    bed.chip.device.kind = request.param
    yield Driver(bed)
    assert bed.chip.stray == 0


@pytest.fixture
def keyboard(engine):
    return Driver(bench(InputBed, engine))


def ask(driver, select, subsel=0):
    driver.set(Register.CONFIG, select, 1)
    driver.set(Register.CONFIG + 1, subsel, 1)
    size = driver.get(Register.CONFIG + 2, 1)
    return bytes(driver.get(Register.CONFIG + 8 + i, 1) for i in range(size))


def codes(driver, kind):
    return [8 * i + bit for i, byte in enumerate(ask(driver, Show.EV_BITS, kind)) for bit in range(8) if byte >> bit & 1]


def test_it_says_what_it_is_and_what_it_sends(driver):
    tablet = driver.device.kind == TABLET
    assert ask(driver, Show.ID_NAME) == (b"softmetal tablet" if tablet else b"softmetal keyboard")
    assert struct.unpack("<4H", ask(driver, Show.ID_DEVIDS)) == (6, 0x534D, 1 + tablet, 1)
    assert codes(driver, Ev.KEY) == ([0x110, 0x111, 0x112] if tablet else [*range(1, 249)])
    assert codes(driver, Ev.REL) == ([6, 8] if tablet else [])
    assert codes(driver, Ev.ABS) == ([0, 1] if tablet else [])
    assert codes(driver, Ev.LED) == ([] if tablet else [0, 1, 2])
    assert codes(driver, Ev.REP) == ([] if tablet else [0, 1])
    for axis in (0, 1):
        assert ask(driver, Show.ABS_INFO, axis) == (struct.pack("<5I", 0, 32767, 0, 0, 0) if tablet else b"")
    assert ask(driver, Show.ABS_INFO, 2) == ask(driver, 0) == ask(driver, 0x10) == ask(driver, 2) == b""


def test_events_come_one_to_a_buffer(driver):
    spaces = [driver.space(8) for _ in range(4)]
    for i, space in enumerate(spaces):
        driver.offer([space], EVENTS, first=i)
    assert driver.device.post([(Ev.KEY, 30, 1), (Ev.ABS, 0, -2)])
    driver.bed.poll()
    assert driver.back(EVENTS) == [(0, 8), (1, 8), (2, 8)]
    got = [struct.unpack("<HHi", driver.content(s)) for s in spaces[:3]]
    assert got == [(Ev.KEY, 30, 1), (Ev.ABS, 0, -2), (0, 0, 0)]
    assert driver.device.irq


def test_events_wait_for_buffers(driver):
    driver.device.post([])
    driver.bed.poll()
    driver.send([driver.space(8)], EVENTS)
    assert driver.back(EVENTS) == [(0, 8)]


def test_events_that_happen_at_once_go_in_together_or_not_at_all(driver):
    count = 0
    while driver.device.post([(Ev.KEY, 30, 1), (Ev.KEY, 30, 0)]):
        count += 1
    assert count == 65536 // 24
    assert driver.device.rx.waiting() == 24 * count


def test_a_buffer_too_small_for_an_event_breaks_the_queue(driver):
    driver.send([driver.space(7)], EVENTS)
    driver.device.post([])
    driver.bed.poll()
    assert driver.broken


def test_lights_are_switched(keyboard):
    keyboard.send([keyboard.buffer(struct.pack("<HHI", Ev.LED, 1, 1))], STATUS)
    keyboard.send([keyboard.buffer(struct.pack("<HHI", Ev.LED, 0, 1))], STATUS)
    assert keyboard.device.leds == 3
    keyboard.send([keyboard.buffer(struct.pack("<HHI", Ev.LED, 1, 0))], STATUS)
    keyboard.send([keyboard.buffer(b"short")], STATUS)
    assert keyboard.device.leds == 1
    assert len(keyboard.back(STATUS)) == 4
