"""A part of an image, as an image of its own."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import AbstractContextManager

from softmetal.host.disks.base import Base, DiskError
from softmetal.host.disks.raw import SECTOR


class PartBase(Base):
    """`size` bytes of another image from `start` on. Raises DiskError where they are not whole sectors of it."""

    def __init__(self, whole: Base, start: int, size: int, name: str) -> None:
        if start < 0 or size <= 0 or start % SECTOR or size % SECTOR or start + size > whole.size:
            where = f"bytes {start} to {start + size} of {whole.size}"
            raise DiskError(errno.EINVAL, f"disk {whole.name}: no part of it can have {where} ({name})")
        self.whole, self.start, self.size, self.name = whole, start, size, name
        whole.users += 1

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.readv`."""
        self.whole.readv(self.start + offset, parts)

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.writev`."""
        self.whole.writev(self.start + offset, parts)

    def flush(self) -> None:
        """See `Base.flush`."""
        self.whole.flush()

    def discard(self, offset: int, length: int) -> None:
        """See `Base.discard`."""
        self.whole.discard(self.start + offset, length)

    def zero(self, offset: int, length: int) -> None:
        """See `Base.zero`."""
        self.whole.zero(self.start + offset, length)

    def writing(self) -> AbstractContextManager[None]:
        """See `Base.writing`."""
        return self.whole.writing()

    def shut(self) -> None:
        """See `Base.shut`."""
        self.whole.close()
