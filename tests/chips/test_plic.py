"""The PLIC: priorities, enables, thresholds, claim and completion."""

from __future__ import annotations

import random

import pytest

from softmetal.chips.plic import Plic
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree

MACHINE, SUPERVISOR = 0, 1  # contexts of hart 0


def enable(context, word=0):
    return 0x2000 + 0x80 * context + 4 * word


def threshold(context):
    return 0x20_0000 + 0x1000 * context


def claim(context):
    return threshold(context) + 4


@pytest.fixture(params=ENGINES)
def plic(request):
    """Sources 1 to 40 have priority 1 and are all enabled for hart 0 in supervisor mode."""
    made = DeviceBench(Plic, request.param)
    for source in range(1, 41):
        made.write(4 * source, 1)
    return made.write(enable(SUPERVISOR), 0xFFFF_FFFF).write(enable(SUPERVISOR, 1), 0xFFFF_FFFF)


def test_an_asserted_source_asserts_the_line_of_the_context_that_enables_it(plic):
    assert plic.update(1 << 10).lines[SUPERVISOR] == 1
    assert list(plic.lines).count(1) == 1
    assert plic.read(0x1000) == 1 << 10


def test_a_claim_takes_the_source_and_drops_the_line_until_completion(plic):
    plic.update(1 << 10)
    assert plic.read(claim(SUPERVISOR)) == 10
    assert (plic.lines[SUPERVISOR], plic.read(0x1000), plic.read(claim(SUPERVISOR))) == (0, 0, 0)
    plic.update(1 << 10)
    assert plic.lines[SUPERVISOR] == 0
    plic.write(claim(SUPERVISOR), 10)
    assert plic.lines[SUPERVISOR] == 1


def test_a_source_whose_line_has_fallen_is_not_pending_after_completion(plic):
    plic.update(1 << 10)
    plic.read(claim(SUPERVISOR))
    plic.update(0).write(claim(SUPERVISOR), 10)
    assert (plic.lines[SUPERVISOR], plic.read(0x1000)) == (0, 0)


def test_a_request_that_was_passed_on_stays_pending_when_its_line_falls(plic):
    assert plic.update(1 << 3).update(0).read(claim(SUPERVISOR)) == 3


def test_the_highest_priority_is_claimed_first_and_the_lowest_number_among_equals(plic):
    plic.write(4 * 20, 7).write(4 * 35, 7).write(4 * 5, 6)
    plic.update(1 << 1 | 1 << 5 | 1 << 20 | 1 << 35)
    assert [plic.read(claim(SUPERVISOR)) for _ in range(5)] == [20, 35, 5, 1, 0]


def test_a_threshold_masks_priorities_up_to_it_but_not_from_a_claim(plic):
    plic.write(4 * 9, 3).update(1 << 9)
    assert [plic.write(threshold(SUPERVISOR), t).lines[SUPERVISOR] for t in (2, 3, 7, 0)] == [1, 0, 0, 1]
    assert plic.write(threshold(SUPERVISOR), 7).read(claim(SUPERVISOR)) == 9


def test_priority_0_never_interrupts(plic):
    plic.write(4 * 9, 0).update(1 << 9)
    assert (plic.lines[SUPERVISOR], plic.read(claim(SUPERVISOR))) == (0, 0)
    assert plic.write(4 * 9, 1).lines[SUPERVISOR] == 1


def test_completion_by_a_context_that_does_not_enable_the_source_is_ignored(plic):
    plic.update(1 << 10).read(claim(SUPERVISOR))
    plic.write(claim(MACHINE), 10)
    assert plic.claimed == 1 << 10
    plic.write(claim(SUPERVISOR), 11).write(claim(SUPERVISOR), 1 << 10)
    assert plic.claimed == 1 << 10


def test_two_contexts_see_the_same_source_and_one_gets_it(plic):
    plic.write(enable(6), 1 << 10).update(1 << 10)
    assert (plic.lines[SUPERVISOR], plic.lines[6]) == (1, 1)
    assert plic.read(claim(6)) == 10
    assert (plic.lines[SUPERVISOR], plic.lines[6], plic.read(claim(SUPERVISOR))) == (0, 0, 0)


def test_registers_read_back_and_what_has_no_source_is_wired_to_0(plic):
    plic.write(4 * 7, 0xFF).write(threshold(3), 0xFFFF_FFFF).write(0, 5).write(4 * 64, 5)
    assert [plic.read(at) for at in (4 * 7, threshold(3), 0, 4 * 64)] == [7, 7, 0, 0]
    assert plic.write(4 * 63, 2).read(4 * 63) == 2
    assert plic.read(enable(SUPERVISOR)) == 0xFFFF_FFFE
    assert plic.read(enable(SUPERVISOR, 1)) == 0xFFFF_FFFF
    assert plic.write(enable(SUPERVISOR, 2), 1).read(enable(SUPERVISOR, 2)) == 0
    assert plic.write(enable(64), 2).read(enable(64)) == 0
    assert plic.read(enable(0)) == 0
    assert plic.unmodelled == 0


@pytest.mark.parametrize(("offset", "size"), [(4, 8), (4, 1), (6, 4), (0x1080, 4), (threshold(0) + 8, 4), (threshold(15872), 4)])
def test_accesses_that_the_specification_does_not_know_are_unmodelled(plic, offset, size):
    assert plic.unmodelled_after(lambda: plic.read(offset, size)) == 1
    assert plic.unmodelled_after(lambda: plic.write(offset, 1, size)) == 1


def test_pending_bits_are_read_only(plic):
    assert plic.unmodelled_after(lambda: plic.write(0x1000, 2)) == 0
    assert plic.read(0x1000) == 0


def test_native_agrees_with_golden():
    rng = random.Random(1)
    near = [*range(0, 48, 4), 0x1000, 0x1004, *(f(c) for f in (enable, threshold, claim) for c in range(3)), enable(1, 1)]
    steps = []
    for step in accesses(rng, near, 4, 4000):
        steps.append(step)
        if rng.random() < 0.3:
            steps.append(("update", rng.getrandbits(64) & rng.getrandbits(64) & 0x8000_0000_0000_0FFF))
    agree(Plic, steps)


def test_an_edge_triggered_source_is_pending_once_for_each_edge_and_not_while_its_line_is_up(plic):
    plic.edges = 1 << 10
    assert plic.update(1 << 10).lines[SUPERVISOR] == 0
    assert plic.edge(1 << 10).lines[SUPERVISOR] == 1
    assert plic.read(claim(SUPERVISOR)) == 10
    plic.write(claim(SUPERVISOR), 10)
    assert (plic.lines[SUPERVISOR], plic.read(0x1000)) == (0, 0)


def test_an_edge_while_the_source_is_served_is_kept_until_its_completion(plic):
    plic.edges = 1 << 10
    plic.edge(1 << 10).read(claim(SUPERVISOR))
    plic.edge(1 << 10).edge(1 << 10)
    assert (plic.lines[SUPERVISOR], plic.read(claim(SUPERVISOR))) == (0, 0)
    plic.write(claim(SUPERVISOR), 10)
    assert (plic.lines[SUPERVISOR], plic.read(claim(SUPERVISOR))) == (1, 10)
    plic.write(claim(SUPERVISOR), 10)
    assert plic.lines[SUPERVISOR] == 0


def test_a_level_triggered_source_has_no_edges(plic):
    assert plic.edge(1 << 10).lines[SUPERVISOR] == 0


@pytest.mark.parametrize("context", [0, 1, 2, 15, 63])
def test_each_context_has_enables_a_threshold_and_a_claim_of_its_own(plic, context):
    plic.write(enable(SUPERVISOR), 0).write(enable(context), 1 << 5).update(1 << 5)
    assert [i for i, line in enumerate(plic.lines) if line] == [context]
    assert plic.write(threshold(context), 1).lines[context] == 0
    assert plic.read(claim(context)) == 5


def test_contexts_of_harts_that_the_board_does_not_have_are_wired_to_0(plic):
    plic.last = 3
    plic.update(1 << 10).write(enable(4), 1 << 10).write(threshold(4), 5)
    assert [plic.read(at(4)) for at in (enable, threshold, claim)] == [0, 0, 0]
    assert (plic.lines[4], plic.lines[SUPERVISOR], plic.unmodelled) == (0, 1, 0)


def test_contexts_without_a_hart_are_wired_to_0_up_to_the_last_of_the_map(plic):
    for last, unmodelled in ((15871, 0), (15872, 1)):
        for access in (lambda at=last: plic.read(threshold(at)), lambda at=last: plic.write(threshold(at), 1)):
            assert plic.unmodelled_after(access) == unmodelled
    assert plic.read(threshold(16)) == 0
