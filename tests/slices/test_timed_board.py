"""A slice: a small computer of a 6502, a VIA that every bus access ticks, and an ACIA. What programs see of the VIA's timers is
counted in the processor's own cycles, on both engines.

    $0000 .. $7FFF RAM    $8000 .. $800F VIA    $8010 .. $8013 ACIA    $9000 .. $FFFF RAM
"""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.chips.mos6522 import Mos6522
from softmetal.chips.mos6551 import Mos6551
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import memory, noinline, state_hash, u2, u4, u8, u16

ENGINES = ["golden", "native"]


class TimedBoard(Mos6502):
    """The interrupt lines of both chips meet at the processor's."""

    ram: memory[1 << 16]
    via: Mos6522
    acia: Mos6551

    @noinline
    def tick(self) -> None:
        self.cycles += 1
        self.via.tick()
        self.irq = self.via.irq | self.acia.irq

    def read(self, address: u16) -> u8:
        self.tick()
        if address >> 4 == 0x800:
            return self.via.read_register(u4(address))
        if address >> 2 == 0x8010 >> 2:
            return self.acia.read_register(u2(address))
        return self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        if address >> 4 == 0x800:
            self.via.write_register(u4(address), value)
        elif address >> 2 == 0x8010 >> 2:
            self.acia.write_register(u2(address), value)
        else:
            self.ram[address] = value


def ready(engine: str, program: str) -> tuple[Any, Any]:
    """The board with the program at $1000, and its engine."""
    board = new_board(isa, TimedBoard)
    made = assemble(isa, program, 0x1000, "program")
    board.ram[0x1000 : 0x1000 + len(made.code)] = made.code
    if "irq" in made.symbols:
        board.ram[0xFFFE:0x10000] = made.symbols["irq"].to_bytes(2, "little")
    board.pc, board.s = 0x1000, 0xFF
    return board, (golden_engine if engine == "golden" else native_engine)(isa, board)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("high", "low"), [("$8005", "$8004"), ("$8009", "$8008")])
def test_a_program_reads_a_counter_as_many_cycles_after_its_start_as_its_instructions_take(
    engine: str, high: str, low: str
) -> None:
    """The write is the fourth cycle of STA, the read the fourth of LDA: N, N - 1, N - 2 and N - 3 stand in these four cycles."""
    board, running = ready(engine, f"lda #$40\nsta {low}\nlda #0\nsta {high}\nlda {low}\nldx {low}\nnop\nldy {low}\n")
    running.run(8)
    assert (board.a, board.x, board.y) == (0x40 - 3, 0x40 - 7, 0x40 - 13)


TIMED = """
start:  cld
        lda #$40        ; timer 1 runs free
        sta $800B
        lda #$C0
        sta $800E
        lda #98         ; every 100 cycles
        sta $8004
        lda #0
        sta $8005
        cli
loop:   inc $20
        jmp loop
irq:    lda $8004
        inc $21
        bne out
        inc $22
out:    rti
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_free_running_timer_interrupts_every_n_plus_two_cycles(engine: str) -> None:
    board, running = ready(engine, TIMED)
    running.run(10_000)
    taken = board.ram[0x22] << 8 | board.ram[0x21]
    assert abs(taken - board.cycles // 100) <= 1
    assert taken > 256


ECHOING = """
        lda #$09        ; DTR, the receiver's interrupt
        sta $8012
        cli
loop:   jmp loop
irq:    pha
        lda $8011
        and #$08
        beq out
        lda $8010
        eor #$20
        sta $8010
out:    pla
        rti
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_that_answers_each_character_gets_them_all(engine: str) -> None:
    board, running = ready(engine, ECHOING)
    board.acia.rx.feed(b"HELLO world")
    running.run(500)
    assert board.acia.tx.drain() == b"hello\0WORLD"


def test_both_engines_end_in_the_same_state() -> None:
    ends = []
    for engine in ENGINES:
        board, running = ready(engine, TIMED)
        running.run(5_000)
        ends.append((board.cycles, board.pc, state_hash(board)))
    assert ends[0] == ends[1]
