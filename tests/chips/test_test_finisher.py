"""The test finisher: how a guest ends its run."""

from __future__ import annotations

import random

import pytest

from softmetal.chips.test_finisher import FAILED, PASSED, RESET, RUNNING, TestFinisher
from softmetal.testing.bench import ENGINES
from tests.chips.platform import DeviceBench, accesses, agree


@pytest.fixture(params=ENGINES)
def finisher(request):
    return DeviceBench(TestFinisher, request.param)


@pytest.mark.parametrize(
    ("value", "size", "finished", "code"),
    [(0x5555, 4, PASSED, 0), (0x5555, 2, PASSED, 0), (0x2A_3333, 4, FAILED, 42), (0x7777, 4, RESET, 0)],
)
def test_the_lower_half_says_what_and_the_upper_half_is_the_code(finisher, value, size, finished, code):
    finisher.write(0, value, size)
    assert (finisher.finished, finisher.code, finisher.unmodelled) == (finished, code, 0)


def test_it_reads_as_0(finisher):
    assert (finisher.read(0), finisher.unmodelled) == (0, 0)


@pytest.mark.parametrize(("offset", "value", "size"), [(0, 1, 4), (4, 0x5555, 4), (0, 0x55, 1), (0, 0x5555, 8)])
def test_anything_else_is_unmodelled_and_ends_nothing(finisher, offset, value, size):
    assert finisher.unmodelled_after(lambda: finisher.write(offset, value, size)) == 1
    assert finisher.finished == RUNNING


def test_native_agrees_with_golden():
    values = [("write", 0, value, 4) for value in (0x5555, 0x3333, 0x1_3333, 0x7777)]
    for value in values:
        agree(TestFinisher, [*accesses(random.Random(4), [0, 4], 4, 200), value])
