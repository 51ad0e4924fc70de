"""The guest's address space: which pages exist, what may be done with them, and access to them from calls.

Guest memory is one private anonymous host mapping as large as an sv39 user address space. A guest mapping is an
entry in a sorted list (`Area`) and a permission byte a page, which the CPU checks. Private file mappings are
copied in; shared mappings are real host mappings placed over the same spot, so that forked processes share them.

Not modelled: huge pages, NUMA policy, protection keys. Memory is never swapped out, so locking it only counts.
"""

from __future__ import annotations

import errno
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .areas import (
    DONT_FORK,
    ENDLESS,
    GROWS_DOWN,
    LOCKED,
    MAP_ANON_FIXED,
    MAP_SHARED_FIXED,
    NO_RESERVE,
    SEALED,
    WIPE_ON_FORK,
    Area,
    Backing,
    HostMemory,
    Mapped,
    SharedMemory,
    page_up,
)
from .cpu import ENGINE_BIT, MAPPED, MEMORY_SIZE, PAGE, PAGE_BITS, Cpu, R, W, X
from .errors import Fault

if TYPE_CHECKING:
    from .nodes import Status

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
USER_END = MEMORY_SIZE - PAGE
"""First address that no guest mapping may reach (Linux keeps the last page free as well)."""
LOWEST = 0x10000
"""`vm.mmap_min_addr`: nothing is mapped below."""
STACK_GUARD = 256 * PAGE
"""What stays free below a stack (Linux's `stack_guard_gap`)."""


def _permission_table(value: int) -> bytes:
    return bytes(value | (b & ENGINE_BIT) for b in range(256))


PERMISSION = {v: _permission_table(v) for v in (0, *range(MAPPED, MAPPED + 8))}
HAVING = {R: bytes(b for b in range(256) if b & R), W: bytes(b for b in range(256) if b & (W | ENGINE_BIT))}
"""The permission bytes that allow reading and writing. An engine takes W from pages whose code it has decoded and
sets its own bit, so that stores are reported to it."""
NOT_EXECUTABLE = bytes(b for b in range(256) if not b & X)


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
        self.new_marks = 0
        """What every new area is marked with (`mlockall(MCL_FUTURE)`)."""
        self.stack_limit = 8 << 20
        """RLIMIT_STACK: how far an area that grows down may reach, in bytes."""
        self.total_limit = self.data_limit = self.lock_limit = ENDLESS
        """RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, in bytes."""
        self.segments_changed: Callable[[], None] | None = None
        """Called when shared mappings have gone, once the process has had System V segments among them."""
        self._host_memory: HostMemory | None = None
        self._backings: WeakValueDictionary[tuple[int, int, bytes], Mapped] = WeakValueDictionary()

    # Access from system calls.

    def _allowed(self, address: int, length: int, need: int) -> int:
        """How many bytes from `address` on may be used for `need`, at most `length`."""
        if address >= self.size:
            return 0
        usable = self._usable(address, length, need)
        while usable < length and self.grown(address + usable):
            more = self._usable(address, length, need)
            if more <= usable:
                break
            usable = more
        return usable

    def _usable(self, address: int, length: int, need: int) -> int:
        first = address >> PAGE_BITS
        last = min(address + length, self.size) - 1 >> PAGE_BITS
        if first == last:  # as nearly always
            page = self.perm[first]
            if page not in HAVING[need]:
                return 0
            if need & W and page not in NOT_EXECUTABLE:
                self.cpu.code_changed(first << PAGE_BITS, (last + 1) << PAGE_BITS)
            return min(length, self.size - address)
        pages = bytes(self.perm[first : last + 1])
        good = pages.lstrip(HAVING[need])
        if need & W and len(pages) - len(good) and pages.translate(None, NOT_EXECUTABLE):
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

    def at(self, address: int) -> Area:
        """The area that `address` lies in; there must be one."""
        area = self.find(address)
        assert area is not None
        return area

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
        if not area.prot & PROT_WRITE or area.shared or area.marks & NO_RESERVE:
            return 0
        return area.end - area.start

    def total(self) -> int:
        """Bytes that are mapped, however."""
        return sum(a.end - a.start for a in self.areas)

    def locked(self) -> int:
        """Bytes that are locked."""
        return sum(a.end - a.start for a in self.areas if a.marks & LOCKED)

    def sealed(self, start: int, end: int) -> bool:
        """Whether a page of `[start, end)` is sealed against changes of its mapping."""
        return any(a.marks & SEALED for a in self.overlapping(start, end))

    def mark(self, start: int, end: int, on: int, off: int = 0) -> None:
        """Set and clear marks of the areas in `[start, end)`."""
        for area in self._cut(start, end):
            area.marks = area.marks & ~off | on
            self._insert(area)

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
        if old.translate(None, NOT_EXECUTABLE):
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
        if self.segments_changed is not None and any(area.shared for area in gone):
            self.segments_changed()

    def _release(self, area: Area) -> None:
        if area.hosted:
            self.host().map(area.start, area.end - area.start, PROT_READ | PROT_WRITE, MAP_ANON_FIXED, -1, 0)
        else:
            self.cpu.discard(area.start, area.end)

    def map(
        self, start: int, end: int, prot: int, *, name: bytes = b"", shared: bool = False,
        file: Backing | None = None, offset: int = 0, max_prot: int = 7, marks: int = 0,
    ) -> Area:  # fmt: skip
        """Map `[start, end)`, replacing what was there. File contents are not read here (see `fill`, `share`).

        Raises OSError(ENOMEM) when a limit is exceeded: softmetal's own, or one of the guest's resource limits.
        """
        area = Area(start, end, prot, shared, name, file, offset, max_prot, False, marks | self.new_marks)
        charge = self._charge(area)
        if self.used + charge > self.limit:
            raise OSError(errno.ENOMEM, "guest memory limit")
        if self.total_limit < ENDLESS:
            replaced = sum(min(a.end, end) - max(a.start, start) for a in self.overlapping(start, end))
            if self.total() - replaced + end - start > self.total_limit:
                raise OSError(errno.ENOMEM, "RLIMIT_AS")
        if prot & PROT_WRITE and not shared and not marks & GROWS_DOWN and self.used + end - start > self.data_limit:
            raise OSError(errno.ENOMEM, "RLIMIT_DATA")
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
            stop = min(area.end, max(area.start, self._contents_end(area)))
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

    def backing(self, fd: int, path: bytes) -> Backing:
        """The host file `fd` as the file behind mappings; one descriptor serves all mappings of a file."""
        status = os.fstat(fd)
        key = (status.st_dev, status.st_ino, path)
        found = self._backings.get(key)
        if found is None:
            found = self._backings[key] = Mapped(fd, path)
        return found

    def copy_in(self, area: Area, fd: int) -> None:
        """Fill the private mapping `area` from the host file `fd`; pages after the file's end stay without permission."""
        length = area.end - area.start
        done = self.fill(area.start, fd, area.offset, length)
        if done < length:
            self.hollow(self.at(area.start), area.start + page_up(done))

    def hollow(self, area: Area, first: int) -> None:
        """The file behind the private mapping `area` has nothing for the pages from `first` on."""
        area.filled = first
        self._set_permission(first, area.end, MAPPED)

    def share(self, area: Area, fd: int) -> None:
        """Place a host mapping of the host file `fd` over `area`; forked processes then share it.

        Pages after the end of the file stay without permission: touching them is the guest's SIGBUS, not ours.
        """
        length = area.end - area.start
        pages = min(length, self._file_pages(area))
        if pages:
            host_prot = PROT_READ | (area.max_prot & PROT_WRITE)
            base = area.file.base if area.file is not None else 0
            self.host().map(area.start, pages, host_prot, MAP_SHARED_FIXED, fd, base + area.offset)
            self._set_permission(area.start, area.start + pages, MAPPED | (area.prot & 7))
        if pages < length:
            self._set_permission(area.start + pages, area.end, MAPPED)
        area.hosted = True

    def share_again(self, area: Area) -> None:
        """Like `share`, with the file that is behind the area already. Raises OSError."""
        if area.file is None:
            return
        mode = os.O_RDWR if area.max_prot & PROT_WRITE else os.O_RDONLY
        fd = os.open(b"/proc/self/fd/%d" % area.file.host_fd(), mode | os.O_CLOEXEC)
        try:
            self.share(area, fd)
        finally:
            os.close(fd)

    def share_anonymous(self, area: Area) -> None:
        """Give the shared mapping `area`, which has no file, memory that forked processes share."""
        area.file = SharedMemory(area.end - area.start)
        area.name = area.file.path
        self.share_again(area)

    def _file_pages(self, area: Area) -> int:
        """Bytes of `area`, in whole pages, that its file reaches now."""
        if area.file is None:
            return area.end - area.start
        try:
            size = area.file.size()
        except OSError:
            return 0
        return max(0, page_up(size - area.offset))

    def _contents_end(self, area: Area) -> int:
        """The address from which on the pages of `area` have nothing behind them."""
        if area.file is None:
            return area.end
        return area.start + self._file_pages(area) if area.hosted else area.filled

    def beyond(self, area: Area, address: int) -> bool:
        """Whether `address`, in a mapping of a file, lies after the file's last page."""
        return address >= self._contents_end(area)

    def grown(self, address: int) -> bool:
        """Whether a fault at `address` was one that more memory ends: the stack has to grow, or a mapped file has
        grown. If so it is usable now."""
        area = self.find(address)
        if area is None:
            return self._grow_down(address)
        if area.file is None or self.perm[address >> PAGE_BITS] & 7 == area.prot & 7:
            return False
        if address - area.start >= self._file_pages(area):
            return False
        if area.hosted:
            self.share_again(area)
            return True
        if address < area.filled:
            return False
        self.read_again(area, area.filled, area.end)
        return True

    def read_again(self, area: Area, start: int, end: int) -> None:
        """Copy the file's contents of now to the pages `[start, end)` of a private mapping."""
        self.cpu.discard(start, end)
        if area.file is None:
            return
        fd = os.open(b"/proc/self/fd/%d" % area.file.host_fd(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            done = self.fill(start, fd, area.offset + start - area.start, end - start)
        finally:
            os.close(fd)
        stop = start + page_up(done)
        self._set_permission(start, stop, MAPPED | (area.prot & 7))
        self._set_permission(stop, end, MAPPED)
        if area.filled < ENDLESS or stop < end:
            area.filled = stop if area.filled >= start else area.filled

    def _grow_down(self, address: int) -> bool:
        """Extend the area above `address` if it is a stack, within RLIMIT_STACK, and the guard gap is free."""
        index = bisect_right(self.starts, address)
        if index >= len(self.areas):
            return False
        area = self.areas[index]
        start = address & -PAGE
        if not area.marks & GROWS_DOWN or area.end - start > self.stack_limit or address < LOWEST:
            return False
        if index and self.areas[index - 1].prot and start - self.areas[index - 1].end < STACK_GUARD:
            return False
        try:
            self.map(start, area.start, area.prot, name=area.name, marks=area.marks)
        except OSError:
            return False
        return True

    def file_cut(self, status: Status | os.stat_result, length: int) -> None:
        """The file of this `status` is about to be cut to `length` bytes: take away the pages that will be gone."""
        identity = (status.st_dev, status.st_ino)
        for area in self.areas:
            if area.file is None or area.file.identity != identity:
                continue
            gone = max(area.start, area.start + page_up(length - area.offset))
            if gone >= area.end:
                continue
            if area.hosted:
                self.host().map(gone, area.end - gone, 3, MAP_ANON_FIXED, -1, 0)
            else:
                self.cpu.discard(gone, area.end)
                area.filled = min(area.filled, gone)
            self._set_permission(gone, area.end, MAPPED)

    def forked(self) -> None:
        """In the child of a fork: drop what is not inherited, and clear what is to be cleared. Source: man 2 madvise."""
        for area in list(self.areas):
            if area.marks & DONT_FORK:
                self.unmap(area.start, area.end)
            elif area.marks & WIPE_ON_FORK:
                self.cpu.discard(area.start, area.end)
        if self.new_marks or any(a.marks & LOCKED for a in self.areas):
            self.new_marks = 0
            self.mark(0, MEMORY_SIZE, 0, LOCKED)

    def move(self, old: int, new: int, length: int) -> None:
        """Move the contents of `length` bytes of private memory from `old` to the fresh pages at `new`."""
        if length < 1 << 20:
            self.ram[new : new + length] = self.ram[old : old + length]
            return
        self.host().move(old, new, length)
        self.host().map(old, length, 3, MAP_ANON_FIXED, -1, 0)

    def host(self) -> HostMemory:
        """The host's calls on guest memory."""
        if self._host_memory is None:
            self._host_memory = HostMemory(self.ram)
        return self._host_memory

    def host_base(self) -> int:
        """The host address of guest address 0."""
        return self.host().base

    def clear(self) -> None:
        """Unmap everything, as `execve` does."""
        self.unmap(0, MEMORY_SIZE)
        self.brk_start = self.brk = self.new_marks = 0

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
