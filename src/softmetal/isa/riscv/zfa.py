"""Zfa, additional floating-point instructions, in all of our formats.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zfa" Extension for Additional Floating-Point
Instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import frexp

from softmetal.isa.riscv import softfloat
from softmetal.isa.riscv.d import DOUBLE, get_d
from softmetal.isa.riscv.f import SINGLE, Format, compare, extremum, fixed_bits, rounding
from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import isa
from softmetal.isa.riscv.softfloat import NV, NX, is_nan, is_signaling, nan
from softmetal.isa.riscv.zfh import HALF
from softmetal.lang import s8, s32, u1, u3, u4, u5, u6, u8, u32, u64

CONSTANTS = (
    -1.0, 0.0, 2.0**-16, 2.0**-15, 2.0**-8, 2.0**-7, 0.0625, 0.125, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 8.0, 16.0, 128.0, 256.0, 2.0**15, 2.0**16,
)  # fmt: skip
"""What `fli` loads, by number (table "Immediate values loaded by the FLI.S instruction"); 1 is the smallest normal number of
the format, 30 infinity, 31 the canonical NaN."""
MIN, INFINITY, NAN = 1, 30, 31


def compact(number: float) -> int:
    """A constant's exponent, biased by 16, and the two bits of its fraction that may be set."""
    fraction, exponent = frexp(abs(number))
    return exponent + 15 << 2 | int(fraction * 8) & 3


WORDS = [sum(compact(c) << 8 * i for i, c in enumerate(CONSTANTS[at : at + 8])) for at in (0, 8, 16, 24)]
WORD_0, WORD_1, WORD_2, WORD_3 = WORDS


def constant(number: u5) -> u8:
    """The compact form of a constant."""
    word: u64 = WORD_3
    match number >> 3:
        case 0:
            word = WORD_0
        case 1:
            word = WORD_1
        case 2:
            word = WORD_2
        case _:
            pass
    return word >> 8 * (number & 7)


def load_constant(hart: Hart, rd: u5, rs1: u5, put: Callable, fbits: u6, ebits: u4) -> None:  # type: ignore[type-arg]
    """Load one of 32 constants."""
    if rs1 == NAN:
        put(hart, rd, nan(fbits, ebits))
    elif rs1 == INFINITY:
        put(hart, rd, softfloat.infinity(0, fbits, ebits))
    elif rs1 == MIN:
        put(hart, rd, 1 << fbits)
    else:
        parts = constant(rs1)
        exponent: s8 = (parts >> 2) - 16
        result, _flags = softfloat.round_pack(rs1 == 0, exponent, (4 | parts & 3) << 61, 0, fbits, ebits)
        put(hart, rd, result)


def strict_extremum(
    hart: Hart, rd: u5, rs1: u5, rs2: u5,
    get: Callable, put: Callable, greatest: u1, fbits: u6, ebits: u4,  # type: ignore[type-arg]
) -> None:  # fmt: skip
    a = get(hart, rs1)
    b = get(hart, rs2)
    if is_nan(a, fbits, ebits) or is_nan(b, fbits, ebits):
        hart.dirty_float(0)
        if is_signaling(a, fbits, ebits) or is_signaling(b, fbits, ebits):
            hart.fflags |= NV
        put(hart, rd, nan(fbits, ebits))
    else:
        extremum(hart, rd, rs1, rs2, get, put, greatest, fbits, ebits)


def to_integral(
    hart: Hart, rd: u5, rs1: u5, rm: u3,
    get: Callable, put: Callable, kept: u5, match: u32, fbits: u6, ebits: u4,  # type: ignore[type-arg]
) -> None:  # fmt: skip
    a = get(hart, rs1)
    mode = rounding(hart, rm, match | rs1 << 15 | rd << 7)
    result, flags = softfloat.to_integral(a, mode, fbits, ebits)
    hart.dirty_float(0)
    hart.fflags |= flags & kept
    put(hart, rd, result)


def names_of_constants() -> dict[str, int]:
    """How constants are written."""
    return {repr(c): i for i, c in enumerate(CONSTANTS) if i != MIN} | {"min": MIN, "inf": INFINITY, "nan": NAN}


isa.names["fli"] = names_of_constants()


def enter_more(form: Format) -> None:
    """Enter what Zfa adds to a format."""
    letter, fmt = form.letter, form.fmt
    size = {"fbits": form.fbits, "ebits": form.ebits}
    both = {"get": form.get, "put": form.put, **size}
    funct = {"h": "1111010", "s": "1111000", "d": "1111001"}[letter]
    made = partial(load_constant, put=form.put, **size)
    isa.add(f"{funct} 00001 rs1 000 rd 1010011", f"fli.{letter} {{rd:f}}, {{rs1:fli}}", made)
    for name, row, greatest, doc in (
        ("fminm", "010", 0, "The smaller number; NaN where one of them is a NaN."),
        ("fmaxm", "011", 1, "The larger number; NaN where one of them is a NaN."),
    ):
        made = partial(strict_extremum, greatest=greatest, **both)
        made.__doc__ = doc
        isa.add(f"00101{fmt} rs2 rs1 {row} rd 1010011", f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rs2:f}}", made)
    for name, row, kept, doc in (
        ("fround", "00100", NV, "Round to an integer; says nothing where that is another number."),
        ("froundnx", "00101", NV | NX, "Round to an integer; inexact where that is another number."),
    ):
        pattern = f"01000{fmt} {row} rs1 rm rd 1010011"
        made = partial(to_integral, kept=kept, match=fixed_bits(pattern), **both)
        made.__doc__ = doc
        isa.add(pattern, f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rm:rm}}", made)
    for name, row, relation, doc in (
        ("fleq", "100", form.at_most, "Set if less or equal; only a signaling NaN is invalid."),
        ("fltq", "101", form.less, "Set if less; only a signaling NaN is invalid."),
    ):
        made = partial(compare, get=form.get, relation=relation, quiet=1, **size)
        made.__doc__ = doc
        isa.add(f"10100{fmt} rs2 rs1 {row} rd 1010011", f"{name}.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}", made)
    isa.pseudo(f"fgtq.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}", f"fltq.{letter} {{rd}}, {{rs2}}, {{rs1}}")
    isa.pseudo(f"fgeq.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}", f"fleq.{letter} {{rd}}, {{rs2}}, {{rs1}}")


before_zfa, isa.group = isa.group, "Zfa"
for form in (SINGLE, DOUBLE, HALF):
    enter_more(form)


@isa.insn("1100001 01000 rs1 001 rd 1010011", "fcvtmod.w.d {rd}, {rs1:f}, rtz")
def fcvtmod_w_d(hart: Hart, rd: u5, rs1: u5) -> None:
    """Convert to an integer towards 0, and keep its low 32 bits, sign-extended."""
    hart.dirty_float(0)
    value, flags = softfloat.to_int_modulo(get_d(hart, rs1), 52, 11)
    hart.fflags |= flags
    hart.set_x(rd, s32(value))


isa.group = before_zfa
