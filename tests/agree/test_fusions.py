"""Every fused sequence: taken where it should be, and the same as its instructions one by one."""

from __future__ import annotations

import random

import pytest

from softmetal.boards.linux_riscv64 import MAPPED, LinuxRiscv64, R, W, X
from softmetal.engines.native.frame import Places
from softmetal.isa.riscv import isa
from softmetal.lang.chip import Board
from tests.agree.machines import difference, golden, hart_state, number, threaded
from tests.agree.programs import fused

CODE, DATA = 0x20000, 0x30000
RANGES = [("ram", DATA, DATA + 0x2000)]
C_EBREAK = 0x9002
PLACES = Places.of(Board.of(LinuxRiscv64), isa)


@pytest.fixture(scope="module")
def sides():
    found = golden(isa, LinuxRiscv64), threaded(isa, LinuxRiscv64)
    for side in found:
        perm = side.memories["perm"]
        perm[CODE >> 12] = R | X | MAPPED
        perm[DATA >> 12] = perm[(DATA >> 12) + 1] = R | W | MAPPED
        side.memories["ram"][DATA : DATA + 0x2000] = random.Random(0).randbytes(0x2000)
    return found


def drawn(draw, line):
    """A fusion's instructions, operands drawn at random."""
    for _ in range(2000):
        found = fused(draw, [word.partition(":")[::2] for word in line.split()])
        if found:
            return found
    raise AssertionError(f"no codes for {line!r}")


def put(side, instructions, at=CODE):
    """Instructions and a breakpoint at an address."""
    code = b"".join(code.to_bytes(entry.size, "little") for entry, code in instructions) + C_EBREAK.to_bytes(2, "little")
    side.memories["ram"][at : at + len(code)] = code


def handler(side, address):
    """The native function that does what lies at an address (and maybe more behind it)."""
    at = PLACES.code + (address << PLACES.shift)
    return int.from_bytes(side.core.__mapping__.view[at : at + 8], "little")


def decode(side, address):
    """Run from an address, so that what lies there is decoded."""
    side.core.x[:] = [0] * 32
    side.core.pc = address
    side.run(1 << 10)


@pytest.mark.parametrize("line", isa.fusions)
def test_a_fusion_is_taken_where_its_links_are_right(sides, line):
    _, native = sides
    instructions = drawn(random.Random(line), line)
    native.engine.code_changed(CODE, CODE + 4096)
    put(native, instructions)
    put(native, instructions[:1], CODE + 64)
    decode(native, CODE)
    decode(native, CODE + 64)
    assert handler(native, CODE) != handler(native, CODE + 64)


@pytest.mark.parametrize("line", isa.fusions)
def test_a_fusion_does_what_its_instructions_do(sides, line):
    """With operands drawn anew, wherever the budget ends, wherever one traps, and entered at each instruction."""
    judge, native = sides
    draw = random.Random(line)
    for _ in range(25):
        instructions = drawn(draw, line)
        entries = [CODE]
        for entry, _ in instructions:
            entries.append(entries[-1] + entry.size)
        for side in sides:
            put(side, instructions)
            side.engine.code_changed(CODE, CODE + 4096)
        for budgets in ((50,), (1, 50), (2, 50), (50,), (1, 1, 1, 1), (3,), (50,)):
            hart_state(judge.core, draw)
            for i in range(1, 32):
                match draw.randrange(4):
                    case 0:
                        judge.core.x[i] = DATA + 0x800 + draw.randrange(0x800)
                    case 1:
                        judge.core.x[i] = DATA + 0x800 + draw.randrange(0, 0x800, 8)
                    case 2:
                        judge.core.x[i] = number(draw)
            judge.core.pc = judge.core.next_pc = draw.choice((CODE, *entries[:-1]))
            native.block[:] = judge.block
            for budget in budgets:
                before = bytes(judge.block)
                traps = [side.run(budget) for side in sides]
                found = difference(sides, RANGES)
                codes = " ".join(f"{c:#x}" for _, c in instructions)
                assert (traps[0], found) == (traps[1], ""), f"{codes} budget {budget} from {before!r}"
                if traps[0]:
                    break


def test_the_second_of_a_pair_traps_with_pc_and_count_at_it(sides):
    """For every pair whose second may trap: the first has been done, the second not."""
    _, native = sides
    trapped = 0
    for line in isa.fusions:
        draw = random.Random(line)
        instructions = drawn(draw, line)
        put(native, instructions)
        native.engine.code_changed(CODE, CODE + 4096)
        second = CODE + instructions[0][0].size
        native.core.x[:] = [0, *[1 << 50] * 31]
        native.core.frm = 7
        native.core.pc, native.core.count = CODE, 5
        trap = native.run(2)
        if trap is not None and native.core.pc == second:
            trapped += 1
            assert (native.core.count, native.core.next_pc) == (6, second), line
    assert trapped >= 30
