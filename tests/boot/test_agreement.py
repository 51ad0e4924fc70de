"""The start of a real boot, on both engines: firmware and Linux, in the same state after every piece.

SOFTMETAL_PRIVILEGED is how many times as many instructions as CI's few are wanted.
"""

from __future__ import annotations

import os
import random

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.privileged.state import SUPERVISOR
from softmetal.lang import state_hash

TIMES = int(os.environ.get("SOFTMETAL_PRIVILEGED", "1"))
PIECES = (1, 2, 999, 4000, 7001, 10_000)


@pytest.mark.parametrize("cpus", [1, 2])
def test_linux_starts_in_the_same_states(kernel, cpus):
    boards = [Virt(kernel=kernel.image, append="console=ttyS0", memory=128 << 20, cpus=cpus).build() for _ in range(2)]
    engines = golden_engine(isa, boards[0]), native_engine(isa, boards[1])
    draw, done = random.Random(cpus), 0
    while done < 100_000 * TIMES:
        budget = draw.choice(PIECES)
        assert [engine.advance(budget) for engine in engines] == [budget, budget]
        done += budget
        for engine in engines:
            engine.drop_code()
        assert state_hash(boards[0]) == state_hash(boards[1]), f"after {done} instructions"
    assert boards[0].mode == SUPERVISOR, "the firmware has handed on to the kernel"
