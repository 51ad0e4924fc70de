"""Half precision: Zfhmin (moves, loads, stores, conversions between formats) and Zfh (all that other formats have).

The host has no arithmetic of this format: all of it goes through `softfloat`.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zfh" and "Zfhmin" Extensions for Half-Precision
Floating-Point, and the opcode map of chapter 34.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from softmetal.isa.riscv import softfloat
from softmetal.isa.riscv.d import DOUBLE
from softmetal.isa.riscv.f import SINGLE, Format, before, enter, fixed_bits, rounding
from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import isa
from softmetal.isa.riscv.softfloat import RNE, is_nan
from softmetal.lang import cold, s12, s16, s64, u1, u3, u4, u5, u6, u16, u32

BOX = 0xFFFFFFFFFFFF << 16
"""The upper bits of a register that holds a half."""
NAN_H, INFINITY_H = 0x7E00, 0x7C00


def get_h(hart: Hart, n: u5) -> u16:
    """A half in a register; what is no boxed half counts as the canonical NaN."""
    hart.use_float(0)
    value = hart.f[n]
    return value if value >= BOX else NAN_H


def put_h(hart: Hart, n: u5, value: u16) -> None:
    hart.dirty_float(0)
    hart.f[n] = value | BOX


def no_two(a: u16, b: u16) -> u16:
    """The host has no such operation: an infinity, so that the exact path decides."""
    return INFINITY_H


def no_one(a: u16) -> u16:
    return INFINITY_H


def no_three(a: u16, b: u16, c: u16) -> u16:
    return INFINITY_H


def ordered(a: u16, b: u16) -> u1:
    """Is neither a NaN?"""
    return is_nan(a, 10, 5) == 0 and is_nan(b, 10, 5) == 0


def equal_h(a: u16, b: u16) -> u1:
    return ordered(a, b) and (a == b or (a | b) << 1 & 0xFFFF == 0)


def less_h(a: u16, b: u16) -> u1:
    return ordered(a, b) and a != b and before(a, b, 15) and (a | b) << 1 & 0xFFFF != 0


def at_most_h(a: u16, b: u16) -> u1:
    return equal_h(a, b) or less_h(a, b)


@cold
def integer_h(value: s64) -> u16:
    result, _flags = softfloat.from_int(value < 0, abs(value), RNE, 10, 5)
    return result


before_h, isa.group = isa.group, "Zfh"
HALF = Format("h", "10", 10, 5, get_h, put_h, no_two, no_two, no_two, no_one, no_three, equal_h, less_h, at_most_h, integer_h)
enter(HALF)

isa.group = "Zfhmin"


@isa.insn("imm[11:0] rs1 001 rd 0000111", "flh {rd:f}, {imm}({rs1})")
def flh(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a half."""
    hart.use_float(0)
    put_h(hart, rd, hart.load16(hart.x[rs1] + imm))


@isa.insn("imm[11:5] rs2 rs1 001 imm[4:0] 0100111", "fsh {rs2:f}, {imm}({rs1})")
def fsh(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store the low 16 bits of a floating-point register."""
    hart.use_float(0)
    hart.store16(hart.x[rs1] + imm, hart.f[rs2])


@isa.insn("1110010 00000 rs1 000 rd 1010011", "fmv.x.h {rd}, {rs1:f}")
def fmv_x_h(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move the low 16 bits of a floating-point register, sign-extended, to an integer register."""
    hart.use_float(0)
    hart.set_x(rd, s16(hart.f[rs1]))


@isa.insn("1111010 00000 rs1 000 rd 1010011", "fmv.h.x {rd:f}, {rs1}")
def fmv_h_x(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move the low 16 bits of an integer register to a floating-point register."""
    put_h(hart, rd, hart.x[rs1])


WORDS = {"h": "a half", "s": "a single", "d": "a double"}


def between(
    hart: Hart, rd: u5, rs1: u5, rm: u3,
    get: Callable, put: Callable, match: u32, from_fbits: u6, from_ebits: u4, fbits: u6, ebits: u4,
) -> None:  # fmt: skip
    a = get(hart, rs1)
    mode = rounding(hart, rm, match | rs1 << 15 | rd << 7)
    result, flags = softfloat.convert(a, mode, from_fbits, from_ebits, fbits, ebits)
    hart.fflags |= flags
    put(hart, rd, result)


for row, a, b in (
    ("0100000 00010", HALF, SINGLE),
    ("0100001 00010", HALF, DOUBLE),
    ("0100010 00000", SINGLE, HALF),
    ("0100010 00001", DOUBLE, HALF),
):
    pattern = f"{row} rs1 rm rd 1010011"
    made = partial(
        between, get=a.get, put=b.put, match=fixed_bits(pattern),
        from_fbits=a.fbits, from_ebits=a.ebits, fbits=b.fbits, ebits=b.ebits,
    )  # fmt: skip
    made.__doc__ = f"Convert {WORDS[a.letter]} to {WORDS[b.letter]}."
    isa.add(pattern, f"fcvt.{b.letter}.{a.letter} {{rd:f}}, {{rs1:f}}, {{rm:{'rne' if b is not HALF else 'rm'}}}", made)
isa.group = before_h
