"""Snapshots, forks and hashes of a board's state: its block, and the pages of its memories that hold anything.

A memory may be as large as an address space: only host pages that were ever touched cost anything, and a page of zeros
counts as one that was not. A snapshot shares with the board, its forks and other snapshots all that they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

from xxhash import xxh3_128

from softmetal.lang.chip import Board, Chip, layout, new_mapping, view_of
from softmetal.lang.mapping import PAGE, Image, Mapping
from softmetal.lang.source import remembered
from softmetal.lang.state.pages import FEW, ZEROS, Pages, pages_of

C = TypeVar("C", bound=Chip)


class StateError(ValueError):
    """A state that cannot be used here: of another board, or from a damaged file."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A copy of a board's state: its block, and its memories as an image and the pages that are not the image's.

    `layout` says, line by line, what lies where: the state fits no other layout, and no board of another name.
    """

    board: str
    layout: tuple[str, ...] = field(repr=False)
    block: bytes = field(repr=False)
    image: Image | None = field(repr=False)
    held: dict[int, bytes] = field(repr=False)

    @property
    def pages(self) -> dict[int, bytes]:
        """The pages of the memories that are not all zeros, by their offset from the start of the state, in order."""
        return dict(self.each_page())

    def each_page(self) -> Iterator[tuple[int, bytes]]:
        """Offset and content of each page of the memories that is not all zeros, in order."""
        held = sorted(self.held.items(), reverse=True)
        for at, page in pages_of(self.image):
            while held and held[-1][0] < at:
                yield from _if_any(*held.pop())
            yield from _if_any(*(held.pop() if held and held[-1][0] == at else (at, page)))
        while held:
            yield from _if_any(*held.pop())

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_pages, (self.board, self.layout, self.block, self.pages)


def _if_any(at: int, page: bytes) -> Iterator[tuple[int, bytes]]:
    if page != ZEROS:
        yield at, page


def _of_pages(board: str, layout: tuple[str, ...], block: bytes, pages: dict[int, bytes]) -> Snapshot:
    """A snapshot from its parts; pages that are many, as an image."""
    if len(pages) <= FEW:
        return Snapshot(board, layout, block, None, pages)
    image = Image(max(pages) + PAGE)
    for at, page in pages.items():
        image.write(at, page)
    return Snapshot(board, layout, block, image, {})


@remembered
def layout_lines(cls: type) -> tuple[str, ...]:
    """The layout of a board, as text."""
    return tuple(f"{e.offset:#x} {e.path}: {e.type!r}" for e in layout(cls))


@remembered
def _layout_digest(cls: type) -> bytes:
    return xxh3_128("\n".join(layout_lines(cls)).encode()).digest()


def snapshot(chip: Chip) -> Snapshot:
    """A copy of a board's state."""
    board, mapping = _board(chip)
    pages = Pages.of(mapping)
    pages.look()
    block = bytes(mapping.view[: board.block_size])
    return Snapshot(board.cls.__qualname__, layout_lines(board.cls), block, mapping.image, dict(pages.held))


def restore(chip: Chip, snap: Snapshot) -> None:
    """Put a board into the state of a snapshot. Raises StateError where that is another board's."""
    board, mapping = _board(chip)
    check(board.cls, snap.board, snap.layout)
    mapping.view[: board.block_size] = snap.block
    Pages.of(mapping).put(snap.image, snap.held)
    mapping.restored += 1


def check(cls: type, board: str, lines: tuple[str, ...]) -> None:
    """Raises StateError, which says what differs, where a board's name and layout are not those of `cls`."""
    mine = layout_lines(cls)
    if lines != mine:
        had, have = next((a, b) for a, b in zip_longest(lines, mine, fillvalue="nothing") if a != b)
        raise StateError(f"this snapshot is of another layout than {cls.__name__}: it has `{had}` where the board has `{have}`")
    if board != cls.__qualname__:
        raise StateError(f"this snapshot is of another board: {board}, not {cls.__qualname__}")


def fork(chip: C) -> C:
    """A twin of a board, in the same state from here on; each has pages of its own only of what it writes.

    The twin's room for an engine is as large, and empty.
    """
    board, mapping = _board(chip)
    pages = Pages.of(mapping)
    pages.look()
    room = mapping.size - board.size
    twin = new_mapping(board, max(room, 0))
    pages.copy(twin)
    twin.view[: board.block_size] = mapping.view[: board.block_size]
    made: C = object.__new__(board.cls)
    view_of(made, board, twin)
    return made


def state_hash(chip: Chip) -> str:
    """A digest (128 bits) of a board's layout and whole state: equal where the states are."""
    board, mapping = _board(chip)
    digest = xxh3_128(_layout_digest(board.cls))
    digest.update(mapping.view[: board.block_size])
    digest.update((Pages.of(mapping).hash() % (1 << 128)).to_bytes(16, "little"))
    return digest.hexdigest()


def _board(chip: Chip) -> tuple[Board, Mapping]:
    chip = getattr(chip, "state", chip) if not isinstance(chip, Chip) else chip
    board = Board.of(type(chip))
    if chip.__dict__.get("_board") is not board:
        raise ValueError(f"this {type(chip).__name__} is a part of a board: a state is a whole board's")
    return board, chip.__mapping__
