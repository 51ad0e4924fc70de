"""A process's file descriptors: the numbers by which it names its open files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from .files import O_PATH, File


@dataclass(slots=True)
class Slot:
    """What a file descriptor number stands for."""

    file: File
    cloexec: bool


class FdTable:
    """The file descriptors of a process."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}
        self.limit = 1024
        self.capacity = 64
        """How many descriptors the table has room for; it grows as Linux's does, and `select` looks at no others."""

    def any(self, fd: int) -> File:
        """The file of descriptor `fd` (as a register holds it), be it one of O_PATH. Raises OSError(EBADF)."""
        slot = self.slots.get(fd & 0xFFFFFFFF)
        if slot is None:
            raise OSError(errno.EBADF, "bad file descriptor")
        return slot.file

    def get(self, fd: int) -> File:
        """Like `any`, for calls that do not take O_PATH descriptors. Raises OSError(EBADF)."""
        slot = self.slots.get(fd & 0xFFFFFFFF)
        if slot is None or slot.file.flags & O_PATH:
            raise OSError(errno.EBADF, "bad file descriptor")
        return slot.file

    def add(self, file: File, cloexec: bool = False, lowest: int = 0) -> int:
        """Give `file` the lowest free number. Raises OSError(EMFILE)."""
        slots = self.slots
        fd = lowest
        while fd in slots:
            fd += 1
        if fd >= self.limit:
            if file.refs == 0:
                file.close()
            raise OSError(errno.EMFILE, "too many open files")
        slots[fd] = Slot(file.retain(), cloexec)
        if fd >= self.capacity:
            self._grow(fd)
        return fd

    def _grow(self, fd: int) -> None:
        self.capacity = 128 << (fd // 128).bit_length()

    def check_room(self) -> None:
        """Raises OSError(EMFILE) if there is no number left."""
        if len(self.slots) >= self.limit:
            raise OSError(errno.EMFILE, "too many open files")

    def put(self, fd: int, file: File, cloexec: bool) -> None:
        """Give `file` the number `fd`, closing what had it."""
        old = self.slots.get(fd)
        self.slots[fd] = Slot(file.retain(), cloexec)
        if fd >= self.capacity:
            self._grow(fd)
        if old is not None:
            old.file.release()

    def close(self, fd: int) -> None:
        """Close descriptor `fd`. Raises OSError(EBADF)."""
        slot = self.slots.pop(fd & 0xFFFFFFFF, None)
        if slot is None:
            raise OSError(errno.EBADF, "bad file descriptor")
        slot.file.release()

    def close_on_exec(self) -> None:
        """Close what was marked so."""
        for fd in [fd for fd, slot in self.slots.items() if slot.cloexec]:
            self.close(fd)

    def close_all(self) -> None:
        """Close everything, as a process does that ends."""
        for fd in list(self.slots):
            self.close(fd)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.slots))
