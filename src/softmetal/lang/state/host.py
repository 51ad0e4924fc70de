"""Which pages of a board's memories may have been written: what the host's kernel can tell.

There are four ways, each for where the ones before are missing:

1. The kernel marks pages as they are written (a userfaultfd that protects asynchronously, Linux 6.7) and PAGEMAP_SCAN
   gives the marked ones and clears the marks: exactly what was written since the last look.
2. PAGEMAP_SCAN gives all pages that the process has a copy of its own of.
3. /proc/self/pagemap tells the same, eight bytes a page.
4. Every page may have been written.

Sources: Linux admin-guide/mm/pagemap.rst, admin-guide/mm/userfaultfd.rst, linux/fs.h, linux/userfaultfd.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator

from softmetal.lang.mapping import PAGE, Mapping, Span, libc

WRITTEN, FILE, PRESENT, SWAPPED, ZERO_PAGE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
SCAN = 3 << 30 | 96 << 16 | ord("f") << 8 | 16
CLEAR_MARKS, ONLY_WATCHED = 1, 2
REGIONS = 4096
ENTRY_PRESENT, ENTRY_SWAPPED, ENTRY_FILE = 1 << 63, 1 << 62, 1 << 61
CHUNK = 1 << 20

USERFAULTFD = {"x86_64": 323, "aarch64": 282, "riscv64": 282}.get(platform.machine())
USER_MODE_ONLY = 1
API, API_VERSION, MARKS_ONLY = 3 << 30 | 24 << 16 | 0xAA << 8 | 0x3F, 0xAA, 1 << 15
REGISTER, REGISTER_WRITES = 3 << 30 | 32 << 16 | 0xAA << 8, 2

_watchers: dict[int, int | None] = {}


class Missing(Exception):
    """The host's kernel cannot tell it this way."""


def written(mapping: Mapping) -> list[Span]:
    """Spans of the memories' pages that may have been written since this was last asked, in order.

    A page that is the image's, or was never touched, is in none.
    """
    start, end = mapping.memories
    if start == end:
        return []
    try:
        pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return [(start, end)]
    try:
        for way in (_marked, _scanned, _read):
            try:
                return list(way(pagemap, mapping))
            except Missing:
                continue
    finally:
        os.close(pagemap)
    return [(start, end)]


def _marked(pagemap: int, mapping: Mapping) -> Iterator[Span]:
    """What was written since the last look, which this ends."""
    if mapping.watched != os.getpid():
        _watch(mapping)
    return _scan(pagemap, mapping, CLEAR_MARKS | ONLY_WATCHED, WRITTEN)


def _scanned(pagemap: int, mapping: Mapping) -> Iterator[Span]:
    """What the process has pages of its own of."""
    return _scan(pagemap, mapping, 0, 0)


class _Scan(ctypes.Structure):
    """struct pm_scan_arg of linux/fs.h."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "size", "flags", "start", "end", "walk_end", "vec", "vec_len", "max_pages", "category_inverted",
            "category_mask", "category_anyof_mask", "return_mask",
        )
    ]  # fmt: skip


def _scan(pagemap: int, mapping: Mapping, flags: int, marks: int) -> Iterator[Span]:
    """Spans of pages of the process's own, with these marks, by PAGEMAP_SCAN."""
    base = mapping.address
    at, end = (base + edge for edge in mapping.memories)
    regions = (ctypes.c_uint64 * (3 * REGIONS))()
    not_these, either = FILE | ZERO_PAGE, PRESENT | SWAPPED
    while at < end:
        scan = _Scan(96, flags, at, end, 0, ctypes.addressof(regions), REGIONS, 0, not_these, not_these | marks, either, PRESENT)
        count = libc.ioctl(pagemap, ctypes.c_ulong(SCAN), ctypes.byref(scan))
        if count < 0:
            raise Missing
        yield from ((regions[3 * i] - base, regions[3 * i + 1] - base) for i in range(count))
        at = scan.walk_end


def _watch(mapping: Mapping) -> None:
    """Let the kernel mark pages of the memories that are written. Raises Missing where it cannot."""
    watcher = _watcher()
    start, end = mapping.memories
    what = (ctypes.c_uint64 * 4)(mapping.address + start, end - start, REGISTER_WRITES, 0)
    if watcher is None or libc.ioctl(watcher, ctypes.c_ulong(REGISTER), what) < 0:
        raise Missing
    mapping.watched = os.getpid()


def _watcher() -> int | None:
    """This process's userfaultfd, None where there is none that does no more than mark."""
    if os.getpid() not in _watchers:
        found = None
        if USERFAULTFD is not None:
            fd = libc.syscall(USERFAULTFD, USER_MODE_ONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            api = (ctypes.c_uint64 * 3)(API_VERSION, MARKS_ONLY, 0)
            if fd >= 0 and libc.ioctl(fd, ctypes.c_ulong(API), api) == 0:
                found = fd
            elif fd >= 0:
                os.close(fd)
        _watchers[os.getpid()] = found
    return _watchers[os.getpid()]


def _read(pagemap: int, mapping: Mapping) -> Iterator[Span]:
    """Spans of pages of the process's own, by reading the page map."""
    base = mapping.address
    room, nothing = bytearray(CHUNK), bytes(CHUNK)
    at, last = ((base + edge) // PAGE * 8 for edge in mapping.memories)
    while at < last:
        count = os.preadv(pagemap, [memoryview(room)[: min(CHUNK, last - at)]], at)
        if count <= 0:
            raise Missing
        if room[:count] != nothing[:count]:
            for i, entry in enumerate(memoryview(room)[:count].cast("Q")):
                if entry & (ENTRY_PRESENT | ENTRY_SWAPPED) and not entry & ENTRY_FILE:
                    offset = (at // 8 + i) * PAGE - base
                    yield offset, offset + PAGE
        at += count
