"""The `Cpu` of the Linux personality on the board `linux_riscv64`, run by the golden or the native engine."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any

from softmetal.boards.linux_riscv64 import LinuxRiscv64
from softmetal.isa import riscv
from softmetal.lang.chip import Board, layout_of

from .cpu import BUDGET, Exit

USED_UP = Exit(BUDGET, 0)
ENGINES = ("native", "golden")


class BoardCpu:
    """One hart of the board. Registers are views of the board's state block, so nothing is copied."""

    def __init__(self, engine: str = "native", progress: Callable[[str], None] | None = None) -> None:
        if engine == "native":
            from softmetal.engines.native import native_engine, new_board

            core: Any = new_board(riscv.isa, LinuxRiscv64)
            self.engine: Any = native_engine(riscv.isa, core, progress)
        elif engine == "golden":
            from softmetal.engines.golden import golden_engine

            core = LinuxRiscv64()
            self.engine = golden_engine(riscv.isa, core)
        else:
            raise ValueError(f"no engine {engine!r}; there are {', '.join(ENGINES)}")
        self.core = core
        self.x: MutableSequence[int] = core.x.view
        self.f: MutableSequence[int] = core.f.view
        self.ram: memoryview = core.ram.view
        self.perm: memoryview = core.perm.view
        self._mapping = core.__mapping__
        fields = layout_of(LinuxRiscv64).fields
        self._pc, self._count = fields["pc"].offset // 8, fields["count"].offset // 8
        end = 8 * (max(self._pc, self._count) + 1)
        # The state block by words: pc and count are used at every system call.
        self._words: memoryview = self._mapping.view[:end].cast("Q")
        self._ram_at = Board.of(LinuxRiscv64).memories["ram"][0]
        self.enter: Callable[[int], int] = self.engine.enter
        self.words: Sequence[int] = self.engine.words

    @property
    def pc(self) -> int:
        """The program counter."""
        return self._words[self._pc]

    @pc.setter
    def pc(self, value: int) -> None:
        self._words[self._pc] = value

    @property
    def count(self) -> int:
        """Instructions retired since power-on."""
        return self._words[self._count]

    @count.setter
    def count(self, value: int) -> None:
        self._words[self._count] = value

    @property
    def fcsr(self) -> int:
        """The floating-point control and status register."""
        value: int = self.core.fflags | self.core.frm << 5
        return value

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self.core.fflags = value & 31
        self.core.frm = value >> 5 & 7

    def run(self, max_insns: int) -> Exit:
        """See `Cpu.run`."""
        if not self.enter(max_insns):
            return USED_UP
        _, cause, tval = self.words[:3]
        return Exit(cause, tval)

    def code_changed(self, start: int, end: int) -> None:
        """See `Cpu.code_changed`."""
        self.engine.code_changed(start, end)

    def clear_reservation(self) -> None:
        """See `Cpu.clear_reservation`."""
        self.core.reserved = 0

    def discard(self, start: int, end: int) -> None:
        """See `Cpu.discard`."""
        self._mapping.discard(self._ram_at + start, self._ram_at + end)
