"""The guest's address space: which pages exist, what may be done with them, and access to them from calls.

Guest memory is one private anonymous host mapping as large as an sv39 user address space. A guest mapping is an
entry in a sorted list (`Area`) and a permission byte a page, which the CPU checks. Private file mappings are
copied in; shared mappings are real host mappings placed over the same spot, so that forked processes share them.

Not modelled: huge pages, NUMA policy, memory locking (accepted, no effect), protection keys.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from .cpu import ENGINE_BIT, MAPPED, MEMORY_SIZE, PAGE, PAGE_BITS, Cpu, R, W, X
from .errors import Fault

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
USER_END = MEMORY_SIZE - PAGE
"""First address that no guest mapping may reach (Linux keeps the last page free as well)."""
LOWEST = 0x10000
"""`vm.mmap_min_addr`: nothing is mapped below."""

MAP_ANON_FIXED = mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE | 0x10 | 0x4000  # MAP_FIXED | MAP_NORESERVE
MAP_SHARED_FIXED = mmap.MAP_SHARED | 0x10


class Backing(Protocol):
    """The file behind a mapping."""

    path: bytes

    def host_fd(self) -> int:
        """A host file descriptor for the file, good for `fstat` and for opening it again."""
        ...


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

    def joins(self, other: Area) -> bool:
        """Whether `other`, which starts where this ends, can be the same area."""
        return (
            self.file is None and other.file is None and not self.shared and not other.shared
            and self.prot == other.prot and self.name == other.name and self.hosted == other.hosted
        )  # fmt: skip


def page_up(n: int) -> int:
    """`n` rounded up to whole pages."""
    return (n + PAGE - 1) & -PAGE


def _permission_table(value: int) -> bytes:
    return bytes(value | (b & ENGINE_BIT) for b in range(256))


PERMISSION = {v: _permission_table(v) for v in (0, *range(MAPPED, MAPPED + 8))}
HAVING = {R: bytes(b for b in range(256) if b & R), W: bytes(b for b in range(256) if b & (W | ENGINE_BIT))}
"""The permission bytes that allow reading and writing. An engine takes W from pages whose code it has decoded and
sets its own bit, to hear of stores."""
EXECUTABLE = bytes(b for b in range(256) if not b & X)


class Space:
    """The mappings of one process, over one CPU's memory."""

    def __init__(self, cpu: Cpu, limit: int) -> None:
        self.cpu = cpu
        self.ram = cpu.ram
        self.perm = cpu.perm
        self.size = len(cpu.ram)
        self.limit = limit
        """Most bytes of private writable memory; a mapping that goes over it answers ENOMEM."""
        self.areas: list[Area] = []
        self.starts: list[int] = []
        self.top = USER_END
        self.brk_start = self.brk = 0
        self.used = 0
        self._libc: ctypes.CDLL | None = None
        self._base = 0

    # Access from system calls.

    def _allowed(self, address: int, length: int, need: int) -> int:
        """How many bytes from `address` on may be used for `need`, at most `length`."""
        if address >= self.size:
            return 0
        first = address >> PAGE_BITS
        last = min(address + length, self.size) - 1 >> PAGE_BITS
        pages = bytes(self.perm[first : last + 1])
        good = pages.lstrip(HAVING[need])
        if need & W and len(pages) - len(good) and pages.translate(None, EXECUTABLE):
            self.cpu.code_changed(first << PAGE_BITS, (last + 1) << PAGE_BITS)
        if not good:
            return min(length, self.size - address)
        return max(0, ((last + 1 - len(good)) << PAGE_BITS) - address)

    def view(self, address: int, length: int, need: int = R) -> memoryview:
        """Guest memory as a writable view, without a copy. Raises Fault if a byte of it may not be used."""
        if length and self._allowed(address, length, need) < length:
            raise Fault(address)
        return self.ram[address : address + length]

    def prefix(self, address: int, length: int, need: int) -> memoryview:
        """Like `view`, but cut where the guest's right ends. Raises Fault if that is at once."""
        if length == 0:
            return self.ram[0:0]
        usable = self._allowed(address, length, need)
        if usable == 0:
            raise Fault(address)
        return self.ram[address : address + min(usable, length)]

    def read(self, address: int, length: int) -> bytes:
        """Copy bytes from the guest. Raises Fault."""
        return bytes(self.view(address, length, R))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes to the guest. Raises Fault."""
        self.view(address, len(data), W)[:] = data

    def unpack(self, layout: struct.Struct, address: int) -> tuple[int, ...]:
        """Read a structure from the guest. Raises Fault."""
        return layout.unpack(self.view(address, layout.size, R))

    def u32(self, address: int) -> int:
        """Read 32 bits. Raises Fault."""
        return int.from_bytes(self.view(address, 4, R), "little")

    def u64(self, address: int) -> int:
        """Read 64 bits. Raises Fault."""
        return int.from_bytes(self.view(address, 8, R), "little")

    def put32(self, address: int, value: int) -> None:
        """Write the low 32 bits of `value`. Raises Fault."""
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def put64(self, address: int, value: int) -> None:
        """Write the low 64 bits of `value`. Raises Fault."""
        self.write(address, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))

    def text(self, address: int, limit: int = 1 << 17, error: int = errno.E2BIG) -> bytes:
        """Read a NUL-terminated string. Raises Fault, or OSError(`error`) if it is `limit` bytes or longer."""
        parts = []
        length = 0
        while True:
            room = PAGE - address % PAGE
            if self._allowed(address, room, R) < room:
                raise Fault(address)
            piece = bytes(self.ram[address : address + room])
            end = piece.find(0)
            length += room if end < 0 else end
            if length >= limit:
                raise OSError(error, os.strerror(error))
            if end >= 0:
                parts.append(piece[:end])
                return b"".join(parts) if len(parts) > 1 else parts[0]
            parts.append(piece)
            address += room

    def path(self, address: int) -> bytes:
        """Read a path name; Linux allows 4095 bytes. Raises Fault or OSError(ENAMETOOLONG)."""
        return self.text(address, 4096, errno.ENAMETOOLONG)

    # The list of areas.

    def find(self, address: int) -> Area | None:
        """The area that `address` lies in."""
        index = bisect_right(self.starts, address) - 1
        if index >= 0 and address < self.areas[index].end:
            return self.areas[index]
        return None

    def overlapping(self, start: int, end: int) -> Iterator[Area]:
        """The areas that share a page with `[start, end)`."""
        index = max(0, bisect_right(self.starts, start) - 1)
        while index < len(self.areas) and self.areas[index].start < end:
            if self.areas[index].end > start:
                yield self.areas[index]
            index += 1

    def covered(self, start: int, end: int) -> bool:
        """Whether every page of `[start, end)` is mapped."""
        for area in self.overlapping(start, end):
            if area.start > start:
                return False
            start = area.end
        return start >= end

    def _split(self, address: int) -> None:
        index = bisect_right(self.starts, address) - 1
        if index < 0:
            return
        area = self.areas[index]
        if area.start < address < area.end:
            tail = replace(area, start=address, offset=area.offset + address - area.start)
            area.end = address
            self.areas.insert(index + 1, tail)
            self.starts.insert(index + 1, address)

    def _cut(self, start: int, end: int) -> list[Area]:
        """Take the areas of `[start, end)` out of the list and return them."""
        self._split(start)
        self._split(end)
        first = bisect_right(self.starts, start - 1)
        last = bisect_right(self.starts, end - 1)
        gone = self.areas[first:last]
        del self.areas[first:last]
        del self.starts[first:last]
        return gone

    def _insert(self, area: Area) -> None:
        index = bisect_right(self.starts, area.start)
        if index and self.areas[index - 1].end == area.start and self.areas[index - 1].joins(area):
            index -= 1
            self.areas[index].end = area.end
        else:
            self.areas.insert(index, area)
            self.starts.insert(index, area.start)
        if index + 1 < len(self.areas):
            here, after = self.areas[index], self.areas[index + 1]
            if here.end == after.start and here.joins(after):
                here.end = after.end
                del self.areas[index + 1]
                del self.starts[index + 1]

    @staticmethod
    def _charge(area: Area) -> int:
        return area.end - area.start if area.prot & PROT_WRITE and not area.shared else 0

    def gap(self, length: int, hint: int = 0) -> int:
        """A free place for `length` bytes: `hint` if it is free, else the highest below `top`.

        Raises OSError(ENOMEM).
        """
        if hint >= LOWEST and hint + length <= USER_END and next(self.overlapping(hint, hint + length), None) is None:
            return hint
        end = self.top
        for area in reversed(self.areas):
            if area.start >= end:
                continue
            if area.end <= end - length:
                break
            end = area.start
        if end - length < LOWEST:
            raise OSError(errno.ENOMEM, "no room in the guest's address space")
        return end - length

    # Changing it. All of these want page-aligned arguments.

    def _set_permission(self, start: int, end: int, value: int) -> None:
        pages = self.perm[start >> PAGE_BITS : end >> PAGE_BITS]
        old = bytes(pages)
        if old.translate(None, EXECUTABLE):
            self.cpu.code_changed(start, end)
            old = bytes(pages)
        pages[:] = old.translate(PERMISSION[value])

    def unmap(self, start: int, end: int) -> None:
        """Remove what is mapped in `[start, end)`; the host gets the memory back."""
        gone = self._cut(start, end)
        for area in gone:
            self.used -= self._charge(area)
            self._set_permission(area.start, area.end, 0)
            self._release(area)

    def _release(self, area: Area) -> None:
        if area.hosted:
            self._host_map(area.start, area.end - area.start, PROT_READ | PROT_WRITE, MAP_ANON_FIXED, -1, 0)
        else:
            self.cpu.discard(area.start, area.end)

    def map(
        self, start: int, end: int, prot: int, *, name: bytes = b"", shared: bool = False,
        file: Backing | None = None, offset: int = 0, max_prot: int = 7,
    ) -> Area:  # fmt: skip
        """Map `[start, end)`, replacing what was there. File contents are not read here (see `fill`, `share`).

        Raises OSError(ENOMEM) when the memory limit is exceeded.
        """
        area = Area(start, end, prot, shared, name, file, offset, max_prot)
        charge = self._charge(area)
        if self.used + charge > self.limit:
            raise OSError(errno.ENOMEM, "guest memory limit")
        self.unmap(start, end)
        self.used += charge
        self._set_permission(start, end, MAPPED | (prot & 7))
        self._insert(area)
        return area

    def protect(self, start: int, end: int, prot: int) -> None:
        """Change what may be done with `[start, end)`.

        Raises OSError(ENOMEM) if a part is not mapped, EACCES if the file was not opened for it.
        """
        if not self.covered(start, end):
            raise OSError(errno.ENOMEM, "not mapped")
        for area in self.overlapping(start, end):
            if prot & ~area.max_prot & 7:
                raise OSError(errno.EACCES, "the file was not opened for that")
        parts = self._cut(start, end)
        for area in parts:
            self.used -= self._charge(area)
            area.prot = prot
            self.used += self._charge(area)
            self._insert(area)
            stop = area.end
            if area.hosted and area.file is not None:
                stop = min(stop, max(area.start, area.start + self._file_pages(area)))
            self._set_permission(max(area.start, start), min(stop, end), MAPPED | (prot & 7))

    def fill(self, start: int, fd: int, offset: int, length: int) -> int:
        """Copy `length` bytes of a host file to the fresh pages at `start`; returns how many there were."""
        done = 0
        while done < length:
            got = os.preadv(fd, [self.ram[start + done : start + length]], offset + done)
            if got == 0:
                break
            done += got
        return done

    def share(self, area: Area, fd: int) -> None:
        """Place a host mapping of the host file `fd` (-1: anonymous) over `area`; forked processes then share it.

        Pages after the end of the file stay without permission: touching them is the guest's SIGBUS, not ours.
        """
        length = area.end - area.start
        if area.file is None:
            self._host_map(area.start, length, 3, MAP_SHARED_FIXED | mmap.MAP_ANONYMOUS, -1, 0)
            area.hosted = True
            return
        pages = min(length, self._file_pages(area))
        if pages:
            host_prot = PROT_READ | (area.max_prot & PROT_WRITE)
            self._host_map(area.start, pages, host_prot, MAP_SHARED_FIXED, fd, area.offset)
            self._set_permission(area.start, area.start + pages, MAPPED | (area.prot & 7))
        if pages < length:
            self._set_permission(area.start + pages, area.end, MAPPED)
        area.hosted = True

    def _file_pages(self, area: Area) -> int:
        """Bytes of `area`, in whole pages, that its file reaches now."""
        if area.file is None:
            return area.end - area.start
        try:
            size = os.fstat(area.file.host_fd()).st_size
        except OSError:
            return 0
        return max(0, page_up(size - area.offset))

    def beyond(self, area: Area, address: int) -> bool:
        """Whether `address`, in a mapping of a file, lies after the file's last page."""
        return address - area.start >= self._file_pages(area)

    def grown(self, address: int) -> bool:
        """Whether a fault at `address` is one in a shared file mapping whose file has grown; if so it is usable now."""
        area = self.find(address)
        if area is None or area.file is None or not area.hosted:
            return False
        if address - area.start >= self._file_pages(area) or self.perm[address >> PAGE_BITS] & 7 == area.prot & 7:
            return False
        mode = os.O_RDWR if area.max_prot & PROT_WRITE else os.O_RDONLY
        fd = os.open(b"/proc/self/fd/%d" % area.file.host_fd(), mode)
        try:
            self.share(area, fd)
        finally:
            os.close(fd)
        return True

    def file_cut(self, fd: int, length: int) -> None:
        """The host file `fd` is about to be cut to `length` bytes: take away the pages that will be gone."""
        if not any(area.hosted and area.file is not None for area in self.areas):
            return
        status = os.fstat(fd)
        for area in self.areas:
            if area.hosted and area.file is not None and os.path.samestat(os.fstat(area.file.host_fd()), status):
                gone = area.start + max(0, page_up(length - area.offset))
                if gone < area.end:
                    self._host_map(gone, area.end - gone, 3, MAP_ANON_FIXED, -1, 0)
                    self._set_permission(gone, area.end, MAPPED)

    def move(self, old: int, new: int, length: int, always: bool) -> None:
        """Move the contents of `length` bytes from the mapped pages at `old` to the fresh ones at `new`.

        With `always` the host's mapping itself moves; else that is only done when it is cheaper than copying.
        """
        if length < 1 << 20 and not always:
            self.ram[new : new + length] = self.ram[old : old + length]
            return
        libc = self._host()
        result = libc.mremap(self._base + old, length, length, 3, self._base + new)
        if result != self._base + new:
            raise OSError(ctypes.get_errno(), "mremap")
        self._host_map(old, length, 3, MAP_ANON_FIXED, -1, 0)

    def _host(self) -> ctypes.CDLL:
        if self._libc is None:
            libc = ctypes.CDLL(None, use_errno=True)
            word, size = ctypes.c_int, ctypes.c_size_t
            libc.mmap.restype = libc.mremap.restype = size
            libc.mmap.argtypes = [size, size, word, word, word, ctypes.c_int64]
            libc.mremap.argtypes = [size, size, size, word, size]
            self._libc = libc
            self._base = ctypes.addressof(ctypes.c_char.from_buffer(self.ram))
        return self._libc

    def host_base(self) -> int:
        """The host address of guest address 0."""
        self._host()
        return self._base

    def _host_map(self, start: int, length: int, prot: int, flags: int, fd: int, offset: int) -> None:
        libc = self._host()
        if libc.mmap(self._base + start, length, prot, flags, fd, offset) != self._base + start:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def clear(self) -> None:
        """Unmap everything, as `execve` does."""
        self.unmap(0, MEMORY_SIZE)
        self.brk_start = self.brk = 0

    def set_brk(self, address: int) -> int:
        """Move the program break; answers the new one, or the old one if that cannot be."""
        if address < self.brk_start:
            return self.brk
        old, new = page_up(self.brk), page_up(address)
        try:
            if new > old:
                if next(self.overlapping(old, new), None) is not None or new > USER_END:
                    return self.brk
                self.map(old, new, PROT_READ | PROT_WRITE, name=b"[heap]")
            elif new < old:
                self.unmap(new, old)
        except OSError:
            return self.brk
        self.brk = address
        return address

    def maps(self) -> bytes:
        """The text of `/proc/self/maps`."""
        lines = []
        for a in self.areas:
            flags = "".join(c if a.prot & bit else "-" for c, bit in (("r", 1), ("w", 2), ("x", 4)))
            flags += "s" if a.shared else "p"
            inode = 0 if a.file is None else 1
            head = f"{a.start:08x}-{a.end:08x} {flags} {a.offset if a.file else 0:08x} 00:00 {inode} "
            lines.append(head.encode().ljust(73) + a.name + b"\n" if a.name else head.encode() + b"\n")
        return b"".join(lines)
