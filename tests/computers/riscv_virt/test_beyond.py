"""What the virt computer has beyond other machines: identities of forks, privileges, disks that are committed and recorded."""

from __future__ import annotations

import pytest

from softmetal.host.disks import open_disk
from softmetal.machine.errors import MachineError
from softmetal.machine.machine import Identity
from softmetal.machine.monitor import execute
from softmetal.machine.record import RecordingError
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.machine.guests import COUNTER, machine, program


def test_a_fork_with_an_identity_differs_from_the_same_fork_with_another(tmp_path):
    m = machine(tmp_path, network=True)
    m.run(insns=1000)
    a, b, again = m.fork(Identity("a")), m.fork(Identity("b")), m.fork(Identity("a"))
    assert a.hash() == again.hash()
    assert len({a.hash(), b.hash(), m.hash()}) == 3
    assert bytes(a.board.net.mac) == Identity("a").address != bytes(b.board.net.mac)
    assert a.board.entropy.seed != b.board.entropy.seed
    assert list(a.board.vmgenid.id) != list(b.board.vmgenid.id)


def test_a_cpu_shows_its_privilege(tmp_path):
    m = machine(tmp_path, "la t0, 1f\ncsrw mepc, t0\nli t0, -1\ncsrw pmpaddr0, t0\nli t0, 31\ncsrw pmpcfg0, t0\nmret\n1: j 1b")
    assert m.cpu.privilege == "machine"
    m.run(insns=100)
    assert m.cpu.privilege == "user"


def test_an_overlay_is_committed_where_there_is_one_and_nothing_is_recorded(tmp_path):
    image = tmp_path / "disk"
    image.write_bytes(bytes(8192))
    disk, other = open_disk(f"{image},overlay"), open_disk(f"{program(tmp_path, COUNTER)},ro")
    m = machine(tmp_path, COUNTER, disks=(disk, other))
    timeline = m.keep_timeline(every=100)
    m.run(insns=500)
    disk.write(0, memoryview(b"x" * 512))
    recorder = m.record(str(tmp_path / "log"))
    with pytest.raises(MachineError, match="cannot commit a disk"):
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


def test_disks_are_checked_and_one_that_is_written_directly_is_refused(tmp_path):
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    disk = open_disk(str(image))
    m = machine(tmp_path, disks=(disk,))
    with pytest.raises(RecordingError, match=r"image: its file is written directly, .*; use .*image,overlay$"):
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
