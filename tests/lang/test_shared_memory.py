"""Memories that others change meanwhile: files put into a mapping, and fences."""

from __future__ import annotations

import mmap
import os

import pytest

from softmetal import lang
from softmetal.lang import Chip, fence, memory, u8
from softmetal.lang.check import Program
from softmetal.lang.chip import Board, method_of
from softmetal.lang.llvm import Unit, emit
from softmetal.lang.native import Entry, method_instance
from softmetal.testing import bench

PAGE = mmap.PAGESIZE


class Mailman(Chip):
    """Puts a value into memory, and then says that it is there."""

    ram: memory[16384]

    def post(self, value: u8) -> None:
        self.ram[1] = value
        fence()
        self.ram[0] = 1
        lang.fence()

    def look(self) -> u8:
        return self.ram[1]


@pytest.fixture
def file():
    fd = os.memfd_create("shared")
    os.ftruncate(fd, 4 * PAGE)
    yield fd
    os.close(fd)


def mapping_of(chip):
    return chip.__mapping__, Board.of(Mailman).memories["ram"][0]


@pytest.mark.parametrize("engine", ["golden", "native"])
def test_a_file_in_a_memory_is_seen_from_both_sides(engine, file):
    made = bench(Mailman, engine)
    mapping, at = mapping_of(made.chip)
    mapping.attach(at, 2 * PAGE, file, PAGE)
    made.post(7)
    assert os.pread(file, 2, PAGE) == b"\1\7"
    os.pwrite(file, b"\x2a", PAGE + 1)
    assert made.look() == 42
    mapping.detach(at, 2 * PAGE)
    assert made.look() == 0
    made.post(9)
    assert os.pread(file, 2, PAGE) == b"\1\x2a"


def test_only_whole_pages_of_memories_are_attached(file):
    mapping, at = mapping_of(Mailman())
    for place, size in ((at + 1, PAGE), (0, PAGE), (at, 5 * PAGE)):
        with pytest.raises(ValueError, match=r"are not whole pages of the memories"):
            mapping.attach(place, size, file, 0)


def test_a_fence_stands_between_the_two_stores():
    program, unit = Program(), Unit(Board.of(Mailman))
    found = method_of(Mailman, "post")
    unit.parts.append(Entry(unit).text("post", method_instance(program, Mailman, found)))
    lines = [line.strip() for line in emit(unit).splitlines()]
    kinds = [line.split()[0] for line in lines if line.endswith("align 1") or line == "fence seq_cst"]
    assert kinds == ["store", "fence", "store", "fence"]
