"""A machine and its time: hashes, snapshots, files and forks of small machines."""

from __future__ import annotations

import pytest

from softmetal.lang.state import StateError
from softmetal.machine.errors import MachineError
from softmetal.machine.machine import Machine
from softmetal.machine.monitor import execute
from softmetal.machine.stop import Stop
from tests.machine.kits import ENGINES, KITS


def hashes(m, every, count):
    found = []
    for _ in range(count):
        m.run(insns=every)
        found.append(m.hash())
    return found


MACHINES = [pytest.param(kit, cpus, id=f"{kit.name}-{cpus}") for kit in KITS for cpus in kit.cpus]


def parts(cpus):
    return {} if cpus == 1 else {"cpus": cpus}


@pytest.mark.parametrize(("kit", "cpus"), MACHINES)
def test_golden_and_native_have_the_same_hash_at_every_position(tmp_path, kit, cpus):
    golden, native = (kit.machine(tmp_path, engine=engine, **parts(cpus)) for engine in ENGINES)
    assert hashes(golden, 97, 60) == hashes(native, 97, 60)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("kit", "cpus"), [each for each in MACHINES if each.values[1] < 3])
def test_a_hash_does_not_depend_on_how_the_run_was_cut(tmp_path, kit, engine, cpus):
    whole, cut, looked = (kit.machine(tmp_path, engine=engine, **parts(cpus)) for _ in range(3))
    whole.run(insns=3000)
    while cut.position < 3000:
        cut.run(insns=min(7, 3000 - cut.position))
        cut.hash()
    clock = 0
    while looked.position < 3000:  # somebody looks every few instructions
        clock += kit.look
        looked.advance(3000 - looked.position, clock)
    assert whole.hash() == cut.hash() == looked.hash()
    assert whole.console.output == cut.console.output == looked.console.output


@pytest.mark.parametrize("engine", ENGINES)
def test_a_waiting_machine_s_clock_goes_on_and_its_state_does_not_change(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.HALT, engine=engine)
    assert m.run() is Stop.IDLE
    before, clock = m.hash(), m.clock
    assert m.run(seconds=0.5) is Stop.TIME
    assert (m.hash(), m.clock) == (before, clock + m.computer.hz // 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_busy_machine_s_clock_does_not_run_ahead(tmp_path, kit, engine):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
    assert m.run(seconds=0.0001) is Stop.TIME
    assert 0.0001 <= m.seconds < 0.00012


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restored_snapshot_goes_on_with_the_same_hashes_and_output(tmp_path, kit, engine):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
    m.send("abc")
    m.run(insns=1500)
    s = m.snapshot()
    first, text = hashes(m, 100, 10), bytes(m.console.output)
    for _ in range(2):
        m.restore(s)
        assert m.position == 1500
        assert (hashes(m, 100, 10), bytes(m.console.output)) == (first, text)


def test_a_snapshot_keeps_what_was_typed_and_what_was_consumed(tmp_path, kit):
    m = kit.machine(tmp_path)
    m.send("a")
    m.expect("b")
    m.send("x")
    s = m.snapshot()
    assert m.expect("y")
    m.restore(s)
    assert m.expect("y")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_saved_machine_goes_on_in_the_same_way(tmp_path, kit, engine):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
    m.run(insns=1234)
    m.send("hello")
    m.save(str(tmp_path / "saved"))
    twin = Machine.load(str(tmp_path / "saved"), engine="native")
    assert twin.hash() == m.hash()
    assert hashes(twin, 300, 5) == hashes(m, 300, 5)
    assert twin.console.output == m.console.output


def test_a_damaged_file_is_refused_in_one_line(tmp_path, kit):
    m = kit.machine(tmp_path)
    path = tmp_path / "saved"
    m.save(str(path))
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(StateError, match="truncated"):
        Machine.load(str(path))
    path.write_bytes(data[:-5] + b"xxxxx")
    with pytest.raises(StateError, match="checksum"):
        Machine.load(str(path))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fork_goes_its_own_way(tmp_path, kit, engine):
    m = kit.machine(tmp_path, engine=engine, **kit.several)
    m.run(insns=1000)
    twin, other = m.fork(), m.fork()
    assert twin.hash() == m.hash()
    other.send("other")
    assert hashes(twin, 500, 4) == hashes(m, 500, 4)
    assert hashes(other, 500, 4)[-1] != m.hash()
    assert b"puifs" in other.console.output
    assert b"p" not in m.console.output


def test_hooks_change_no_hash(tmp_path, kit):
    plain, hooked = kit.machine(tmp_path), kit.machine(tmp_path)
    seen = []
    hooked.debug.on_trap(interrupts=[kit.timer], call=seen.append)
    assert hashes(plain, 500, 3) == hashes(hooked, 500, 3)
    assert seen


def test_what_is_changed_in_memory_and_registers_enters_as_an_input(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    m.run(insns=1000)
    place = slice(kit.spare, kit.spare + 3)
    m.memory[place] = b"abc"
    assert m.memory[place] == b"abc"
    m.cpu.set(kit.reg, 7)
    assert m.cpu.regs[kit.reg] == 7
    with pytest.raises(IndexError):
        m.memory[place] = b"abcd"


def test_memory_that_is_not_there_is_refused_in_one_line(tmp_path, kit):
    m = kit.machine(tmp_path)
    for start, end in ((kit.spare, 1 << 40), (1 << 40, (1 << 40) + 1), (kit.spare, kit.spare - 1)):
        with pytest.raises(IndexError, match=r"^(\d+ bytes at 0x[0-9a-f]+ are not in memory, which is 0x|give memory\[a:b\])"):
            m.memory[start:end]


def test_a_reset_begins_again_with_the_same_software(tmp_path, kit):
    m = kit.machine(tmp_path)
    first = m.clock
    m.expect("AAA")
    m.reset()
    assert m.clock == first
    m.expect("AAA")


def test_what_was_lived_before_a_reset_counts(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    m.run(insns=1000)
    before = m.clock
    m.reset()
    m.run(insns=500)
    assert (m.position, m.total_clock) == (1500, before + m.clock)
    assert 500 <= m.clock < before


@pytest.mark.parametrize("command", ["regs", "step", "mem", "hash", "help", "reset"])
def test_the_monitor_s_commands_have_something_to_say(tmp_path, kit, command):
    m = kit.machine(tmp_path)
    m.run(insns=50)
    said = execute(m, command, [hex(kit.start), "4"] if command == "mem" else [])
    assert said.strip()
    if command == "regs":
        assert all(name in said for name in m.cpu.regs)
    if command == "mem":
        assert said.endswith(m.memory[kit.start : kit.start + 4].hex(" "))
    assert m.position == (51 if command == "step" else 50)


def test_what_is_waited_for_is_looked_at_every_million_instructions(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    m.run(until=lambda: m.position > 100, insns=10_000_000)
    assert 100 < m.position <= 1_000_000  # sooner where a device has called the host


def test_without_a_timeline_there_is_no_way_back(tmp_path, kit):
    with pytest.raises(MachineError, match="keep_timeline"):
        kit.machine(tmp_path).rewind()
