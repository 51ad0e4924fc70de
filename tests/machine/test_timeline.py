"""Going back in time, and on again."""

from __future__ import annotations

import pytest

from softmetal.machine.errors import MachineError
from softmetal.machine.stop import Stop
from tests.machine.guests import COUNTER, ENGINES, START, machine


@pytest.mark.parametrize("engine", ENGINES)
def test_every_moment_can_be_made_again(tmp_path, engine):
    m = machine(tmp_path, cpus=2, engine=engine)
    m.keep_timeline(every=300)
    seen = {}
    for i in range(40):
        if i % 7 == 3:
            m.send("ab")
        m.run(insns=53)
        seen[m.position] = m.hash(), bytes(m.console.output)
    for position in [1060, 53, 2067, 2014, 159, 2120, 1590]:
        m.goto(position)
        assert (m.position, m.hash(), bytes(m.console.output)) == (position, *seen[position])


def test_after_going_back_the_machine_goes_on_as_it_did(tmp_path):
    m = machine(tmp_path)
    m.keep_timeline(every=100)
    m.run(insns=500)
    m.send("hello")
    m.run(insns=1000)
    m.run(seconds=0.001)
    end, text = m.hash(), bytes(m.console.output)
    where = m.position
    m.rewind(insns=where - 200)
    assert b"i" not in m.console.output
    m.run(insns=where - 200)
    assert (m.hash(), bytes(m.console.output)) == (end, text)


def test_what_is_typed_in_the_past_makes_another_future(tmp_path):
    m = machine(tmp_path)
    m.keep_timeline(every=100)
    m.run(insns=500)
    m.send("hello")
    m.run(insns=1000)
    m.goto(300)
    m.send("x")
    m.run(insns=1700)
    assert b"y" in m.console.output
    assert b"i" not in m.console.output
    here = m.hash()
    m.goto(1000)
    m.goto(2000)
    assert m.hash() == here


def test_back_by_one_instruction_and_by_time(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.keep_timeline()
    m.run(insns=1_000_000)
    pc, hash_ = m.cpu.pc, m.hash()
    m.rewind()
    assert m.position == 999_999
    assert m.cpu.pc != pc
    m.step()
    assert m.hash() == hash_
    m.rewind(seconds=0.0001)
    assert m.clock == 900_000


def test_old_snapshots_are_thinned_out(tmp_path):
    m = machine(tmp_path, COUNTER)
    t = m.keep_timeline(every=1000, most=20)
    m.run(insns=300_000)
    at = [s.position for s in t.snapshots]
    assert len(at) == 20
    assert at[0] == 0
    assert at[-1] - at[-4] <= 4000 < at[2] - at[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("physical", [False, True])
def test_the_last_write_of_an_address_is_found(tmp_path, engine, physical):
    m = machine(tmp_path, COUNTER, engine=engine)
    m.keep_timeline(every=500)
    m.run(insns=2500)
    words = START + 40  # behind the program, up to a multiple of 8
    at = next(a for a in range(START + 16, START + 64, 8) if m.memory[a + 40 : a + 48][:2] != b"\0\0" and a >= words - 16)
    address = at + 40
    value = m.memory[address : address + 8]
    here = m.hash()
    found = m.last_write(address, 8, physical=physical)
    assert m.hash() == here
    m.goto(found)
    assert m.memory[address : address + 8] != value
    m.step()
    assert m.memory[address : address + 8] == value
    assert m.last_write(0x8000_9000, 8, physical=physical) is None


def test_to_ask_for_the_last_write_changes_nothing_of_a_machine_that_waits(tmp_path):
    m = machine(tmp_path, "la t0, x\nsd sp, 0(t0)\n1: wfi\nj 1b\n.balign 8\nx: .zero 8")
    m.keep_timeline()
    m.run(seconds=0.5)
    before = m.position, m.clock, m.waited, m.hash()
    address = START + 24
    assert m.last_write(address, 8) in (None, (2, 2))
    assert (m.position, m.clock, m.waited, m.hash()) == before


def test_the_way_back_goes_over_a_reset(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.keep_timeline(every=100)
    m.run(insns=250)
    before = m.hash()
    m.reset()
    m.run(insns=250)
    end = m.hash()
    m.goto(249)
    m.step()
    assert m.hash() == before
    m.goto(500)
    assert m.hash() == end


def test_the_timeline_s_beginning_is_told(tmp_path):
    m = machine(tmp_path)
    m.run(insns=500)
    m.keep_timeline(every=100)
    m.run(insns=500)
    with pytest.raises(MachineError, match="position 499 is before the timeline, which begins at 500"):
        m.goto(499)


def test_hooks_do_not_stop_the_way_back(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.keep_timeline(every=500)
    m.run(insns=100)
    m.debug.on_address(m.cpu.pc)
    assert m.run(insns=10_000) is Stop.HOOK
    m.goto(50)
    assert m.position == 50
    assert m.run(insns=10_000) is Stop.HOOK


LATE = """
        # waits for a timer 5 ms away, with a word changed before and behind; then for what is typed
        la s1, handler
        csrw mtvec, s1
        li s0, 0x2004000
        li t0, 50000
        sd t0, 0(s0)
        li t0, 0x80
        csrw mie, t0
        csrsi mstatus, 8
        li s3, 1
1:      wfi
        j 1b
        .balign 4
handler: li t0, -1
        sd t0, 0(s0)
        li s3, 2
        mret
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_place_is_come_back_to_while_the_guest_waits(tmp_path, engine):
    m = machine(tmp_path, LATE, engine=engine)
    m.keep_timeline(every=4)
    seen = []
    for _ in range(12):
        m.run(seconds=0.000_9)
        seen.append((m.place, m.hash(), m.waited))
    assert len({place.position for place, _, _ in seen}) == 2
    for place, hash_, waited in seen[::-1] + seen[::2]:
        m.goto(place)
        assert (m.place, m.hash(), m.waited) == (place, hash_, waited)
    m.goto(seen[2][0])
    m.run(seconds=seen[9][0].clock / 1e9 - m.seconds)
    assert (m.place, m.hash()) == seen[9][:2]


def test_the_last_position_of_all_is_come_back_to_with_its_clock(tmp_path):
    m = machine(tmp_path, LATE)
    m.keep_timeline()
    m.run(seconds=0.02)
    here = m.place
    m.goto(3)
    m.goto(here.position)
    assert m.place == here
    m.rewind(insns=2)
    m.send("x")  # another future: that place is gone
    m.run(insns=1)
    with pytest.raises(MachineError, match="is behind the timeline, which ends with position"):
        m.goto(here)


def test_a_first_input_in_the_past_makes_another_future(tmp_path):
    m = machine(tmp_path)
    m.keep_timeline(every=100)
    m.run(insns=1000)
    m.goto(150)
    m.send("x")
    m.run(insns=850)
    here = m.hash()
    m.goto(500)
    m.goto(1000)
    assert m.hash() == here
    assert b"y" in m.console.output


def test_positions_that_cannot_be_reached_are_refused_in_one_line(tmp_path):
    m = machine(tmp_path)
    m.keep_timeline(every=100)
    m.run(insns=500)
    with pytest.raises(MachineError, match="position 10000000000 is behind the timeline, which ends with position 500, tick 115019"):
        m.goto(10**10)
    with pytest.raises(MachineError, match="no 501 instructions to go back: the timeline begins at position 0, 500 before"):
        m.rewind(insns=501)


def test_what_a_timeline_keeps_is_bounded(tmp_path):
    text = """
        li s2, 0x80800000
        lui t1, 1
1:      addi s0, s0, 1
        li t0, 0x80400000
2:      sd s0, 0(t0)
        add t0, t0, t1
        bltu t0, s2, 2b
        j 1b
    """
    m = machine(tmp_path, text)  # it writes 1024 pages again and again
    t = m.keep_timeline(every=5000, room=64 << 20)
    m.run(insns=1_000_000)
    assert 4 <= len(t.snapshots) <= 16
    assert t.first > 800_000
    m.goto(t.first + 1)
    size = 1 << 17
    for i in range(1000):
        m.memory[0x8000_8000 : 0x8000_8000 + size] = bytes([i & 255]) * size
        m.run(insns=6000)
    assert sum(len(i.data) for i in t.inputs) < 64 << 20
