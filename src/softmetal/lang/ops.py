"""Operations that hardware Python has beyond Python's own: the bits of floats, square root, fused multiply-add, a fence."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

from softmetal.lang.types import NAN, f32, f64


def bits64(value: float) -> int:
    """The binary64 pattern of a value, as a u64. Every NaN gives 0x7ff8000000000000."""
    return int.from_bytes(struct.pack("<d", f64(value)), "little")


def bits32(value: float) -> int:
    """The binary32 pattern of a value rounded to that format, as a u32. Every NaN gives 0x7fc00000."""
    return int.from_bytes(struct.pack("<f", f32(value)), "little")


def float64(bits: int) -> float:
    """The value of a binary64 pattern (a u64)."""
    return f64(struct.unpack("<d", bits.to_bytes(8, "little"))[0])


def float32(bits: int) -> float:
    """The value of a binary32 pattern (a u32)."""
    return f64(struct.unpack("<f", bits.to_bytes(4, "little"))[0])


def sqrt(value: float) -> float:
    """IEEE 754 square root of a binary64 value; NaN below zero."""
    return math.sqrt(value) if value >= 0 else NAN


def fma(a: float, b: float, c: float) -> float:
    """a * b + c in binary64 with one rounding (IEEE 754 fusedMultiplyAdd)."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return f64(a * b + c)
    if not math.isfinite(c):
        return f64(c)  # whatever the product: a finite one that is too large for a double is no infinity here
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return a * b + c  # the signs of zero come out right, for the product is exact or its sign is
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def fence() -> None:
    """Order memory: what was read and written before is so for every other thread before anything behind it is.

    Only a memory that others write meanwhile needs it, as guests do with a `Mapping.attach`ed one. CPython needs none.
    """
