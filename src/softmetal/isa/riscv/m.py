"""The M extension: integer multiplication and division.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 13 "M". Division by zero gives all ones
and the dividend as remainder; the one quotient that overflows is cut, which gives the value that the manual asks for.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import s32, s64, u5, u32, u64

isa.group = "M"


@insn("0000001 rs2 rs1 000 rd 0110011", "mul {rd}, {rs1}, {rs2}")
def mul(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Multiply, low 64 bits."""
    hart.set_x(rd, hart.x[rs1] * hart.x[rs2])


@insn("0000001 rs2 rs1 001 rd 0110011", "mulh {rd}, {rs1}, {rs2}")
def mulh(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Multiply signed by signed, high 64 bits."""
    hart.set_x(rd, s64(hart.x[rs1]) * s64(hart.x[rs2]) >> 64)


@insn("0000001 rs2 rs1 010 rd 0110011", "mulhsu {rd}, {rs1}, {rs2}")
def mulhsu(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Multiply signed by unsigned, high 64 bits."""
    hart.set_x(rd, s64(hart.x[rs1]) * hart.x[rs2] >> 64)


@insn("0000001 rs2 rs1 011 rd 0110011", "mulhu {rd}, {rs1}, {rs2}")
def mulhu(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Multiply unsigned by unsigned, high 64 bits."""
    hart.set_x(rd, hart.x[rs1] * hart.x[rs2] >> 64)


def quotient(a: s64, b: s64) -> s64:
    """a / b rounded towards zero; -1 where b is 0."""
    if b == 0:
        return -1
    over = u64(abs(b))
    size = abs(a) // over if over != 0 else 0
    return -size if (a < 0) != (b < 0) else size


def remainder(a: s64, b: s64) -> s64:
    """What `quotient` leaves, with the sign of a; a where b is 0."""
    if b == 0:
        return a
    over = u64(abs(b))
    size = abs(a) % over if over != 0 else 0
    return -size if a < 0 else size


def quotient_unsigned(a: u64, b: u64) -> u64:
    """a / b; all ones where b is 0."""
    return a // b if b != 0 else -1


def remainder_unsigned(a: u64, b: u64) -> u64:
    """What `quotient_unsigned` leaves; a where b is 0."""
    return a % b if b != 0 else a


@insn("0000001 rs2 rs1 100 rd 0110011", "div {rd}, {rs1}, {rs2}")
def div(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Divide, signed, towards zero."""
    hart.set_x(rd, quotient(hart.x[rs1], hart.x[rs2]))


@insn("0000001 rs2 rs1 101 rd 0110011", "divu {rd}, {rs1}, {rs2}")
def divu(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Divide, unsigned."""
    hart.set_x(rd, quotient_unsigned(hart.x[rs1], hart.x[rs2]))


@insn("0000001 rs2 rs1 110 rd 0110011", "rem {rd}, {rs1}, {rs2}")
def rem(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Remainder, signed, with the dividend's sign."""
    hart.set_x(rd, remainder(hart.x[rs1], hart.x[rs2]))


@insn("0000001 rs2 rs1 111 rd 0110011", "remu {rd}, {rs1}, {rs2}")
def remu(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Remainder, unsigned."""
    hart.set_x(rd, remainder_unsigned(hart.x[rs1], hart.x[rs2]))


@insn("0000001 rs2 rs1 000 rd 0111011", "mulw {rd}, {rs1}, {rs2}")
def mulw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Multiply words, low 32 bits, sign-extended."""
    hart.set_x(rd, s32(hart.x[rs1] * hart.x[rs2]))


@insn("0000001 rs2 rs1 100 rd 0111011", "divw {rd}, {rs1}, {rs2}")
def divw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Divide words, signed, sign-extended."""
    hart.set_x(rd, s32(quotient(s32(hart.x[rs1]), s32(hart.x[rs2]))))


@insn("0000001 rs2 rs1 101 rd 0111011", "divuw {rd}, {rs1}, {rs2}")
def divuw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Divide words, unsigned, sign-extended."""
    hart.set_x(rd, s32(quotient_unsigned(u32(hart.x[rs1]), u32(hart.x[rs2]))))


@insn("0000001 rs2 rs1 110 rd 0111011", "remw {rd}, {rs1}, {rs2}")
def remw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Remainder of words, signed, sign-extended."""
    hart.set_x(rd, s32(remainder(s32(hart.x[rs1]), s32(hart.x[rs2]))))


@insn("0000001 rs2 rs1 111 rd 0111011", "remuw {rd}, {rs1}, {rs2}")
def remuw(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Remainder of words, unsigned, sign-extended."""
    hart.set_x(rd, s32(remainder_unsigned(u32(hart.x[rs1]), u32(hart.x[rs2]))))
