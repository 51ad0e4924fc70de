"""The core-local interruptor: software interrupts and timers of all harts."""

from __future__ import annotations

import random

import pytest

from softmetal.chips.aclint import MAX_HARTS, Aclint
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree

NEVER = (1 << 64) - 1
MTIMECMP, MTIME = 0x4000, 0xBFF8


@pytest.fixture(params=ENGINES)
def aclint(request):
    return DeviceBench(Aclint, request.param)


def test_bit_0_of_a_hart_s_register_is_its_software_interrupt(aclint):
    aclint.write(4 * 3, 0xFFFF_FFFF)
    assert [hart for hart, raised in enumerate(aclint.msip) if raised] == [3]
    assert aclint.read(12) == 1
    assert list(aclint.write(12, 2).msip) == [0] * MAX_HARTS


def test_no_timer_is_set_at_power_on(aclint):
    assert list(aclint.mtimecmp) == [NEVER] * MAX_HARTS


def test_a_timer_is_set_whole_or_by_halves(aclint):
    aclint.write(MTIMECMP + 8, 0x1122_3344_5566_7788, 8).write(MTIMECMP + 12, 0xAABB_CCDD).write(MTIMECMP + 16, 5)
    assert list(aclint.mtimecmp)[1:3] == [0xAABB_CCDD_5566_7788, 0xFFFF_FFFF_0000_0005]
    assert aclint.read(MTIMECMP + 8, 8) == 0xAABB_CCDD_5566_7788
    assert (aclint.read(MTIMECMP + 8), aclint.read(MTIMECMP + 12)) == (0x5566_7788, 0xAABB_CCDD)
    last = MAX_HARTS - 1
    aclint.write(MTIMECMP, 9, 8).write(MTIMECMP + 8 * last, 7, 8)
    assert (aclint.mtimecmp[0], aclint.read(MTIMECMP, 8)) == (9, 9)
    assert (aclint.mtimecmp[last], aclint.read(MTIMECMP + 8 * last, 8)) == (7, 7)


def test_the_time_is_the_board_s_which_is_notified_when_software_sets_it(aclint):
    aclint.mtime = 0x1_0000_0002
    assert (aclint.read(MTIME, 8), aclint.read(MTIME), aclint.read(MTIME + 4)) == (0x1_0000_0002, 2, 1)
    assert aclint.mtime_written == 0
    aclint.write(MTIME + 4, 7)
    assert (aclint.mtime, aclint.mtime_written) == (0x7_0000_0002, 1)
    assert aclint.write(MTIME, 9, 8).mtime == 9


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 8), (0, 1), (1, 4), (2, 4), (4 * MAX_HARTS, 4), (0x3FFC, 4), (MTIMECMP + 8 * MAX_HARTS, 8), (MTIMECMP + 4, 8),
     (MTIMECMP + 1, 8), (MTIMECMP + 2, 4), (0xC000, 4), (MTIME, 2)],
)  # fmt: skip
def test_what_is_not_there_is_unmodelled(aclint, offset, size):
    assert aclint.unmodelled_after(lambda: aclint.read(offset, size)) == 1
    assert aclint.unmodelled_after(lambda: aclint.write(offset, 1, size)) == 1


def test_native_agrees_with_golden():
    near = [*range(0, 4 * MAX_HARTS + 8, 4), *range(MTIMECMP - 4, MTIMECMP + 8 * MAX_HARTS + 8, 4), *range(MTIME, MTIME + 12, 4)]
    agree(Aclint, accesses(random.Random(2), near, 4, 1000) + accesses(random.Random(3), near, 8, 1000))
