"""The MOS 6522: ports, timers, shift register and control lines, cycle by cycle.

Tables and figures are those of the MOS MCS6522 and Rockwell R6522 data sheets; the chip's docstring says where chips differ.
"""

from __future__ import annotations

import random

import pytest

from softmetal.chips.mos6522 import (
    ACR,
    DDRA,
    DDRB,
    IER,
    IFR,
    ON_CA1,
    ON_CA2,
    ON_CB1,
    ON_CB2,
    ON_SR,
    ON_T1,
    ON_T2,
    ORA,
    ORA_NO_HANDSHAKE,
    ORB,
    PCR,
    SR,
    T1CH,
    T1CL,
    T1LH,
    T1LL,
    T2CH,
    T2CL,
    Mos6522,
)
from softmetal.lang import u1, u4, u8
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree

CA2_MODES = {"input": 0, "independent": 1, "handshake": 4, "pulse": 5, "low": 6, "high": 7}  # PCR bits 3:1, CB2: bits 7:5
FREE_RUN, PB7, PULSES = 0x40, 0x80, 0x20  # ACR


class Wired(Mos6522):
    """With a method that sets the input pins, for random traffic."""

    def wire(self, pa: u8, pb: u8, lines: u4) -> None:
        self.pa, self.pb = pa, pb
        self.ca1 = u1(lines)
        self.ca2 = u1(lines >> 1)
        self.cb1 = u1(lines >> 2)
        self.cb2 = u1(lines >> 3)


@pytest.fixture(params=ENGINES)
def via(request):
    return DeviceBench(Wired, request.param, size=1)


def ticks(via, count):
    for _ in range(count):
        via.tick()
    return via


def flags(via):
    """IFR, which reading does not change."""
    return via.read(IFR) & 0x7F


def seen(via, read, count):
    """What `read` gives in each of the next cycles."""
    return [read(via.tick()) for _ in range(count)]


def edge(via, line, level):
    """A control line changes; the chip sees it in the next cycle."""
    setattr(via, line, level)
    return via.tick()


def pulse(via, line):
    """A low pulse of two cycles."""
    edge(via, line, 0)
    return edge(via, line, 1)


def start_t1(via, count):
    return via.tick().write(T1CL, count & 0xFF).tick().write(T1CH, count >> 8)


def start_t2(via, count):
    return via.tick().write(T2CL, count & 0xFF).tick().write(T2CH, count >> 8)


def t1(via):
    return via.t1 & 0xFFFF


def t2(via):
    return via.t2 & 0xFFFF


# --- ports


def test_a_port_s_outputs_come_from_its_register_and_its_inputs_from_the_pins(via):
    via.pa = via.pb = 0xA5
    via.write(ORA, 0x3C).write(ORB, 0x3C).write(DDRA, 0x0F).write(DDRB, 0x0F)
    assert (via.pins_b(), via.read(ORB)) == (0xAC, 0xAC)
    assert (via.read(DDRA), via.read(DDRB)) == (0x0F, 0x0F)
    via.pa = 0xAF
    assert (via.pins_a(), via.read(ORA), via.read(ORA_NO_HANDSHAKE)) == (0xAC, 0xAC, 0xAC)


def test_port_a_is_read_at_its_pins_and_port_b_s_outputs_from_their_register(via):
    via.write(ORA, 0xFF).write(ORB, 0xFF).write(DDRA, 0xFF).write(DDRB, 0xFF)
    via.pa = via.pb = 0x7E  # the outside pulls two outputs low
    assert (via.read(ORA), via.read(ORB)) == (0x7E, 0xFF)


def test_a_write_without_handshake_reaches_the_same_register(via):
    assert via.write(ORA_NO_HANDSHAKE, 0x5A).write(DDRA, 0xFF).read(ORA) == 0x5A


@pytest.mark.parametrize(("port", "pins", "line", "acr", "flag"), [(ORA, "pa", "ca1", 1, ON_CA1), (ORB, "pb", "cb1", 2, ON_CB1)])
def test_a_latched_port_keeps_what_its_pins_were_at_the_edge_until_the_flag_clears(via, port, pins, line, acr, flag):
    via.write(ACR, acr)
    setattr(via, pins, 0x11)
    assert via.read(port) == 0x11  # no edge yet: the latch is open
    edge(via, line, 0)
    setattr(via, pins, 0x22)
    assert flags(via) == flag
    assert via.read(port) == 0x11
    assert (flags(via), via.read(port)) == (0, 0x22)


def test_without_latching_a_port_follows_its_pins_whatever_the_flag(via):
    via.pa = 0x11
    edge(via, "ca1", 0)
    via.pa = 0x22
    assert via.read(ORA_NO_HANDSHAKE) == 0x22
    via.write(ACR, 1)  # the flag is set: the latch closes now
    via.pa = 0x33
    assert via.read(ORA_NO_HANDSHAKE) == 0x22


# --- timer 1


@pytest.mark.parametrize("count", [0, 1, 5, 0x100])
def test_timer_1_counts_from_the_cycle_after_the_write_and_flags_after_n_plus_two(via, count):
    """N + 1.5 cycles after the write, in the middle of the cycle in which the counter reads as $FFFF."""
    start_t1(via, count)
    assert seen(via, t1, count + 3) == [*range(count, -1, -1), 0xFFFF, count]
    start_t1(via.write(IER, 0x80 | ON_T1), count)
    assert seen(via, lambda v: v.irq, count + 3) == [0] * (count + 1) + [1, 1]


def test_timer_1_in_one_shot_mode_flags_once_but_goes_round(via):
    start_t1(via, 3)
    ticks(via, 5)
    assert flags(via) == ON_T1
    via.write(IFR, ON_T1)
    assert flags(ticks(via, 1)) == ON_T1  # the write came with the time-out, which won
    via.write(IFR, ON_T1)
    ticks(via, 100)
    assert flags(via) == 0
    assert flags(ticks(start_t1(via, 3), 5)) == ON_T1


def test_timer_1_running_free_flags_every_n_plus_two_cycles(via):
    start_t1(via.write(ACR, FREE_RUN), 3)
    assert seen(via, lambda v: flags(v.write(IFR, ON_T1)), 21) == [0, 0, 0, 0, ON_T1] * 4 + [0]  # a time-out wins over the write


def test_new_latches_take_effect_when_timer_1_has_run_out(via):
    start_t1(via.write(ACR, FREE_RUN), 4)
    via.tick().write(T1LL, 1).tick().write(T1LH, 0)
    assert (via.read(T1LL), via.read(T1LH)) == (1, 0)
    assert seen(via, t1, 9) == [2, 1, 0, 0xFFFF, 1, 0, 0xFFFF, 1, 0]


def test_a_latch_written_in_the_cycle_of_the_time_out_is_loaded_already(via):
    start_t1(via.write(ACR, FREE_RUN), 2)
    ticks(via, 4).write(T1LL, 7)
    assert seen(via, t1, 2) == [7, 6]


@pytest.mark.parametrize("acknowledge", [("read", T1CL), ("write", T1CH, 0), ("write", T1LH, 0), ("write", IFR, ON_T1)])
def test_timer_1_s_flag_clears_with_any_of_four_accesses_unless_it_is_set_in_that_cycle(via, acknowledge):
    name, *values = acknowledge
    ticks(start_t1(via, 2), 4)
    getattr(via, name)(*values)
    assert flags(via) == ON_T1
    via.tick()
    getattr(via, name)(*values)
    assert flags(via) == 0


@pytest.mark.parametrize("access", [("read", T1CH), ("read", T1LL), ("read", T1LH), ("write", T1LL, 0), ("write", T1CL, 0)])
def test_other_accesses_leave_timer_1_s_flag(via, access):
    ticks(start_t1(via, 2), 6)
    getattr(via, access[0])(*access[1:])
    assert flags(via) == ON_T1


def test_the_two_bytes_of_timer_1_are_read_as_they_stand_in_the_cycle(via):
    start_t1(via, 0x0100)
    via.tick()
    assert (via.read(T1CL), via.read(T1CH)) == (0x00, 0x01)
    via.tick()
    assert (via.read(T1CL), via.read(T1CH)) == (0xFF, 0x00)


def test_one_shot_mode_gives_a_low_pulse_on_pb7_from_the_write_to_the_time_out(via):
    via.write(DDRB, 0x80).write(ORB, 0).write(ACR, PB7)
    assert (via.pins_b() >> 7, via.read(ORB) >> 7) == (1, 1)
    start_t1(via, 2)
    assert via.pins_b() >> 7 == 0
    assert seen(via, lambda v: v.pins_b() >> 7, 9) == [0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_the_free_running_mode_gives_a_square_wave_on_pb7(via):
    start_t1(via.write(DDRB, 0x80).write(ACR, PB7 | FREE_RUN), 1)
    assert seen(via, lambda v: v.read(ORB) >> 7, 12) == [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0]


def test_pb7_belongs_to_the_port_without_acr_s_bit_7(via):
    start_t1(via.write(DDRB, 0x80).write(ORB, 0x80), 1)
    assert (via.pins_b() >> 7, via.read(ORB) >> 7) == (1, 1)


def test_acr_s_free_running_mode_does_not_arm_a_timer_that_has_run_out(via):
    ticks(start_t1(via, 2), 8).write(IFR, ON_T1).write(ACR, FREE_RUN)
    assert flags(ticks(via, 50)) == 0


def test_one_shot_mode_written_in_the_cycle_of_the_time_out_ends_the_free_running_one(via):
    ticks(start_t1(via.write(ACR, FREE_RUN), 2), 4).write(ACR, 0)
    assert flags(via) == ON_T1
    ticks(via, 1).write(IFR, ON_T1).write(ACR, FREE_RUN)
    assert flags(ticks(via, 50)) == 0


# --- timer 2


@pytest.mark.parametrize("count", [0, 1, 5, 0x1FF])
def test_timer_2_flags_after_n_plus_two_cycles_and_goes_on_down(via, count):
    start_t2(via.write(IER, 0x80 | ON_T2), count)
    assert seen(via, t2, count + 4) == [*range(count, -1, -1), 0xFFFF, 0xFFFE, 0xFFFD]
    start_t2(via, count)
    assert seen(via, lambda v: v.irq, count + 3) == [0] * (count + 1) + [1, 1]


def test_timer_2_flags_once_for_each_write_of_its_high_byte(via):
    ticks(start_t2(via, 2), 5).write(IFR, ON_T2)
    assert flags(ticks(via, 0x10010)) == 0
    assert flags(ticks(start_t2(via, 2), 4)) == ON_T2


@pytest.mark.parametrize("acknowledge", [("read", T2CL), ("write", T2CH, 9), ("write", IFR, ON_T2)])
def test_timer_2_s_flag_clears_with_any_of_three_accesses_unless_it_is_set_in_that_cycle(via, acknowledge):
    name, *values = acknowledge
    ticks(start_t2(via, 2), 4)
    getattr(via, name)(*values)
    assert flags(via) == ON_T2
    via.tick()
    getattr(via, name)(*values)
    assert flags(via) == 0


def test_timer_2_s_low_byte_is_a_latch_until_its_high_byte_is_written(via):
    start_t2(via, 0x0200)
    via.tick().write(T2CL, 0x55)
    via.tick()
    assert (via.read(T2CL), via.read(T2CH)) == (0xFF, 0x01)


def test_timer_2_counts_pulses_of_pb6(via):
    """The flag comes with pulse N + 1; a pulse is a falling edge, seen once a cycle."""
    start_t2(via.write(ACR, PULSES), 2)
    assert seen(via, t2, 3) == [2, 2, 2]
    for expected, flagged in ((1, 0), (0, 0), (0xFFFF, ON_T2), (0xFFFE, ON_T2)):
        via.pb = 0xBF
        assert seen(via, t2, 3) == [expected] * 3
        assert flags(via) == flagged
        via.pb = 0xFF
        assert seen(via, t2, 2) == [expected] * 2


def test_timer_2_stops_and_starts_a_cycle_after_acr_says_so(via):
    start_t2(via, 0x100)
    ticks(via, 1).write(ACR, PULSES)
    assert seen(via, t2, 3) == [0xFF] * 3
    via.write(ACR, 0)
    assert seen(via, t2, 3) == [0xFF, 0xFE, 0xFD]


# --- interrupts


def test_ifr_s_bit_7_and_the_line_follow_the_enabled_flags(via):
    edge(via, "ca1", 0)
    assert (via.read(IFR), via.irq) == (ON_CA1, 0)
    via.write(IER, 0x80 | ON_CA1)
    assert (via.read(IFR), via.irq) == (0x80 | ON_CA1, 1)
    via.write(IER, ON_CA1)
    assert (via.read(IFR), via.irq) == (ON_CA1, 0)


def test_ier_s_bit_7_says_whether_the_others_are_set_or_cleared(via):
    assert via.read(IER) == 0x80
    assert via.write(IER, 0xFF).read(IER) == 0xFF
    assert via.write(IER, 0x2A).read(IER) == 0xD5
    assert via.write(IER, 0x80).read(IER) == 0xD5


def test_a_write_to_ifr_clears_the_flags_that_it_names(via):
    for line in ("ca1", "ca2", "cb1", "cb2"):
        edge(via, line, 0)
    assert flags(via) == ON_CA1 | ON_CA2 | ON_CB1 | ON_CB2
    assert flags(via.write(IFR, 0x80 | ON_CA1 | ON_CB2)) == ON_CA2 | ON_CB1


# --- control lines


@pytest.mark.parametrize(
    ("line", "rising", "flag"), [("ca1", 0x01, ON_CA1), ("ca2", 0x04, ON_CA2), ("cb1", 0x10, ON_CB1), ("cb2", 0x40, ON_CB2)]
)
def test_pcr_says_which_edge_of_a_line_sets_its_flag(via, line, rising, flag):
    assert flags(edge(via, line, 0)) == flag
    via.write(IFR, 0x7F)
    assert flags(edge(via, line, 1)) == 0
    via.write(PCR, rising)
    assert flags(edge(via, line, 0)) == 0
    assert flags(edge(via, line, 1)) == flag


@pytest.mark.parametrize(
    ("port", "both", "second", "shift"), [(ORA, ON_CA1 | ON_CA2, ON_CA2, 1), (ORB, ON_CB1 | ON_CB2, ON_CB2, 5)]
)
@pytest.mark.parametrize("write", [False, True])
def test_an_access_of_a_port_clears_its_flags_but_not_an_independent_input_s(via, port, both, second, shift, write):
    def access():
        via.write(port, 0) if write else via.read(port)

    lines = ("ca1", "ca2") if port == ORA else ("cb1", "cb2")
    for mode, left in (("input", 0), ("independent", second)):
        via.write(PCR, CA2_MODES[mode] << shift)
        for line in lines:
            edge(via, line, 1)
            edge(via, line, 0)
        assert flags(via) == both
        access()
        assert flags(via) == left
        via.write(IFR, 0x7F)


def test_register_15_clears_no_flag_and_starts_no_handshake(via):
    via.write(PCR, CA2_MODES["handshake"] << 1)
    edge(via, "ca1", 0)
    via.write(ORA_NO_HANDSHAKE, 1).read(ORA_NO_HANDSHAKE)
    assert (flags(via), via.ca2_out) == (ON_CA1, 1)


@pytest.mark.parametrize("write", [False, True])
def test_a_handshake_on_ca2_begins_with_an_access_of_port_a_and_ends_with_ca1(via, write):
    via.write(PCR, CA2_MODES["handshake"] << 1)
    via.write(ORA, 1) if write else via.read(ORA)
    assert via.ca2_out == 0  # at the end of the access's cycle
    assert seen(via, lambda v: v.ca2_out, 3) == [0, 0, 0]
    assert edge(via, "ca1", 0).ca2_out == 1


@pytest.mark.parametrize("write", [False, True])
def test_a_pulse_on_ca2_lasts_the_cycle_after_the_access(via, write):
    via.write(PCR, CA2_MODES["pulse"] << 1)
    via.write(ORA, 1) if write else via.read(ORA)
    assert seen(via, lambda v: v.ca2_out, 3) == [0, 1, 1]


def test_only_a_write_of_port_b_begins_a_handshake_or_a_pulse_on_cb2(via):
    via.write(PCR, CA2_MODES["handshake"] << 5).read(ORB)
    assert seen(via, lambda v: v.cb2_out, 2) == [1, 1]
    assert via.write(ORB, 0).cb2_out == 0
    assert seen(via, lambda v: v.cb2_out, 2) == [0, 0]
    assert edge(via, "cb1", 0).cb2_out == 1
    via.write(PCR, CA2_MODES["pulse"] << 5).read(ORB)
    assert seen(via, lambda v: v.cb2_out, 2) == [1, 1]
    via.write(ORB, 0)
    assert seen(via, lambda v: v.cb2_out, 3) == [0, 1, 1]


def test_a_handshake_outlasts_a_write_of_its_own_mode_and_no_other(via):
    for shift, port, name in ((1, ORA, "ca2_out"), (5, ORB, "cb2_out")):
        handshake = CA2_MODES["handshake"] << shift
        via.write(PCR, handshake).write(port, 0)
        assert getattr(via.write(PCR, handshake), name) == 0
        assert getattr(via.write(PCR, CA2_MODES["independent"] << shift).write(PCR, handshake), name) == 1


def test_manual_outputs_are_what_pcr_says_and_an_input_is_not_driven(via):
    for shift, name in ((1, "ca2_out"), (5, "cb2_out")):
        levels = [getattr(via.write(PCR, CA2_MODES[mode] << shift), name) for mode in ("low", "high", "low", "input")]
        assert levels == [0, 1, 0, 1]


def test_an_output_has_no_flag(via):
    via.write(PCR, CA2_MODES["high"] << 1 | CA2_MODES["high"] << 5)
    assert flags(pulse(pulse(via, "ca2"), "cb2")) == 0


# --- the shift register


def test_shifting_out_by_phi2_takes_sixteen_cycles_with_the_upper_bit_first(via):
    via.write(ACR, 0x18).tick().write(SR, 0b1011_0010)
    clock, bits, flagged = [], [], []
    for _ in range(18):
        via.tick()
        if clock and clock[-1] == 0 and via.cb1_out:
            bits.append(via.cb2_out)
        clock.append(via.cb1_out)
        flagged.append(flags(via) & ON_SR)
    assert clock == [1] + [0, 1] * 8 + [1]
    assert bits == [1, 0, 1, 1, 0, 0, 1, 0]
    assert flagged == [0] * 16 + [ON_SR] * 2
    assert via.read(SR) == 0b1011_0010  # it has gone round
    assert flags(via) & ON_SR == 0


def test_a_change_to_phi2_in_the_middle_of_a_byte_goes_on_four_cycles_later(via):
    via.write(ACR, 0x1C).write(SR, 0)
    assert via.write(ACR, 0x18).cb1_out == 1
    assert seen(via, lambda v: v.cb1_out, 6) == [1, 1, 1, 0, 1, 0]
    via.write(ACR, 0x1C)
    assert via.write(ACR, 0x14).cb1_out == 0
    assert seen(via, lambda v: v.cb1_out, 6) == [0] * 6  # timer 2 is far from its end


def test_shifting_in_by_phi2_samples_cb2_at_the_rising_edges_of_cb1(via):
    via.write(ACR, 0x08).tick().read(SR)
    bits = [1, 1, 0, 1, 0, 0, 1, 0]
    via.tick()
    for bit in bits:
        via.cb2 = bit
        ticks(via, 2)
    assert flags(via) & ON_SR
    assert via.read(SR) == 0b1101_0010


@pytest.mark.parametrize("low", [0, 3, 7])
def test_shifting_by_timer_2_moves_the_clock_every_n_plus_two_cycles(via, low):
    via.write(ACR, 0x14).tick().write(T2CL, low).tick().write(T2CH, 0x12)
    ticks(via, 1).write(SR, 0xA5)
    clock = seen(via, lambda v: v.cb1_out, 20 * (low + 2))
    first = clock.index(0)
    assert first == low + 2  # of the cycles from N - 1 on: $FF, the latch, the clock's first edge
    period = low + 2
    assert clock[first : first + 16 * period] == ([0] * period + [1] * period) * 8
    assert clock[first + 16 * period :] == [1] * (len(clock) - first - 16 * period)
    assert (flags(via) & ON_SR, via.read(SR)) == (ON_SR, 0xA5)


def test_timer_2_s_low_byte_goes_round_while_it_makes_the_shift_clock(via):
    via.write(ACR, 0x14).tick().write(T2CL, 7).tick().write(T2CH, 0x12)
    assert seen(via, t2, 12) == [0x1207, 0x1206, 0x1205, 0x1204, 0x1203, 0x1202, 0x1201, 0x1200, 0x11FF, 0x1107, 0x1106, 0x1105]


def test_the_free_running_mode_shifts_without_end_and_without_flag(via):
    via.write(ACR, 0x10).tick().write(T2CL, 0).tick().write(T2CH, 0).tick().write(SR, 0x0F)
    clock = seen(via, lambda v: (v.cb1_out, v.cb2_out), 202)
    byte = [0, 0, 0, 0, 1, 1, 1, 1]
    assert clock[2:] == [(level, bit) for bit in byte * 7 for level in (0, 0, 1, 1)][:200]  # an edge every N + 2 cycles
    assert flags(via) & ON_SR == 0


def test_shifting_in_by_cb1_flags_every_eight_pulses(via):
    via.write(ACR, 0x0C).read(SR)
    for byte in (0x96, 0x3C):
        for bit in range(7, -1, -1):
            via.cb2 = byte >> bit & 1
            assert flags(edge(via, "cb1", 0)) & ON_SR == 0
            edge(via, "cb1", 1)
        assert flags(via) & ON_SR
        assert via.read(SR) == byte


def test_shifting_out_by_cb1_changes_cb2_at_its_falling_edges(via):
    via.write(ACR, 0x1C).write(SR, 0x96)
    bits = []
    for _ in range(8):
        bits.append(edge(via, "cb1", 0).cb2_out)
        assert edge(via, "cb1", 1).cb2_out == bits[-1]
    assert bits == [1, 0, 0, 1, 0, 1, 1, 0]
    assert flags(via) & ON_SR


def test_a_shift_register_that_is_off_has_no_flag_and_leaves_cb2_to_pcr(via):
    via.write(ACR, 0x18).tick().write(SR, 0)
    assert flags(ticks(via, 20)) & ON_SR
    via.write(ACR, 0).write(PCR, CA2_MODES["low"] << 5)
    assert (flags(via) & ON_SR, via.cb2_out) == (0, 0)


def test_a_byte_written_while_the_shift_register_is_off_is_not_sent_when_it_is_on(via):
    via.write(SR, 0x55).write(ACR, 0x18)
    assert seen(via, lambda v: v.cb1_out, 30) == [1] * 30


def test_at_power_on_no_pin_is_driven_and_no_line_asserted(via):
    assert (via.ca2_out, via.cb1_out, via.cb2_out, via.pins_a(), via.pins_b(), via.irq) == (1, 1, 1, 0xFF, 0xFF, 0)


def test_a_shift_register_that_is_off_still_shifts_with_cb1_s_rising_edges(via):
    via.write(SR, 0x0F)
    via.cb2 = 0
    pulse(pulse(via, "cb1"), "cb1")
    assert (via.read(SR), flags(via) & ON_SR) == (0x3C, 0)
    for _ in range(8):
        pulse(via, "cb1")
    assert (via.read(SR), flags(via) & ON_SR) == (0, 0)


def test_what_the_chip_drives_on_cb1_and_cb2_sets_none_of_their_flags(via):
    for edge_of_cb1_and_cb2 in (0x00, 0x50):
        via.write(PCR, edge_of_cb1_and_cb2).write(ACR, 0x18).tick().write(SR, 0xA5)
        assert flags(ticks(via, 20)) == ON_SR


# --- the whole


def test_reset_clears_the_registers_but_not_timers_and_shift_register(via):
    for offset in (ORB, ORA, DDRB, DDRA, ACR, PCR):
        via.write(offset, 0xC0)
    via.write(IER, 0xFF).write(SR, 0x77)
    start_t1(via, 0x1234)
    edge(via, "ca1", 0)
    via.reset()
    assert [via.read(offset) for offset in (DDRB, DDRA, ACR, PCR, IFR, IER)] == [0, 0, 0, 0, 0, 0x80]
    assert (via.orb, via.ora, via.irq, via.read(SR)) == (0, 0, 0, 0x77)
    assert (t1(via), via.read(T1LL), via.read(T1LH)) == (0x1234, 0x34, 0x12)
    assert flags(ticks(via, 0x1300)) == 0  # and the timer has nothing to say


@pytest.mark.parametrize(("offset", "size"), [(ORB, 2), (ORA, 4), (T1CL, 8), (16, 1), (0x100, 1)])
def test_what_is_not_there_is_unmodelled(via, offset, size):
    assert via.unmodelled_after(lambda: via.read(offset, size)) == 1
    assert via.unmodelled_after(lambda: via.write(offset, 0xFF, size)) == 1


def test_native_agrees_with_golden():
    rng = random.Random(7)
    steps = []
    for step in accesses(rng, list(range(16)), 1, 3000):
        if step[0] == "write" and step[1] in (T1CH, T1LH, T2CH) and rng.random() < 0.9:
            step = ("write", step[1], 0, 1)  # or the timers would never run out
        steps.append(step)
        steps += [("tick",)] * rng.choice([1, 1, 2, 3, 20])
        if rng.random() < 0.005:
            steps.append(("reset",))
        if rng.random() < 0.5:
            steps.append(("wire", rng.getrandbits(8), rng.getrandbits(8), rng.getrandbits(4)))
    agree(Wired, steps)
