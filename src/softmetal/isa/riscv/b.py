"""The bit-manipulation extensions Zba, Zbb and Zbs.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 28 "B" ("Zba", "Zbb", "Zbs").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import isa
from softmetal.lang import s8, s16, s32, s64, u2, u5, u6, u16, u32, u64

MASK64 = (1 << 64) - 1


def two(hart: Hart, rd: u5, rs1: u5, rs2: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """rd = op(rs1, rs2)."""
    hart.set_x(rd, op(hart.x[rs1], hart.x[rs2]))


def one(hart: Hart, rd: u5, rs1: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """rd = op(rs1)."""
    hart.set_x(rd, op(hart.x[rs1]))


def immediate(hart: Hart, rd: u5, rs1: u5, shamt: u6, op: Callable) -> None:  # type: ignore[type-arg]
    """rd = op(rs1, shamt)."""
    hart.set_x(rd, op(hart.x[rs1], shamt))


def immediate_word(hart: Hart, rd: u5, rs1: u5, shamt: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """rd = op(rs1, shamt), a word."""
    hart.set_x(rd, op(hart.x[rs1], shamt))


def shift_add(hart: Hart, rd: u5, rs1: u5, rs2: u5, by: u2) -> None:
    """Shift left by 1, 2 or 3 and add."""
    hart.set_x(rd, (hart.x[rs1] << by) + hart.x[rs2])


def shift_add_word(hart: Hart, rd: u5, rs1: u5, rs2: u5, by: u2) -> None:
    """Zero-extend a word, shift it left by 0 to 3 and add."""
    hart.set_x(rd, (u32(hart.x[rs1]) << by) + hart.x[rs2])


def slli_uw(a: u64, n: u6) -> u64:
    """Zero-extend a word and shift it left."""
    return u32(a) << n


def andn(a: u64, b: u64) -> u64:
    """And with the inverse."""
    return a & ~b


def orn(a: u64, b: u64) -> u64:
    """Or with the inverse."""
    return a | ~b


def xnor(a: u64, b: u64) -> u64:
    """Exclusive nor."""
    return ~(a ^ b)


def max_(a: s64, b: s64) -> u64:
    """The larger, signed."""
    return max(a, b)


def maxu(a: u64, b: u64) -> u64:
    """The larger, unsigned."""
    return max(a, b)


def min_(a: s64, b: s64) -> u64:
    """The smaller, signed."""
    return min(a, b)


def minu(a: u64, b: u64) -> u64:
    """The smaller, unsigned."""
    return min(a, b)


def rol(a: u64, b: u64) -> u64:
    """Rotate left."""
    n = b & 63
    return a << n | a >> (64 - n & 63)


def ror(a: u64, b: u64) -> u64:
    """Rotate right."""
    n = b & 63
    return a >> n | a << (64 - n & 63)


def rolw(a: u32, b: u64) -> u64:
    """Rotate a word left, sign-extended."""
    n = b & 31
    return s32(a << n | a >> (32 - n & 31))


def rorw(a: u32, b: u64) -> u64:
    """Rotate a word right, sign-extended."""
    n = b & 31
    return s32(a >> n | a << (32 - n & 31))


def clz(a: u64) -> u64:
    """Count leading zeros."""
    return 64 - a.bit_length()


def clzw(a: u32) -> u64:
    """Count leading zeros of a word."""
    return 32 - a.bit_length()


def ctz(a: u64) -> u64:
    """Count trailing zeros."""
    return (a ^ a - 1 & MASK64).bit_length() - 1 if a != 0 else 64


def ctzw(a: u32) -> u64:
    """Count trailing zeros of a word."""
    return (a ^ a - 1 & MASK64).bit_length() - 1 if a != 0 else 32


def cpop(a: u64) -> u64:
    """Count ones."""
    return a.bit_count()


def cpopw(a: u32) -> u64:
    """Count ones of a word."""
    return a.bit_count()


def sext_b(a: s8) -> u64:
    """Sign-extend a byte."""
    return a


def sext_h(a: s16) -> u64:
    """Sign-extend a halfword."""
    return a


def zext_h(a: u16) -> u64:
    """Zero-extend a halfword."""
    return a


def orc_b(a: u64) -> u64:
    """Make each byte all ones that is not 0."""
    ones = a | a >> 4 & 0x0F0F0F0F0F0F0F0F
    ones |= ones >> 2 & 0x3F3F3F3F3F3F3F3F
    ones |= ones >> 1 & 0x7F7F7F7F7F7F7F7F
    return (ones & 0x0101010101010101) * 255


def rev8(a: u64) -> u64:
    """Reverse the bytes."""
    a = a >> 8 & 0x00FF00FF00FF00FF | (a & 0x00FF00FF00FF00FF) << 8
    a = a >> 16 & 0x0000FFFF0000FFFF | (a & 0x0000FFFF0000FFFF) << 16
    return a >> 32 | a << 32


def bclr(a: u64, b: u64) -> u64:
    """Clear a bit."""
    return a & ~(1 << (b & 63))


def bext(a: u64, b: u64) -> u64:
    """Extract a bit."""
    return a >> (b & 63) & 1


def binv(a: u64, b: u64) -> u64:
    """Invert a bit."""
    return a ^ 1 << (b & 63)


def bset(a: u64, b: u64) -> u64:
    """Set a bit."""
    return a | 1 << (b & 63)


isa.group = "Zba"
for shift, row in ((1, "010"), (2, "100"), (3, "110")):
    isa.add(f"0010000 rs2 rs1 {row} rd 0110011", f"sh{shift}add {{rd}}, {{rs1}}, {{rs2}}", partial(shift_add, by=shift))
for shift, top, row in ((0, "0000100", "000"), (1, "0010000", "010"), (2, "0010000", "100"), (3, "0010000", "110")):
    name = f"sh{shift}add.uw" if shift else "add.uw"
    isa.add(f"{top} rs2 rs1 {row} rd 0111011", f"{name} {{rd}}, {{rs1}}, {{rs2}}", partial(shift_add_word, by=shift))
isa.add("000010 shamt rs1 001 rd 0011011", "slli.uw {rd}, {rs1}, {shamt}", partial(immediate, op=slli_uw))

TWO = "{rd}, {rs1}, {rs2}"
ONE = "{rd}, {rs1}"
SHIFT = "{rd}, {rs1}, {shamt}"

isa.group = "Zbb"
for row, name, op in (
    ("0100000 rs2 rs1 111 rd 0110011", "andn", andn),
    ("0100000 rs2 rs1 110 rd 0110011", "orn", orn),
    ("0100000 rs2 rs1 100 rd 0110011", "xnor", xnor),
    ("0000101 rs2 rs1 110 rd 0110011", "max", max_),
    ("0000101 rs2 rs1 111 rd 0110011", "maxu", maxu),
    ("0000101 rs2 rs1 100 rd 0110011", "min", min_),
    ("0000101 rs2 rs1 101 rd 0110011", "minu", minu),
    ("0110000 rs2 rs1 001 rd 0110011", "rol", rol),
    ("0110000 rs2 rs1 101 rd 0110011", "ror", ror),
    ("0110000 rs2 rs1 001 rd 0111011", "rolw", rolw),
    ("0110000 rs2 rs1 101 rd 0111011", "rorw", rorw),
):
    isa.add(row, f"{name} {TWO}", partial(two, op=op))
for row, name, op in (
    ("011000000000 rs1 001 rd 0010011", "clz", clz),
    ("011000000001 rs1 001 rd 0010011", "ctz", ctz),
    ("011000000010 rs1 001 rd 0010011", "cpop", cpop),
    ("011000000100 rs1 001 rd 0010011", "sext.b", sext_b),
    ("011000000101 rs1 001 rd 0010011", "sext.h", sext_h),
    ("000010000000 rs1 100 rd 0111011", "zext.h", zext_h),
    ("011000000000 rs1 001 rd 0011011", "clzw", clzw),
    ("011000000001 rs1 001 rd 0011011", "ctzw", ctzw),
    ("011000000010 rs1 001 rd 0011011", "cpopw", cpopw),
    ("001010000111 rs1 101 rd 0010011", "orc.b", orc_b),
    ("011010111000 rs1 101 rd 0010011", "rev8", rev8),
):
    isa.add(row, f"{name} {ONE}", partial(one, op=op))
isa.add("011000 shamt rs1 101 rd 0010011", f"rori {SHIFT}", partial(immediate, op=ror))
isa.add("0110000 shamt rs1 101 rd 0011011", f"roriw {SHIFT}", partial(immediate_word, op=rorw))

isa.group = "Zbs"
for top, low, name, op in (
    ("010010", "001", "bclr", bclr),
    ("010010", "101", "bext", bext),
    ("011010", "001", "binv", binv),
    ("001010", "001", "bset", bset),
):
    isa.add(f"{top}0 rs2 rs1 {low} rd 0110011", f"{name} {TWO}", partial(two, op=op))
    isa.add(f"{top} shamt rs1 {low} rd 0010011", f"{name}i {SHIFT}", partial(immediate, op=op))
