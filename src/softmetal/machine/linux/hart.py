"""The hart of a process: the `Cpu` of the personality, on the engine that was asked for."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from typing import Any

from softmetal.boards.linux_riscv64 import LinuxRiscv64
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.riscv import isa
from softmetal.lang.chip import Board
from softmetal.machine.linux.cpu import BUDGET, Exit


class HartCpu:
    """A `LinuxRiscv64` board and its engine, `"golden"` or `"native"`; `progress` hears of compiling."""

    def __init__(self, engine: str, progress: Callable[[str], None] | None = None) -> None:
        if engine not in ("golden", "native"):
            raise ValueError(f"no engine {engine!r}: golden, native")
        self.board: Any = new_board(isa, LinuxRiscv64) if engine == "native" else LinuxRiscv64()
        self.engine: Any = (
            native_engine(isa, self.board, progress) if engine == "native" else golden_engine(isa, self.board)
        )
        self.x: MutableSequence[int] = self.board.x.view
        self.f: MutableSequence[int] = self.board.f.view
        self.ram: memoryview = self.board.ram.view
        self.perm: memoryview = self.board.perm.view
        self._discard = self.board.__mapping__.discard
        self._ram_at = Board.of(LinuxRiscv64).memories["ram"][0]

    @property
    def pc(self) -> int:
        """The address of the instruction to run next."""
        value: int = self.board.pc
        return value

    @pc.setter
    def pc(self, value: int) -> None:
        self.board.pc = self.board.next_pc = value

    @property
    def count(self) -> int:
        """Instructions retired since power-on."""
        value: int = self.board.count
        return value

    @count.setter
    def count(self, value: int) -> None:
        self.board.count = value

    @property
    def fcsr(self) -> int:
        """Rounding mode (bits 7 to 5) and accrued floating-point exceptions."""
        value: int = self.board.frm << 5 | self.board.fflags
        return value

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self.board.fflags, self.board.frm = value, value >> 5

    def run(self, max_insns: int) -> Exit:
        """Run until the budget is used up or an exception."""
        trap = self.engine.run(max_insns)
        return Exit(BUDGET, 0) if trap is None else Exit(trap.cause, trap.tval)

    def code_changed(self, start: int, end: int) -> None:
        """Forget decoded code between two addresses."""
        self.engine.code_changed(start, end)

    def clear_reservation(self) -> None:
        """Drop the reservation of a load-reserved."""
        self.board.reserved = 0

    def discard(self, start: int, end: int) -> None:
        """Zero guest memory between two addresses and give its pages back to the host."""
        self._discard(self._ram_at + start, self._ram_at + end)
