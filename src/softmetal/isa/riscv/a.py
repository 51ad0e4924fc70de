"""The A extension: load-reserved, store-conditional and atomic memory operations.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 14 "A". Harts of a board take turns between
instructions, so each instruction is atomic by itself and ordering bits have nothing to do. A reservation covers
the address; any SC ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from softmetal.isa.riscv.hart import LOAD_MISALIGNED, STORE_MISALIGNED, Hart, RiscvTrap
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import s32, s64, u5, u32, u64

isa.group = "A"


@insn("00010 aqrl[1:0] 00000 rs1 010 rd 0101111", "lr.w{aqrl} {rd}, ({rs1})")
def lr_w(hart: Hart, rd: u5, rs1: u5) -> None:
    """Load a word and reserve its address."""
    address = hart.x[rs1]
    if address & 3:
        raise RiscvTrap(LOAD_MISALIGNED, address)
    value = hart.load32(address)
    hart.reserved = 1
    hart.reservation = address
    hart.set_x(rd, s32(value))


@insn("00010 aqrl[1:0] 00000 rs1 011 rd 0101111", "lr.d{aqrl} {rd}, ({rs1})")
def lr_d(hart: Hart, rd: u5, rs1: u5) -> None:
    """Load a doubleword and reserve its address."""
    address = hart.x[rs1]
    if address & 7:
        raise RiscvTrap(LOAD_MISALIGNED, address)
    value = hart.load64(address)
    hart.reserved = 1
    hart.reservation = address
    hart.set_x(rd, value)


@insn("00011 aqrl[1:0] rs2 rs1 010 rd 0101111", "sc.w{aqrl} {rd}, {rs2}, ({rs1})")
def sc_w(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Store a word if the reservation holds; rd is 0 if it did."""
    address = hart.x[rs1]
    if address & 3:
        raise RiscvTrap(STORE_MISALIGNED, address)
    held = hart.reserved and hart.reservation == address
    if held:
        hart.store32(address, hart.x[rs2])
    hart.reserved = 0
    hart.set_x(rd, not held)


@insn("00011 aqrl[1:0] rs2 rs1 011 rd 0101111", "sc.d{aqrl} {rd}, {rs2}, ({rs1})")
def sc_d(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Store a doubleword if the reservation holds; rd is 0 if it did."""
    address = hart.x[rs1]
    if address & 7:
        raise RiscvTrap(STORE_MISALIGNED, address)
    held = hart.reserved and hart.reservation == address
    if held:
        hart.store64(address, hart.x[rs2])
    hart.reserved = 0
    hart.set_x(rd, not held)


def swap(old: u64, new: u64) -> u64:
    return new


def add(old: u64, new: u64) -> u64:
    return old + new


def xor(old: u64, new: u64) -> u64:
    return old ^ new


def and_(old: u64, new: u64) -> u64:
    return old & new


def or_(old: u64, new: u64) -> u64:
    return old | new


def min_(old: s64, new: s64) -> u64:
    return min(old, new)


def max_(old: s64, new: s64) -> u64:
    return max(old, new)


def minu(old: u64, new: u64) -> u64:
    return min(old, new)


def maxu(old: u64, new: u64) -> u64:
    return max(old, new)


def amo_w(hart: Hart, rd: u5, rs1: u5, rs2: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """Replace a word in memory by what the operation makes of it and a register; rd is the old value."""
    address = hart.x[rs1]
    if address & 3:
        raise RiscvTrap(STORE_MISALIGNED, address)
    hart.probe_store(address, 4)
    old = s32(hart.load32(address))
    hart.store32(address, op(old, s32(hart.x[rs2])))
    hart.set_x(rd, old)


def amo_wu(hart: Hart, rd: u5, rs1: u5, rs2: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """Replace a word in memory by what the operation makes of it and a register, unsigned; rd is the old value."""
    address = hart.x[rs1]
    if address & 3:
        raise RiscvTrap(STORE_MISALIGNED, address)
    hart.probe_store(address, 4)
    old = hart.load32(address)
    hart.store32(address, op(old, u32(hart.x[rs2])))
    hart.set_x(rd, s32(old))


def amo_d(hart: Hart, rd: u5, rs1: u5, rs2: u5, op: Callable) -> None:  # type: ignore[type-arg]
    """Replace a doubleword in memory by what the operation makes of it and a register; rd is the old value."""
    address = hart.x[rs1]
    if address & 7:
        raise RiscvTrap(STORE_MISALIGNED, address)
    hart.probe_store(address, 8)
    old = hart.load64(address)
    hart.store64(address, op(old, hart.x[rs2]))
    hart.set_x(rd, old)


for code, name, operation in (
    ("00001", "swap", swap),
    ("00000", "add", add),
    ("00100", "xor", xor),
    ("01100", "and", and_),
    ("01000", "or", or_),
    ("10000", "min", min_),
    ("10100", "max", max_),
    ("11000", "minu", minu),
    ("11100", "maxu", maxu),
):
    word = amo_wu if name in ("minu", "maxu") else amo_w
    row = f"{code} aqrl[1:0] rs2 rs1 01{{}} rd 0101111"
    isa.add(row.format(0), f"amo{name}.w{{aqrl}} {{rd}}, {{rs2}}, ({{rs1}})", partial(word, op=operation))
    isa.add(row.format(1), f"amo{name}.d{{aqrl}} {{rd}}, {{rs2}}, ({{rs1}})", partial(amo_d, op=operation))
