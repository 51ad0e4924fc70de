"""A CPU that prints each instruction it runs: address, bits, text, and the registers that it changed."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from typing import TextIO

from .cpu import BUDGET, Cpu, Exit

NAMES = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)  # fmt: skip


class TracingCpu:
    """A `Cpu` around another. One line an instruction: `PC: BITS TEXT REGISTER=VALUE...`."""

    def __init__(self, cpu: Cpu, out: TextIO, disassemble: Callable[[int, int], str] | None) -> None:
        self.cpu = cpu
        self.out = out
        self.disassemble = disassemble
        self.x: MutableSequence[int] = cpu.x
        self.f: MutableSequence[int] = cpu.f
        self.ram = cpu.ram
        self.perm = cpu.perm

    @property
    def pc(self) -> int:
        """See `Cpu.pc`."""
        return self.cpu.pc

    @pc.setter
    def pc(self, value: int) -> None:
        self.cpu.pc = value

    @property
    def count(self) -> int:
        """See `Cpu.count`."""
        return self.cpu.count

    @count.setter
    def count(self, value: int) -> None:
        self.cpu.count = value

    @property
    def fcsr(self) -> int:
        """See `Cpu.fcsr`."""
        return self.cpu.fcsr

    @fcsr.setter
    def fcsr(self, value: int) -> None:
        self.cpu.fcsr = value

    def run(self, max_insns: int) -> Exit:
        """Run one instruction after the other and write a line for each."""
        cpu, write = self.cpu, self.out.write
        result = Exit(BUDGET, 0)
        for _ in range(max_insns):
            pc = cpu.pc
            x, f = list(cpu.x), list(cpu.f)
            bits = int.from_bytes(cpu.ram[pc : pc + 4], "little") if pc + 4 <= len(cpu.ram) else 0
            if bits & 3 != 3:
                bits &= 0xFFFF
            result = cpu.run(1)
            line = f"{pc:#x}: {bits:04x}" if bits & 3 != 3 else f"{pc:#x}: {bits:08x}"
            if self.disassemble is not None:
                line += "  " + self.disassemble(bits, pc)
            changes = [f"{NAMES[i]}={b:#x}" for i, (a, b) in enumerate(zip(x, cpu.x, strict=True)) if a != b]
            changes += [f"f{i}={b:#x}" for i, (a, b) in enumerate(zip(f, cpu.f, strict=True)) if a != b]
            write("  ".join([line, *changes]) + "\n")
            if result.cause != BUDGET:
                break
        self.out.flush()
        return result

    def code_changed(self, start: int, end: int) -> None:
        """See `Cpu.code_changed`."""
        self.cpu.code_changed(start, end)

    def clear_reservation(self) -> None:
        """See `Cpu.clear_reservation`."""
        self.cpu.clear_reservation()

    def discard(self, start: int, end: int) -> None:
        """See `Cpu.discard`."""
        self.cpu.discard(start, end)
