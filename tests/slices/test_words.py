"""A slice: a core whose code is addressed by the word, with a program counter of 22 bits and codes of one and of three words."""

from __future__ import annotations

from typing import Any

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import AssemblyError, assemble
from softmetal.isa.disassembler import disassemble_all
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, memory, u4, u16, u22, u32, u64

WORDS = 1 << 22


class Fault(Trap):
    """No such code."""

    code: u64


class Core(Chip):
    """Sixteen registers of 32 bits; words of 16 bits."""

    r: u32[16]
    pc: u22
    next_pc: u22
    count: u64
    code: memory[2 * WORDS]

    def fetch(self, address: u22) -> u16:
        return self.code.u16[2 * address]


isa = Isa("words", core=Core, parcel=16, unit=16, word=16)


@isa.insn("imm[15:0] imm[31:16] 0001 rd 00000000", "set {rd}, {imm}")
def set_(core: Core, rd: u4, imm: u32) -> None:
    """Load a number of two words."""
    core.r[rd] = imm


@isa.insn("target[15:0] 0000000000 target[21:16] 0010 rs 00000000", "jump.nz {rs}, {target}")
def jump(core: Core, rs: u4, target: u22) -> None:
    """Jump to a word unless a register is 0."""
    if core.r[rs] != 0:
        core.next_pc = target


@isa.insn("0011 rd rs 0000", "sub {rd}, {rs}")
def sub(core: Core, rd: u4, rs: u4) -> None:
    """Subtract."""
    core.r[rd] -= core.r[rs]


def fault(core: Core, code: u64) -> None:
    """Stop."""
    raise Fault(code)


isa.illegal = fault


def words(*codes: tuple[str, dict[str, int]]) -> list[int]:
    """The words of instructions, the low one first."""
    found = []
    for name, operands in codes:
        entry = isa.by_name[name]
        code = entry.match | sum(o.encode(operands[o.name]) for o in entry.operands)
        found += [code >> 16 * i & 0xFFFF for i in range(entry.size // 2)]
    return found


START = WORDS - 9
PROGRAM = words(
    ("set", {"rd": 1, "imm": 100_000 & 0xFFFF | 5 << 16}), ("set", {"rd": 2, "imm": 1}), ("sub", {"rd": 1, "rs": 2}),
    ("sub", {"rd": 3, "rs": 1}), ("jump.nz", {"rs": 1, "target": WORDS - 3}),
)  # fmt: skip


@pytest.fixture(params=["golden", "native"])
def machine(request: Any) -> Any:
    """An engine at a program that goes on from the last word to the first."""
    board = new_board(isa, Core)
    for i, word in enumerate(PROGRAM):
        board.code.u16[2 * ((START + i) % WORDS)] = word
    board.pc = START
    return (golden_engine if request.param == "golden" else native_engine)(isa, board)


def test_codes_have_whole_words_and_the_program_counter_counts_them(machine: Any) -> None:
    core = machine.core
    assert [e.size for e in isa.insns] == [6, 6, 2]
    assert machine.run(2) is None
    assert (core.pc, core.r[1], core.r[2]) == (WORDS - 3, 100_000 & 0xFFFF | 5 << 16, 1)
    assert machine.run(2) is None
    assert (core.pc, core.r[1], core.r[3]) == (WORDS - 1, core.r[1], -core.r[1] & 0xFFFFFFFF)
    assert machine.run(1) is None
    assert core.pc == WORDS - 3
    assert machine.run(3 * 900) is None
    assert (core.pc, core.count) == (WORDS - 3, 5 + 3 * 900)


def test_a_code_that_is_none_stops_at_its_place(machine: Any) -> None:
    machine.core.code.u16[2 * START] = 0xF123
    assert machine.run(9).values == (0xF123,)
    assert (machine.core.pc, machine.core.next_pc, machine.core.count) == (START, START, 0)


SOURCE = """
start:  set 1, 0x5ffff
        set 2, 1
loop:   sub 1, 2
        sub 3, 1
        jump.nz 1, loop
        jump.nz 2, start
end:
"""


def test_labels_count_words_and_the_text_comes_back() -> None:
    made = assemble(isa, SOURCE, START, "words.s")
    assert made.symbols == {"start": START, "loop": START + 6, "end": START + 14}
    assert made.sections == {".text": (START, 28)}
    lines = list(disassemble_all(isa, made.code, START))
    assert [line.address - START for line in lines] == [0, 3, 6, 7, 8, 11]
    again = assemble(isa, "\n".join(line.text for line in lines), START, "again.s")
    assert again.code == made.code
    with pytest.raises(AssemblyError, match=r"^odd.s:2: an address stands for 2 bytes here, and this lies in the middle of them"):
        assemble(isa, ".byte 1\nlabel: jump.nz 1, label", START, "odd.s")
