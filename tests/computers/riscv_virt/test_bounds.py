"""What a guest can make the host do, and keep, is bounded by what its own instructions pay for."""

from __future__ import annotations

import struct

import pytest

from softmetal.computers.riscv_virt import devices
from softmetal.host.disks import open_disk
from softmetal.machine.stop import Stop
from tests.machine.guests import ENGINES, machine, virtio

WRITE = 2
SPIN = "1: addi s2, s2, 1\n j 1b\n"
WAIT = "1: wfi\n j 1b\n"
AGAIN = "1: sw s1, 0x50(s0)\n j 1b\n"


class Counted:
    """A disk that counts how often it is read."""

    def __init__(self, disk):
        self.disk, self.reads = disk, 0

    def __getattr__(self, name):
        return getattr(self.disk, name)

    def readv(self, offset, parts):
        self.reads += 1
        assert self.reads < 200_000, "the guest holds the host"
        self.disk.readv(offset, parts)


@pytest.fixture
def endless(tmp_path):
    """A disk each of whose sectors, once it is read over the available ring, asks for the next one: sector `s` holds the
    index s + 2, a ring of zeroes, and the header of a request for sector s + 1."""
    count = 1 << 16
    path = tmp_path / "endless.img"
    path.write_bytes(
        b"".join(struct.pack("<HH60xIIQ", 0, (s + 2) % count, 0, 0, (s + 1) % count).ljust(512, b"\0") for s in range(count))
    )
    disk = Counted(open_disk(f"{path},ro"))
    yield disk
    disk.close()


def feeding(after: str) -> str:
    """A program whose disk feeds itself."""
    return virtio(0, 0, [("avail + 64", 16, 0), ("avail", 512, WRITE), ("used + 2048", 1, WRITE)], ".zero 512") + after


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("after", [SPIN, AGAIN])
def test_a_disk_that_fills_its_own_ring_does_not_hold_the_host(tmp_path, endless, engine, after):
    m = machine(tmp_path, feeding(after), disks=(endless,), engine=engine)
    assert m.run(insns=20_000) is Stop.INSNS
    assert m.position == 20_000
    assert endless.reads > 100


def test_such_a_disk_goes_on_at_the_pace_of_machine_time(tmp_path, endless):
    m = machine(tmp_path, feeding(SPIN), disks=(endless,))
    m.run(insns=20_000)
    before = endless.reads
    m.run(seconds=0.01)
    assert 1000 < endless.reads - before < 10_000_000 // 4000


def test_a_guest_that_waits_for_such_a_disk_waits_for_ever_in_the_end(tmp_path, endless):
    m = machine(tmp_path, feeding(WAIT), disks=(endless,))
    assert m.run(insns=20_000) is Stop.IDLE
    assert m.position < 100


@pytest.mark.parametrize("after", [SPIN, WAIT, AGAIN])
def test_how_such_a_run_is_cut_cannot_be_seen(tmp_path, endless, after):
    whole, cut = (machine(tmp_path, feeding(after), disks=(endless,), engine=engine) for engine in ENGINES)
    whole.run(insns=5000, seconds=0.02)
    while cut.position < 5000 and cut.clock < whole.clock:
        cut.run(insns=min(7, 5000 - cut.position), seconds=min(300_000, whole.clock - cut.clock) / 1e9)
        cut.hash()
    assert (whole.position, whole.hash()) == (cut.position, cut.hash())


@pytest.mark.parametrize("slot", [0, 1])
def test_a_guest_that_always_asks_for_much_gets_it_at_the_pace_of_machine_time(tmp_path, slot):
    """The console is given 4 MiB with each notification, the entropy device asked for as much."""
    again = "1: la t1, avail\n lhu t2, 2(t1)\n addi t2, t2, 1\n sh t2, 2(t1)\n sw s1, 0x50(s0)\n j 1b\n"
    text = virtio(slot, 1 - slot, [("0x80800000", 1 << 22, WRITE * slot)]) + "la s4, used\n" + again
    m = machine(tmp_path, text)
    written = []
    m.consoles["hvc"].on_output = written.append
    m.run(insns=2_000_000)
    assert m.position == 2_000_000
    given = m.memory[m.cpu.regs["s4"] + 2 : m.cpu.regs["s4"] + 4]
    count = int.from_bytes(given, "little") * 4096 if slot else sum(map(len, written))
    assert 1 << 19 < count < 4 << 20


def test_lines_for_the_user_are_bounded_and_each_is_kept_once(tmp_path):
    m = machine(tmp_path, SPIN)
    for i in range(1000):
        m.warn(f"line {i}")
        m.warn("line 0")
        m.remark(f"line {i}")
    assert m.warnings == m.remarks == [*(f"line {i}" for i in range(100)), "..."]


def test_what_a_guest_sends_without_a_cable_is_bounded(tmp_path):
    m = machine(tmp_path, "1: j 1b", network=True)
    for _ in range(3000):
        for _ in range(2):
            m.board.net.tx.put(bytes(64))
        devices.drain(m)
    assert len(m.sent) == devices.MOST_SENT


def test_accesses_that_are_not_modelled_are_named_up_to_64_and_all_counted(tmp_path):
    m = machine(tmp_path, "li t0, 0x100000\nli t1, 0x100100\n1: lw t2, 0(t0)\naddi t0, t0, 4\nbltu t0, t1, 1b\nli t0, 0x102100\n"
                          "2: lw t2, 0(t0)\naddi t0, t0, 4\nj 2b")  # fmt: skip
    m.run(insns=2000)
    assert len(m.unmodelled) == 64
    assert m.board.unmodelled.count > 300
