"""The bytes of a board in the host's memory, and images: frozen contents of memories that boards share copy-on-write.

A board's bytes are one private mapping that never moves. Under its memories lies nothing (untouched pages are zeros, the
host gives one when it is first written) or an image: a file in the host's memory. A page that is written then gets a
private copy; the others are the image's, for as many boards as lie on it.

    block, mailbox      memories                       room for an engine
    anonymous           anonymous, or over an image    anonymous

Sources: man 2 mmap, man 2 memfd_create, man 2 madvise, man 2 lseek.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections.abc import Iterator
from typing import IO, Any

PAGE = 4096
MAP_NORESERVE = 0x4000  # Linux mman.h; Python names it only from 3.12 on
MAP_FIXED = 0x10
Span = tuple[int, int]
"""Start and end of some pages, as distances from the start of a mapping."""

libc = ctypes.CDLL(None, use_errno=True)
_mmap = libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]


class Image:
    """What memories held at one moment, in a file of the host's memory; a page lies where it lies in the mapping.

    `digests` is for what is known of its pages' hashes; see `state.pages`.
    """

    def __init__(self, size: int) -> None:
        self._file = _file()
        self.fd = self._file.fileno()
        self.grow(size)
        self.digests: Any = None
        self._spans: list[Span] | None = None

    def grow(self, size: int) -> None:
        """Let it reach to `size` at least, with zeros: what lies beyond a file's end cannot be touched."""
        if os.fstat(self.fd).st_size < size:
            os.ftruncate(self.fd, size)

    def write(self, at: int, data: memoryview | bytes) -> None:
        """Put bytes at an offset: while the image is made."""
        self._spans = None
        while data:
            done = os.pwrite(self.fd, data, at)
            data, at = data[done:], at + done

    def read(self, at: int, size: int) -> bytes:
        """Some bytes; zeros where nothing was put."""
        return os.pread(self.fd, size, at)

    @property
    def spans(self) -> list[Span]:
        """The spans of pages in which anything was put, in order. Pages in them may be zeros all the same."""
        if self._spans is None:
            self._spans = list(self._extents())
        return self._spans

    def _extents(self) -> Iterator[Span]:
        end = 0
        while True:
            try:
                start = os.lseek(self.fd, end, os.SEEK_DATA)
            except OSError:  # ENXIO: no more data
                return
            end = os.lseek(self.fd, start, os.SEEK_HOLE)
            yield start, -(-end // PAGE) * PAGE


def _file() -> IO[bytes]:
    """A new file that no one else can name, in the host's memory where that is possible."""
    try:
        return open(os.memfd_create("softmetal image"), "w+b", buffering=0)
    except (AttributeError, OSError):  # no Linux, or forbidden
        import tempfile

        return tempfile.TemporaryFile(buffering=0)


class Mapping:
    """The bytes of a board: one private mapping, its pages taken when touched.

    `memories` is where its memories lie. With `in_file` they are written in an image of their own to begin with: a page
    costs a little more when it is first touched, and the first snapshot or fork has nothing to copy.

    `restored` counts how often another state was put here: an engine that keeps anything derived from the state looks
    whether it has changed.
    """

    def __init__(self, size: int, memories: Span = (0, 0), in_file: bool = False) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        try:
            self.pages = mmap.mmap(-1, size, flags=flags)
        except OSError as error:
            raise _refused(size, error) from None
        self.view = memoryview(self.pages)
        self.size, self.memories = size, memories
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        """Where the mapping lies in the host process."""
        self.restored = 0
        self.image: Image | None = None
        self.live = False
        """The image under the memories is still written in place; no one else has it."""
        self.watched = 0
        """The process (its id) for which the host marks pages of the memories as they are written; see `state.host`."""
        self.given_back: list[Span] = []
        """Spans of the memories that were discarded, when anyone keeps `known` pages."""
        self.known: Any = None
        """What `state` knows of the memories' pages."""
        if in_file and memories[0] < memories[1]:
            self._lay(Image(memories[1]), mmap.MAP_SHARED)
            self.live = True
            _LIVE.add(self)

    def lay(self, image: Image | None) -> None:
        """Let the memories hold what an image holds (zeros for none), copied on write. All else that they held is gone."""
        self._lay(image, mmap.MAP_PRIVATE)
        self.live = False
        _LIVE.discard(self)

    def freeze(self) -> None:
        """From now on, the image that was written in place is left as it is."""
        if self.live:
            self.lay(self.image)

    def _lay(self, image: Image | None, flags: int) -> None:
        start, end = self.memories
        if end > start:
            if image:
                image.grow(end)
                self._fix(start, end - start, flags, image.fd, start)
            else:
                self._fix(start, end - start, flags | mmap.MAP_ANONYMOUS, -1, 0)
        self.image, self.watched = image, 0

    def attach(self, at: int, size: int, fd: int, offset: int) -> None:
        """Let `size` bytes from `at` on, whole pages of the memories, be those of a file from `offset` on, shared with whoever
        has it. The mapping can no longer be copied or restored. Raises ValueError for a place outside, MemoryError."""
        if at % PAGE or not self.memories[0] <= at <= at + size <= self.memories[1]:
            raise ValueError(f"{size} bytes at {at:#x} are not whole pages of the memories")
        self._fix(at, size, mmap.MAP_SHARED, fd, offset)

    def detach(self, at: int, size: int) -> None:
        """Put zeros where a file was attached."""
        self._fix(at, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)

    def _fix(self, at: int, size: int, flags: int, fd: int, offset: int) -> None:
        """Map something over a part of the mapping."""
        flags |= MAP_FIXED | MAP_NORESERVE
        found = _mmap(self.address + at, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, offset)
        if found != self.address + at:
            raise _refused(size, OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))

    def revert(self, start: int, end: int) -> None:
        """Drop private copies of pages: they hold what the image holds again."""
        self.pages.madvise(mmap.MADV_DONTNEED, start, end - start)

    def discard(self, start: int, end: int) -> None:
        """Zero the bytes from `start` to `end` and give whole pages back to the host, as far as they are not an image's."""
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if first >= last:
            self.view[start:end] = bytes(end - start)
            return
        for a, b in ((start, first), (last, end)):
            self.view[a:b] = bytes(b - a)
        within = max(first, self.memories[0]), min(last, self.memories[1])
        if self.live and within[0] < within[1]:
            self.pages.madvise(mmap.MADV_REMOVE, within[0], within[1] - within[0])
            self.revert(first, within[0])
            self.revert(within[1], last)
            return
        self.revert(first, last)
        if within[0] < within[1]:
            if self.known is not None:
                self.given_back.append(within)
            for a, b in self.image.spans if self.image else ():
                a, b = max(a, first), min(b, last)
                if a < b:
                    self.view[a:b] = bytes(b - a)


_LIVE: weakref.WeakSet[Mapping] = weakref.WeakSet()


def _freeze_all() -> None:
    for mapping in list(_LIVE):
        mapping.freeze()


os.register_at_fork(before=_freeze_all)  # a fork of this process must not write in our images


def _refused(size: int, error: OSError) -> MemoryError:
    return MemoryError(
        f"the host refuses {size >> 20} MiB of address space ({error.strerror}); check `ulimit -v` and vm.overcommit_memory"
    )
