"""Going back in time, and on again."""

from __future__ import annotations

import pytest

from softmetal.machine.errors import MachineError
from softmetal.machine.stop import Stop
from tests.machine.kits import ENGINES


@pytest.mark.parametrize("engine", ENGINES)
def test_every_moment_can_be_made_again(tmp_path, kit, engine):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
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


def test_after_going_back_the_machine_goes_on_as_it_did(tmp_path, kit):
    m = kit.machine(tmp_path)
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


def test_what_is_typed_in_the_past_makes_another_future(tmp_path, kit):
    m = kit.machine(tmp_path)
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


def test_back_by_one_instruction_and_by_time(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    m.keep_timeline()
    m.run(insns=1_000_000)
    pc, hash_ = m.cpu.pc, m.hash()
    m.rewind()
    assert m.position == 999_999
    assert m.cpu.pc != pc
    m.step()
    assert m.hash() == hash_
    now, back = m.clock, m.computer.hz // 10_000
    m.rewind(seconds=0.0001)
    assert now - back <= m.clock < now - back + kit.most


def test_old_snapshots_are_thinned_out(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    t = m.keep_timeline(every=1000, most=20)
    m.run(insns=300_000)
    at = [s.position for s in t.snapshots]
    assert len(at) == 20
    assert at[0] == 0
    assert at[-1] - at[-4] <= 4000 < at[2] - at[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("physical", [False, True])
def test_the_last_write_of_an_address_is_found(tmp_path, kit, engine, physical):
    m = kit.machine(tmp_path, kit.guests.COUNTER, engine=engine)
    m.keep_timeline(every=500)
    m.run(insns=2500)
    size = kit.bits // 8
    address = kit.symbols(kit.guests.COUNTER)["words"] + 8 * size
    value = m.memory[address : address + size]
    here = m.hash()
    found = m.last_write(address, size, physical=physical)
    assert m.hash() == here
    m.goto(found)
    assert m.memory[address : address + size] != value
    m.step()
    assert m.memory[address : address + size] == value
    assert m.last_write(kit.spare, 8, physical=physical) is None


def test_to_ask_for_the_last_write_changes_nothing_of_a_machine_that_waits(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.STORE_AND_HALT)
    m.keep_timeline()
    m.run(seconds=0.5)
    before = m.position, m.clock, m.waited, m.hash()
    for address in (kit.start + 24, 0x200):
        found = m.last_write(address, 1)
        assert found is None or found.position < 3
    assert (m.position, m.clock, m.waited, m.hash()) == before


def test_the_way_back_goes_over_a_reset(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
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


def test_going_back_before_the_timeline_is_an_error_with_its_beginning(tmp_path, kit):
    m = kit.machine(tmp_path)
    m.run(insns=500)
    m.keep_timeline(every=100)
    m.run(insns=500)
    with pytest.raises(MachineError, match="position 499 is before the timeline, which begins at 500"):
        m.goto(499)


def test_hooks_do_not_stop_the_way_back(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    m.keep_timeline(every=500)
    m.run(insns=100)
    m.debug.on_address(m.cpu.pc)
    assert m.run(insns=10_000) is Stop.HOOK
    m.goto(50)
    assert m.position == 50
    assert m.run(insns=10_000) is Stop.HOOK


@pytest.mark.parametrize("engine", ENGINES)
def test_a_place_is_come_back_to_while_the_guest_waits(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LATE, engine=engine)
    m.keep_timeline(every=4)
    seen = []
    for _ in range(12):
        m.run(seconds=0.000_9)
        seen.append((m.place, m.hash(), m.waited))
    assert len({place.position for place, _, _ in seen}) < 7  # it waits most of the time
    for place, hash_, waited in seen[::-1] + seen[::2]:
        m.goto(place)
        assert (m.place, m.hash(), m.waited) == (place, hash_, waited)
    m.goto(seen[2][0])
    m.run(seconds=seen[9][0].clock / m.computer.hz - m.seconds)
    assert (m.place, m.hash()) == seen[9][:2]


def test_the_last_position_of_all_is_come_back_to_with_its_clock(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.LATE)
    m.keep_timeline()
    m.run(seconds=0.02)
    here = m.place
    m.goto(3)
    m.goto(here.position)
    assert m.place == here
    m.rewind(insns=2)
    m.send("x")  # another future: that place is gone
    m.run(insns=1)
    with pytest.raises(MachineError, match="is after the end of the timeline, position"):
        m.goto(here)


def test_a_first_input_in_the_past_makes_another_future(tmp_path, kit):
    m = kit.machine(tmp_path)
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


def test_positions_that_cannot_be_reached_are_refused_in_one_line(tmp_path, kit):
    m = kit.machine(tmp_path)
    m.keep_timeline(every=100)
    m.run(insns=500)
    with pytest.raises(MachineError, match=f"position 10000000000 is after the end of the timeline, {m.place}; "):
        m.goto(10**10)
    with pytest.raises(MachineError, match="no 501 instructions to go back: the timeline begins at position 0, 500 before"):
        m.rewind(insns=501)
