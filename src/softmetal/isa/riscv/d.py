"""RV64D, double precision, its conversions from and to single, and its compressed loads and stores.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 22 and 27, and the opcode map of chapter 34.
"""

from __future__ import annotations

from softmetal.isa.riscv.f import Format, certain, enter, get_s, nearest, put_s, rounding
from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import isa
from softmetal.isa.riscv.softfloat import convert
from softmetal.lang import bits32, bits64, f64, float32, float64, fma, s12, s64, sqrt, u1, u3, u5, u64


def get_d(hart: Hart, n: u5) -> u64:
    hart.use_float(0)
    return hart.f[n]


def put_d(hart: Hart, n: u5, value: u64) -> None:
    hart.dirty_float(0)
    hart.f[n] = value


def add_d(a: u64, b: u64) -> u64:
    return bits64(float64(a) + float64(b))


def mul_d(a: u64, b: u64) -> u64:
    return bits64(float64(a) * float64(b))


def div_d(a: u64, b: u64) -> u64:
    return bits64(float64(a) / float64(b))


def sqrt_d(a: u64) -> u64:
    return bits64(sqrt(float64(a)))


def fma_d(a: u64, b: u64, c: u64) -> u64:
    return bits64(fma(float64(a), float64(b), float64(c)))


def equal_d(a: u64, b: u64) -> u1:
    return float64(a) == float64(b)


def less_d(a: u64, b: u64) -> u1:
    return float64(a) < float64(b)


def at_most_d(a: u64, b: u64) -> u1:
    return float64(a) <= float64(b)


def integer_d(value: s64) -> u64:
    return bits64(f64(value))


before_d, isa.group = isa.group, "D"
DOUBLE = Format("d", "01", 52, 11, get_d, put_d, add_d, mul_d, div_d, sqrt_d, fma_d, equal_d, less_d, at_most_d, integer_d)
enter(DOUBLE)


FCVT_S_D = 0x40100053
FCVT_D_S = 0x42000053


@isa.insn("0100000 00001 rs1 rm rd 1010011", "fcvt.s.d {rd:f}, {rs1:f}, {rm:rm}")
def fcvt_s_d(hart: Hart, rd: u5, rs1: u5, rm: u3) -> None:
    """Convert to single."""
    a = get_d(hart, rs1)
    if nearest(hart, rm):
        quick = bits32(float64(a))
        if certain(quick, 2, 23, 8):
            put_s(hart, rd, quick)
            return
    mode = rounding(hart, rm, FCVT_S_D | rs1 << 15 | rd << 7)
    result, flags = convert(a, mode, 52, 11, 23, 8)
    hart.fflags |= flags
    put_s(hart, rd, result)


@isa.insn("0100001 00000 rs1 rm rd 1010011", "fcvt.d.s {rd:f}, {rs1:f}, {rm:rne}")
def fcvt_d_s(hart: Hart, rd: u5, rs1: u5, rm: u3) -> None:
    """Convert from single."""
    a = get_s(hart, rs1)
    mode = rounding(hart, rm, FCVT_D_S | rs1 << 15 | rd << 7)
    x = float32(a)
    if x == x:
        put_d(hart, rd, bits64(x))
        return
    result, flags = convert(a, mode, 23, 8, 52, 11)
    hart.fflags |= flags
    put_d(hart, rd, result)


@isa.insn("imm[11:0] rs1 011 rd 0000111", "fld {rd:f}, {imm}({rs1})")
def fld(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a double."""
    hart.use_float(0)
    put_d(hart, rd, hart.load64(hart.x[rs1] + imm))


@isa.insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100111", "fsd {rs2:f}, {imm}({rs1})")
def fsd(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store a floating-point register."""
    hart.store64(hart.x[rs1] + imm, get_d(hart, rs2))


@isa.insn("1110001 00000 rs1 000 rd 1010011", "fmv.x.d {rd}, {rs1:f}")
def fmv_x_d(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move a floating-point register's bits to an integer register."""
    hart.set_x(rd, get_d(hart, rs1))


@isa.insn("1111001 00000 rs1 000 rd 1010011", "fmv.d.x {rd:f}, {rs1}")
def fmv_d_x(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move an integer register's bits to a floating-point register."""
    put_d(hart, rd, hart.x[rs1])


isa.group = "C"
isa.short("001 uimm[5:3] rs1' uimm[7:6] rd' 00", "c.fld {rd:f}, {uimm}({rs1})", of="fld", imm="uimm")
isa.short("101 uimm[5:3] rs1' uimm[7:6] rs2' 00", "c.fsd {rs2:f}, {uimm}({rs1})", of="fsd", imm="uimm")
isa.short("001 uimm[5] rd uimm[4:3|8:6] 10", "c.fldsp {rd:f}, {uimm}(sp)", of="fld", rs1=2, imm="uimm")
isa.short("101 uimm[5:3|8:6] rs2 10", "c.fsdsp {rs2:f}, {uimm}(sp)", of="fsd", rs1=2, imm="uimm")
isa.group = before_d
