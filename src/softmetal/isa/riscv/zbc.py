"""Multiplication without carries: Zbc, of which Zbkc is the part without `clmulr`.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 28 "B" ("Zbc").
"""

from __future__ import annotations

from functools import partial

from softmetal.isa.riscv.b import TWO, two
from softmetal.isa.riscv.rv64 import isa
from softmetal.lang import cold, u64, u128


@cold
def carryless(a: u64, b: u64) -> u128:
    """The product of two polynomials over the field of two elements, a bit for each coefficient."""
    total: u128 = 0
    for i in range(64):
        total ^= a << i if b >> i & 1 else 0
    return total


def clmul(a: u64, b: u64) -> u64:
    """Multiply without carries, low 64 bits."""
    return carryless(a, b)


def clmulh(a: u64, b: u64) -> u64:
    """Multiply without carries, high 64 bits."""
    return carryless(a, b) >> 64


def clmulr(a: u64, b: u64) -> u64:
    """Multiply without carries, bits 63 to 126: the product of the reversed operands, reversed."""
    return carryless(a, b) >> 63


isa.group = "Zbc"
for row, op in (("001", clmul), ("011", clmulh), ("010", clmulr)):
    isa.add(f"0000101 rs2 rs1 {row} rd 0110011", f"{op.__name__} {TWO}", partial(two, op=op))
