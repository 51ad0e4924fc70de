"""A slice: a chip with a 6502 of its own beside the main 6502, as in a disk drive. They talk through a byte and two lines.

The main processor's bus access moves the clock; the chip's processor runs instructions until its clock has caught up. `isa.step`
is the table as a function, so the board calls it as it calls anything.
"""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import Chip, memory, noinline, state_hash, u1, u8, u16

step = isa.step


class Latch(Chip):
    """A byte, and whether it has been taken."""

    value: u8
    full: u1

    def put(self, value: u8) -> None:
        self.value = value
        self.full = 1

    def take(self) -> u8:
        self.full = 0
        return self.value


class DriveCpu(Mos6502):
    """2 KiB of RAM below, the program above; the latches at $1800 to $1802."""

    ram: memory[1 << 16]
    inward: Latch
    outward: Latch

    def read(self, address: u16) -> u8:
        self.cycles += 1
        match address:
            case 0x1800:
                return self.inward.take()
            case 0x1802:
                return self.inward.full | self.outward.full << 7
        return self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        self.cycles += 1
        if address == 0x1801:
            self.outward.put(value)
        else:
            self.ram[address] = value


class Computer(Mos6502):
    """RAM, and the drive's latches at $D800 to $D802."""

    ram: memory[1 << 16]
    drive: DriveCpu

    @noinline
    def tick(self) -> None:
        self.cycles += 1
        while self.drive.cycles < self.cycles:
            step(self.drive)

    def read(self, address: u16) -> u8:
        self.tick()
        match address:
            case 0xD801:
                return self.drive.outward.take()
            case 0xD802:
                return self.drive.outward.full | self.drive.inward.full << 7
        return self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        if address == 0xD800:
            self.drive.inward.put(value)
        else:
            self.ram[address] = value


MAIN = """
        ldx #0
send:   bit $D802
        bmi send
        stx $D800
wait:   lda $D802
        lsr a
        bcc wait
        lda $D801
        sta $0300,x
        inx
        bne send
end:    jmp end
"""
DRIVE = """
loop:   lda $1802
        lsr a
        bcc loop
        lda $1800
        asl a
        adc #7
        sta $1801
        jmp loop
"""


def ready(engine: str) -> tuple[Any, Any]:
    """The computer with both programs, and its engine."""
    board = new_board(isa, Computer)
    for cpu, text in ((board, MAIN), (board.drive, DRIVE)):
        code = assemble(isa, text, 0x1000, "program").code
        cpu.ram[0x1000 : 0x1000 + len(code)] = code
        cpu.pc, cpu.s = 0x1000, 0xFF
    return board, (golden_engine if engine == "golden" else native_engine)(isa, board)


@pytest.mark.parametrize("engine", ["golden", "native"])
def test_what_one_processor_sends_the_other_answers(engine: str) -> None:
    board, running = ready(engine)
    running.run(8_000)
    assert bytes(board.ram[0x300:0x400]) == bytes((2 * i & 0xFF) + 7 & 0xFF if i < 128 else 2 * i + 8 & 0xFF for i in range(256))
    assert 0 <= board.drive.cycles - board.cycles < 8  # an instruction may end behind the clock


def test_both_engines_end_in_the_same_state() -> None:
    ends = []
    for engine in ("golden", "native"):
        board, running = ready(engine)
        running.run(3_000)
        ends.append((board.cycles, board.drive.cycles, board.drive.count, state_hash(board)))
    assert ends[0] == ends[1]
