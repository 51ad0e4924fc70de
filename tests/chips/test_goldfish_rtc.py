"""The Goldfish clock: the time in nanoseconds, and its alarm."""

from __future__ import annotations

import random

import pytest

from softmetal.chips.goldfish_rtc import (
    ALARM_HIGH,
    ALARM_LOW,
    ALARM_STATUS,
    CLEAR_ALARM,
    CLEAR_INTERRUPT,
    IRQ_ENABLED,
    NEVER,
    TIME_HIGH,
    TIME_LOW,
    GoldfishRtc,
)
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree


@pytest.fixture(params=ENGINES)
def rtc(request):
    made = DeviceBench(GoldfishRtc, request.param)
    made.now_ns = 0x5_0000_0100
    return made


def alarm(rtc, time):
    return rtc.write(ALARM_HIGH, time >> 32).write(ALARM_LOW, time & 0xFFFF_FFFF)


def at(rtc, now):
    rtc.now_ns = now
    return rtc.poll()


def test_the_upper_half_belongs_to_the_lower_half_that_was_read(rtc):
    rtc.now_ns = 0x5_FFFF_FFFF
    assert rtc.read(TIME_LOW) == 0xFFFF_FFFF
    rtc.now_ns = 0x6_0000_0000
    assert rtc.read(TIME_HIGH) == 5


def test_a_clock_that_was_set_goes_on_from_there(rtc):
    rtc.write(TIME_HIGH, 0x1234).write(TIME_LOW, 0x10)
    rtc.now_ns += 5
    assert (rtc.read(TIME_LOW), rtc.read(TIME_HIGH)) == (0x15, 0x1234)


def test_an_alarm_goes_off_once_when_its_time_has_come(rtc):
    alarm(rtc.write(IRQ_ENABLED, 1), 0x5_0000_0200)
    assert (rtc.read(ALARM_STATUS), rtc.next_event_ns) == (1, 0x5_0000_0200)
    assert at(rtc, 0x5_0000_01FF).irq == 0
    assert at(rtc, 0x5_0000_0200).irq == 1
    assert (rtc.read(ALARM_STATUS), rtc.next_event_ns) == (0, NEVER)
    assert rtc.write(CLEAR_INTERRUPT, 1).irq == 0
    assert at(rtc, 0x6_0000_0000).irq == 0


def test_an_alarm_in_the_past_goes_off_at_once(rtc):
    assert alarm(rtc.write(IRQ_ENABLED, 1), 1).irq == 1


def test_an_alarm_is_in_the_clock_s_time_and_its_event_in_the_board_s(rtc):
    rtc.write(TIME_HIGH, 0).write(TIME_LOW, 1000)
    assert alarm(rtc, 1500).next_event_ns == 0x5_0000_0100 + 500
    assert rtc.write(TIME_LOW, 1400).next_event_ns == 0x5_0000_0100 + 100
    assert rtc.write(TIME_LOW, 1600).read(ALARM_STATUS) == 0


def test_a_cleared_alarm_does_not_go_off(rtc):
    assert alarm(rtc.write(IRQ_ENABLED, 1), 0x5_0000_0200).write(CLEAR_ALARM, 1).next_event_ns == NEVER
    assert at(rtc, 0x6_0000_0000).irq == 0


def test_an_interrupt_that_is_not_enabled_waits(rtc):
    assert alarm(rtc, 1).irq == 0
    assert rtc.write(IRQ_ENABLED, 1).irq == 1


def test_registers_read_back(rtc):
    alarm(rtc.write(IRQ_ENABLED, 3), 0x1234_5678_9ABC_DEF0)
    assert [rtc.read(r) for r in (ALARM_LOW, ALARM_HIGH, IRQ_ENABLED)] == [0x9ABC_DEF0, 0x1234_5678, 1]


@pytest.mark.parametrize(("offset", "size"), [(TIME_LOW, 8), (TIME_LOW, 1), (1, 4), (0x20, 4)])
def test_what_is_not_there_is_unmodelled(rtc, offset, size):
    assert rtc.unmodelled_after(lambda: rtc.read(offset, size)) == 1
    assert rtc.unmodelled_after(lambda: rtc.write(offset, 1, size)) == 1


def test_registers_for_writing_are_unmodelled_to_read_and_the_other_way_round(rtc):
    assert rtc.unmodelled_after(lambda: rtc.read(CLEAR_ALARM)) == 1
    assert rtc.unmodelled_after(lambda: rtc.read(CLEAR_INTERRUPT)) == 1
    assert rtc.unmodelled_after(lambda: rtc.write(ALARM_STATUS, 1)) == 1


def test_native_agrees_with_golden():
    agree(GoldfishRtc, accesses(random.Random(5), list(range(0, 0x24, 4)), 4, 2000))
