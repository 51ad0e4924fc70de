"""Chips that are chosen when running: elements of arrays, with all that is in them."""

from __future__ import annotations

from softmetal.lang import Chip, memory, u1, u2, u3, u8, u16
from softmetal.testing import bench


class Ring(Chip):
    """Bytes with a count of them."""

    bytes: memory[8]
    spare: memory[8]
    count: u3

    def put(self, value: u8) -> None:
        self.bytes[self.count] = value
        self.count += 1

    def keep(self, value: u8) -> None:
        self.spare.u16[6] = 0x100 * value + 1


class Line(Chip):
    """Two rings side by side."""

    speed: u8
    rings: Ring[2]
    echo: Ring


class Lines(Chip):
    """A board with memories in chips that are elements of arrays, of different depths."""

    lines: Line[3]
    other: Ring
    big: memory[1 << 22]

    def put(self, line: u2, ring: u1, value: u8) -> None:
        if line < 3:
            self.lines[line].rings[ring].put(value)
            self.lines[line].echo.bytes[self.lines[line].rings[ring].count] = value

    def keep(self, line: u2, value: u8) -> None:
        if line < 3:
            self.lines[line].rings[1].keep(value)
        else:
            self.other.keep(value)

    def at(self, line: u2, ring: u1, place: u3) -> u16:
        if line == 3:
            return self.other.spare[place]
        return self.lines[line].rings[ring].bytes[place] | self.lines[line].rings[ring].spare[place] << 8


def test_a_memory_of_an_element_is_that_elements_own(engine):
    board = bench(Lines, engine)
    for line in range(3):
        for ring in range(2):
            board.put(line, ring, 16 * line + ring + 1)
    for line in range(4):
        board.keep(line, 100 + line)
    for line in range(3):
        for ring in range(2):
            rings = board.lines[line].rings
            assert rings[ring].bytes[0] == 16 * line + ring + 1 == board.at(line, ring, 0) & 0xFF
            assert board.lines[line].echo.bytes[1] == 16 * line + 2  # the second ring was written last
        assert (rings[0].spare[7], rings[1].spare[6], rings[1].spare[7]) == (0, 1, 100 + line)
        assert board.at(line, 1, 7) >> 8 == 100 + line
    assert (board.at(3, 0, 6), board.at(3, 0, 7)) == (1, 103)
