"""The RV64 instruction table and its base instructions, RV64I.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 2 and 4, and the opcode map of chapter 34.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import ABI, BREAKPOINT, ECALL_U, FLOAT_ABI, ILLEGAL, Hart, RiscvTrap
from softmetal.isa.table import Isa
from softmetal.lang import s12, s13, s21, s32, s64, u5, u6, u32, u64


def illegal(hart: Hart, code: u32) -> None:
    """What a code does that no entry recognises: `tval` is the code."""
    raise RiscvTrap(ILLEGAL, code)


isa = Isa(
    "rv64",
    core=Hart,
    parcel=16,
    title="RV64GC with Zba, Zbb and Zbs",
    registers={"x": ABI, "f": FLOAT_ABI},
    kinds={"rd": "x", "rs1": "x", "rs2": "x", "rs3": "x"},
    aliases={
        "x": {"fp": 8, **{f"x{i}": i for i in range(32)}},
        "f": {f"f{i}": i for i in range(32)},
    },
    zero="rd",
    illegal=illegal,
    group="I",
)
insn = isa.insn


@insn("imm[31:12] rd 0110111", "lui {rd}, {imm:hi20}")
def lui(hart: Hart, rd: u5, imm: s32) -> None:
    """Load a 20-bit upper immediate."""
    hart.set_x(rd, imm)


@insn("imm[31:12] rd 0010111", "auipc {rd}, {imm:hi20}")
def auipc(hart: Hart, rd: u5, imm: s32) -> None:
    """Add a 20-bit upper immediate to the program counter."""
    hart.set_x(rd, hart.pc + imm)


@insn("imm[20|10:1|11|19:12] rd 1101111", "jal {rd}, {pc+imm}")
def jal(hart: Hart, rd: u5, imm: s21) -> None:
    """Jump and link."""
    hart.set_x(rd, hart.next_pc)
    hart.next_pc = hart.pc + imm


@insn("imm[11:0] rs1 000 rd 1100111", "jalr {rd}, {imm}({rs1})")
def jalr(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Jump and link to an address in a register; bit 0 of the target is cleared."""
    target = (hart.x[rs1] + imm) & ~1
    hart.set_x(rd, hart.next_pc)
    hart.next_pc = target


@insn("imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", "beq {rs1}, {rs2}, {pc+imm}")
def beq(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if equal."""
    if hart.x[rs1] == hart.x[rs2]:
        hart.next_pc = hart.pc + imm


@insn("imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011", "bne {rs1}, {rs2}, {pc+imm}")
def bne(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if not equal."""
    if hart.x[rs1] != hart.x[rs2]:
        hart.next_pc = hart.pc + imm


@insn("imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011", "blt {rs1}, {rs2}, {pc+imm}")
def blt(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if less than, signed."""
    if s64(hart.x[rs1]) < s64(hart.x[rs2]):
        hart.next_pc = hart.pc + imm


@insn("imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011", "bge {rs1}, {rs2}, {pc+imm}")
def bge(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if greater than or equal, signed."""
    if s64(hart.x[rs1]) >= s64(hart.x[rs2]):
        hart.next_pc = hart.pc + imm


@insn("imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011", "bltu {rs1}, {rs2}, {pc+imm}")
def bltu(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if less than, unsigned."""
    if hart.x[rs1] < hart.x[rs2]:
        hart.next_pc = hart.pc + imm


@insn("imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011", "bgeu {rs1}, {rs2}, {pc+imm}")
def bgeu(hart: Hart, rs1: u5, rs2: u5, imm: s13) -> None:
    """Branch if greater than or equal, unsigned."""
    if hart.x[rs1] >= hart.x[rs2]:
        hart.next_pc = hart.pc + imm
