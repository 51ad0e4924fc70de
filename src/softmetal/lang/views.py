"""What the golden model, and the host, see of an array and a memory: Python sequences over the state's bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from softmetal.lang.types import SIGNED, UNSIGNED, ArrayType, IntType


class Array(Sequence[Any]):
    """The golden view of an array field."""

    def __init__(self, view: memoryview, kind: ArrayType) -> None:
        self.view, self.cut, self.length = view, kind.element, kind.length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and index < 0:
            raise IndexError(f"index {index} is outside the array")
        found = self.view[index]
        return found.tolist() if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            for i, v in zip(range(*index.indices(self.length)), list(value), strict=True):
                self.view[i] = self.cut(v)
        elif index < 0:
            raise IndexError(f"index {index} is outside the array")
        else:
            self.view[index] = self.cut(value)

    def __len__(self) -> int:
        return self.length

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))


class Grid(Sequence[Array]):
    """The golden view of an array of two dimensions: `grid[y, x]` is an element, `grid[y]` a row, which is an array."""

    def __init__(self, view: memoryview, kind: ArrayType) -> None:
        self.kind = kind
        self.rows = [Array(view[at : at + kind.columns], kind.row) for at in range(0, kind.length, kind.columns)]

    def __getitem__(self, index: Any) -> Any:
        y, *x = index if isinstance(index, tuple) else (index,)
        if isinstance(y, int) and y < 0:
            raise IndexError(f"index {y} is outside the rows")
        return self.rows[y][x[0]] if x else self.rows[y]

    def __setitem__(self, index: tuple[int, int], value: Any) -> None:
        y, x = index
        self[y][x] = value

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return repr(self.rows)


class _Wide:
    """A memory seen as values of one type, at byte addresses."""

    def __init__(self, view: memoryview, kind: IntType) -> None:
        self.view, self.cut, self.format = view, kind, struct.Struct("<" + kind.format)
        self.last = len(view) - kind.size

    def __getitem__(self, address: int) -> int:
        if not 0 <= address <= self.last:
            raise IndexError(f"address {address:#x} is outside the memory")
        value: int = self.format.unpack_from(self.view, address)[0]
        return value

    def __setitem__(self, address: int, value: int) -> None:
        if not 0 <= address <= self.last:
            raise IndexError(f"address {address:#x} is outside the memory")
        self.format.pack_into(self.view, address, self.cut(value))


class Memory:
    """The golden view of a memory: bytes by index, wider values through `u16`, `s32`, `u64`..."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        for bits in (8, 16, 32, 64):
            setattr(self, f"u{bits}", _Wide(view, UNSIGNED[bits]))
            setattr(self, f"s{bits}", _Wide(view, SIGNED[bits]))

    def __getitem__(self, address: Any) -> Any:
        if isinstance(address, int) and address < 0:
            raise IndexError(f"address {address:#x} is outside the memory")
        return self.view[address]

    def __setitem__(self, address: Any, value: Any) -> None:
        if isinstance(address, slice):
            self.view[address] = value if isinstance(value, bytes | bytearray | memoryview) else bytes(value)
        elif address < 0:
            raise IndexError(f"address {address:#x} is outside the memory")
        else:
            self.view[address] = value & 0xFF

    def __len__(self) -> int:
        return len(self.view)
