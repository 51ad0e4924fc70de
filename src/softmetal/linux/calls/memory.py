"""Calls that change the address space. Source: man 2 mmap, mprotect, mremap, brk; Linux mm/mmap.c for the order of errors."""

from __future__ import annotations

import errno
import os
import stat

from ..abi import M64
from ..areas import GROWS_DOWN, LOCKED, NO_RESERVE, Area, page_up
from ..cpu import PAGE
from ..files import ContentFile, File, RegularFile
from ..nodes import fail
from ..process import Process
from ..space import LOWEST, PROT_EXEC, PROT_READ, PROT_WRITE, USER_END
from ..synthfs import PlainDevice
from ..table import syscall
from ..waits import Result

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE = 1, 2, 3
MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_LOCKED, MAP_NORESERVE = 0x10, 0x20, 0x100, 0x2000, 0x4000
MAP_HUGETLB, MAP_SYNC, MAP_FIXED_NOREPLACE = 0x40000, 0x80000, 0x100000
VALIDATED = 0x7FFFF
"""Flags that MAP_SHARED_VALIDATE takes from a file system without DAX."""
PROT_GROWSDOWN, PROT_GROWSUP = 0x01000000, 0x02000000
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
READ_IMPLIES_EXEC = 0x0400000
HUGE_PAGE = 2 << 20


@syscall(214, "brk")
def brk(p: Process, address: int) -> Result:
    """See man 2 brk (the system call, which answers the new break)."""
    return p.space.set_brk(address)


def mappable(p: Process, fd: int, prot: int, shared: bool) -> tuple[RegularFile | None, int]:
    """The file to map (None: zeros, as of /dev/zero) and the protection that it allows. Raises OSError."""
    file: File = p.fds.get(fd)
    if file.is_path:
        raise fail(errno.EBADF)
    if isinstance(file, PlainDevice) and file.host_name == b"/dev/zero":
        return None, 7
    if not file.readable:
        raise fail(errno.EACCES)
    max_prot = 7
    if shared and not file.writable:
        if prot & PROT_WRITE:
            raise fail(errno.EACCES)
        max_prot = 7 & ~PROT_WRITE
    if not isinstance(file, RegularFile) or not stat.S_ISREG(os.fstat(file.fd).st_mode):
        raise fail(errno.ENODEV)
    return file, max_prot


@syscall(222, "mmap")
def mmap(p: Process, address: int, length: int, prot: int, flags: int, fd: int, offset: int) -> Result:
    """See man 2 mmap. A private mapping is a copy of the file as it is now; there are no huge pages to map."""
    space = p.space
    kind = flags & 0xF
    if offset % PAGE:
        return -errno.EINVAL
    anonymous = bool(flags & MAP_ANONYMOUS)
    if not anonymous:
        p.fds.get(fd)
    if not length or (flags & MAP_HUGETLB and not anonymous):
        return -errno.EINVAL
    if flags & MAP_HUGETLB:
        return -errno.EINVAL if length > M64 - HUGE_PAGE else -errno.ENOMEM
    size = page_up(length)
    if size > USER_END or length >> 63:
        return -errno.ENOMEM
    if not anonymous and offset + size > M64:
        return -errno.EOVERFLOW
    if not anonymous and offset + size >= 1 << 63 and isinstance(p.fds.get(fd), (RegularFile, ContentFile)):
        return -errno.EOVERFLOW
    if kind not in (MAP_SHARED, MAP_PRIVATE) and (anonymous or kind != MAP_SHARED_VALIDATE):
        return -errno.EINVAL
    shared = kind != MAP_PRIVATE
    file, max_prot = (None, 7) if anonymous else mappable(p, fd, prot, shared)
    if kind == MAP_SHARED_VALIDATE and flags & ~(VALIDATED | MAP_FIXED_NOREPLACE):
        return -errno.EOPNOTSUPP
    if flags & MAP_GROWSDOWN and (shared or file is not None):
        return -errno.EINVAL
    if prot & PROT_READ and p.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address % PAGE:
            return -errno.EINVAL
        if address + size > USER_END:
            return -errno.ENOMEM
        if address < LOWEST:
            return -errno.EPERM
        if flags & MAP_FIXED_NOREPLACE and next(space.overlapping(address, address + size), None) is not None:
            return -errno.EEXIST
        if space.sealed(address, address + size):
            return -errno.EPERM
        start = address
    else:
        start = space.gap(size, address & -PAGE)
    end = start + size
    marks = 0
    if flags & (MAP_NORESERVE | MAP_LOCKED | MAP_GROWSDOWN):
        for flag, mark in ((MAP_NORESERVE, NO_RESERVE), (MAP_LOCKED, LOCKED), (MAP_GROWSDOWN, GROWS_DOWN)):
            marks |= mark if flags & flag else 0
    if (marks | space.new_marks) & LOCKED and space.locked() + size > space.lock_limit:
        return -errno.EAGAIN
    if file is None:
        area = space.map(start, end, prot & 7, shared=shared, marks=marks)
        if shared:
            space.share_anonymous(area)
        return start
    backing = space.backing(file.fd, file.path)
    area = space.map(
        start, end, prot & 7, shared=shared, name=file.path, file=backing, offset=offset, max_prot=max_prot, marks=marks
    )
    if shared:
        space.share(area, file.fd)
    else:
        space.copy_in(area, file.fd)
    return start


@syscall(215, "munmap")
def munmap(p: Process, address: int, length: int) -> Result:
    """See man 2 munmap."""
    if not length or address % PAGE or address + length > USER_END:
        return -errno.EINVAL
    end = page_up(address + length)
    if p.space.sealed(address, end):
        return -errno.EPERM
    p.space.unmap(address, end)
    return 0


@syscall(226, "mprotect")
def mprotect(p: Process, address: int, length: int, prot: int) -> Result:
    """See man 2 mprotect."""
    if address % PAGE or (prot & PROT_GROWSDOWN and prot & PROT_GROWSUP):
        return -errno.EINVAL
    if not length:
        return 0
    start, end = address, (address + page_up(length)) & M64
    if end <= start:
        return -errno.ENOMEM
    if prot & ~(PROT_GROWSDOWN | PROT_GROWSUP | 0xF):
        return -errno.EINVAL
    space = p.space
    area = next(space.overlapping(start, min(end, USER_END)), None)
    if prot & (PROT_GROWSDOWN | PROT_GROWSUP):
        if area is None:
            return -errno.ENOMEM
        if prot & PROT_GROWSUP or not area.marks & GROWS_DOWN:
            return -errno.EINVAL
        start = area.start
    if space.sealed(start, end):
        return -errno.EPERM
    if prot & PROT_READ and p.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    space.protect(start, end, prot & 7)
    return 0


@syscall(288, "pkey_mprotect")
def pkey_mprotect(p: Process, address: int, length: int, prot: int, key: int) -> Result:
    """See man 2 pkey_mprotect: without protection keys, key -1 alone is good."""
    return mprotect(p, address, length, prot) if key & 0xFFFFFFFF == 0xFFFFFFFF else -errno.EINVAL


@syscall(289, "pkey_alloc")
def pkey_alloc(p: Process, flags: int, rights: int) -> Result:
    """The CPU has no protection keys: the error of a kernel without them."""
    return -errno.EINVAL if flags or rights & ~3 else -errno.ENOSPC


@syscall(290, "pkey_free")
def pkey_free(p: Process, key: int) -> Result:
    """No key was ever given out."""
    return -errno.EINVAL


@syscall(216, "mremap")
def mremap(p: Process, old: int, old_size: int, new_size: int, flags: int, new: int) -> Result:
    """See man 2 mremap."""
    space = p.space
    keep_old = bool(flags & MREMAP_DONTUNMAP)
    if flags & ~7 or (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) and not flags & MREMAP_MAYMOVE):
        return -errno.EINVAL
    if old % PAGE:
        return -errno.EINVAL
    old_size, new_size = page_up(old_size) & M64, page_up(new_size) & M64
    if not new_size or (keep_old and old_size != new_size):
        return -errno.EINVAL
    if new_size > USER_END:
        return -errno.EINVAL if flags & MREMAP_FIXED else -errno.ENOMEM
    if flags & MREMAP_FIXED:
        if new % PAGE or new + new_size > USER_END or (new < old + old_size and old < new + new_size):
            return -errno.EINVAL
    area = space.find(old)
    if area is None:
        return -errno.EFAULT
    if old_size == 0 and not area.shared:
        return -errno.EINVAL
    if new_size <= old_size and not flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        if space.sealed(old, old + old_size):
            return -errno.EPERM
        if new_size < old_size:
            space.unmap(old + new_size, old + old_size)
        return old
    if area.end < old + old_size:
        return -errno.EFAULT
    if space.sealed(old, old + max(old_size, 1)) or (flags & MREMAP_FIXED and space.sealed(new, new + new_size)):
        return -errno.EPERM
    if area.marks & LOCKED and space.locked() + new_size - old_size > space.lock_limit:
        return -errno.EAGAIN
    if not flags & MREMAP_FIXED and not keep_old and old_size:
        if extended(p, area, old, old_size, new_size):
            return old
    if not flags & MREMAP_MAYMOVE:
        return -errno.ENOMEM
    return moved(p, area, old, old_size, new_size, new if flags & MREMAP_FIXED else None, keep_old, new)


def extended(p: Process, area: Area, old: int, old_size: int, new_size: int) -> bool:
    """Whether the mapping could grow where it is; now it has."""
    space = p.space
    end = old + new_size
    if old + old_size != area.end or end > USER_END or next(space.overlapping(area.end, end), None) is not None:
        return False
    tail = space.map(
        area.end, end, area.prot, name=area.name, shared=area.shared, file=area.file,
        offset=area.offset + area.end - area.start, max_prot=area.max_prot, marks=area.marks,
    )  # fmt: skip
    if area.shared:
        space.share_again(tail)
    else:
        space.read_again(space.at(end - 1), old + old_size, end)
    return True


def moved(p: Process, area: Area, old: int, old_size: int, new_size: int, fixed: int | None, keep_old: bool, hint: int) -> int:
    """Move a mapping, or a part of one; answers where it is now. Raises OSError(ENOMEM)."""
    space = p.space
    target = space.gap(new_size, hint & -PAGE if keep_old else 0) if fixed is None else fixed
    keep = min(old_size, new_size)
    offset = area.offset + old - area.start
    fresh = space.map(
        target, target + new_size, area.prot, name=area.name, shared=area.shared, file=area.file,
        offset=offset, max_prot=area.max_prot, marks=area.marks,
    )  # fmt: skip
    if area.shared:
        space.share_again(fresh)
    else:
        space.move(old, target, keep)
        fresh = space.at(target)
        if area.filled < old + keep:
            space.hollow(fresh, max(area.filled - old, 0) + target)
        elif new_size > keep:
            space.read_again(fresh, target + keep, target + new_size)
    if old_size and keep_old:
        space.mark(old, old + old_size, 0, LOCKED)
        if not area.shared:
            space.read_again(space.at(old), old, old + old_size)
    elif old_size:
        space.unmap(old, old + old_size)
    return target


@syscall(234, "remap_file_pages")
def remap_file_pages(p: Process, start: int, size: int, prot: int, page: int, flags: int) -> Result:
    """See man 2 remap_file_pages: Linux makes a mapping of it since 4.0."""
    size = page_up(size) & ~(PAGE - 1)
    if prot or start % PAGE or not size or start + size > USER_END:
        return -errno.EINVAL
    area = p.space.find(start)
    if area is None or not area.shared or area.file is None or start + size > area.end:
        return -errno.EINVAL
    fresh = p.space.map(
        start, start + size, area.prot, name=area.name, shared=True, file=area.file, offset=page * PAGE,
        max_prot=area.max_prot, marks=area.marks,
    )  # fmt: skip
    p.space.share_again(fresh)
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
