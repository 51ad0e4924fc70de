"""Page tables of the virt board as a debugger sees them: they are walked without the guest, or its state, noticing.

What protects pages does not matter here, only where they are. An address that is not mapped is tried as a physical one.
"""

from __future__ import annotations

from typing import Any

from softmetal.isa.riscv.privileged.state import MACHINE, RAM_BASE


def physical(machine: Any, hart: int, address: int) -> int | None:
    """The physical address of a hart's virtual one, by its present page tables; None if it is not mapped to memory."""
    state = machine.computer.cpu(machine, hart).state
    mode = state.mpp if state.mprv and state.mode == MACHINE else state.mode
    walked = walk(machine.board, state.satp, address)
    both: tuple[int | None, ...] = (address, walked) if mode == MACHINE else (walked, address)
    for found in both:
        if found is not None and 0 <= found - RAM_BASE < len(machine.ram):
            return found
    return None


def walk(board: Any, satp: int, address: int) -> int | None:
    """What the page tables of `satp` say, None where they say nothing."""
    if satp >> 60 == 0:
        return address
    at, shift = board.leaf(satp, address, 0)
    if at < RAM_BASE:
        return None
    found, low = board.mapped(board.ram.u64[at - RAM_BASE], shift, address)
    return int(found) if low else None
