"""Small guests of the virt board: programs in machine mode, and the machine that runs them.

`guests_6502` has the same for another computer.
"""

from __future__ import annotations

from pathlib import Path

from softmetal.computers.riscv_virt import Virt
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.machine.machine import Machine

ENGINES = ("golden", "native")
START = 0x8000_0000

TIMERS = """
        # each hart: a timer every 50 steps of `time`; every 16th time it writes its letter; what is typed comes back, plus one
        csrr s0, mhartid
        la t0, handler
        csrw mtvec, t0
        li s2, 0x10000000
        slli t0, s0, 3
        li t1, 0x2004000
        add s3, t1, t0
        li t0, 0x200bff8
        ld t1, 0(t0)
        addi t1, t1, 50
        sd t1, 0(s3)
        li t0, 0x80
        csrw mie, t0
        csrsi mstatus, 8
loop:   wfi
        addi s5, s5, 1
        la t2, words
        andi t0, s5, 255
        slli t0, t0, 3
        add t2, t2, t0
        sd s5, 0(t2)
        bnez s0, loop
        lbu t0, 5(s2)
        andi t0, t0, 1
        beqz t0, loop
        lbu t1, 0(s2)
        addi t1, t1, 1
        sb t1, 0(s2)
        j loop
        .balign 4
handler:
        addi s6, s6, 1
        li t4, 0x200bff8
        ld t3, 0(t4)
        addi t3, t3, 50
        sd t3, 0(s3)
        andi t4, s6, 15
        bnez t4, 1f
        addi t5, s0, 'A'
        sb t5, 0(s2)
1:      mret
        .balign 8
words:  .zero 2048
"""

COUNTER = """
        # counts in memory, one word after the other
        la s1, words
        li s2, 0
1:      addi s2, s2, 1
        andi t0, s2, 63
        slli t0, t0, 3
        add t0, t0, s1
        sd s2, 0(t0)
        j 1b
        .balign 8
words:  .zero 512
"""


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
FROM_TWO = "li a0, 2\n1: addi a0, a0, 1\ncounted: nop\nj 1b"
TWO = "1: addi a0, a0, 1\nj 1b"
IN_COUNTER = START + 12, START + 16
"""Addresses of two instructions of COUNTER's loop."""
HALT = "1: wfi\nj 1b"
STORE_AND_HALT = "la t0, x\nsd sp, 0(t0)\n1: wfi\nj 1b\n.balign 8\nx: .zero 8"
ECHO = """
        # waits for the UART's interrupt, and writes what has come
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
ECHOED = b"x" * 40
"""What ECHO writes when 40 of them are typed."""
LOOP = """
        la s0, data
        mv s1, s0
        li a2, 0
loop:   addi a0, a0, 1
        sd a0, 0(s0)
        ld a1, 8(s0)
target: addi a2, a2, 2
        csrw mscratch, a0
        lbu a3, 0(s1)
        j loop
        .balign 8
data:   .dword 0, 7
"""
UART = LOOP.replace("mv s1, s0", "li s1, 0x10000005")
TRAPS = """
        la t0, handler
        csrw mtvec, t0
        li a0, 0
loop:   addi a0, a0, 1
        ecall
        ld t0, 0(zero)
        j loop
        .balign 4
handler: csrr t1, mepc
        addi t1, t1, 4
        csrw mepc, t1
        mret
"""
PAGES = """
        # supervisor mode with Sv39: the first GiB and the third both mean the memory at 0x80000000
        la t0, handler
        csrw mtvec, t0
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 0x1f
        csrw pmpcfg0, t0
        la s0, table
        li t0, 0x200000cf
        sd t0, 0(s0)
        sd t0, 16(s0)
        srli t0, s0, 12
        li t1, 8 << 60
        or t0, t0, t1
        csrw satp, t0
        la t0, twice
        csrw mepc, t0
        li t0, 0x800
        csrs mstatus, t0
        mret
twice:  addi s1, s1, 1
        li t0, 0x80000000
        la t1, twice
        sub t1, t1, t0
        jr t1                   # the same code, where the first GiB maps it; from there on to what no page maps
        .balign 4
handler: ld t0, 8(s0)           # a page that was not mapped is mapped now
        li t1, 0x200000cf
        sd t1, 8(s0)
        sfence.vma
        mret
        .balign 4096
table:  .zero 4096
"""
FAR = PAGES.replace("sub t1, t1, t0", "sub t1, t1, t0\n        li t0, 0x40000000\n        add t1, t1, t0")
CHANGED = """
        # writes another instruction over `patch`, each time round
        la s0, patch
        la s1, words
loop:   addi s2, s2, 1
        andi t0, s2, 1
        slli t0, t0, 2
        add t0, t0, s1
        lw t1, 0(t0)
        sw t1, 0(s0)
        fence.i
patch:  addi a0, a0, 1
        j loop
        .balign 4
words:  .word 0x00150513, 0x00250513
"""
ACROSS = f"""
        j begin
        .zero {4096 - 4 - 2 - 4}
        c.nop
begin:  c.nop
across: addi a0, a0, 1          # two bytes in each of two pages
        c.nop
        j begin
"""


def program(tmp_path: Path, text: str) -> str:
    """A file with an assembled program that begins where memory does."""
    path = tmp_path / "guest.bin"
    path.write_bytes(assemble(isa, text, START).code)
    return str(path)


def machine(tmp_path: Path, text: str = TIMERS, engine: str = "native", **parts) -> Machine:
    """A small machine that runs a program."""
    return Machine(Virt(**{"bios": program(tmp_path, text), "memory": 16 << 20, **parts}), engine=engine)


def virtio(slot: int, queue: int, chain: list[tuple[str, int, int]], data: str = "", size: int = 16, heads: int = 1) -> str:
    """A program that brings up one queue of the device in a slot and offers one chain in it, `heads` times: segments are
    (address as an expression of the assembler, length, flags without NEXT). Behind the notification it goes on at `after`."""
    flags = [f | (1 if i + 1 < len(chain) else 0) for i, (_, _, f) in enumerate(chain)]
    parts = [
        f".dword {where}\n.word {length}\n.half {flag}\n.half {i + 1 if flag & 1 else 0}"
        for i, ((where, length, _), flag) in enumerate(zip(chain, flags, strict=True))
    ]
    return f"""
        li s0, {0x1000_1000 + 0x1000 * slot}
        sw zero, 0x70(s0)
        li t0, 3
        sw t0, 0x70(s0)
        li t0, 1
        sw t0, 0x24(s0)
        sw t0, 0x20(s0)
        li t0, 11
        sw t0, 0x70(s0)
        li t0, {queue}
        sw t0, 0x30(s0)
        li t0, {size}
        sw t0, 0x38(s0)
        la t0, desc
        sw t0, 0x80(s0)
        la t0, avail
        sw t0, 0x90(s0)
        la t0, used
        sw t0, 0xa0(s0)
        li t0, 1
        sw t0, 0x44(s0)
        li t0, 15
        sw t0, 0x70(s0)
        li s1, {queue}
        sw s1, 0x50(s0)
        j after
        .balign 16
desc:   {chr(10).join(parts)}
        .balign 4096
used:   .zero 4096
avail:  .half 0, {heads}
        .zero 60
        {data}
        .balign 4096
after:
"""
