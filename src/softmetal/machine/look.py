"""Looking into a machine: memory and registers; what is changed there enters as an input."""

from __future__ import annotations

from typing import Any

from softmetal.isa.riscv.hart import ABI, FLOAT_ABI
from softmetal.machine import control
from softmetal.machine.loading import RAM_BASE

NAMES = (*ABI, "pc", *FLOAT_ABI)


class PhysicalMemory:
    """A machine's memory, by physical address."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def _span(self, part: slice) -> slice:
        size = len(self._machine.ram)
        start, stop = part.start, part.stop
        if part.step is not None or start is None or stop is None or not RAM_BASE <= start <= stop <= RAM_BASE + size:
            raise IndexError(f"give memory[a:b] between {RAM_BASE:#x} and {RAM_BASE + size:#x}")
        return slice(start - RAM_BASE, stop - RAM_BASE)

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._machine.ram[self._span(part)])

    def __setitem__(self, part: slice, data: bytes) -> None:
        span = self._span(part)
        if len(data) != span.stop - span.start:
            raise IndexError(f"{len(data)} bytes do not fill {span.stop - span.start}")
        self._machine.enter("memory", part.start.to_bytes(8, "little") + bytes(data))


class Cpu:
    """A hart, to look at and to change. `regs` is by ABI name; all fields of the hart's state are attributes."""

    def __init__(self, machine: Any, number: int) -> None:
        self._machine, self.number = machine, number

    @property
    def hart(self) -> Any:
        """The hart's fields."""
        board = self._machine.board
        return board if self.number == board.active else board.parked[self.number]

    @property
    def regs(self) -> dict[str, int]:
        """Integer registers and `pc`, by their names."""
        hart = self.hart
        return {**{name: hart.x[i] for i, name in enumerate(ABI)}, "pc": hart.pc}

    def set(self, name: str, value: int) -> None:
        """Set a register: an integer's, `pc`, or the bits of a floating-point one. Raises KeyError."""
        if name not in NAMES:
            raise KeyError(name)
        index = NAMES.index(name)
        if index:
            data = bytes([self.number, index]) + (value & (1 << 64) - 1).to_bytes(8, "little")
            self._machine.enter("register", data)

    def csr(self, number: int) -> int | None:
        """A control and status register, by its address; None where there is none."""
        return control.read_csr(self._machine.board, self.number, number)

    def set_csr(self, number: int, value: int) -> None:
        """Write a control and status register, as the hart in machine mode would."""
        data = bytes([self.number]) + number.to_bytes(2, "little") + (value & (1 << 64) - 1).to_bytes(8, "little")
        self._machine.enter("csr", data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hart, name)
