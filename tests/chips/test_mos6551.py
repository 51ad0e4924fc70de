"""The MOS 6551: what a driver sees of it, and what the ports and lines see.

Tables and quoted sections are those of the MOS MCS6551 and Rockwell R6551 data sheets.
"""

from __future__ import annotations

import random

import pytest

from softmetal.chips.mos6551 import COMMAND, CONTROL, DATA, DCD, DSR, IRQ, RDRF, STATUS, TDRE, Mos6551
from softmetal.lang import u1
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree

READY = 0x0B  # COMMAND: DTR, the transmitter on, no interrupts
ON_DATA = 0x09  # with the receiver's interrupt
ON_EMPTY = 0x07  # with the transmitter's interrupt
ECHO = 0x13


class Wired(Mos6551):
    """With a method that sets the input lines, for random traffic."""

    def wire(self, cts: u1, dcd: u1, dsr: u1) -> None:
        self.cts, self.dcd, self.dsr = cts, dcd, dsr


@pytest.fixture(params=ENGINES)
def acia(request):
    return DeviceBench(Wired, request.param, size=1)


def received(acia, data):
    assert acia.rx.feed(data) == len(data)
    return acia.poll()


def fill(acia):
    """Leave no room in the port."""
    acia.write(COMMAND, READY)
    sent = 0
    while acia.tx.room() != 0:
        acia.write(DATA, sent & 0xFF)
        sent += 1
    return acia


# --- characters


def test_what_is_written_is_in_the_port_at_once(acia):
    acia.write(CONTROL, 0x1E).write(COMMAND, READY)
    for byte in b"hello":
        assert acia.read(STATUS) == TDRE
        acia.write(DATA, byte)
    assert (acia.tx.drain(), acia.calls) == (b"hello", 0)


def test_what_comes_in_is_read_in_order_and_none_is_lost(acia):
    data = bytes(range(100))
    received(acia.write(COMMAND, READY), data)
    taken = bytearray()
    while acia.read(STATUS) & RDRF:
        taken.append(acia.read(DATA))
    assert (bytes(taken), acia.read(STATUS)) == (data, TDRE)


def test_the_data_register_keeps_the_last_character(acia):
    received(acia.write(COMMAND, READY), b"x")
    assert (acia.read(DATA), acia.read(DATA), acia.read(STATUS)) == (ord("x"), ord("x"), TDRE)


def test_a_full_port_makes_the_transmitter_busy_and_calls_the_host(acia):
    fill(acia)
    assert (acia.read(STATUS), acia.calls) == (TDRE, 0)
    acia.write(DATA, 0x77)
    assert (acia.read(STATUS), acia.calls) == (0, 1)
    acia.tx.drain()
    assert (acia.poll().calls, acia.read(STATUS), acia.tx.drain()) == (0, TDRE, b"\x77")


@pytest.mark.parametrize("command", [0x03, 0x0A])
def test_a_transmitter_that_is_off_keeps_its_character_until_it_is_on(acia, command):
    """TIC = 0, or no DTR: R6551, "Miscellaneous"; a second character takes the first one's place."""
    acia.write(COMMAND, command).write(DATA, 0x41).write(DATA, 0x42)
    assert (acia.read(STATUS), acia.calls, acia.tx.drain()) == (0, 0, b"")
    assert acia.write(COMMAND, READY).tx.drain() == b"\x42"
    assert acia.read(STATUS) == TDRE


def test_a_receiver_without_dtr_leaves_characters_where_they_are(acia):
    received(acia, b"x")
    assert acia.read(STATUS) == TDRE
    assert acia.write(COMMAND, READY).read(STATUS) == TDRE | RDRF


def test_in_echo_mode_what_is_received_goes_out_again(acia):
    received(acia.write(COMMAND, ECHO), b"abc")
    assert [acia.read(DATA) for _ in range(3)] == list(b"abc")
    assert acia.tx.drain() == b"abc"


def test_echo_goes_on_receiving_without_sending_while_cts_is_released(acia):
    """R6551, "Effect of CTS on Echo Mode"."""
    acia.cts = 0
    received(acia.write(COMMAND, ECHO), b"x")
    assert (acia.read(DATA), acia.tx.drain()) == (ord("x"), b"")


def test_echo_waits_where_the_port_is_full(acia):
    received(fill(acia).write(COMMAND, ECHO), b"x")
    assert (acia.read(STATUS), acia.calls) == (TDRE, 1)
    acia.tx.drain()
    assert (acia.poll().read(STATUS), acia.calls, acia.tx.drain()) == (TDRE | RDRF, 0, b"x")


# --- interrupts


def test_a_character_interrupts_once_and_reading_status_withdraws_it(acia):
    assert acia.write(COMMAND, ON_DATA).irq == 0
    assert received(acia, b"x").irq == 1
    assert (acia.read(DATA), acia.irq) == (ord("x"), 1)  # "cleared by reading the Status Register", and by nothing else
    assert (acia.read(STATUS), acia.irq, acia.read(STATUS)) == (IRQ | TDRE, 0, TDRE)


def test_each_character_interrupts(acia):
    received(acia.write(COMMAND, ON_DATA), b"abc")
    for byte in b"abc":
        assert (acia.irq, acia.read(STATUS), acia.irq, acia.read(DATA)) == (1, IRQ | TDRE | RDRF, 0, byte)
    assert acia.irq == 0


def test_a_character_that_must_wait_interrupts_again(acia):
    received(acia.write(COMMAND, ON_DATA), b"ab").read(STATUS)
    assert acia.irq == 0
    assert acia.poll().irq == 1
    acia.read(STATUS), acia.read(DATA), acia.read(STATUS)
    assert acia.poll().irq == 0  # no further one waits


def test_ird_keeps_the_receiver_from_interrupting(acia):
    received(acia.write(COMMAND, READY), b"x")
    assert (acia.irq, acia.read(STATUS)) == (0, TDRE | RDRF)


def test_an_empty_transmitter_interrupts_when_it_may_and_with_each_character(acia):
    assert acia.write(COMMAND, READY).irq == 0
    assert acia.write(COMMAND, ON_EMPTY).irq == 1
    assert (acia.read(STATUS), acia.irq) == (IRQ | TDRE, 0)
    assert acia.write(DATA, 65).irq == 1
    assert (acia.read(STATUS), acia.irq) == (IRQ | TDRE, 0)


def test_a_transmitter_that_stays_empty_interrupts_again_for_each_character_time(acia):
    acia.write(COMMAND, ON_EMPTY).read(STATUS)
    assert acia.poll().irq == 1
    acia.write(COMMAND, READY).read(STATUS)
    assert acia.poll().irq == 0


def test_a_transmitter_that_was_busy_interrupts_when_it_is_empty(acia):
    fill(acia).write(COMMAND, ON_EMPTY).read(STATUS)
    acia.write(DATA, 1)
    assert acia.poll().irq == 0
    acia.tx.drain()
    assert acia.poll().irq == 1


@pytest.mark.parametrize("command", [0x08, 0x06])
def test_without_dtr_nothing_interrupts(acia, command):
    acia.write(COMMAND, command)
    acia.dsr = 0
    assert received(acia, b"x").irq == 0
    assert acia.read(STATUS) == TDRE | DSR


# --- modem lines


def test_status_shows_dcd_and_dsr_as_their_pins_are(acia):
    for dcd, dsr in ((1, 1), (0, 1), (1, 0), (0, 0)):
        acia.wire(1, dcd, dsr)
        assert acia.read(STATUS) == TDRE | (0 if dcd else DCD) | (0 if dsr else DSR)


def test_a_change_of_dcd_or_dsr_interrupts_and_holds_until_status_is_read(acia):
    """ "Data Carrier Detect (Bit 5) and Data Set Ready (Bit 6)": a pulse interrupts twice, once for either edge."""
    acia.write(COMMAND, READY)
    acia.dsr = 0
    assert acia.poll().irq == 1
    acia.dsr = 1
    assert (acia.poll().read(STATUS), acia.irq) == (IRQ | TDRE | DSR, 1)
    assert (acia.read(STATUS), acia.irq) == (IRQ | TDRE, 0)


def test_the_receiver_is_off_without_carrier_but_not_without_dsr(acia):
    """R6551, "Effect of DCD on Receiver"."""
    acia.write(COMMAND, READY).wire(1, 0, 0)
    assert received(acia, b"x").read(STATUS) & RDRF == 0
    acia.dcd = 1
    assert acia.poll().read(STATUS) & RDRF


def test_cts_gates_the_transmitter(acia):
    """R6551, "Effect of CTS on Transmitter"."""
    acia.cts = 0
    acia.write(COMMAND, READY).write(DATA, 0x41)
    assert (acia.read(STATUS), acia.tx.drain(), acia.calls) == (0, b"", 0)
    acia.cts = 1
    assert (acia.poll().read(STATUS), acia.tx.drain()) == (TDRE, b"\x41")


@pytest.mark.parametrize(
    ("command", "dtr", "rts"), [(0x00, 0, 0), (0x01, 1, 0), (0x05, 1, 1), (0x09, 1, 1), (0x08, 0, 1), (0x11, 1, 1)]
)
def test_command_drives_dtr_and_rts(acia, command, dtr, rts):
    acia.write(COMMAND, command)
    assert (acia.dtr, acia.rts) == (dtr, rts)


# --- registers and resets


def test_command_and_control_read_back(acia):
    assert (acia.write(COMMAND, 0xE9).read(COMMAND), acia.write(CONTROL, 0x9E).read(CONTROL)) == (0xE9, 0x9E)


def test_a_hardware_reset_leaves_what_power_on_leaves(acia):
    """The rows "Hardware Reset" of the registers' tables: COMMAND 00000010, CONTROL 00000000, STATUS 0--10000."""
    assert (acia.read(COMMAND), acia.read(CONTROL), acia.read(STATUS)) == (0x02, 0x00, TDRE)
    received(acia.write(COMMAND, 0xE9).write(CONTROL, 0x9E), b"x")
    acia.reset()
    assert (acia.read(COMMAND), acia.read(CONTROL), acia.read(STATUS), acia.irq) == (0x02, 0x00, TDRE, 0)
    assert (acia.dtr, acia.rts) == (0, 0)


def test_a_programmed_reset_turns_all_off_but_leaves_parity_control_the_character_and_the_interrupt(acia):
    """The rows "Program Reset": COMMAND ---00010, CONTROL and STATUS unchanged but for overrun."""
    received(acia.write(COMMAND, 0xE9).write(CONTROL, 0x9E), b"x")
    acia.write(STATUS, 0x55)
    assert (acia.read(COMMAND), acia.read(CONTROL), acia.irq, acia.dtr) == (0xE2, 0x9E, 1, 0)
    assert (acia.read(STATUS), acia.irq, acia.read(DATA)) == (IRQ | TDRE | RDRF, 0, ord("x"))


@pytest.mark.parametrize("command", [0x0D, 0x15, 0x19])
def test_break_and_echo_with_the_transmitter_on_are_unmodelled(acia, command):
    assert acia.unmodelled_after(lambda: acia.write(COMMAND, command)) == 1
    assert acia.read(COMMAND) == command
    assert acia.unmodelled_after(lambda: acia.write(COMMAND, READY)) == 0


@pytest.mark.parametrize(("offset", "size"), [(DATA, 2), (STATUS, 4), (4, 1), (0x100, 1)])
def test_what_is_not_there_is_unmodelled(acia, offset, size):
    acia.write(COMMAND, READY)
    assert acia.unmodelled_after(lambda: acia.read(offset, size)) == 1
    assert acia.unmodelled_after(lambda: acia.write(offset, 1, size)) == 1
    assert acia.tx.drain() == b""


def test_native_agrees_with_golden():
    rng = random.Random(8)
    steps = []
    for step in accesses(rng, list(range(4)), 1, 4000):
        steps.append(step)
        if rng.random() < 0.2:
            steps.append(("poll",))
        if rng.random() < 0.01:
            steps.append(("reset",))
        if rng.random() < 0.1:
            steps.append(("wire", rng.random() < 0.8, rng.random() < 0.8, rng.getrandbits(1)))
    agree(Wired, steps, lambda bench: bench.rx.feed(bytes(range(256)) * 8))
