"""A guest's virtual memory as a debugger sees it: page tables are walked without the guest, or its state, noticing.

What protects pages does not matter here, only where they are: see `Computer.translate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine

PAGE = 4096
"""Bytes that lie side by side in memory where their virtual addresses do, at least."""


def read(machine: Machine, cpu: int, address: int, length: int) -> bytes:
    """Bytes at a CPU's virtual address, as far as they are in memory."""
    return b"".join(machine.memory[start:end] for start, end in _spans(machine, cpu, address, length))


def write(machine: Machine, cpu: int, address: int, data: bytes) -> bool:
    """Change memory at a virtual address: all of it or, where some is not in memory, nothing."""
    spans = list(_spans(machine, cpu, address, len(data)))
    if sum(end - start for start, end in spans) < len(data):
        return False
    for start, end in spans:
        machine.memory[start:end], data = data[: end - start], data[end - start :]
    return True


def _spans(machine: Machine, cpu: int, address: int, length: int) -> Iterator[tuple[int, int]]:
    """Physical (start, end) of the pieces of some bytes, page by page, until one is missing."""
    end = address + length
    while address < end:
        size = min(end - address, PAGE - address % PAGE)
        start = machine.computer.translate(machine, cpu, address & (1 << 64) - 1)
        if start is None:
            return
        yield start, start + size
        address += size
