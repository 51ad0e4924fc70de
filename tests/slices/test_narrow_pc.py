"""A slice: a program counter of 16 bits, code that is decoded ahead, and goes on from the last address to the first."""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.engines.native.engine import ThreadedEngine
from softmetal.isa.decoding import Ahead
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, host, memory, s8, u1, u4, u8, u12, u16, u64


class Halt(Trap):
    """A code that is none."""

    pc: u16


class Tiny(Chip):
    """Sixteen registers of a byte; 64 KiB, of which stores change a half that holds no code."""

    decoding = Ahead(code_bits=16)

    r: u8[16]
    pc: u16
    next_pc: u16
    count: u64
    ram: memory[1 << 16]

    def fetch(self, address: u16) -> u16:
        return self.ram[address] | self.ram[u16(address + 1)] << 8

    def watch(self, page: u16) -> u1:
        """Nothing is written where code lies."""
        return 0

    @host
    def unwatch(self, page: int) -> None:
        pass


isa = Isa("tiny", core=Tiny, parcel=16)


@isa.insn("0001 rd imm[7:0]", "add {rd}, {imm}")
def add(cpu: Tiny, rd: u4, imm: u8) -> None:
    """Add a number."""
    cpu.r[rd] += imm


@isa.insn("0010 rs imm[7:0]", "brnz {rs}, {imm}")
def branch(cpu: Tiny, rs: u4, imm: s8) -> None:
    """Go some parcels on, or back, unless a register is 0."""
    if cpu.r[rs] != 0:
        cpu.next_pc = cpu.pc + 2 * imm


@isa.insn("0011 target[11:0]", "jump {target}")
def jump(cpu: Tiny, target: u12) -> None:
    """Go to a parcel of the first 8 KiB."""
    cpu.next_pc = target << 1


@isa.insn("0100 rd rs 0000", "call {rd}, {rs}")
def call(cpu: Tiny, rd: u4, rs: u4) -> None:
    """Go where two registers say; keep the low byte of the way back."""
    back = cpu.next_pc
    cpu.next_pc = cpu.r[rs] << 8 | cpu.r[rd]
    cpu.r[rd] = back


def halt(cpu: Tiny, code: u16) -> None:
    """Stop."""
    raise Halt(cpu.pc)


isa.illegal = halt


def word(name: str, **operands: int) -> int:
    """An instruction's code."""
    entry = isa.by_name[name]
    return entry.match | sum(o.encode(operands[o.name]) for o in entry.operands)


LOOP = [word("add", rd=1, imm=3), word("brnz", rs=1, imm=-1), word("add", rd=2, imm=1), word("jump", target=0)]
BACK = [word("add", rd=5, imm=1), word("add", rd=6, imm=0xFA), word("add", rd=7, imm=0xFF), word("call", rd=6, rs=7)]
WRAP = {0xFFFA: word("add", rd=3, imm=1), 0xFFFC: word("brnz", rs=3, imm=3), 0xFFFE: word("add", rd=4, imm=1)}


def ready(kind: str, codes: dict[int, int]) -> Any:
    """An engine with a program before it."""
    board = new_board(isa, Tiny)
    for address, code in codes.items():
        board.ram.u16[address] = code
    return (golden_engine if kind == "golden" else native_engine)(isa, board)


def looked(core: Any) -> tuple[Any, ...]:
    """What can be seen of a core."""
    return core.pc, core.next_pc, core.count, list(core.r)


def test_it_is_decoded_ahead() -> None:
    engine = ready("native", dict(zip(range(0, 8, 2), LOOP, strict=True)))
    assert isinstance(engine, ThreadedEngine)
    engine.run(100_000)
    assert (engine.core.count, engine.translations) == (100_000, 2)


@pytest.mark.parametrize("start", [0, 0xFFFA, 0xFFFE])
@pytest.mark.parametrize("budget", [1, 2, 3, 4, 5, 7, 60, 1000])
def test_it_goes_round_at_the_end_of_the_address_space(start: int, budget: int) -> None:
    """From 0xFFFE on to 0, and by a branch from 0xFFFC to 2; there a call leads back."""
    codes = WRAP | {
        0: word("add", rd=5, imm=1),
        2: word("add", rd=6, imm=0xFA),
        4: word("add", rd=7, imm=0xFF),
        6: word("call", rd=6, rs=7),
    }
    ends = []
    for kind in ("golden", "native"):
        engine = ready(kind, codes)
        engine.core.pc = engine.core.next_pc = start
        traps = [engine.run(budget), engine.run(budget)]
        ends.append(([t and t.values for t in traps], *looked(engine.core)))
    assert ends[0] == ends[1]


def test_a_core_whose_counters_have_two_types_is_refused() -> None:
    class Odd(Tiny):
        pc: u64

    with pytest.raises(TypeError, match="Odd: pc is u64, next_pc is u16, count is u64: to decode ahead the engine needs"):
        native_engine(isa, new_board(isa, Odd))
