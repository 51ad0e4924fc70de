"""What the Linux personality asks of a CPU: one hart with flat guest memory.

The personality programs against this protocol alone, so it runs on any engine whose hart has these
names. Exception codes are those of the RISC-V privileged specification (`mcause`, interrupt bit clear).
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import NamedTuple, Protocol

BUDGET = -1
MISALIGNED_FETCH = 0
FETCH_FAULT = 1
ILLEGAL = 2
BREAKPOINT = 3
LOAD_MISALIGNED = 4
LOAD_FAULT = 5
STORE_MISALIGNED = 6
STORE_FAULT = 7
ECALL = 8

MEMORY_BITS = 38
MEMORY_SIZE = 1 << MEMORY_BITS
"""Bytes of user space: the lower half of an sv39 address space."""

PAGE_BITS = 12
PAGE = 1 << PAGE_BITS

R = 1
W = 2
X = 4
MAPPED = 8
ENGINE_BIT = 16
"""The bit of a page's permission byte that belongs to the engine; the personality keeps its value."""


class Exit(NamedTuple):
    """Why `Cpu.run` returned."""

    cause: int
    """`BUDGET` when the instruction budget is used up, else the exception code."""
    tval: int
    """The faulting address, or the instruction's bits for `ILLEGAL`."""


class Cpu(Protocol):
    """One hart: the register file of the thread that is running now, and the memory of its process."""

    x: MutableSequence[int]
    f: MutableSequence[int]
    pc: int
    fcsr: int
    count: int
    ram: memoryview
    perm: memoryview

    def run(self, max_insns: int) -> Exit:
        """Run until `max_insns` instructions have retired or one traps; then `pc` is at the trapping one."""
        ...

    def code_changed(self, start: int, end: int) -> None:
        """Forget decoded code in `[start, end)`: it was unmapped, remapped, protected or written."""
        ...

    def clear_reservation(self) -> None:
        """Drop the LR/SC reservation, as a context switch does."""
        ...

    def discard(self, start: int, end: int) -> None:
        """Give the pages of `[start, end)` back to the host; they read as zero afterwards."""
        ...
