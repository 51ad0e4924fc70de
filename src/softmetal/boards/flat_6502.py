"""A 6502 with 64 KiB of RAM and nothing else: for programs, tests and measurements.

    $0000 ................................................. $FFFF   RAM

The IRQ and NMI lines are the processor's own fields.
"""

from __future__ import annotations

from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import memory, u8, u16


class Flat6502(Mos6502):
    """The processor and its memory; a bus access takes one cycle."""

    ram: memory[1 << 16]

    def read(self, address: u16) -> u8:
        self.cycles += 1
        return self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        self.cycles += 1
        self.ram[address] = value
