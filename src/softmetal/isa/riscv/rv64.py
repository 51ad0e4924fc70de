"""The RV64 instruction table and its base instructions, RV64I.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 2 and 4, and the opcode map of chapter 34.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import ABI, BREAKPOINT, FLOAT_ABI, ILLEGAL, Hart, RiscvTrap
from softmetal.isa.table import Isa
from softmetal.lang import s8, s12, s13, s16, s21, s32, s64, u5, u6, u32, u64


def illegal(hart: Hart, code: u32) -> None:
    """What a code does that no entry recognises: `tval` is the code."""
    raise RiscvTrap(ILLEGAL, code)


isa = Isa(
    "rv64",
    core=Hart,
    parcel=16,
    title="RV64GC with bit manipulation, half precision and more",
    registers={"x": ABI, "f": FLOAT_ABI},
    kinds={"rd": "x", "rs1": "x", "rs2": "x", "rs3": "x"},
    aliases={
        "x": {"fp": 8, **{f"x{i}": i for i in range(32)}},
        "f": {f"f{i}": i for i in range(32)},
    },
    zero="rd",
    operands={"rd": u5, "rs1": u5, "rs2": u5},
    signed=("imm", "nzimm"),
    destination="rd",
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


@insn("imm[11:0] rs1 000 rd 0000011", "lb {rd}, {imm}({rs1})")
def lb(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a byte, sign-extended."""
    hart.set_x(rd, s8(hart.load8(hart.x[rs1] + imm)))


@insn("imm[11:0] rs1 001 rd 0000011", "lh {rd}, {imm}({rs1})")
def lh(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a halfword, sign-extended."""
    hart.set_x(rd, s16(hart.load16(hart.x[rs1] + imm)))


@insn("imm[11:0] rs1 010 rd 0000011", "lw {rd}, {imm}({rs1})")
def lw(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a word, sign-extended."""
    hart.set_x(rd, s32(hart.load32(hart.x[rs1] + imm)))


@insn("imm[11:0] rs1 011 rd 0000011", "ld {rd}, {imm}({rs1})")
def ld(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a doubleword."""
    hart.set_x(rd, hart.load64(hart.x[rs1] + imm))


@insn("imm[11:0] rs1 100 rd 0000011", "lbu {rd}, {imm}({rs1})")
def lbu(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a byte, zero-extended."""
    hart.set_x(rd, hart.load8(hart.x[rs1] + imm))


@insn("imm[11:0] rs1 101 rd 0000011", "lhu {rd}, {imm}({rs1})")
def lhu(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a halfword, zero-extended."""
    hart.set_x(rd, hart.load16(hart.x[rs1] + imm))


@insn("imm[11:0] rs1 110 rd 0000011", "lwu {rd}, {imm}({rs1})")
def lwu(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a word, zero-extended."""
    hart.set_x(rd, hart.load32(hart.x[rs1] + imm))


@insn("imm[11:5] rs2 rs1 000 imm[4:0] 0100011", "sb {rs2}, {imm}({rs1})")
def sb(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store a byte."""
    hart.store8(hart.x[rs1] + imm, hart.x[rs2])


@insn("imm[11:5] rs2 rs1 001 imm[4:0] 0100011", "sh {rs2}, {imm}({rs1})")
def sh(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store a halfword."""
    hart.store16(hart.x[rs1] + imm, hart.x[rs2])


@insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100011", "sw {rs2}, {imm}({rs1})")
def sw(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store a word."""
    hart.store32(hart.x[rs1] + imm, hart.x[rs2])


@insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100011", "sd {rs2}, {imm}({rs1})")
def sd(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store a doubleword."""
    hart.store64(hart.x[rs1] + imm, hart.x[rs2])


@insn("imm[11:0] rs1 000 rd 0010011", "addi {rd}, {rs1}, {imm}")
def addi(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Add an immediate."""
    hart.set_x(rd, hart.x[rs1] + imm)


@insn("imm[11:0] rs1 010 rd 0010011", "slti {rd}, {rs1}, {imm}")
def slti(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Set to 1 if less than an immediate, signed."""
    hart.set_x(rd, s64(hart.x[rs1]) < imm)


@insn("imm[11:0] rs1 011 rd 0010011", "sltiu {rd}, {rs1}, {imm}")
def sltiu(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Set to 1 if less than a sign-extended immediate, both taken as unsigned."""
    hart.set_x(rd, hart.x[rs1] < u64(imm))


@insn("imm[11:0] rs1 100 rd 0010011", "xori {rd}, {rs1}, {imm}")
def xori(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Exclusive or with an immediate."""
    hart.set_x(rd, hart.x[rs1] ^ imm)


@insn("imm[11:0] rs1 110 rd 0010011", "ori {rd}, {rs1}, {imm}")
def ori(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Or with an immediate."""
    hart.set_x(rd, hart.x[rs1] | imm)


@insn("imm[11:0] rs1 111 rd 0010011", "andi {rd}, {rs1}, {imm}")
def andi(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """And with an immediate."""
    hart.set_x(rd, hart.x[rs1] & imm)


@insn("000000 shamt rs1 001 rd 0010011", "slli {rd}, {rs1}, {shamt}")
def slli(hart: Hart, rd: u5, rs1: u5, shamt: u6) -> None:
    """Shift left."""
    hart.set_x(rd, hart.x[rs1] << shamt)


@insn("000000 shamt rs1 101 rd 0010011", "srli {rd}, {rs1}, {shamt}")
def srli(hart: Hart, rd: u5, rs1: u5, shamt: u6) -> None:
    """Shift right, zeros come in."""
    hart.set_x(rd, hart.x[rs1] >> shamt)


@insn("010000 shamt rs1 101 rd 0010011", "srai {rd}, {rs1}, {shamt}")
def srai(hart: Hart, rd: u5, rs1: u5, shamt: u6) -> None:
    """Shift right, the sign comes in."""
    hart.set_x(rd, s64(hart.x[rs1]) >> shamt)


@insn("0000000 rs2 rs1 000 rd 0110011", "add {rd}, {rs1}, {rs2}")
def add(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Add."""
    hart.set_x(rd, hart.x[rs1] + hart.x[rs2])


@insn("0100000 rs2 rs1 000 rd 0110011", "sub {rd}, {rs1}, {rs2}")
def sub(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Subtract."""
    hart.set_x(rd, hart.x[rs1] - hart.x[rs2])


@insn("0000000 rs2 rs1 001 rd 0110011", "sll {rd}, {rs1}, {rs2}")
def sll(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift left by the low 6 bits of a register."""
    hart.set_x(rd, hart.x[rs1] << (hart.x[rs2] & 63))


@insn("0000000 rs2 rs1 010 rd 0110011", "slt {rd}, {rs1}, {rs2}")
def slt(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Set to 1 if less than, signed."""
    hart.set_x(rd, s64(hart.x[rs1]) < s64(hart.x[rs2]))


@insn("0000000 rs2 rs1 011 rd 0110011", "sltu {rd}, {rs1}, {rs2}")
def sltu(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Set to 1 if less than, unsigned."""
    hart.set_x(rd, hart.x[rs1] < hart.x[rs2])


@insn("0000000 rs2 rs1 100 rd 0110011", "xor {rd}, {rs1}, {rs2}")
def xor(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Exclusive or."""
    hart.set_x(rd, hart.x[rs1] ^ hart.x[rs2])


@insn("0000000 rs2 rs1 101 rd 0110011", "srl {rd}, {rs1}, {rs2}")
def srl(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift right by the low 6 bits of a register, zeros come in."""
    hart.set_x(rd, hart.x[rs1] >> (hart.x[rs2] & 63))


@insn("0100000 rs2 rs1 101 rd 0110011", "sra {rd}, {rs1}, {rs2}")
def sra(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift right by the low 6 bits of a register, the sign comes in."""
    hart.set_x(rd, s64(hart.x[rs1]) >> (hart.x[rs2] & 63))


@insn("0000000 rs2 rs1 110 rd 0110011", "or {rd}, {rs1}, {rs2}")
def or_(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Or."""
    hart.set_x(rd, hart.x[rs1] | hart.x[rs2])


@insn("0000000 rs2 rs1 111 rd 0110011", "and {rd}, {rs1}, {rs2}")
def and_(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """And."""
    hart.set_x(rd, hart.x[rs1] & hart.x[rs2])


@insn("imm[11:0] rs1 000 rd 0011011", "addiw {rd}, {rs1}, {imm}")
def addiw(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Add an immediate, keep 32 bits, sign-extended."""
    hart.set_x(rd, s32(hart.x[rs1] + imm))


@insn("0000000 shamt rs1 001 rd 0011011", "slliw {rd}, {rs1}, {shamt}")
def slliw(hart: Hart, rd: u5, rs1: u5, shamt: u5) -> None:
    """Shift a word left."""
    hart.set_x(rd, s32(hart.x[rs1] << shamt))


@insn("0000000 shamt rs1 101 rd 0011011", "srliw {rd}, {rs1}, {shamt}")
def srliw(hart: Hart, rd: u5, rs1: u5, shamt: u5) -> None:
    """Shift a word right, zeros come in."""
    hart.set_x(rd, s32(u32(hart.x[rs1]) >> shamt))


@insn("0100000 shamt rs1 101 rd 0011011", "sraiw {rd}, {rs1}, {shamt}")
def sraiw(hart: Hart, rd: u5, rs1: u5, shamt: u5) -> None:
    """Shift a word right, the sign comes in."""
    hart.set_x(rd, s32(hart.x[rs1]) >> shamt)


@insn("0000000 rs2 rs1 000 rd 0111011", "addw {rd}, {rs1}, {rs2}")
def addw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Add words, sign-extended."""
    hart.set_x(rd, s32(hart.x[rs1] + hart.x[rs2]))


@insn("0100000 rs2 rs1 000 rd 0111011", "subw {rd}, {rs1}, {rs2}")
def subw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Subtract words, sign-extended."""
    hart.set_x(rd, s32(hart.x[rs1] - hart.x[rs2]))


@insn("0000000 rs2 rs1 001 rd 0111011", "sllw {rd}, {rs1}, {rs2}")
def sllw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift a word left by the low 5 bits of a register."""
    hart.set_x(rd, s32(hart.x[rs1] << (hart.x[rs2] & 31)))


@insn("0000000 rs2 rs1 101 rd 0111011", "srlw {rd}, {rs1}, {rs2}")
def srlw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift a word right by the low 5 bits of a register, zeros come in."""
    hart.set_x(rd, s32(u32(hart.x[rs1]) >> (hart.x[rs2] & 31)))


@insn("0100000 rs2 rs1 101 rd 0111011", "sraw {rd}, {rs1}, {rs2}")
def sraw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Shift a word right by the low 5 bits of a register, the sign comes in."""
    hart.set_x(rd, s32(hart.x[rs1]) >> (hart.x[rs2] & 31))


@insn("fm[3:0] pred[3:0] succ[3:0] rs1[4:0] 000 rd[4:0] 0001111", "fence {pred:order}, {succ:order}")
def fence(hart: Hart) -> None:
    """Order memory accesses. This hart does all of them in order."""


@insn("000000000000 00000 000 00000 1110011", "ecall")
def ecall(hart: Hart) -> None:
    """Call the execution environment."""
    hart.ecall()


@insn("000000000001 00000 000 00000 1110011", "ebreak")
def ebreak(hart: Hart) -> None:
    """Call the debugger."""
    raise RiscvTrap(BREAKPOINT, hart.pc)
