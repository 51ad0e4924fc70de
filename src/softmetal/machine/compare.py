"""What differs between two machines of the same make: registers and other fields by name, words of memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from softmetal.lang.chip import Board, layout
from softmetal.lang.types import ArrayType, MemoryType
from softmetal.machine.computer import Computer, Region


def differences(computer: Computer, one: Any, other: Any) -> Iterator[str]:
    """Lines that say what differs between two states of a computer's board, registers first."""
    yield from _fields(computer, one.block, other.block)
    yield from _memories(computer, one.pages, other.pages)


def _fields(computer: Computer, one: bytes, other: bytes) -> Iterator[str]:
    registers = computer.isa.registers
    for entry in layout(computer.board):
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
                yield f"{_name(registers, entry.path, i, count)}: {_shown(a)} and {_shown(b)}"


def _name(registers: Mapping[str, Sequence[str]], path: str, index: int, count: int) -> str:
    """A field's name, with a register's own."""
    if count == 1:
        return path
    front, _, last = path.rpartition(".")
    names = registers.get(last)
    if names:
        return f"{front}.{names[index]}" if front else names[index]
    return f"{path}[{index}]"


def _shown(value: Any) -> str:
    return f"{value:#x}" if isinstance(value, int) else str(value)


def _memories(
    computer: Computer, one: dict[int, bytes], other: dict[int, bytes]
) -> Iterator[str]:
    regions = computer.regions()
    places = sorted((at, kind.length, path) for path, (at, kind) in Board.of(computer.board).memories.items())
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
                yield f"{_address(regions, path, offset)}: {x:#x} and {y:#x}"


def _address(regions: Sequence[Region], path: str, offset: int) -> str:
    """A place in one of the board's memories: by its physical address, where it has one."""
    for region in regions:
        if region.memory == path and region.offset <= offset < region.offset + region.size:
            return f"memory {region.address + offset - region.offset:#x}"
    return f"{path}[{offset:#x}]"
