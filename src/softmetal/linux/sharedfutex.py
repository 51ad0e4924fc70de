"""Who waits for futexes in memory that processes share: a table in memory that all processes of a run have.

A word is known by its file and its place in it, wherever a process has mapped it (man 2 futex, "shared futexes"). Nothing wakes
a host process that waits here; it looks at its entry every millisecond.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from typing import TYPE_CHECKING

from .nodes import fail
from .pids import host_state

if TYPE_CHECKING:
    from .pids import Pids
    from .space import Space

ENTRY = struct.Struct("<QQQQiII")
"""Device, inode and place of the word; when the wait began; the waiting host process; the bits; FREE, WAITING or WOKEN."""
ENTRIES = 4096
FREE, WAITING, WOKEN = range(3)
Word = tuple[int, int, int]


def word_at(space: Space, address: int) -> Word | None:
    """The word at a guest address if it lies in memory that processes may share."""
    area = space.find(address)
    if area is None or not area.shared or area.file is None:
        return None
    return (*area.file.identity, area.offset + address - area.start)


class SharedFutexes:
    """The table. Its first eight bytes count the waits that have begun, the next four the entries that were ever used."""

    HEAD = struct.Struct("<QI")

    def __init__(self, pids: Pids) -> None:
        self._pids = pids
        self._map = mmap.mmap(-1, 16 + ENTRIES * ENTRY.size)

    def _entries(self) -> list[tuple[int, tuple[int, ...]]]:
        used = self.HEAD.unpack_from(self._map, 0)[1]
        every = ENTRY.iter_unpack(self._map[16 : 16 + used * ENTRY.size])
        return [(index, entry) for index, entry in enumerate(every) if entry[6] != FREE]

    def _set(self, index: int, state: int) -> None:
        struct.pack_into("<I", self._map, 16 + index * ENTRY.size + ENTRY.size - 4, state)

    def enter(self, space: Space, address: int, word: Word, value: int, bits: int) -> int | None:
        """Wait for a word that still holds `value`: the entry, or None if it does not. Raises OSError(ENOMEM)."""
        with self._pids.locked():
            if space.u32(address) != value:
                return None
            serial, used = self.HEAD.unpack_from(self._map, 0)
            taken = {index for index, _ in self._entries()}
            index = next(i for i in range(used + 1) if i not in taken)
            if index >= ENTRIES:
                raise fail(errno.ENOMEM)
            self.HEAD.pack_into(self._map, 0, serial + 1, max(used, index + 1))
            ENTRY.pack_into(self._map, 16 + index * ENTRY.size, *word, serial, os.getpid(), bits, WAITING)
            return index

    def is_woken(self, index: int) -> bool:
        """Whether the entry was woken."""
        return bool(ENTRY.unpack_from(self._map, 16 + index * ENTRY.size)[6] == WOKEN)

    def leave(self, index: int) -> None:
        """The wait has ended."""
        with self._pids.locked():
            self._set(index, FREE)

    def leave_all(self) -> None:
        """This host process waits no more."""
        if self.HEAD.unpack_from(self._map, 0)[1]:
            with self._pids.locked():
                for index, entry in self._entries():
                    if entry[4] == os.getpid():
                        self._set(index, FREE)

    def _waiting(self, word: Word, bits: int) -> list[tuple[int, tuple[int, ...]]]:
        """Those that wait for a word, the oldest first."""
        found = [e for e in self._entries() if e[1][:3] == word and e[1][5] & bits and e[1][6] == WAITING]
        living = []
        for index, entry in sorted(found, key=lambda e: e[1][3]):
            if host_state(entry[4]) in ("Z", "X", ""):  # killed while it waited
                self._set(index, FREE)
            else:
                living.append((index, entry))
        return living

    def wake(self, word: Word, count: int, bits: int) -> int:
        """Wake up to `count`; answers how many."""
        if not self.HEAD.unpack_from(self._map, 0)[1]:
            return 0
        with self._pids.locked():
            woken = self._waiting(word, bits)[:count]
            for index, _ in woken:
                self._set(index, WOKEN)
            return len(woken)

    def requeue(self, word: Word, target: Word, limit: int) -> int:
        """Let up to `limit` wait for another word; answers how many."""
        with self._pids.locked():
            moved = self._waiting(word, 0xFFFFFFFF)[:limit]
            for index, entry in moved:
                ENTRY.pack_into(self._map, 16 + index * ENTRY.size, *target, *entry[3:])
            return len(moved)
