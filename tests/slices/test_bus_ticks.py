"""A slice: the CPU drives the clock. A 6502 whose every bus access ticks a raster chip and two timers, before it takes place.

The raster chip takes the bus away for some cycles of each eighth line, so a read waits; its interrupt and the timer's meet on
one line. All of it runs on both engines, to the cycle.
"""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import Chip, memory, noinline, state_hash, u1, u3, u8, u9, u16

CYCLES_PER_LINE, LINES, TAKEN = 63, 312, 12


class Raster(Chip):
    """Counts cycles and lines, takes the bus, interrupts at a line."""

    cycle: u8
    line: u9
    at: u9 = 100
    pixels: u16
    bus_taken: u1
    irq: u1

    def tick(self, data: u8) -> None:
        self.cycle += 1
        if self.cycle == CYCLES_PER_LINE:
            self.cycle = 0
            self.line = (self.line + 1) % LINES
            self.irq |= self.line == self.at
        self.bus_taken = self.line & 7 == 3 and self.cycle < TAKEN
        for _ in range(8):
            self.pixels = self.pixels << 1 ^ (data if self.pixels >> 15 else self.cycle)


class Timer(Chip):
    """Counts down, reloads, interrupts."""

    latch: u16 = 999
    counter: u16 = 999
    irq: u1

    def tick(self) -> None:
        if self.counter == 0:
            self.counter = self.latch
            self.irq = 1
        else:
            self.counter -= 1


class Ticking(Mos6502):
    """RAM, the chips at $D000: reading 0 and 1 gives the line, 2 acknowledges the raster's interrupt, 3 the timers'."""

    ram: memory[1 << 16]
    raster: Raster
    one: Timer
    other: Timer

    @noinline
    def tick(self) -> None:
        self.cycles += 1
        self.raster.tick(self.ram[0x2000 | self.raster.line])
        self.one.tick()
        self.other.tick()
        self.irq = self.raster.irq | self.one.irq
        self.nmi = self.other.irq

    def read(self, address: u16) -> u8:
        self.tick()
        while self.raster.bus_taken:
            self.tick()
        if address & 0xF000 == 0xD000:
            return self.chip(u3(address))
        return self.ram[address]

    def chip(self, offset: u3) -> u8:
        match offset:
            case 0:
                return u8(self.raster.line)
            case 1:
                return self.raster.line >> 8
            case 2:
                self.raster.irq = 0
            case 3:
                self.one.irq = self.other.irq = 0
        return self.ram[0xD000 | offset]

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        self.ram[address] = value


PROGRAM = """
start:  cli
loop:   lda $D000
        adc $0300,x
        sta $0400,x
        inx
        bne loop
        inc $10
        jmp loop
irq:    pha
        lda $D002
        inc $11
        lda $D003
        pla
        rti
nmi:    inc $12
        rti
"""


def ready(engine: str) -> tuple[Any, Any]:
    """The board with the program in it, and its engine."""
    board = new_board(isa, Ticking)
    made = assemble(isa, PROGRAM, 0x1000, "program")
    board.ram[0x1000 : 0x1000 + len(made.code)] = made.code
    for vector, name in ((0xFFFA, "nmi"), (0xFFFC, "start"), (0xFFFE, "irq")):
        board.ram[vector : vector + 2] = made.symbols[name].to_bytes(2, "little")
    board.pc, board.s, board.other.latch = 0x1000, 0xFF, 2500
    return board, (golden_engine if engine == "golden" else native_engine)(isa, board)


@pytest.mark.parametrize("engine", ["golden", "native"])
def test_bus_accesses_drive_the_clock_of_every_chip(engine: str) -> None:
    board, running = ready(engine)
    running.run(3_000)
    raster = board.raster
    assert board.cycles % (CYCLES_PER_LINE * LINES) == raster.line * CYCLES_PER_LINE + raster.cycle
    assert (
        board.cycles // 1000 - 1 <= board.ram[0x11] <= board.cycles // 1000 + 1
    )  # one for each time the timer runs out, and a line
    assert board.ram[0x12] == (board.cycles - 1000) // 2501 + 1


def test_both_engines_end_in_the_same_state() -> None:
    ends = []
    for engine in ("golden", "native"):
        board, running = ready(engine)
        running.run(6_000)
        ends.append((board.cycles, board.pc, state_hash(board)))
    assert ends[0] == ends[1]
