"""The 6502 as a processor: programs, interrupts, reset, jams; through memory, registers and lines."""

from __future__ import annotations

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.isa.mos6502 import Jammed, Mos6502, Unwired, isa

NOP, CLI, SEI, PLP, RTI, BRK, JAM, INX = 0xEA, 0x58, 0x78, 0x28, 0x40, 0x00, 0x02, 0xE8
START, HANDLER, NMI_HANDLER = 0x0400, 0x0500, 0x0600


class Bench:
    """A board with a program, vectors that point to handlers full of INX, and the engine that runs it."""

    def __init__(self, engine, *program):
        self.engine = engine(isa, Flat6502)
        self.core = core = self.engine.core
        for at, byte in enumerate(program):
            core.ram[START + at] = byte
        for handler in (HANDLER, NMI_HANDLER):
            for at in range(16):
                core.ram[handler + at] = INX
        for vector, address in ((0xFFFA, NMI_HANDLER), (0xFFFC, START), (0xFFFE, HANDLER)):
            core.ram[vector], core.ram[vector + 1] = address & 0xFF, address >> 8
        core.pc, core.s = START, 0xFD

    def step(self, times=1):
        for _ in range(times):
            self.engine.step()
        return self.core

    def stack(self, count):
        return [self.core.ram[0x100 + self.core.s + at] for at in range(1, count + 1)]


@pytest.mark.parametrize(("m", "n"), [(0, 0), (1, 1), (7, 9), (255, 255), (200, 3), (128, 129)])
def test_a_multiply_loop_gives_the_product_in_the_cycles_that_the_manual_adds_up_to(engine, m, n):
    program = bytes.fromhex(
        "a900 a208 4611"  # lda #0; ldx #8; lsr $11
        "9003 18 6510"  # again: bcc skip; clc; adc $10
        "6a 6611 ca d0f5"  # skip: ror a; ror $11; dex; bne again
        "8512 02"  # sta $12; jam
    )
    bench = Bench(engine, *program)
    core = bench.core
    core.ram[0x10], core.ram[0x11] = m, n
    stopped = bench.engine.run(1000)
    assert isinstance(stopped, Jammed)
    assert core.ram[0x12] << 8 | core.ram[0x11] == m * n
    ones = n.bit_count()
    assert core.cycles == 2 + 2 + 5 + 15 * (8 - ones) + 19 * ones - 1 + 3 + 11


def test_an_irq_takes_seven_cycles_and_pushes_pc_and_flags_without_b(engine):
    bench = Bench(engine, NOP)
    bench.core.irq, bench.core.c, bench.core.n = 1, 1, 1
    core = bench.step()
    assert core.cycles == 7 + 2
    assert core.pc == HANDLER + 1
    assert bench.stack(3) == [0xA1, START & 0xFF, START >> 8]
    assert core.i == 1
    assert core.count == 1


def test_an_irq_waits_while_interrupts_are_disabled(engine):
    bench = Bench(engine, NOP, NOP)
    bench.core.irq = bench.core.i = 1
    core = bench.step(2)
    assert (core.pc, core.cycles) == (START + 2, 4)


def test_an_irq_that_stays_asserted_is_taken_again_after_rti(engine):
    bench = Bench(engine, NOP)
    bench.core.ram[HANDLER] = RTI
    bench.core.irq = 1
    bench.step(3)
    assert bench.core.cycles == 3 * (7 + 6)
    bench.core.irq = 0
    assert bench.step().pc == START + 1


def test_an_nmi_is_taken_once_an_edge_and_in_spite_of_i(engine):
    bench = Bench(engine)
    core = bench.core
    core.i = core.nmi = 1
    bench.step(2)
    assert core.pc == NMI_HANDLER + 2
    core.nmi = 0
    bench.step()
    assert core.pc == NMI_HANDLER + 3
    core.nmi = 1
    bench.step()
    assert core.pc == NMI_HANDLER + 1
    assert core.s == 0xFD - 6


def test_an_nmi_goes_before_an_irq(engine):
    bench = Bench(engine)
    bench.core.irq = bench.core.nmi = 1
    assert bench.step().pc == NMI_HANDLER + 1


def test_brk_pushes_the_address_after_its_padding_byte_and_flags_with_b(engine):
    bench = Bench(engine, BRK, 0xFF)
    core = bench.step()
    assert core.cycles == 7
    assert core.pc == HANDLER
    assert bench.stack(3) == [0x30, START + 2 & 0xFF, START >> 8]


@pytest.mark.parametrize(("opcode", "pulled"), [(CLI, 0), (PLP, 0)])
def test_interrupts_are_enabled_one_instruction_after_cli_and_plp(engine, opcode, pulled):
    bench = Bench(engine, opcode, NOP)
    core = bench.core
    core.irq = core.i = 1
    core.ram[0x1FE] = pulled
    bench.step(2)
    assert core.pc == START + 2
    bench.step()
    assert core.pc == HANDLER + 1


def test_an_irq_that_came_during_sei_is_still_taken_after_it(engine):
    bench = Bench(engine, SEI, NOP)
    bench.step()
    bench.core.irq = 1
    bench.step()
    assert bench.core.pc == HANDLER + 1
    assert bench.stack(1) == [0x24]  # I is set in what was pushed


def test_rti_enables_interrupts_at_once(engine):
    bench = Bench(engine, RTI)
    core = bench.core
    core.s = 0xFA
    core.ram[0x1FB], core.ram[0x1FC], core.ram[0x1FD] = 0, 0x34, 0x12
    core.irq = core.i = 1
    bench.step(2)
    assert core.pc == HANDLER + 1
    assert bench.stack(3)[1:] == [0x34, 0x12]


def test_reset_takes_seven_cycles_writes_nothing_and_goes_through_its_vector(engine):
    bench = Bench(engine, INX)
    core = bench.core
    core.pc, core.s, core.i, core.d = 0x1234, 0x00, 0, 1
    before = bytes(core.ram.view)
    core.reset()
    assert bytes(core.ram.view) == before
    assert (core.cycles, core.s, core.i, core.d, core.pc) == (7, 0xFD, 1, 1, START)
    assert bench.step().x == 1


def test_a_jam_stops_the_processor_until_a_reset(engine):
    bench = Bench(engine, JAM)
    core = bench.step()
    core.nmi = core.irq = 1
    with pytest.raises(Jammed) as stopped:
        bench.step()
    assert stopped.value.pc == START + 1
    assert core.cycles == 11
    core.ram[START] = INX
    core.reset()
    assert bench.step().x == 1


def test_a_core_without_a_bus_is_an_error_that_says_so():
    with pytest.raises(Unwired) as unwired:
        Mos6502().read(0x1234)
    assert unwired.value.address == 0x1234


def test_the_table_has_every_opcode_once():
    assert sorted(entry.match & 0xFF for entry in isa.insns) == list(range(256))
    assert sum(entry.group == "documented" for entry in isa.insns) == 151
