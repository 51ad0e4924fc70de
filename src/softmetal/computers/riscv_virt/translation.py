"""Page tables of the virt board as a debugger sees them: they are walked without the guest, or its state, noticing.

What protects pages does not matter here, only where they are. An address that is not mapped is tried as a physical one.
Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 10.3 to 10.6 (Sv39, Sv48, Sv57)
and "Svnapot".
"""

from __future__ import annotations

from typing import Any

from softmetal.isa.riscv.privileged.csr import PPN
from softmetal.isa.riscv.privileged.mmu import N, R, V, X
from softmetal.isa.riscv.privileged.state import MACHINE, RAM_BASE

LEVELS = {8: 3, 9: 4, 10: 5}
"""Levels of page tables, by the mode in `satp`."""


def physical(machine: Any, hart: int, address: int) -> int | None:
    """The physical address of a hart's virtual one, by its present page tables; None if it is not mapped to memory."""
    state = machine.computer.cpu(machine, hart).state
    mode = state.mpp if state.mprv and state.mode == MACHINE else state.mode
    walked = _walk(machine.ram, state.satp, address)
    both: tuple[int | None, ...] = (address, walked) if mode == MACHINE else (walked, address)
    for found in both:
        if found is not None and 0 <= found - RAM_BASE < len(machine.ram):
            return found
    return None


def _walk(ram: memoryview, satp: int, address: int) -> int | None:
    levels = LEVELS.get(satp >> 60)
    if levels is None:
        return address
    table: int = (satp & PPN) << 12
    for level in reversed(range(levels)):
        shift = 12 + 9 * level
        at = table + (address >> shift & 511) * 8 - RAM_BASE
        if not 0 <= at <= len(ram) - 8:
            return None
        entry = int.from_bytes(ram[at : at + 8], "little")
        if not entry & V:
            return None
        table = (entry >> 10 & PPN) << 12
        if entry & (R | X):
            span = 1 << 16 if entry & N else 1 << shift
            return table & -span | address & span - 1
    return None
