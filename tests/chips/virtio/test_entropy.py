"""The entropy device: the published numbers of its generator, in whatever buffers there are."""

import pytest

from softmetal.chips.virtio.entropy import VirtioEntropy
from softmetal.testing.bench import bench

from .bed import Bed, Driver

# SplitMix64 from the seed 1234567, as the generator's authors' reference code prints them
NUMBERS = (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821)
BYTES = b"".join(n.to_bytes(8, "little") for n in NUMBERS)


class EntropyBed(Bed):
    device: VirtioEntropy


@pytest.fixture
def driver(engine):
    bed = bench(EntropyBed, engine)
    bed.chip.device.seed = 1234567
    yield Driver(bed)
    assert bed.chip.stray == 0


def test_buffers_are_filled_with_the_generators_numbers(driver):
    spaces = [driver.space(n) for n in (8, 16, 13)]
    driver.send(spaces)
    assert driver.back() == [(0, 37)]
    assert b"".join(map(driver.content, spaces)) == BYTES[:37]


def test_no_buffer_gets_more_than_a_page(driver):
    driver.send([driver.space(10000)])
    assert driver.back() == [(0, 4096)]


def test_a_chain_without_room_comes_back_empty(driver):
    driver.send([driver.buffer(b"x")])
    assert driver.back() == [(0, 0)]
