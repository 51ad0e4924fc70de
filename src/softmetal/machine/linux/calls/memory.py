"""Calls that change the address space. Source: man 2 mmap, mprotect, mremap, madvise, brk."""

from __future__ import annotations

import errno
import os
import stat

from ..cpu import PAGE
from ..files import RegularFile
from ..process import Process
from ..space import LOWEST, PROT_WRITE, USER_END, page_up
from ..synthfs import PlainDevice
from ..table import syscall
from ..vfs import fail
from ..waits import Result

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE = 1, 2, 3
MAP_FIXED, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE = 0x10, 0x20, 0x100000
MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2
MADV_DONTNEED, MADV_FREE, MADV_REMOVE = 4, 8, 9
KNOWN_ADVICE = frozenset((*range(5), *range(8, 26)))


class Mapped:
    """The file behind a shared mapping. An O_PATH descriptor: closing it drops no record locks of the guest."""

    def __init__(self, file: RegularFile) -> None:
        self.path = file.path
        self.fd = os.open(b"/proc/self/fd/%d" % file.fd, os.O_PATH | os.O_CLOEXEC)

    def host_fd(self) -> int:
        """See `Backing.host_fd`."""
        return self.fd

    def __del__(self) -> None:
        try:  # noqa: SIM105
            os.close(self.fd)
        except OSError:
            pass


def checked(start: int, length: int) -> tuple[int, int]:
    """The pages of a range that the guest gave. Raises OSError(EINVAL, ENOMEM)."""
    if start % PAGE:
        raise fail(errno.EINVAL)
    end = page_up(start + length)
    if end > USER_END:
        raise fail(errno.ENOMEM)
    return start, end


@syscall(214, "brk")
def brk(p: Process, address: int) -> Result:
    """See man 2 brk (the system call, which answers the new break)."""
    return p.space.set_brk(address)


@syscall(222, "mmap")
def mmap(p: Process, address: int, length: int, prot: int, flags: int, fd: int, offset: int) -> Result:
    """See man 2 mmap. A private mapping is a copy of the file as it is now."""
    space = p.space
    kind = flags & 0xF
    if not length or offset % PAGE or kind not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
        return -errno.EINVAL
    size = page_up(length)
    if size > USER_END:
        return -errno.ENOMEM
    shared = kind != MAP_PRIVATE
    file = None
    max_prot = 7
    if not flags & MAP_ANONYMOUS:
        file = p.fds.get(fd)
        if isinstance(file, PlainDevice):
            file = None
        elif not isinstance(file, RegularFile) or not stat.S_ISREG(os.fstat(file.fd).st_mode):
            return -errno.ENODEV
        elif not file.readable:
            return -errno.EACCES
        elif shared and not file.writable:
            if prot & PROT_WRITE:
                return -errno.EACCES
            max_prot = 7 & ~PROT_WRITE
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address % PAGE:
            return -errno.EINVAL
        if address + size > USER_END:
            return -errno.ENOMEM
        if address < LOWEST:
            return -errno.EPERM
        if flags & MAP_FIXED_NOREPLACE and next(space.overlapping(address, address + size), None) is not None:
            return -errno.EEXIST
        start = address
    else:
        start = space.gap(size, address & -PAGE)
    end = start + size
    if file is None:
        area = space.map(start, end, prot & 7, shared=shared, name=b"/dev/zero (deleted)" if shared else b"")
        if shared:
            space.share(area, -1)
        return start
    assert isinstance(file, RegularFile)
    if shared:
        backing = Mapped(file)
        area = space.map(start, end, prot & 7, shared=True, name=file.path, file=backing, offset=offset, max_prot=max_prot)
        space.share(area, file.fd)
        return start
    space.map(start, end, prot & 7, name=file.path)
    space.fill(start, file.fd, offset, size)
    return start


@syscall(215, "munmap")
def munmap(p: Process, address: int, length: int) -> Result:
    """See man 2 munmap."""
    if not length or address % PAGE or address + length > USER_END:
        return -errno.EINVAL
    p.space.unmap(address, page_up(address + length))
    return 0


@syscall(226, "mprotect")
def mprotect(p: Process, address: int, length: int, prot: int) -> Result:
    """See man 2 mprotect."""
    start, end = checked(address, length)
    if prot & ~0x1000007:
        return -errno.EINVAL
    if start < end:
        p.space.protect(start, end, prot & 7)
    return 0


@syscall(216, "mremap")
def mremap(p: Process, old: int, old_size: int, new_size: int, flags: int, new: int) -> Result:
    """See man 2 mremap. A shared file mapping can be shrunk and moved, not extended in place."""
    space = p.space
    if old % PAGE or not new_size or flags & ~3 or (flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE):
        return -errno.EINVAL
    old_size, new_size = page_up(old_size), page_up(new_size)
    if new_size > USER_END:
        return -errno.ENOMEM
    area = space.find(old)
    if area is None or old_size == 0 or area.end < old + old_size:
        return -errno.EFAULT
    if flags & MREMAP_FIXED:
        if new % PAGE or new + new_size > USER_END or (new < old + old_size and old < new + new_size):
            return -errno.EINVAL
        space.unmap(new, new + new_size)
    elif new_size <= old_size:
        if new_size < old_size:
            space.unmap(old + new_size, old + old_size)
        return old
    elif not area.shared and old + old_size == area.end and old + new_size <= USER_END:
        if next(space.overlapping(area.end, old + new_size), None) is None:
            space.map(area.end, old + new_size, area.prot, name=area.name)
            return old
    if not flags & MREMAP_MAYMOVE:
        return -errno.ENOMEM
    target = new if flags & MREMAP_FIXED else space.gap(new_size)
    if area.shared and new_size > old_size and area.file is None:
        return -errno.EINVAL
    keep = min(old_size, new_size)
    moved = space.map(
        target, target + new_size, area.prot, name=area.name, shared=area.shared, file=area.file,
        offset=area.offset + old - area.start, max_prot=area.max_prot,
    )  # fmt: skip
    if area.file is not None:
        fd = os.open(b"/proc/self/fd/%d" % area.file.host_fd(), os.O_RDWR if area.max_prot & PROT_WRITE else os.O_RDONLY)
        try:
            space.share(moved, fd)
        finally:
            os.close(fd)
    else:
        moved.hosted = area.hosted
        space.move(old, target, keep, always=area.hosted)
    space.unmap(old, old + old_size)
    return target


@syscall(233, "madvise")
def madvise(p: Process, address: int, length: int, advice: int) -> Result:
    """See man 2 madvise: MADV_DONTNEED empties private memory, the rest is advice."""
    start, end = checked(address, length)
    advice &= 0xFFFFFFFF
    if advice not in KNOWN_ADVICE:
        return -errno.EINVAL
    if not p.space.covered(start, end):
        return -errno.ENOMEM
    if advice in (MADV_DONTNEED, MADV_FREE):
        for area in p.space.overlapping(start, end):
            if not area.shared and not area.name.startswith(b"/"):
                p.space.cpu.discard(max(start, area.start), min(end, area.end))
    return 0


@syscall(227, "msync")
def msync(p: Process, address: int, length: int, flags: int) -> Result:
    """Shared file mappings are the host's: nothing is out of step."""
    start, end = checked(address, length)
    return 0 if p.space.covered(start, end) else -errno.ENOMEM


@syscall(228, "mlock")
def mlock(p: Process, address: int, length: int) -> Result:
    """Accepted: guest memory cannot be told from locked memory."""
    return 0


@syscall(229, "munlock")
def munlock(p: Process, address: int, length: int) -> Result:
    """Accepted."""
    return 0


@syscall(230, "mlockall")
def mlockall(p: Process, flags: int) -> Result:
    """Accepted."""
    return 0


@syscall(231, "munlockall")
def munlockall(p: Process) -> Result:
    """Accepted."""
    return 0


@syscall(232, "mincore")
def mincore(p: Process, address: int, length: int, vector: int) -> Result:
    """Every mapped page is said to be in memory."""
    start, end = checked(address, length)
    if not p.space.covered(start, end):
        return -errno.ENOMEM
    p.space.write(vector, b"\1" * ((end - start) // PAGE))
    return 0


@syscall(259, "riscv_flush_icache")
def riscv_flush_icache(p: Process, start: int, end: int, flags: int) -> Result:
    """Code in `[start, end)` was written; 0, 0 means everywhere."""
    if flags & ~1:
        return -errno.EINVAL
    if start < end <= USER_END:
        p.space.cpu.code_changed(start & -PAGE, page_up(end))
    else:
        for area in p.space.areas:
            if area.prot & 4:
                p.space.cpu.code_changed(area.start, area.end)
    return 0
