"""Snapshots and hashes of a board's state: its block, and the pages of its memories that hold anything.

A memory may be as large as an address space. So only host pages that were ever touched are looked at; a page of zeros
counts as one that was not.

Sources: Linux admin-guide/mm/pagemap.rst (PAGEMAP_SCAN, from Linux 6.7; /proc/self/pagemap before).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from softmetal.lang.chip import PAGE, Board, Chip, Mapping, layout

ZEROS = bytes(PAGE)
SCAN_PRESENT, SCAN_SWAPPED = 1 << 3, 1 << 4
SCAN_REQUEST = 3 << 30 | 96 << 16 | ord("f") << 8 | 16
ENTRY_PRESENT, ENTRY_SWAPPED = 1 << 63, 1 << 62
CHUNK = 1 << 20
REGIONS = 1024


@dataclass(frozen=True)
class Snapshot:
    """A copy of a board's state. `pages` maps an offset from the start of the state to a page that is not all zeros.

    `layout` says, line by line, what lies where: the state fits no other layout.
    """

    layout: tuple[str, ...] = field(repr=False)
    block: bytes = field(repr=False)
    pages: dict[int, bytes] = field(repr=False)


def layout_lines(cls: type) -> tuple[str, ...]:
    """The layout of a board, as text."""
    return tuple(f"{e.offset:#x} {e.path}: {e.type!r}" for e in layout(cls))


def snapshot(chip: Chip) -> Snapshot:
    """A copy of a board's state."""
    board, mapping = _board(chip)
    pages = dict(_pages(board, mapping))
    return Snapshot(layout_lines(board.cls), bytes(mapping.view[: board.block_size]), pages)


def restore(chip: Chip, snap: Snapshot) -> None:
    """Put a board into the state of a snapshot. Raises ValueError where that is the state of another layout."""
    board, mapping = _board(chip)
    mine = layout_lines(board.cls)
    if snap.layout != mine:
        had, have = next((a, b) for a, b in zip_longest(snap.layout, mine, fillvalue="nothing") if a != b)
        raise ValueError(
            f"this snapshot is of another layout than {board.cls.__name__}: it has `{had}` where the board has `{have}`"
        )
    mapping.view[: board.block_size] = snap.block
    for start, end in _touched(board, mapping):
        mapping.discard(start, end)
    for at, page in snap.pages.items():
        mapping.view[at : at + PAGE] = page


def state_hash(chip: Chip) -> str:
    """A digest of a board's layout and whole state: equal where the states are."""
    board, mapping = _board(chip)
    digest = hashlib.sha256("\n".join(layout_lines(board.cls)).encode())
    digest.update(mapping.view[: board.block_size])
    for at, page in _pages(board, mapping):
        digest.update(at.to_bytes(8, "little"))
        digest.update(page)
    return digest.hexdigest()


def _board(chip: Chip) -> tuple[Board, Mapping]:
    chip = getattr(chip, "state", chip) if not isinstance(chip, Chip) else chip
    board = Board.of(type(chip))
    if chip.__dict__.get("_board") is not board:
        raise ValueError(f"this {type(chip).__name__} is a part of a board: a state is a whole board's")
    return board, chip.__mapping__


def _pages(board: Board, mapping: Mapping) -> Iterator[tuple[int, bytes]]:
    """The pages of the memories that are not all zeros, in order."""
    for start, end in _touched(board, mapping):
        for at in range(start, end, PAGE):
            page = bytes(mapping.view[at : at + PAGE])
            if page != ZEROS:
                yield at, page


def _touched(board: Board, mapping: Mapping) -> Iterator[tuple[int, int]]:
    """Spans of the memories' pages that the host has given to this process, by offset, in order."""
    spans = sorted((at, at + -(-kind.length // PAGE) * PAGE) for at, kind in board.memories.values())
    if not spans:
        return
    try:
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
    except OSError:  # no Linux: look at everything
        yield from spans
        return
    try:
        for start, end in spans:
            yield from _scan(pagemap, mapping.address, start, end)
    finally:
        os.close(pagemap)


class _Scan(ctypes.Structure):
    """struct pm_scan_arg of linux/fs.h."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "size", "flags", "start", "end", "walk_end", "vec", "vec_len", "max_pages", "category_inverted",
            "category_mask", "category_anyof_mask", "return_mask",
        )
    ]  # fmt: skip


def _scan(pagemap: int, base: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Touched spans between two offsets, by PAGEMAP_SCAN."""
    regions = (ctypes.c_uint64 * (3 * REGIONS))()
    kinds = SCAN_PRESENT | SCAN_SWAPPED
    libc = ctypes.CDLL(None, use_errno=True)
    at = base + start
    while at < base + end:
        scan = _Scan(96, 0, at, base + end, 0, ctypes.addressof(regions), REGIONS, 0, 0, 0, kinds, kinds)
        count = libc.ioctl(pagemap, ctypes.c_ulong(SCAN_REQUEST), ctypes.byref(scan))
        if count < 0:  # an older Linux
            yield from _read(pagemap, base, at - base, end)
            return
        found = [(regions[3 * i] - base, regions[3 * i + 1] - base) for i in range(count)]
        yield from found
        at = scan.walk_end


def _read(pagemap: int, base: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Touched spans between two offsets, by reading the page map."""
    room, nothing = bytearray(CHUNK), bytes(CHUNK)
    at, last = (base + start) // PAGE * 8, (base + end) // PAGE * 8
    while at < last:
        count = os.preadv(pagemap, [memoryview(room)[: min(CHUNK, last - at)]], at)
        if room[:count] != nothing[:count]:
            for i, entry in enumerate(memoryview(room)[:count].cast("Q")):
                if entry & (ENTRY_PRESENT | ENTRY_SWAPPED):
                    offset = (at // 8 + i) * PAGE - base
                    yield offset, offset + PAGE
        at += count
