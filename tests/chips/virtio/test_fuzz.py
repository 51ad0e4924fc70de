"""Hostile guests: whatever they do, a device comes to an end, touches nothing that it has not asked for, and can be reset.

SOFTMETAL_FUZZ_OPS says how many operations each device has to stand.
"""

import os

import pytest

from softmetal.lang.native import Native
from softmetal.testing.bench import bench

from .bed import Driver
from .fuzz import FUZZED

OPERATIONS = int(os.environ.get("SOFTMETAL_FUZZ_OPS", "50000"))


@pytest.fixture(params=FUZZED, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def test_random_guests_break_nothing(cls):
    bed = Native(cls, ["fuzz"])
    bed.state.device.present = 1
    for seed in range(6):
        bed.state.seed = seed
        bed.fuzz(OPERATIONS // 10)
    assert bed.state.stray == 0
    assert bed.state.served > OPERATIONS // 20


def test_a_device_serves_again_after_a_random_guest(cls):
    bed = bench(cls, "native")
    bed.device.present = 1
    bed.fuzz(5000)
    assert not Driver(bed).broken


def test_golden_agrees_with_native(cls):
    beds = [bench(cls, engine) for engine in ("golden", "native")]
    for bed in beds:
        bed.device.present = 1
        bed.fuzz(1000)
    assert beds[0].values() == beds[1].values()
