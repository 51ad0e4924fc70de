"""Random programs, run in pieces: after each piece every engine has the golden engine's state."""

from __future__ import annotations

import random

import pytest

from softmetal.boards.linux_riscv64 import LinuxRiscv64
from softmetal.isa.riscv import isa
from tests.agree.machines import NATIVE, WATCHED, difference, golden, hart_state
from tests.agree.programs import RANGES, Program

PROGRAMS, STARTS, LENGTH = 60, 100, 120
PIECES = (1, 1, 1, 2, 3, 7, 20, 100)


def boards(engine):
    return golden(isa, LinuxRiscv64), NATIVE[engine](isa, LinuxRiscv64)


@pytest.mark.parametrize("engine", NATIVE)
def test_pieces_of_any_length_end_in_the_same_state(engine):
    sides = judge, native = boards(engine)
    causes = set()
    for seed in range(PROGRAMS):
        draw = random.Random(seed)
        program = Program(draw)
        for side in sides:
            program.load(side)
        hart_state(judge.core, draw)
        for _ in range(STARTS):
            program.again(judge.core)
            judge.core.count = 0
            native.block[:] = judge.block
            traps = [None]
            while traps[0] is None and judge.core.count < LENGTH:
                before = judge.core.count
                budget = draw.choice(PIECES)
                traps = [side.run(budget) for side in sides]
                assert (traps[0], difference(sides, RANGES)) == (traps[1], ""), f"program {seed}, {before} + {budget}"
                if traps[0] is None:
                    assert judge.core.count == before + budget
                else:
                    assert before <= judge.core.count < before + budget
                    causes.add(traps[0][1])
        native.engine.drop_code()
        assert not any(b & WATCHED for b in native.memories["perm"][:64])
        assert bytes(native.memories["perm"][:64]) == bytes(judge.memories["perm"][:64])
    assert causes == {1, 2, 3, 4, 5, 6, 7, 8}


@pytest.mark.parametrize("engine", NATIVE)
def test_a_run_in_pieces_is_the_run_in_one_piece(engine):
    whole, pieces = (NATIVE[engine](isa, LinuxRiscv64) for _ in range(2))
    for seed in range(PROGRAMS, 2 * PROGRAMS):
        draw = random.Random(seed)
        program = Program(draw)
        program.load(whole)
        program.load(pieces)
        hart_state(whole.core, draw)
        whole.core.count = 0
        for _ in range(STARTS):
            program.again(whole.core)
            pieces.block[:] = whole.block
            start = whole.core.count
            found = whole.run(LENGTH)
            trap = None
            while trap is None and pieces.core.count < start + LENGTH:
                trap = pieces.run(min(draw.choice(PIECES), start + LENGTH - pieces.core.count))
            assert (found, difference((whole, pieces), RANGES)) == (trap, ""), f"program {seed} from {start}"
