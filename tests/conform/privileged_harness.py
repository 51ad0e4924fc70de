"""The frame around random privileged programs: it runs them one after the other, in machine mode, and logs every trap.

Memory begins with the frame, a table of the addresses of programs that a 0 ends, and slots of 64 KiB, one for each program:

    page 0..2  the director: machine mode, at its own physical addresses, in segments
    page 3, 4  snippets, that run in all modes wherever page tables put them
    page 5     the supervisor's trap handlers
    page 6, 7  data
    page 8..11 page tables, 12 the root
    page 13    registers at the end
    page 14..  the log: a record for each trap that comes to machine mode

A trap to machine mode is logged. Then the director goes on: behind the instruction that trapped where it has asked for that
(`resume`) and the trap came from itself, else at the address in `next`.
"""

from __future__ import annotations

from functools import cache

from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.privileged.state import Csr

RAM, SIZE = 0x8000_0000, 32 << 20
TABLE, FIRST, SLOT = RAM + 0x2000, RAM + 0x10000, 0x10000
DIRECTOR, SNIPPETS, HANDLERS, DATA, TABLES, ROOT, END, LOG = (page << 12 for page in (0, 3, 5, 6, 8, 12, 13, 14))
MOST = (SIZE - (4 << 20)) // SLOT - 1
"""Programs that a run has room for: QEMU puts its device tree near the end of memory."""
VARIABLES = RAM + 0x1F00
NEXT, RESUME = 24, 32
RECORD = 192
"""Bytes of a record: where it was entered, six registers, the general registers that programs use."""
CAUSE = 1
LOGGED = range(5, 20)
"""General registers in a record."""
FINAL = [
    Csr.MSTATUS, Csr.MEDELEG, Csr.MIDELEG, Csr.MIE, Csr.MSCRATCH, Csr.MEPC, Csr.SSCRATCH, Csr.STVEC, Csr.SEPC, Csr.SATP,
    Csr.MCOUNTEREN, Csr.SCOUNTEREN, Csr.PMPCFG0, Csr.PMPCFG2,
]  # fmt: skip
"""Control and status registers that are kept at the end of a program."""
CLEARED = (
    "menvcfg", "medeleg", "mideleg", "mie", "mip", "satp", "stvec", "sepc", "scause", "stval", "sscratch", "mscratch", "mepc",
    "mcause", "mtval", "senvcfg", "mcounteren", "scounteren", "pmpcfg0", "pmpcfg2",
)  # fmt: skip
"""And those that are 0 at the start of one."""
REGIONS = 16

TEXT = """
.equ VARIABLES, {variables}
        j start
        j end                           # a program's last segment goes here
        .balign 64
vectors:
        {vectors}
start:  li t6, VARIABLES
        li t0, {table}
        sd t0, 0(t6)
next:   li t1, -1
        li t2, 0x2004000                # mtimecmp
        sd t1, 0(t2)
        li t6, VARIABLES
        ld t0, 0(t6)
        ld t1, 0(t0)
        beqz t1, finished
        addi t0, t0, 8
        sd t0, 0(t6)
        sd t1, 8(t6)
        sd t1, 24(t6)
        sd zero, 32(t6)
        li t2, {log}
        add t2, t1, t2
        sd t2, 16(t6)
        la t0, vectors
        csrw mtvec, t0
        li t0, 0x2000                   # FS initial
        csrw mstatus, t0
        li t0, 1 << 63
        csrw menvcfg, t0
        li t0, -1
        csrw stimecmp, t0
        {clear}
        li t0, 1 << 62                  # memory types of pages
        csrw menvcfg, t0
        li t0, (1 << 54) - 1
        csrw pmpaddr15, t0
        li t0, 0x1f << 56               # all modes may do all
        csrw pmpcfg2, t0
        csrw fcsr, zero
        {floats}
        li t0, 0x2000000                # msip
        sw zero, 0(t0)
        sfence.vma
        csrw mstatus, zero
        mv t0, t1
        {registers}
        jr t0
finished:
        li t0, 0x100000
        li t1, 0x5555
        sw t1, 0(t0)
        j finished

trap:   sc.d zero, zero, (zero)
        li t6, VARIABLES
        ld t6, 16(t6)
        sd t5, 0(t6)
        csrr t5, mcause
        sd t5, 8(t6)
        csrr t5, mepc
        sd t5, 16(t6)
        csrr t5, mtval
        sd t5, 24(t6)
        csrr t5, mstatus
        sd t5, 32(t6)
        csrr t5, mip
        sd t5, 40(t6)
        {record}
        addi t5, t6, {record_size}
        li t6, VARIABLES
        sd t5, 16(t6)
        ld t5, 32(t6)
        beqz t5, on
        csrr t5, mstatus
        slli t5, t5, 51
        srli t5, t5, 62
        addi t5, t5, -3
        bnez t5, on                     # it came from another mode
        csrr t6, mepc
        csrr t5, mcause
        bltz t5, again
        addi t6, t6, 4
again:  jr t6
on:     ld t5, 24(t6)
        jr t5

end:    li t6, 0x21800                  # MPRV, MPP
        csrc mstatus, t6
        li t6, VARIABLES
        ld t6, 8(t6)
        li t5, {end}
        add t6, t6, t5
        {final}
        li t5, 0x2000
        csrs mstatus, t5
        {floating}
        j next
"""


@cache
def harness():
    lines = {
        "vectors": ["jal t5, trap"] * 16,
        "clear": [f"csrw {n}, zero" for n in (*CLEARED, *(f"pmpaddr{i}" for i in range(REGIONS)))],
        "floats": [f"fmv.d.x f{i}, zero" for i in range(32)],
        "registers": [f"li x{i}, 0" for i in range(1, 32) if i != 5],
        "record": [f"sd x{n}, {8 * (6 + i)}(t6)" for i, n in enumerate(LOGGED)],
        "final": [
            f"csrr t5, {n}\n sd t5, {8 * i}(t6)"
            for i, n in enumerate([c.name.lower() for c in FINAL] + [f"pmpaddr{i}" for i in range(REGIONS)])
        ],
        "floating": [f"fsd f{i}, {1024 + 8 * i}(t6)" for i in range(32)],
    }  # fmt: skip
    numbers = {"variables": VARIABLES, "table": TABLE, "log": LOG, "end": END, "record_size": RECORD}
    text = TEXT.format(**{k: "\n".join(v) for k, v in lines.items()}, **numbers)
    made = assemble(isa, text, RAM)
    assert len(made.code) <= VARIABLES - RAM
    return made


def image(slots):
    """Memory with programs: a dict from the number of a slot to its bytes."""
    ram = bytearray(SIZE)
    code = harness().code
    ram[: len(code)] = code
    for i, slot in enumerate(slots):
        ram[TABLE - RAM + 8 * i : TABLE - RAM + 8 * i + 8] = address_of(slot).to_bytes(8, "little")
    for slot, content in slots.items():
        at = address_of(slot) - RAM
        ram[at : at + SLOT] = content
    return ram


def address_of(slot):
    return FIRST + slot * SLOT
