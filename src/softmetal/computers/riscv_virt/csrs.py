"""Control and status registers of a hart that is stopped, read and written regardless of the guest's privileges.

A hart whose turn it is not is put in the middle of the board for as long as that takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from softmetal.isa.riscv.hart import RiscvTrap
from softmetal.isa.riscv.privileged.state import MACHINE, Csr, PrivilegedState
from softmetal.lang.chip import layout_of

DIRTY = 3


@contextmanager
def _in_the_middle(board: Any, hart: int, csr: int) -> Iterator[None]:
    """Let the board be that hart's, with all rights to a register; then all is as it was, but for what was written."""
    if hart != board.active:
        clock = board.clock()
        kept_turn = board.turn_start, board.turn_count
        start = board.__dict__["_offset"]
        view = board.__mapping__.view[start : start + layout_of(PrivilegedState).size]
        kept = bytes(view)
        board.assign(board.parked[hart])
        board.turn_start, board.turn_count = clock, board.count
    mode, fs, hooks = board.mode, board.fs, board.debug.registers
    board.mode, board.debug.registers = MACHINE, 0
    if csr <= Csr.FCSR:
        board.fs = DIRTY
    try:
        yield
    finally:
        board.mode, board.debug.registers = mode, hooks
        if csr <= Csr.FCSR:
            board.fs = fs
        if hart != board.active:
            board.parked[hart].assign(board)
            view[:] = kept
            board.turn_start, board.turn_count = kept_turn


def read_csr(board: Any, hart: int, csr: int) -> int | None:
    """A register's value, None where there is none of that number."""
    with _in_the_middle(board, hart, csr):
        try:
            return int(board.read_csr(csr, 0))
        except RiscvTrap:
            return None


def write_csr(board: Any, hart: int, csr: int, value: int) -> bool:
    """Write a register as the hart in machine mode would. Is there one that can be written?"""
    with _in_the_middle(board, hart, csr):
        try:
            board.write_csr(csr, value, 0)
        except RiscvTrap:
            return False
    board.reprotect()
    board.rekey()
    return True
