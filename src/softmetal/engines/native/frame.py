"""What compiled interpreters and the Python that runs them agree on: words of the mailbox, places behind the state.

Apart from the compiler, so that a run with a warm cache need not load it.
"""

from __future__ import annotations

from dataclasses import dataclass

from softmetal.isa.table import Isa
from softmetal.lang.chip import Board

# Words of the mailbox, behind those in which a trap leaves its number and values.
REASON, LEFT, LIMIT, NUMBER, TRANSLATIONS, HERE, TARGET = 32, 33, 34, 35, 36, 37, 38
PAUSED, TRAPPED, ASTRAY, STUCK, WALL, EDGE, BROKEN = 0, 1, 2, 3, 4, 5, 6
"""Why an interpreter returned: budget used up; a trap; an address that has no record; a run too long to decode; one that
goes on where nothing could be fetched; an instruction that lies in two pages; one
with a break."""

RECORD = 16
OPERANDS = 10
"""Where in a record the operands begin."""
LONGEST = 60000
"""The most instructions that are decoded in one go; `remaining` has 16 bits."""

WATCHES = 8192
"""Words of the list of watched pages; the first is their number."""
NEAR = 1 << 21
"""Relative jumps shorter than this many bytes are not checked: the records are surrounded by as many that are 0."""
GUARD = NEAR << 4


@dataclass(frozen=True)
class Places:
    """Offsets from the start of the state to what the interpreter keeps behind it.

    `code` records, `marks` a byte for each 4 KiB page: is anything in it decoded?, `run` a work area, `watch` a
    count and the addresses of pages whose stores are watched; `end` the end. `code_bits`: code lies below 2**code_bits.
    """

    code: int
    marks: int
    run: int
    watch: int
    end: int
    code_bits: int
    shift: int

    @staticmethod
    def of(board: Board, isa: Isa) -> Places:
        bits: int = board.cls.decoding.code_bits  # type: ignore[attr-defined]
        shift = {8: 4, 16: 3, 32: 2}[isa.parcel]
        code = -(-board.size // (1 << 21)) * (1 << 21) + GUARD
        marks = code + (1 << bits + shift) + GUARD
        run = marks + max(1 << bits - 12, 1 << 12) + (1 << 12)  # an instruction may end behind the last page
        watch = run + 16 * (LONGEST + 8)
        return Places(code, marks, run, watch, watch + 8 * WATCHES, bits, shift)


PAGE_SHIFT = 12
FRAME_SHIFT = 16
"""The records of a frame lie 2**FRAME_SHIFT bytes after those of the one before: half of it is room behind the last record."""


@dataclass(frozen=True)
class PagedPlaces:
    """Places of an interpreter whose records belong to frames of memory: `code`, `run` and `end` as above."""

    code: int
    run: int
    end: int
    shift: int

    @staticmethod
    def of(board: Board, isa: Isa) -> PagedPlaces:
        """Raises TypeError for parcels that the frames of records do not suit."""
        if isa.parcel != 16:
            raise TypeError(f"{isa.name}: code in pages has to come in parcels of 16 bits")
        frames: int = board.cls.decoding.frames  # type: ignore[attr-defined]
        code = -(-board.size // (1 << 21)) * (1 << 21)
        run = code + (frames << FRAME_SHIFT)
        return PagedPlaces(code, run, run + 16 * 4096, 3)
