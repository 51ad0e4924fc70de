"""Machines of many harts and much memory: what lies beyond 4 GiB is memory like any other."""

from __future__ import annotations

import pytest

from softmetal.host.disks import open_disk
from softmetal.machine.machine import Machine
from tests.machine.guests import ENGINES, machine, virtio

FAR = 0x8000_0000 + (9 << 30)
WRITE = 2
PIECE = f"""
        li s3, {FAR}
        la t0, piece            # code is copied there, called, changed and called again
        ld t1, 0(t0)
        ld t2, 8(t0)
        sd t1, 0(s3)
        sd t2, 8(s3)
        fence.i
        li a0, 0
        jalr s3
        mv s4, a0
        mv s5, a1
        li t1, 0x00850513       # addi a0, a0, 8
        sw t1, 0(s3)
        fence.i
        li a0, 0
        jalr s3
1:      j 1b
        .balign 8
piece:  addi a0, a0, 7
        auipc a1, 0
        ret
        nop
"""


def large(tmp_path, text, **parts):
    return machine(tmp_path, text, memory=10 << 30, **parts)


@pytest.mark.parametrize("engine", ENGINES)
def test_code_beyond_4_gib_runs_and_may_change(tmp_path, engine):
    m = large(tmp_path, PIECE, engine=engine)
    m.run(insns=60)
    assert [m.cpu.regs[name] for name in ("s4", "s5", "a0")] == [7, FAR + 4, 8]
    assert m.memory[FAR : FAR + 4] == bytes.fromhex("13058500")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_disk_reads_into_memory_beyond_4_gib(tmp_path, engine):
    content = bytes(range(256)) * 2
    (tmp_path / "disk").write_bytes(content + bytes(512))
    disk = open_disk(f"{tmp_path}/disk,ro")
    text = virtio(0, 0, [("avail + 64", 16, 0), (str(FAR), 512, WRITE), ("used + 2048", 1, WRITE)], ".zero 16") + "1: j 1b\n"
    m = large(tmp_path, text, disks=(disk,), engine=engine)
    m.run(insns=2000)
    assert m.memory[FAR : FAR + 512] == content
    disk.close()


def test_it_can_go_back_be_saved_and_forked(tmp_path):
    m = large(tmp_path, PIECE)
    m.run(insns=10)
    early, hashed = m.snapshot(), m.hash()
    m.run(insns=50)
    late, twin = m.hash(), m.fork()
    twin.memory[FAR : FAR + 1] = b"?"
    assert (m.memory[FAR : FAR + 1], m.hash()) == (b"\x13", late)
    m.save(str(tmp_path / "saved"))
    assert Machine.load(str(tmp_path / "saved")).hash() == late
    m.restore(early)
    assert m.hash() == hashed


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_hart_has_its_own_timer_and_software_interrupt(tmp_path, engine):
    text = """
        csrr s0, mhartid
        la t0, handler
        csrw mtvec, t0
        li s1, 0x2000000
        slli t0, s0, 2
        add s2, s1, t0          # this hart's msip
        slli t0, s0, 3
        li t1, 0x2004000
        add t0, t0, t1
        li t1, 40
        add t1, t1, s0
        sd t1, 0(t0)            # and its timer, a little later than that of the hart before
        li t0, 0x88
        csrw mie, t0
        csrsi mstatus, 8
1:      wfi
        j 1b
        .balign 4
handler: csrr t0, mcause
        andi t0, t0, 15
        addi t0, t0, -7
        bnez t0, 2f
        addi s6, s6, 1
        li t0, 8
        csrw mie, t0
        addi t1, s2, 4          # wake the next one
        sw s6, 0(t1)
        mret
2:      addi s7, s7, 1
        sw zero, 0(s2)
        mret
    """
    m = machine(tmp_path, text, cpus=31, engine=engine)
    m.run(seconds=0.001)
    assert [cpu.regs["s6"] for cpu in m.cpus] == [1] * 31
    assert [cpu.regs["s7"] for cpu in m.cpus] == [0] + [1] * 30
