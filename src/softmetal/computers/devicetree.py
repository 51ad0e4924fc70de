"""The device tree: how a board describes its devices and addresses to the software on it.

    flatten({"model": "a board", "cpus": {"#address-cells": 1}})

Source: Devicetree Specification 0.4, chapters 2 (properties) and 5 (the flattened format, version 17).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = int | str | bytes | Sequence[int] | Sequence[str] | None
"""A property: a cell, text, bytes as they are, cells, texts, nothing."""
Node: TypeAlias = "Mapping[str, Value | Node]"

MAGIC, VERSION, COMPATIBLE = 0xD00DFEED, 17, 16
HEADER, NO_RESERVATIONS = 40, bytes(16)
BEGIN_NODE, END_NODE, PROPERTY, END = 1, 2, 3, 9


def flatten(root: Node) -> bytes:
    """The blob of a tree. Of a node's entries those that are mappings are its children."""
    names: dict[str, int] = {}  # offsets in the block of strings
    structure = bytearray()

    def cells(*values: int) -> None:
        structure.extend(struct.pack(f">{len(values)}I", *values))

    def padded(data: bytes) -> None:
        structure.extend(data + bytes(-len(data) % 4))

    def node(name: str, entries: Node) -> None:
        cells(BEGIN_NODE)
        padded(name.encode() + b"\0")
        for key, value in entries.items():
            if not isinstance(value, Mapping):
                data = property_bytes(value)
                cells(PROPERTY, len(data), names.setdefault(key, sum(len(n) + 1 for n in names)))
                padded(data)
        for key, value in entries.items():
            if isinstance(value, Mapping):
                node(key, value)
        cells(END_NODE)

    node("", root)
    cells(END)
    strings = b"".join(n.encode() + b"\0" for n in names)
    at = HEADER + len(NO_RESERVATIONS)
    end = at + len(structure) + len(strings)
    header = (MAGIC, end, at, at + len(structure), HEADER, VERSION, COMPATIBLE, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + NO_RESERVATIONS + bytes(structure) + strings


def property_bytes(value: Value) -> bytes:
    """A property's value at rest."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return struct.pack(">I", value)
    if isinstance(value, str):
        return value.encode() + b"\0"
    return b"".join(map(property_bytes, value))


def pair(value: int) -> list[int]:
    """A 64-bit number as two cells."""
    return [value >> 32, value & 0xFFFF_FFFF]


def span(address: int, size: int) -> dict[str, Value]:
    """The property with a node's address and size."""
    return {"reg": [*pair(address), *pair(size)]}
