"""Intervals of exact integers: what the compiler knows of a value."""

from __future__ import annotations

from typing import Any, NamedTuple

from softmetal.lang.types import IntType

LIMIT_BITS = 256
"""The widest value that hardware Python computes with."""
HUGE = 1 << 4096
"""Stands for "no bound known" while the range of a loop's variables is sought."""


class Range(NamedTuple):
    """The integers from `lo` to `hi`, both included."""

    lo: int
    hi: int

    @property
    def bits(self) -> int:
        """The width of the smallest integer type that holds them all: unsigned where none is negative."""
        if self.lo >= 0:
            return max(1, self.hi.bit_length())
        return max((-self.lo - 1).bit_length(), self.hi.bit_length() if self.hi > 0 else 0) + 1

    @property
    def width(self) -> int:
        """The width in which the native back end holds them: a machine's, or beyond 64 bits just as wide as needed."""
        bits = self.bits
        if bits == 1 and self.lo >= 0:
            return 1
        return next((w for w in (8, 16, 32, 64) if w >= bits), bits)

    @property
    def signed(self) -> bool:
        """Must a type that holds them be signed?"""
        return self.lo < 0

    @property
    def single(self) -> bool:
        """Is there just one?"""
        return self.lo == self.hi

    def holds(self, other: Range) -> bool:
        """Is every integer of `other` in this range?"""
        return self.lo <= other.lo and other.hi <= self.hi

    def join(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))


BIT = Range(0, 1)


def type_range(kind: Any) -> Any:
    """The range of an integer type; None for a float type."""
    return Range(kind.lo, kind.hi) if isinstance(kind, IntType) else None


def clip(lo: int, hi: int) -> Range:
    """A range, limited to the largest that the analysis distinguishes."""
    return Range(max(lo, -HUGE), min(hi, HUGE))


def add(a: Range, b: Range) -> Range:
    return clip(a.lo + b.lo, a.hi + b.hi)


def sub(a: Range, b: Range) -> Range:
    return clip(a.lo - b.hi, a.hi - b.lo)


def mul(a: Range, b: Range) -> Range:
    corners = [x * y for x in a for y in b]
    return clip(min(corners), max(corners))


def floordiv(a: Range, b: Range) -> Range:
    """`b` does not hold 0."""
    corners = [x // y for x in a for y in b]
    return clip(min(corners), max(corners))


def mod(a: Range, b: Range) -> Range:
    """`b` does not hold 0."""
    if b.lo > 0:
        return Range(0, min(a.hi, b.hi - 1)) if a.lo >= 0 else Range(0, b.hi - 1)
    return Range(b.lo + 1, 0)


def shl(a: Range, b: Range) -> Range:
    """`b` is not negative."""
    low, high = min(b.lo, 4096), min(b.hi, 4096)
    return clip(min(a.lo << low, a.lo << high), max(a.hi << low, a.hi << high))


def shr(a: Range, b: Range) -> Range:
    """`b` is not negative."""
    low, high = min(b.lo, 8192), min(b.hi, 8192)
    return clip(min(a.lo >> low, a.lo >> high), max(a.hi >> low, a.hi >> high))


def _ones(value: int) -> int:
    return (1 << value.bit_length()) - 1


def and_(a: Range, b: Range) -> Range:
    if a.lo >= 0 and b.lo >= 0:
        return Range(0, min(a.hi, b.hi))
    if a.lo >= 0:
        return Range(0, a.hi)
    if b.lo >= 0:
        return Range(0, b.hi)
    return clip(-_ones(-min(a.lo, b.lo) - 1) - 1, max(a.hi, b.hi))


def or_(a: Range, b: Range) -> Range:
    if a.lo >= 0 and b.lo >= 0:
        return clip(max(a.lo, b.lo), _ones(max(a.hi, b.hi)))
    always_negative = a.hi < 0 or b.hi < 0
    return clip(min(a.lo, b.lo), -1 if always_negative else _ones(max(a.hi, b.hi)))


def xor(a: Range, b: Range) -> Range:
    if a.lo >= 0 and b.lo >= 0:
        return clip(0, _ones(max(a.hi, b.hi)))
    top = _ones(max(a.hi, b.hi, -a.lo - 1, -b.lo - 1))
    return clip(-top - 1, top)


BINARY = {"+": add, "-": sub, "*": mul, "//": floordiv, "%": mod, "<<": shl, ">>": shr, "&": and_, "|": or_, "^": xor}


def compare(op: str, a: Range, b: Range) -> int | None:
    """1 or 0 where the comparison has the same answer for all values, else None."""
    if op in (">", ">="):
        return compare("<" if op == ">" else "<=", b, a)
    if op == "<":
        return 1 if a.hi < b.lo else 0 if a.lo >= b.hi else None
    if op == "<=":
        return 1 if a.hi <= b.lo else 0 if a.lo > b.hi else None
    if a.hi < b.lo or a.lo > b.hi:
        return int(op == "!=")
    if a.single and b.single:
        return int(op == "==")
    return None


NEGATED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


def narrow(op: str, a: Range, b: Range) -> Range | None:
    """The part of `a` for which `a op b` can hold; None where there is none."""
    lo, hi = a
    if op == "<":
        hi = min(hi, b.hi - 1)
    elif op == "<=":
        hi = min(hi, b.hi)
    elif op == ">":
        lo = max(lo, b.lo + 1)
    elif op == ">=":
        lo = max(lo, b.lo)
    elif op == "==":
        lo, hi = max(lo, b.lo), min(hi, b.hi)
    elif b.single:  # !=
        lo += lo == b.lo
        hi -= hi == b.lo
    return Range(lo, hi) if lo <= hi else None
