"""The privileged architecture against qemu-system-riscv64: random programs log the same traps and leave the same memory.

SOFTMETAL_PRIVILEGED is the number of batches of about 400 programs, where more than CI's few are wanted.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from softmetal.isa.riscv.privileged.state import INTERRUPT
from tests.conform.privileged_harness import CAUSE, MOST, RAM, SLOT, address_of, image
from tests.conform.privileged_machines import Filter, Runner, difference, programs, qemu, records
from tests.conftest import ENGINES

BATCHES = int(os.environ.get("SOFTMETAL_PRIVILEGED", "3"))
EXCUSED = 0.1
"""The part of the programs that may meet a known difference."""


@pytest.fixture(scope="module")
def judge():
    return Filter(ENGINES["native"])


def batches(engine):
    """(seeds, whether protection is locked: that lasts until reset, so such programs see their neighbours')."""
    if engine == "golden":
        return [(range(200), False)]
    ordinary = [(range(i * MOST, (i + 1) * MOST), False) for i in range(BATCHES)]
    return ordinary + [(range(1_000_000 + 40 * i, 1_000_040 + 40 * i), True) for i in range(4 * BATCHES)]


@pytest.mark.parametrize("engine", ENGINES)
def test_random_privileged_programs_do_what_they_do_in_qemu(engine, judge, tmp_path):
    runner = Runner(ENGINES[engine])
    wrong, excused, causes = [], 0, Counter()
    kept = 0
    for seeds, locks in batches(engine):
        slots = programs(judge, seeds, locks)
        ram = image(slots)
        runner.load(ram)
        if not runner.run(10_000_000):  # locked out of their own frame
            assert locks
            continue
        try:
            theirs = qemu(tmp_path, ram)
        except FileNotFoundError as missing:
            pytest.skip(f"{missing}: nothing to compare with")
        kept += len(slots)
        for slot in slots:
            at = address_of(slot) - RAM
            ours = bytes(runner.ram[at : at + SLOT])
            causes.update(r[CAUSE] for r in records(ours))
            found = difference(ours, theirs[at : at + SLOT])
            if found:
                excused += found[1]
                wrong += [] if found[1] else [f"program {seeds[slot]} in slot {slot}: {found[0]}"]
    assert not wrong, f"{len(wrong)} of {kept} differ:\n" + "\n".join(wrong[:10])
    assert excused <= EXCUSED * kept
    if engine == "native":
        assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15} | {INTERRUPT | n for n in (1, 3, 5, 7, 9)} <= set(causes)
