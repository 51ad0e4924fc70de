"""The NS16550A: what a driver sees of it, and what the ports see."""

from __future__ import annotations

import random

import pytest

from softmetal.chips.ns16550a import DATA, FCR, IER, IIR, LCR, LSR, MCR, MSR, SCR, Ns16550a
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree

NOTHING, STATUS_CHANGE, DATA_READY, TIME_OUT, EMPTY, MODEM_CHANGE = 1, 6, 4, 12, 2, 0
FIFO, LOOP, IDLE = 0xC0, 0x10, 0x60


@pytest.fixture(params=ENGINES)
def uart(request):
    return DeviceBench(Ns16550a, request.param, size=1)


def received(uart, data):
    assert uart.rx.feed(data) == len(data)
    return uart.poll()


def test_what_is_written_is_in_the_port_at_once(uart):
    for byte in b"hello":
        uart.write(DATA, byte)
    assert uart.tx.drain() == b"hello"
    assert (uart.read(LSR), uart.calls) == (IDLE, 0)


def test_what_comes_in_is_read_in_order_and_more_follows_as_there_is_room(uart):
    data = bytes(range(100))
    received(uart.write(FCR, 1), data)
    assert (uart.count, uart.rx.waiting()) == (16, 84)
    taken = bytearray()
    while uart.read(LSR) & 1:
        taken.append(uart.read(DATA))
    assert taken == data


def test_without_fifos_one_character_waits_in_the_chip_and_none_is_lost(uart):
    received(uart, b"abc")
    assert (uart.count, uart.read(LSR)) == (1, IDLE | 1)
    assert bytes(uart.read(DATA) for _ in range(3)) == b"abc"
    assert uart.read(LSR) == IDLE


def test_data_interrupt_comes_at_the_trigger_level_and_a_time_out_below_it(uart):
    uart.write(FCR, 0x41).write(IER, 1)  # at 4 characters
    assert (uart.irq, uart.read(IIR)) == (0, FIFO | NOTHING)
    assert received(uart, b"abc").irq == 1
    assert uart.read(IIR) == FIFO | TIME_OUT
    assert received(uart, b"d").read(IIR) == FIFO | DATA_READY
    for _ in range(4):
        assert uart.irq == 1
        uart.read(DATA)
    assert (uart.irq, uart.read(IIR)) == (0, FIFO | NOTHING)


def test_transmitter_interrupt_comes_when_enabled_and_goes_when_identified(uart):
    assert uart.write(IER, 2).irq == 1
    assert (uart.read(IIR), uart.irq, uart.read(IIR)) == (EMPTY, 0, NOTHING)
    assert uart.write(DATA, 65).irq == 1
    assert uart.read(IIR) == EMPTY
    assert (uart.write(IER, 0).irq, uart.write(IER, 2).irq) == (0, 1)


def test_received_data_is_more_important_than_an_empty_transmitter(uart):
    received(uart.write(IER, 3), b"x")
    assert uart.read(IIR) == DATA_READY
    assert (uart.read(DATA), uart.read(IIR)) == (ord("x"), EMPTY)


def test_a_full_port_makes_the_transmitter_busy_and_calls_the_host_and_nothing_is_lost(uart):
    sent = 0
    uart.write(IER, 2)
    while uart.read(LSR) & 0x20:
        uart.write(DATA, sent & 0xFF)
        sent += 1
    assert (uart.calls, uart.tx.room(), uart.irq) == (1, 15, 0)
    for _ in range(15):  # a driver that has seen an empty FIFO may fill it
        uart.write(DATA, sent & 0xFF)
        sent += 1
    assert uart.tx.drain() == bytes(n & 0xFF for n in range(sent))
    assert (uart.poll().calls, uart.irq, uart.read(LSR), uart.read(IIR)) == (0, 1, IDLE, EMPTY)


def test_divisor_latch_takes_the_place_of_data_and_enables(uart):
    uart.write(IER, 5).write(LCR, 0x83).write(DATA, 0x34).write(IER, 0x12)
    assert (uart.read(DATA), uart.read(IER), uart.read(LCR)) == (0x34, 0x12, 0x83)
    assert uart.write(LCR, 3).read(IER) == 5
    assert uart.tx.drain() == b""


def test_a_driver_recognises_a_16550a(uart):
    assert uart.write(FCR, 1).read(IIR) >> 6 == 3
    assert uart.write(FCR, 0).read(IIR) >> 6 == 0
    assert uart.write(FCR, 0xE1).read(IIR) & 0x20 == 0  # no 16750
    assert uart.write(IER, 0xFF).read(IER) == 0x0F
    assert uart.write(SCR, 0xA5).read(SCR) == 0xA5


def test_loopback_returns_characters_and_modem_lines(uart):
    uart.write(MCR, LOOP | 0x0A)
    assert uart.read(MSR) & 0xF0 == 0x90
    uart.write(FCR, 1).write(DATA, 0x77)
    received(uart, b"outside")
    assert (uart.read(DATA), uart.tx.drain(), uart.read(LSR)) == (0x77, b"", IDLE)
    assert uart.write(MCR, 0).read(DATA) == ord("o")


def test_modem_lines_report_what_has_changed_until_read(uart):
    assert uart.read(MSR) == 0xB0
    uart.write(MCR, LOOP | 0x04)  # RI on; the others fall
    assert (uart.read(MSR), uart.read(MSR)) == (0x4B, 0x40)
    uart.write(IER, 8).write(MCR, LOOP)
    assert (uart.irq, uart.read(IIR), uart.read(MSR), uart.irq) == (1, MODEM_CHANGE, 0x04, 0)
    uart.write(MCR, LOOP | 2).write(MCR, LOOP | 3)  # RTS, then DTR: both changes are reported
    assert uart.read(MSR) == 0x33


def test_an_overrun_in_loopback_is_reported_once(uart):
    uart.write(MCR, LOOP).write(IER, 4).write(DATA, 1).write(DATA, 2)
    assert (uart.irq, uart.read(IIR), uart.read(LSR), uart.read(LSR)) == (1, STATUS_CHANGE, IDLE | 3, IDLE | 1)
    assert (uart.irq, uart.read(DATA)) == (0, 1)


def test_fifo_reset_forgets_what_was_received(uart):
    received(uart.write(FCR, 1), b"abc")
    assert uart.write(FCR, 3).read(LSR) == IDLE


def test_to_switch_the_fifos_on_or_off_forgets_what_was_received(uart):
    uart.write(MCR, LOOP).write(DATA, 0x11).write(FCR, 1)
    assert uart.read(LSR) == IDLE
    uart.write(DATA, 0x22).write(FCR, 0xC1)
    assert uart.read(LSR) == IDLE | 1
    assert uart.write(FCR, 0).read(LSR) == IDLE


@pytest.mark.parametrize(("offset", "size"), [(DATA, 4), (DATA, 2), (8, 1), (0x100, 1)])
def test_what_is_not_there_is_unmodelled(uart, offset, size):
    assert uart.unmodelled_after(lambda: uart.read(offset, size)) == 1
    assert uart.unmodelled_after(lambda: uart.write(offset, 1, size)) == 1
    assert uart.tx.drain() == b""


@pytest.mark.parametrize("offset", [LSR, MSR])
def test_status_registers_are_not_written(uart, offset):
    assert uart.unmodelled_after(lambda: uart.write(offset, 0)) == 1


def test_native_agrees_with_golden():
    rng = random.Random(6)
    steps = []
    for step in accesses(rng, list(range(8)), 1, 4000):
        steps.append(step)
        if rng.random() < 0.2:
            steps.append(("poll",))
    agree(Ns16550a, steps, lambda bench: bench.rx.feed(bytes(range(256)) * 8))


@pytest.mark.parametrize(("bits", "level"), [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)])
def test_each_trigger_level_is_what_the_data_sheet_says(uart, bits, level):
    uart.write(FCR, bits).write(IER, 1)
    for count in range(1, 17):
        received(uart, b"x")
        assert uart.read(IIR) == FIFO | (DATA_READY if count >= level else TIME_OUT)


def test_a_cause_is_considered_anew_where_data_enables_or_cause_are_touched_and_nowhere_else(uart):
    def raised(access):
        uart.raised = 0
        access()
        return uart.raised

    for offset in (DATA, IER, IIR):
        assert raised(lambda at=offset: uart.read(at))
        assert raised(lambda at=offset: uart.write(at, 0))
    for offset in (LCR, MCR, LSR, MSR, SCR):
        assert not raised(lambda at=offset: uart.read(at))
        assert not raised(lambda at=offset: uart.write(at, 0))
    assert raised(lambda: received(uart, b"x"))
    assert not raised(uart.poll)
    uart.write(LCR, 0x80)
    assert not raised(lambda: uart.write(DATA, 3))  # the divisor
