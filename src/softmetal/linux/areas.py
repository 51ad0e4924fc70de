"""The entries of an address space's list, the files behind them, and the host's own calls on guest memory.

Source: man 2 mmap, madvise, mlock, mseal; man 5 proc_pid_smaps for the letters of the marks.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from dataclasses import dataclass
from typing import Protocol

from .cpu import PAGE

DONT_FORK, WIPE_ON_FORK, LOCKED, NO_RESERVE, GROWS_DOWN, SEALED = 1, 2, 4, 8, 16, 32
DONT_DUMP, HUGE, NOT_HUGE, MERGEABLE, SEQUENTIAL, RANDOM = 64, 128, 256, 512, 1024, 2048
MARKS = (
    (GROWS_DOWN, "gd"), (LOCKED, "lo"), (SEQUENTIAL, "sr"), (RANDOM, "rr"), (DONT_FORK, "dc"), (NO_RESERVE, "nr"),
    (WIPE_ON_FORK, "wf"), (DONT_DUMP, "dd"), (HUGE, "hg"), (NOT_HUGE, "nh"), (MERGEABLE, "mg"), (SEALED, "sl"),
)  # fmt: skip
"""The marks that `VmFlags` of `/proc/PID/smaps` shows, in its order."""

ENDLESS = 1 << 62

MAP_ANON_FIXED = mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE | 0x10 | 0x4000  # MAP_FIXED | MAP_NORESERVE
MAP_SHARED_FIXED = mmap.MAP_SHARED | 0x10


def page_up(n: int) -> int:
    """`n` rounded up to whole pages."""
    return (n + PAGE - 1) & -PAGE


class Backing(Protocol):
    """The file behind a mapping."""

    path: bytes
    identity: tuple[int, int]
    """Device and inode."""
    base: int
    """Where it begins in the host's file."""

    def host_fd(self) -> int:
        """A host file descriptor for the file, good for `fstat` and for opening it again."""
        ...

    def size(self) -> int:
        """Its length in bytes, now. Raises OSError."""
        ...


class Mapped:
    """The file behind a mapping. An O_PATH descriptor: closing it drops no record locks of the guest."""

    base = 0

    def __init__(self, fd: int, path: bytes) -> None:
        self.path = path
        self.fd = os.open(b"/proc/self/fd/%d" % fd, os.O_PATH | os.O_CLOEXEC)
        status = os.fstat(self.fd)
        self.identity = (status.st_dev, status.st_ino)

    def host_fd(self) -> int:
        """See `Backing.host_fd`."""
        return self.fd

    def size(self) -> int:
        """See `Backing.size`."""
        return os.fstat(self.fd).st_size

    def __del__(self) -> None:
        try:  # noqa: SIM105
            os.close(self.fd)
        except (OSError, AttributeError):
            pass


class SharedMemory(Mapped):
    """The nameless file behind a shared anonymous mapping, as Linux makes one on its own tmpfs."""

    def __init__(self, length: int) -> None:
        fd = os.memfd_create("softmetal-shared", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, length)
            super().__init__(fd, b"/dev/zero (deleted)")
        finally:
            os.close(fd)


@dataclass(slots=True)
class Area:
    """A run of pages that were mapped alike."""

    start: int
    end: int
    prot: int
    shared: bool
    name: bytes
    file: Backing | None
    offset: int
    max_prot: int = 7
    hosted: bool = False
    """A host mapping of its own lies over this part of guest memory."""
    marks: int = 0
    filled: int = ENDLESS
    """Of a private mapping of a file: the address from which on the file had no contents when it was copied."""

    def joins(self, other: Area) -> bool:
        """Whether `other`, which starts where this ends, can be the same area."""
        return (
            self.file is other.file and not self.shared and not other.shared
            and self.prot == other.prot and self.name == other.name and self.hosted == other.hosted
            and self.marks == other.marks
            and self.filled == other.filled
            and (self.file is None or self.offset + self.end - self.start == other.offset)
        )  # fmt: skip


class HostMemory:
    """The host's calls on the mapping that guest memory is. Addresses are the guest's."""

    def __init__(self, ram: memoryview) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        word, size = ctypes.c_int, ctypes.c_size_t
        libc.mmap.restype = libc.mremap.restype = size
        libc.mmap.argtypes = [size, size, word, word, word, ctypes.c_int64]
        libc.mremap.argtypes = [size, size, size, word, size]
        libc.madvise.argtypes = libc.msync.argtypes = [size, size, word]
        self._libc = libc
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(ram))

    def map(self, start: int, length: int, prot: int, flags: int, fd: int, offset: int) -> None:
        """mmap at a fixed place. Raises OSError."""
        if self._libc.mmap(self.base + start, length, prot, flags, fd, offset) != self.base + start:
            self._fail()

    def move(self, old: int, new: int, length: int) -> None:
        """mremap to a fixed place. Raises OSError."""
        if self._libc.mremap(self.base + old, length, length, 3, self.base + new) != self.base + new:
            self._fail()

    def advise(self, start: int, length: int, advice: int) -> None:
        """madvise. Raises OSError."""
        if self._libc.madvise(self.base + start, length, advice):
            self._fail()

    def sync(self, start: int, length: int, flags: int) -> None:
        """msync. Raises OSError."""
        if self._libc.msync(self.base + start, length, flags):
            self._fail()

    @staticmethod
    def _fail() -> None:
        error = ctypes.get_errno() or errno.EIO
        raise OSError(error, os.strerror(error))
