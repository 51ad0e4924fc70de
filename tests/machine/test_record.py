"""Recordings: what they hold, that replays agree, and what is said where they cannot."""

from __future__ import annotations

import pytest

from softmetal.host.disks import open_disk
from softmetal.machine.errors import MachineError, Parted
from softmetal.machine.record import RecordingError
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.machine.guests import ENGINES, machine, program


def recorded(tmp_path, engine="native", cpus=2, **parts):
    """A run in which things come from outside at various moments, and its machine."""
    m = machine(tmp_path, engine=engine, cpus=cpus, network=True, display=True, **parts)
    r = m.record(str(tmp_path / "log"), every=500)
    m.run(insns=700)
    m.send("abcdefghijklmnopqrstuvwxyz" * 3)
    m.run(insns=100)
    m.resize(100, 30)
    m.keyboard.type("Hi")
    m.run(seconds=0.0003)
    m.post("net", bytes(80))
    m.memory[0x8000_8000:0x8000_8002] = b"xy"
    for _ in range(50):
        m.advance(10_000, m.clock + 777)
    m.send("bye")
    m.run(insns=900)
    r.close()
    return m


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_has_the_same_hash_at_every_checkpoint_on_every_engine(tmp_path, engine):
    m = recorded(tmp_path)
    recording = Recording(str(tmp_path / "log"))
    assert recording.whole
    assert {i.port for i in recording.inputs} == {"uart", "resize", "keyboard", "net", "memory"}
    twin, told = recording.machine(engine=engine), []
    assert replay(recording, twin, report=told.append) is Stop.END
    assert len(told) == len(recording.checkpoints) > 5
    assert (twin.hash(), twin.position, twin.clock) == (m.hash(), m.position, m.clock)
    assert twin.console.output == m.console.output


def test_what_comes_while_all_harts_wait_comes_at_the_same_clock(tmp_path):
    echo = """
        li s2, 0x10000000
        li t0, 1
        sb t0, 1(s2)
        li t0, 0x0c000028
        sw a7, 0(t0)
        li t1, 7
        li t0, 0x0c000028
        sw t1, 0(t0)
        li t0, 0x0c002000
        li t1, 0x400
        sw t1, 0(t0)
        li t0, 0x800
        csrw mie, t0
    1:  wfi
        li t0, 0x0c200004
        lw t1, 0(t0)
        csrr t4, time
    2:  lbu t2, 5(s2)
        andi t2, t2, 1
        beqz t2, 3f
        lbu t3, 0(s2)
        sb t3, 0(s2)
        j 2b
    3:  sw t1, 0(t0)
        j 1b
    """
    m = machine(tmp_path, echo)
    r = m.record(str(tmp_path / "log"), every=50)
    for i in range(20):
        m.run(seconds=0.001 * (i + 1))
        m.send("x" * (i % 5))
        m.run(insns=3 * i)
    m.run(seconds=1)
    r.close()
    assert m.console.output == b"x" * 40
    recording = Recording(str(tmp_path / "log"))
    assert any(i.waited for i in recording.inputs)
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert (twin.hash(), twin.clock) == (m.hash(), m.clock)


def test_a_recording_may_begin_in_the_middle(tmp_path):
    m = machine(tmp_path)
    m.run(insns=3000)
    m.send("late")
    r = m.record(str(tmp_path / "log"), every=500)
    m.run(insns=2000)
    r.close()
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert twin.position == 3000
    assert replay(recording, twin) is Stop.END
    assert twin.hash() == m.hash()


def test_a_recording_that_was_cut_off_counts_as_far_as_it_goes(tmp_path):
    recorded(tmp_path)
    path = tmp_path / "log"
    data = path.read_bytes()
    whole = Recording(str(path))
    path.write_bytes(data[: len(data) - 200])
    part = Recording(str(path))
    assert not part.whole
    assert 2 < len(part.checkpoints) < len(whole.checkpoints)
    assert replay(part, part.machine()) is Stop.END


def test_altered_and_foreign_files_are_refused(tmp_path):
    recorded(tmp_path)
    path = tmp_path / "log"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"^recording .*log: altered: the checksum at byte \d+ does not fit$"):
        Recording(str(path))
    path.write_bytes(b"something else")
    with pytest.raises(RecordingError, match="this is no recording"):
        Recording(str(path))
    with pytest.raises(RecordingError, match="No such file"):
        Recording(str(tmp_path / "nothing"))


def test_a_changed_or_missing_guest_is_refused(tmp_path):
    recorded(tmp_path)
    recording = Recording(str(tmp_path / "log"))
    program(tmp_path, "1: j 1b")
    with pytest.raises(RecordingError, match=r"^bios .*guest.bin: changed since the recording was made$"):
        recording.machine()
    (tmp_path / "guest.bin").unlink()
    with pytest.raises(RecordingError, match=r"^bios .*guest.bin: No such file or directory; the recording needs it as it was$"):
        recording.machine()


def test_disks_are_checked_and_one_that_is_written_directly_is_refused(tmp_path):
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    disk = open_disk(str(image))
    m = machine(tmp_path, disks=(disk,))
    with pytest.raises(RecordingError, match=r"image: its file is written, .*; use .*image,overlay$"):
        m.record(str(tmp_path / "log"))
    disk.close()
    m = machine(tmp_path, disks=(open_disk(f"{image},overlay"),))
    m.record(str(tmp_path / "log"), every=500)
    m.run(insns=1000)
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine([open_disk(spec) for spec in recording.disks])
    assert replay(recording, twin) is Stop.END
    image.write_bytes(b"x" + bytes((1 << 20) - 1))
    with pytest.raises(RecordingError, match="changed since"):
        recording.check()


def test_a_replay_takes_nothing_else_from_outside_and_a_recording_cannot_go_back(tmp_path):
    m = recorded(tmp_path)
    twin = Recording(str(tmp_path / "log")).machine()
    twin.send("x")
    with pytest.raises(MachineError, match="nothing else can enter"):
        twin.run(insns=10)
    s = m.snapshot()
    m.record(str(tmp_path / "another"))
    with pytest.raises(MachineError, match="cannot go back"):
        m.restore(s)


def test_a_replay_that_differs_says_where(tmp_path):
    recorded(tmp_path)
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    twin.run(insns=1200)
    twin.board.x[20] = 1  # behind everyone's back
    with pytest.raises(Parted, match=r"^the replay differs at position 1500: hash \w+, recorded \w+; it parts at its beginning$"):
        replay(recording, twin)


def test_a_reset_is_a_part_of_the_recording(tmp_path):
    m = machine(tmp_path)
    r = m.record(str(tmp_path / "log"), every=500)
    m.run(insns=700)
    m.reset()
    m.run(insns=700)
    r.close()
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert twin.hash() == m.hash()
