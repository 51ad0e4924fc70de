"""Arrays of two dimensions, and copies of slices."""

from __future__ import annotations

import pytest

from softmetal.lang import Chip, f64, layout, memory, restore, s16, snapshot, state_hash, u2, u3, u4, u5, u6, u8, u32
from softmetal.lang.types import ArrayType
from softmetal.testing import bench


class Screen(Chip):
    """Text of 5 lines of 8 cells."""

    before: u8
    cells: u8[5, 8] = 0x20
    weights: s16[2, 3] = ((1, 2, 3), (-1, -2, -3))
    depth: f64[3, 2]
    line: u8[8]
    n: u8

    def put(self, y: u3, x: u3, value: u8) -> None:
        if y < 5:
            self.cells[y, x] = value
            self.depth[y % 3, x & 1] += 0.5

    def at(self, y: u3, x: u3) -> u8:
        row = min(y, 4)
        return self.cells[row][x]

    def next(self) -> u8:
        self.n += 1
        return self.n

    def count_up(self) -> None:
        self.cells[self.next() % 5, self.next() % 8] += self.next()
        self.cells[self.next() % 5][self.next() % 8] += self.next()

    def total(self) -> s16:
        total: s16 = 0
        for y in range(2):
            for x in range(3):
                total += self.weights[y, x] * (x + 1)
        return total

    def scroll(self) -> None:
        for y in range(4):
            self.cells[y][:] = self.cells[y + 1]
        self.cells[4][0:8] = self.line[:]

    def shift(self, y: u2, x: u2) -> None:
        self.cells[y][x + 1 : x + 5] = self.cells[y][x : x + 4]


def test_an_array_of_two_dimensions_is_indexed_by_row_and_column(engine):
    screen = bench(Screen, engine)
    screen.put(3, 7, 0x41).put(4, 0, 0x42).put(5, 0, 0x43)
    assert (screen.at(3, 7), screen.at(4, 0), screen.at(0, 0)) == (0x41, 0x42, 0x20)
    assert [list(row) for row in screen.cells] == [[0x20] * 8] * 3 + [[0x20] * 7 + [0x41], [0x42] + [0x20] * 7]
    assert [list(row) for row in screen.depth] == [[0, 0.5], [0.5, 0], [0, 0]]
    assert screen.total() == 0


def test_indexes_with_effects_are_evaluated_once_row_first(engine):
    screen = bench(Screen, engine)
    screen.count_up()
    assert (screen.n, screen.cells[1, 2], screen.cells[4, 5]) == (6, 0x23, 0x26)


def test_the_host_sees_rows_and_elements():
    screen = Screen()
    assert len(screen.cells) == 5
    assert screen.weights == [[1, 2, 3], [-1, -2, -3]]
    screen.cells[2, 3] = 0x141
    screen.cells[1][0:2] = [7, 8]
    assert (screen.cells[2, 3], list(screen.cells[1])[:3]) == (0x41, [7, 8, 0x20])
    for index in ((-1, 0), (5, 0), (0, 8), (0, -1)):
        with pytest.raises(IndexError):
            screen.cells[index]


def test_a_layout_names_both_dimensions_and_a_snapshot_holds_all_elements():
    entry = next(e for e in layout(Screen) if e.path == "cells")
    assert (repr(entry.type), entry.type.size, entry.offset) == ("u8[5, 8]", 40, 1)
    screen, other = Screen(), Screen()
    screen.cells[4, 7] = 9
    assert state_hash(screen) != state_hash(other)
    restore(other, snapshot(screen))
    assert (state_hash(screen), other.cells[4, 7]) == (state_hash(other), 9)


@pytest.mark.parametrize("size", [(), (3, 0), (-1, 2), (1, 2, 3), (2, "x"), 0])
def test_other_sizes_of_arrays_are_refused(size):
    with pytest.raises(TypeError, match=r"an array('s length is a whole number, 1 or more| has one or two dimensions)"):
        u8[size]


def test_an_array_of_chips_has_one_dimension():
    with pytest.raises(TypeError, match="the length of an array of chips is one whole number"):
        Screen[2, 3]
    assert Screen[2] == ArrayType(Screen, 2)


def test_a_row_is_copied_to_another(engine):
    screen = bench(Screen, engine)
    for y in range(5):
        screen.cells[y][:] = [y] * 8
    screen.line[:] = range(8)
    screen.scroll()
    assert [list(row) for row in screen.cells] == [[1] * 8, [2] * 8, [3] * 8, [4] * 8, list(range(8))]


def test_a_slice_is_copied_as_if_it_were_copied_elsewhere_first(engine):
    screen = bench(Screen, engine)
    screen.cells[2][:] = range(8)
    screen.shift(2, 3)
    assert list(screen.cells[2]) == [0, 1, 2, 3, 3, 4, 5, 6]


class Part(Chip):
    bytes: u8[12]
    words: u32[4]
    store: memory[32]


AT = 3


class Copies(Chip):
    parts: Part[3]
    line: u8[12]
    words: u32[6]
    ram: memory[64]

    def fixed(self) -> None:
        self.line[2:6] = self.parts[1].bytes[0:4]
        self.words[AT : AT + 2] = self.words[2:4]

    def from_part(self, part: u2, at: u4, to: u3) -> None:
        if part < 3 and at <= 8:
            self.line[to : to + 4] = self.parts[part].bytes[at : 4 + at]
            self.parts[part].store[8 + at : at + 12] = self.line[to : to + 4]

    def in_memory(self, to: u6, at: u5) -> None:
        if to <= 56:
            self.ram[to : to + 8] = self.ram[at : at + 8]
            self.line[:8] = self.ram[to : to + 8]

    def whole(self) -> None:
        self.line[:] = self.parts[0].bytes
        (self.parts[1] if self.line[0] else self.parts[2]).words[:] = self.parts[0].words


def filled(engine):
    board = bench(Copies, engine)
    for n, part in enumerate(board.parts):
        part.bytes[:] = range(100 * n, 100 * n + 12)
        part.words[:] = range(4)
    board.words[:] = range(10, 16)
    board.ram[0:64] = bytes(range(64))
    return board


def test_slices_of_arrays_are_copied(engine):
    board = filled(engine)
    board.fixed()
    assert list(board.line) == [0, 0, 100, 101, 102, 103, 0, 0, 0, 0, 0, 0]
    assert list(board.words) == [10, 11, 12, 12, 13, 15]


def test_a_slice_may_start_anywhere_inside(engine):
    board = filled(engine)
    board.from_part(2, 8, 7)
    board.from_part(3, 0, 0)
    board.from_part(0, 9, 0)
    assert list(board.line) == [0] * 7 + [208, 209, 210, 211, 0]
    assert bytes(board.parts[2].store[0:32]) == bytes(16) + bytes([208, 209, 210, 211]) + bytes(12)
    assert bytes(board.parts[0].store[0:32]) == bytes(32)


@pytest.mark.parametrize(("to", "at"), [(4, 0), (0, 4), (56, 31), (9, 9)])
def test_overlapping_slices_of_a_memory_are_copied_whole(engine, to, at):
    board = filled(engine)
    board.in_memory(to, at)
    expected = bytearray(range(64))
    expected[to : to + 8] = bytes(range(at, at + 8))
    assert bytes(board.ram[0:64]) == expected
    assert bytes(board.line) == bytes(range(at, at + 8)) + bytes(4)


def test_a_whole_array_is_copied_to_a_slice(engine):
    board = filled(engine)
    board.parts[2].words[:] = [9] * 4
    board.whole()
    assert list(board.line) == list(range(12))
    assert [list(p.words) for p in board.parts] == [[0, 1, 2, 3]] * 3
