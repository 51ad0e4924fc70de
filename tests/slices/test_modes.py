"""A slice: a table with a mode. A switch in the core says whether numbers have 8 or 16 bits, and with it how long codes are."""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.decoding import Ahead
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, host, memory, u1, u8, u16, u64


class Illegal(Trap):
    """No such code."""

    code: u64


class Wide(Chip):
    """An accumulator of 16 bits, of which a mode shows 8; bytes are fetched one by one."""

    a: u16
    wide: u1
    pc: u16
    count: u64
    ram: memory[1 << 16]

    def poll(self) -> None:
        pass

    def fetch(self) -> u8:
        value = self.ram[self.pc]
        self.pc += 1
        return value


isa = Isa("wide", core=Wide, parcel=8, order="bytes", fetching=True)


@isa.insn("11000010", "rep", value=1)
@isa.insn("11100010", "sep", value=0)
def switch(cpu: Wide, value: u1) -> None:
    """Choose the width."""
    cpu.wide = value


@isa.insn("10101001 imm[7:0]", "lda #{imm}", when={"wide": 0})
def lda_8(cpu: Wide, imm: u8) -> None:
    """Load the low half."""
    cpu.a = cpu.a & 0xFF00 | imm


@isa.insn("10101001 imm[7:0] imm[15:8]", "lda #{imm}", "lda.16", when={"wide": 1})
def lda_16(cpu: Wide, imm: u16) -> None:
    """Load all."""
    cpu.a = imm


@isa.insn("00011010", "inc", when={"wide": 0})
def inc_8(cpu: Wide) -> None:
    """Add 1 to the low half."""
    cpu.a = cpu.a & 0xFF00 | u8(cpu.a + 1)


@isa.insn("00011010", "inc", "inc.16", when={"wide": 1})
def inc_16(cpu: Wide) -> None:
    """Add 1."""
    cpu.a += 1


def illegal(cpu: Wide, code: u8) -> None:
    """Stop."""
    raise Illegal(code)


isa.illegal = illegal
PROGRAM = bytes.fromhex("a9ff 1a c2 a9ff12 1a e2 a934 1a 00")
STATES = [(0xFF, 0), (0, 0), (0, 1), (0x12FF, 1), (0x1300, 1), (0x1300, 0), (0x1334, 0), (0x1335, 0)]


@pytest.fixture(params=["golden", "native"])
def machine(request: Any) -> Any:
    """An engine with the program before it."""
    board = new_board(isa, Wide)
    board.ram[: len(PROGRAM)] = PROGRAM
    return (golden_engine if request.param == "golden" else native_engine)(isa, board)


def test_a_mode_decides_how_long_a_code_is_and_what_it_does(machine: Any) -> None:
    for state in STATES:
        assert machine.run(1) is None
        assert (machine.core.a, machine.core.wide) == state
    assert machine.run(1).values == (0,)
    assert machine.core.pc == len(PROGRAM)


def test_the_table_gives_the_meaning_of_a_code_in_a_mode() -> None:
    assert isa.modes == ("wide",)
    assert isa.decode_in(0x12A9, {"wide": 0}).size == 2
    assert isa.decode_in(0x3412A9, {"wide": 1}).size == 3
    assert isa.recognise(0xA9, 1, {"wide": 1}).name == "lda.16"


def test_a_core_that_wants_to_be_decoded_ahead_is_refused() -> None:
    class Impatient(Wide):
        decoding = Ahead(code_bits=16)
        next_pc: u16

        def watch(self, address: u64) -> u1:
            return 0

        @host
        def unwatch(self, page: int) -> None:
            pass

    with pytest.raises(TypeError, match="wide: what a code means depends on 'wide', so code is not decoded ahead: leave `deco"):
        native_engine(isa, new_board(isa, Impatient))


def test_a_core_that_has_not_what_it_promises_is_refused() -> None:
    class Hollow(Wide):
        decoding = Ahead(code_bits=16)

    missing = r"the method watch\(\), the host method unwatch\(\), the field next_pc"
    with pytest.raises(TypeError, match=f"Hollow declares its code to be decoded Ahead, but lacks {missing}"):
        new_board(isa, Hollow)

    class Old(Wide):
        decoding = 16

    with pytest.raises(TypeError, match=r"Old.decoding is 16: give Ahead\(...\), ByFrame\(...\), Itself\(\), or nothing"):
        new_board(isa, Old)
