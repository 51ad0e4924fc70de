"""Every instruction compiled alone, its operands known: it calls the interpreter's code, and does what the golden engine does."""

from __future__ import annotations

import ctypes
import random

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.boards.linux_riscv64 import LinuxRiscv64
from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.engines.native import native_engine, new_board
from softmetal.engines.native.single import Single, linked, single, specialised
from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.riscv import isa as rv64
from tests.agree.machines import difference, golden, hart_state
from tests.agree.test_instructions import CODE, RANGES, address, codes_to_test, hart, place

STATES = 6
SD = 0x00A5B423  # sd a0, 8(a1)


@pytest.fixture(scope="module")
def harts():
    """The judge, and a board on which nothing runs but single instructions."""
    alone = golden(rv64, LinuxRiscv64)
    alone.engine = native_engine(rv64, new_board(rv64, LinuxRiscv64))
    alone.__init__(alone.engine)
    return hart(golden(rv64, LinuxRiscv64)), hart(alone)


def run_alone(side, insn):
    """Run the instruction as an engine would: count it, and go on behind it, unless it traps."""
    core = side.core
    core.next_pc = core.pc + insn.size
    trapped = side.code(core.__mapping__.address)
    if trapped:
        core.next_pc = core.pc
        trap = side.engine._trap()
        return type(trap).__name__, *trap.values
    core.pc, core.count = core.next_pc, core.count + 1
    return None


@pytest.mark.parametrize("insn", rv64.insns, ids=lambda e: e.name)
def test_riscv(harts, insn):
    judge, alone = harts
    draw = random.Random(insn.name)
    code = draw.choice(codes_to_test(insn, draw))
    library = linked(alone.engine, insn, code)
    alone.code = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(library.address("insn"))
    place([code], judge)
    alone.memories["ram"][CODE : CODE + 8] = judge.memories["ram"][CODE : CODE + 8]
    given = dict(zip(insn.parameters, insn.arguments(code), strict=True))
    for _ in range(STATES):
        core = judge.core
        hart_state(core, draw)
        if given.get("rs1") and draw.randrange(8):
            core.x[given["rs1"]] = address(draw) - given.get("imm", 0)
        core.pc = core.next_pc = CODE
        alone.block[:] = judge.block
        assert judge.run(1) == run_alone(alone, insn)
        assert difference(harts, RANGES) == ""


@pytest.mark.parametrize("cls", [LinuxRiscv64, RiscvVirt])
def test_a_store_alone_is_a_few_functions(cls):
    text = single(rv64, cls).write(rv64.by_name["sd"], SD)
    assert text.count("define ") <= 4
    assert len(text) < 8000
    assert "declare hidden" in text


def test_what_stands_apart_has_the_same_name_in_every_process_and_a_unit_of_its_own_knows_what_it_needs():
    insn = rv64.by_name["sd"]
    writer = single(rv64, RiscvVirt)
    writer.write(insn, SD)
    checked = Single(rv64, writer.board, writer.kept, {}, [])
    checked.write(insn, SD)
    known = {f.symbol: f for f in writer.program.functions.values() if f.outside}
    again = {f.symbol: f for f in checked.program.functions.values()}
    assert known
    for symbol, function in known.items():
        other = again[symbol]
        assert (other.traps, other.returns) == (function.traps, function.returns)
        assert checked.unit.touches(other) is writer.unit.touches(function)
        assert checked.unit.changes(other) is writer.unit.changes(function)


def test_an_instruction_of_a_table_that_is_decoded_each_time_can_be_shown():
    text, assembly = specialised(mos6502, Flat6502, mos6502.by_name["inx"], 0xE8)
    assert "define" in text
    assert "ret" in assembly
