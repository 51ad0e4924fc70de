"""What differs between two machines of the same make: registers and other fields by name, words of memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.isa.riscv.hart import ABI, FLOAT_ABI
from softmetal.lang.chip import Board, layout
from softmetal.lang.types import ArrayType, MemoryType
from softmetal.machine.loading import RAM_BASE


def differences(one: Any, other: Any) -> Iterator[str]:
    """Lines that say what differs between two states of boards, registers first."""
    yield from _fields(one.block, other.block)
    yield from _memories(one.pages, other.pages)


def _fields(one: bytes, other: bytes) -> Iterator[str]:
    for entry in layout(RiscvVirt):
        kind = entry.type
        if isinstance(kind, MemoryType):
            continue
        element, count = (kind.element, kind.length) if isinstance(kind, ArrayType) else (kind, 1)
        size = element.size
        span = slice(entry.offset, entry.offset + size * count)
        if one[span] == other[span]:
            continue
        for i in range(count):
            a, b = (struct.unpack_from("<" + element.format, block, entry.offset + size * i)[0] for block in (one, other))
            if a != b:
                yield f"{_name(entry.path, i, count)}: {_shown(a)} and {_shown(b)}"


def _name(path: str, index: int, count: int) -> str:
    """A field's name, with a register's own."""
    if count == 1:
        return path
    front, _, last = path.rpartition(".")
    names = {"x": ABI, "f": FLOAT_ABI}.get(last)
    if names:
        return f"{front}.{names[index]}" if front else names[index]
    return f"{path}[{index}]"


def _shown(value: Any) -> str:
    return f"{value:#x}" if isinstance(value, int) else str(value)


def _memories(one: dict[int, bytes], other: dict[int, bytes]) -> Iterator[str]:
    places = sorted((at, kind.length, path) for path, (at, kind) in Board.of(RiscvVirt).memories.items())
    zeros = bytes(4096)
    for page in sorted(one.keys() | other.keys()):
        a, b = one.get(page, zeros), other.get(page, zeros)
        if a == b:
            continue
        start, _, path = next(place for place in reversed(places) if place[0] <= page)
        for at in range(0, 4096, 8):
            if a[at : at + 8] != b[at : at + 8]:
                x, y = (int.from_bytes(data[at : at + 8], "little") for data in (a, b))
                offset = page - start + at
                where = f"memory {RAM_BASE + offset:#x}" if path == "ram" else f"{path}[{offset:#x}]"
                yield f"{where}: {x:#x} and {y:#x}"
