"""Recordings: what they hold, that replays agree, and what is said where they cannot."""

from __future__ import annotations

import pytest

from softmetal.machine.errors import Diverged, MachineError
from softmetal.machine.record import RecordingError
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.machine.kits import ENGINES, program


def recorded(kit, tmp_path, engine="native"):
    """A run in which things come from outside at various moments, and its machine."""
    m = kit.machine(tmp_path, engine=engine, **kit.several, **kit.equipped)
    r = m.record(str(tmp_path / "log"), every=500)
    m.run(insns=700)
    m.send("abcdefghijklmnopqrstuvwxyz" * 3)
    m.run(insns=100)
    for enter in kit.inputs.values():
        enter(m)
    m.run(seconds=0.0003)
    m.memory[kit.spare : kit.spare + 2] = b"xy"
    for _ in range(50):
        m.advance(10_000, m.clock + kit.look // 4)
    m.send("bye")
    m.run(insns=1900)
    r.close()
    return m


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_has_the_same_hash_at_every_checkpoint_on_every_engine(tmp_path, kit, engine):
    m = recorded(kit, tmp_path)
    recording = Recording(str(tmp_path / "log"))
    assert recording.whole
    assert {i.port for i in recording.inputs} == {kit.console, "memory", *kit.inputs}
    twin, reported = recording.machine(engine=engine), []
    assert replay(recording, twin, report=reported.append) is Stop.END
    assert len(reported) == len(recording.checkpoints) > 5
    assert (twin.hash(), twin.position, twin.clock) == (m.hash(), m.position, m.clock)
    assert twin.console.output == m.console.output


def test_what_comes_while_all_harts_wait_comes_at_the_same_clock(tmp_path, kit):
    m = kit.machine(tmp_path, kit.guests.ECHO)
    r = m.record(str(tmp_path / "log"), every=50)
    for i in range(20):
        m.run(seconds=0.001 * (i + 1))
        m.send("x" * (i % 5))
        m.run(insns=3 * i)
    m.run(seconds=1)
    r.close()
    assert m.console.output == kit.guests.ECHOED
    recording = Recording(str(tmp_path / "log"))
    assert any(i.waited for i in recording.inputs)
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert (twin.hash(), twin.clock) == (m.hash(), m.clock)


def test_a_recording_may_begin_in_the_middle(tmp_path, kit):
    m = kit.machine(tmp_path)
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


def test_a_recording_that_was_cut_off_counts_as_far_as_it_goes(tmp_path, kit):
    recorded(kit, tmp_path)
    path = tmp_path / "log"
    data = path.read_bytes()
    whole = Recording(str(path))
    path.write_bytes(data[: len(data) - 200])
    part = Recording(str(path))
    assert not part.whole
    assert 2 < len(part.checkpoints) < len(whole.checkpoints)
    assert replay(part, part.machine()) is Stop.END


def test_altered_and_foreign_files_are_refused(tmp_path, kit):
    recorded(kit, tmp_path)
    path = tmp_path / "log"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"^recording .*log: altered: the checksum at byte \d+ does not fit$"):
        Recording(str(path))
    path.write_bytes(b"something else")
    with pytest.raises(RecordingError, match="not a recording"):
        Recording(str(path))
    with pytest.raises(RecordingError, match="No such file"):
        Recording(str(tmp_path / "nothing"))


def test_a_changed_or_missing_guest_is_refused(tmp_path, kit):
    recorded(kit, tmp_path)
    recording = Recording(str(tmp_path / "log"))
    field, name = kit.file
    program(kit, tmp_path, kit.guests.HALT)
    with pytest.raises(RecordingError, match=rf"^{field} .*{name}: changed since the recording was made$"):
        recording.machine()
    (tmp_path / name).unlink()
    with pytest.raises(RecordingError, match=rf"^{field} .*{name}: No such file or directory; the recording needs it as it was$"):
        recording.machine()


def test_a_replay_takes_nothing_else_from_outside_and_a_recording_cannot_go_back(tmp_path, kit):
    m = recorded(kit, tmp_path)
    twin = Recording(str(tmp_path / "log")).machine()
    twin.send("x")
    with pytest.raises(MachineError, match="nothing else can enter"):
        twin.run(insns=10)
    s = m.snapshot()
    m.record(str(tmp_path / "another"))
    with pytest.raises(MachineError, match="cannot go back"):
        m.restore(s)


def test_a_replay_that_differs_reports_where(tmp_path, kit):
    recorded(kit, tmp_path)
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    twin.run(insns=1200)
    kit.tamper(twin.board)  # behind everyone's back
    text = r"^the replay differs at position 1500: hash \w+, recorded \w+; the difference arose at its beginning$"
    with pytest.raises(Diverged, match=text):
        replay(recording, twin)


def test_a_reset_is_a_part_of_the_recording(tmp_path, kit):
    m = kit.machine(tmp_path)
    r = m.record(str(tmp_path / "log"), every=500)
    m.run(insns=700)
    m.reset()
    m.run(insns=700)
    r.close()
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert twin.hash() == m.hash()
