"""Time in our hands: hashes, snapshots, files and forks of small machines."""

from __future__ import annotations

import pytest

from softmetal.host.disks import open_disk
from softmetal.lang.state import StateError
from softmetal.machine.errors import MachineError
from softmetal.machine.machine import Identity, Machine
from softmetal.machine.monitor import execute
from softmetal.machine.stop import Stop
from tests.machine.guests import COUNTER, ENGINES, TIMERS, machine, program


def hashes(m, every, count):
    found = []
    for _ in range(count):
        m.run(insns=every)
        found.append(m.hash())
    return found


@pytest.mark.parametrize("cpus", [1, 2, 3, 20])
def test_golden_and_native_have_the_same_hash_at_every_position(tmp_path, cpus):
    golden, native = (machine(tmp_path, cpus=cpus, engine=engine) for engine in ENGINES)
    assert hashes(golden, 97, 60) == hashes(native, 97, 60)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_hash_does_not_tell_how_the_run_was_cut(tmp_path, engine, cpus):
    whole, cut, looked = (machine(tmp_path, cpus=cpus, engine=engine) for _ in range(3))
    whole.run(insns=3000)
    while cut.position < 3000:
        cut.run(insns=min(7, 3000 - cut.position))
        cut.hash()
    clock = 0
    while looked.position < 3000:  # somebody looks every 3.3 us of machine time
        clock += 3333
        looked.advance(3000 - looked.position, clock)
    assert whole.hash() == cut.hash() == looked.hash()
    assert whole.console.output == cut.console.output == looked.console.output


@pytest.mark.parametrize("engine", ENGINES)
def test_a_waiting_machine_s_clock_goes_on_and_its_state_does_not_change(tmp_path, engine):
    m = machine(tmp_path, "1: wfi\nj 1b", engine=engine)
    assert m.run() is Stop.IDLE
    before, clock = m.hash(), m.clock
    assert m.run(seconds=0.5) is Stop.TIME
    assert (m.hash(), m.clock) == (before, clock + 500_000_000)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_busy_machine_s_clock_does_not_run_ahead(tmp_path, engine):
    m = machine(tmp_path, cpus=2, engine=engine)
    assert m.run(seconds=0.0001) is Stop.TIME
    assert 100_000 <= m.clock < 120_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restored_snapshot_goes_on_with_the_same_hashes_and_output(tmp_path, engine):
    m = machine(tmp_path, cpus=2, engine=engine)
    m.send("abc")
    m.run(insns=1500)
    s = m.snapshot()
    first, text = hashes(m, 100, 10), bytes(m.console.output)
    for _ in range(2):
        m.restore(s)
        assert m.position == 1500
        assert (hashes(m, 100, 10), bytes(m.console.output)) == (first, text)


def test_a_snapshot_keeps_what_was_typed_and_what_was_consumed(tmp_path):
    m = machine(tmp_path)
    m.send("a")
    m.expect("b")
    m.send("x")
    s = m.snapshot()
    assert m.expect("y")
    m.restore(s)
    assert m.expect("y")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_saved_machine_goes_on_in_the_same_way(tmp_path, engine):
    m = machine(tmp_path, cpus=2, engine=engine)
    m.run(insns=1234)
    m.send("hello")
    m.save(str(tmp_path / "saved"))
    twin = Machine.load(str(tmp_path / "saved"), engine="native")
    assert twin.hash() == m.hash()
    assert hashes(twin, 300, 5) == hashes(m, 300, 5)
    assert twin.console.output == m.console.output


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    m = machine(tmp_path)
    path = tmp_path / "saved"
    m.save(str(path))
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(StateError, match="cut off"):
        Machine.load(str(path))
    path.write_bytes(data[:-5] + b"xxxxx")
    with pytest.raises(StateError, match="checksum"):
        Machine.load(str(path))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fork_goes_its_own_way(tmp_path, engine):
    m = machine(tmp_path, cpus=2, engine=engine)
    m.run(insns=1000)
    twin, other = m.fork(), m.fork()
    assert twin.hash() == m.hash()
    other.send("other")
    assert hashes(twin, 500, 4) == hashes(m, 500, 4)
    assert hashes(other, 500, 4)[-1] != m.hash()
    assert b"puifs" in other.console.output
    assert b"p" not in m.console.output


def test_a_fork_with_an_identity_differs_from_the_same_fork_with_another(tmp_path):
    m = machine(tmp_path, network=True)
    m.run(insns=1000)
    a, b, again = m.fork(Identity("a")), m.fork(Identity("b")), m.fork(Identity("a"))
    assert a.hash() == again.hash()
    assert len({a.hash(), b.hash(), m.hash()}) == 3
    assert bytes(a.board.net.mac) == Identity("a").address != bytes(b.board.net.mac)
    assert a.board.entropy.seed != b.board.entropy.seed
    assert list(a.board.vmgenid.id) != list(b.board.vmgenid.id)


def test_hooks_change_no_hash(tmp_path):
    plain, hooked = machine(tmp_path), machine(tmp_path)
    seen = []
    hooked.debug.on_trap(interrupts=[7], call=seen.append)
    assert hashes(plain, 500, 3) == hashes(hooked, 500, 3)
    assert seen


def test_what_is_changed_in_memory_and_registers_enters_as_an_input(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.run(insns=1000)
    m.memory[0x8000_4000:0x8000_4003] = b"abc"
    assert m.memory[0x8000_4000:0x8000_4003] == b"abc"
    m.cpu.set("s2", 7)
    assert m.cpu.regs["s2"] == 7
    with pytest.raises(IndexError):
        m.memory[0x8000_4000:0x8000_4003] = b"abcd"


def test_a_reset_begins_again_with_the_same_software(tmp_path):
    m = machine(tmp_path, TIMERS)
    m.expect("AAA")
    m.reset()
    assert m.clock == 0
    m.expect("AAA")


def test_what_was_lived_before_a_reset_counts(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.run(insns=1000)
    m.reset()
    m.run(insns=500)
    assert (m.position, m.clock, m.lived) == (1500, 500, 1500)


def test_a_cpu_tells_its_privilege(tmp_path):
    m = machine(tmp_path, "la t0, 1f\ncsrw mepc, t0\nli t0, -1\ncsrw pmpaddr0, t0\nli t0, 31\ncsrw pmpcfg0, t0\nmret\n1: j 1b")
    assert m.cpu.privilege == "machine"
    m.run(insns=100)
    assert m.cpu.privilege == "user"


def test_what_is_waited_for_is_looked_at_every_million_instructions(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.run(until=lambda: m.position > 100, insns=10_000_000)
    assert m.position == 1_000_000


def test_an_overlay_is_committed_where_there_is_one_and_nothing_is_recorded(tmp_path):
    image = tmp_path / "disk"
    image.write_bytes(bytes(8192))
    disk, other = open_disk(f"{image},overlay"), open_disk(f"{program(tmp_path, COUNTER)},ro")
    m = machine(tmp_path, COUNTER, disks=(disk, other))
    timeline = m.keep_timeline(every=100)
    m.run(insns=500)
    disk.write(0, memoryview(b"x" * 512))
    recorder = m.record(str(tmp_path / "log"))
    with pytest.raises(MachineError, match="a recording is written"):
        m.commit()
    recorder.close()
    assert execute(m, "commit", []) == "4096 bytes written into the image"
    assert image.read_bytes()[:513] == b"x" * 512 + b"\0"
    assert timeline.first == m.position == 500
    for number in (1, 2, -1):
        with pytest.raises(MachineError, match=f"disk {number}: there is no overlay to commit"):
            m.commit(number)
    disk.close()
    other.close()


def test_without_a_timeline_there_is_no_way_back(tmp_path):
    with pytest.raises(MachineError, match="keep_timeline"):
        machine(tmp_path).rewind()
