"""The types of hardware Python: widths where values rest.

A type says how a value is cut when it is stored. Inside an expression integers are exact, as Python's are,
and floating-point numbers are IEEE 754 binary64; so a type matters only for a field, an annotated variable,
a parameter, a result and a cast.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

NAN = float("nan")
"""The one NaN that rests anywhere: quiet, positive, payload 0. Hosts disagree about all others."""


class HwType:
    """A type that a field may have. `T[n]` is an array of `n` of them, `T[rows, columns]` one of two dimensions."""

    name: str
    size: int
    """Bytes at rest."""

    def __getitem__(self, length: int | tuple[int, int]) -> ArrayType:
        sizes = length if isinstance(length, tuple) else (length,)
        if not 1 <= len(sizes) <= 2:
            raise TypeError(f"{self.name}[{', '.join(map(repr, sizes))}]: an array has one or two dimensions")
        if not all(isinstance(size, int) and size >= 1 for size in sizes):
            text = ", ".join(map(repr, sizes))
            raise TypeError(f"{self.name}[{text}]: an array's length is a whole number, 1 or more")
        return ArrayType(self, length) if isinstance(length, int) else ArrayType(self, length[0] * length[1], length[1])

    def __repr__(self) -> str:
        return self.name


class IntType(HwType):
    """An integer of `bits` bits, two's complement where `signed`; calling it cuts a value to that width."""

    def __init__(self, bits: int, signed: bool) -> None:
        self.bits = bits
        self.signed = signed
        self.name = f"{'s' if signed else 'u'}{bits}"
        self.lo = -(1 << (bits - 1)) if signed else 0
        self.hi = (1 << (bits - signed)) - 1
        self.mask = (1 << bits) - 1
        self.size = next(n for n in (1, 2, 4, 8, 16) if 8 * n >= bits)

    def __call__(self, value: int) -> int:
        if isinstance(value, float):
            raise TypeError(f"{self.name}() of a float: take its bits with bits32() or bits64()")
        return ((value - self.lo) & self.mask) + self.lo

    @property
    def format(self) -> str:
        """The `struct` letter of the container it rests in."""
        letter = {1: "b", 2: "h", 4: "i", 8: "q"}[self.size]
        return letter if self.signed else letter.upper()


class FloatType(HwType):
    """IEEE 754 binary32 or binary64; calling it rounds a value to that format (nearest, ties to even)."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.name = f"f{bits}"
        self.size = bits // 8

    def __call__(self, value: float) -> float:
        if isinstance(value, int):
            value = float(value)
        if self.bits == 32:
            value = ctypes.c_float(value).value
        return value if value == value else NAN

    @property
    def format(self) -> str:
        return "f" if self.bits == 32 else "d"


@dataclass(frozen=True, repr=False, eq=True)
class ArrayType(HwType):
    """A fixed number of values of one type, or of sub-chips of one class, one after the other.

    `length` is how many there are in all. An array of two dimensions holds its rows one after the other, each of `columns`
    elements; `columns` is 0 where there is one dimension.
    """

    element: Any  # IntType, FloatType or a Chip class
    length: int
    columns: int = 0

    @property
    def rows(self) -> int:
        """Rows of an array of two dimensions."""
        return self.length // self.columns

    @property
    def row(self) -> ArrayType:
        """The type of a row."""
        return ArrayType(self.element, self.columns)

    @property
    def name(self) -> str:  # type: ignore[override]
        size = f"{self.rows}, {self.columns}" if self.columns else str(self.length)
        return f"{getattr(self.element, 'name', None) or self.element.__name__}[{size}]"

    @property
    def size(self) -> int:  # type: ignore[override]
        return int(self.element.size) * self.length


@dataclass(frozen=True, repr=False)
class MemoryType(HwType):
    """`length` bytes of byte-addressed memory, in pages of its own behind the block; little endian.

    `m[a]` is a byte; `m.u16[a]`, `m.s32[a]`, `m.u64[a]`... a wider value at byte address `a`, which need not be
    aligned. Host pages are taken only when touched, so an address space of 2**38 bytes costs nothing by itself.
    """

    length: int

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"memory[{self.length:#x}]"

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.length


class _MemoryMaker:
    def __getitem__(self, length: int) -> MemoryType:
        if not isinstance(length, int) or length < 1:
            raise TypeError(f"memory[{length!r}]: a memory's length is a whole number of bytes, 1 or more")
        return MemoryType(length)


memory = _MemoryMaker()
f32 = FloatType(32)
f64 = FloatType(64)

UNSIGNED = {n: IntType(n, False) for n in range(1, 129)}
SIGNED = {n: IntType(n, True) for n in range(1, 129)}
"""Up to 64 bits may rest in a field; up to 128 in a variable, a parameter or a result."""

# fmt: off
(
    u1, u2, u3, u4, u5, u6, u7, u8, u9, u10, u11, u12, u13, u14, u15, u16,
    u17, u18, u19, u20, u21, u22, u23, u24, u25, u26, u27, u28, u29, u30, u31, u32,
    u33, u34, u35, u36, u37, u38, u39, u40, u41, u42, u43, u44, u45, u46, u47, u48,
    u49, u50, u51, u52, u53, u54, u55, u56, u57, u58, u59, u60, u61, u62, u63, u64,
    u65, u66, u67, u68, u69, u70, u71, u72, u73, u74, u75, u76, u77, u78, u79, u80,
    u81, u82, u83, u84, u85, u86, u87, u88, u89, u90, u91, u92, u93, u94, u95, u96,
    u97, u98, u99, u100, u101, u102, u103, u104, u105, u106, u107, u108, u109, u110, u111, u112,
    u113, u114, u115, u116, u117, u118, u119, u120, u121, u122, u123, u124, u125, u126, u127, u128,
) = UNSIGNED.values()
# fmt: on
# fmt: off
(
    s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16,
    s17, s18, s19, s20, s21, s22, s23, s24, s25, s26, s27, s28, s29, s30, s31, s32,
    s33, s34, s35, s36, s37, s38, s39, s40, s41, s42, s43, s44, s45, s46, s47, s48,
    s49, s50, s51, s52, s53, s54, s55, s56, s57, s58, s59, s60, s61, s62, s63, s64,
    s65, s66, s67, s68, s69, s70, s71, s72, s73, s74, s75, s76, s77, s78, s79, s80,
    s81, s82, s83, s84, s85, s86, s87, s88, s89, s90, s91, s92, s93, s94, s95, s96,
    s97, s98, s99, s100, s101, s102, s103, s104, s105, s106, s107, s108, s109, s110, s111, s112,
    s113, s114, s115, s116, s117, s118, s119, s120, s121, s122, s123, s124, s125, s126, s127, s128,
) = SIGNED.values()
# fmt: on
