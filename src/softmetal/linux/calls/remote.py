"""Memory of processes named by a number: process_vm_readv, process_vm_writev, process_madvise.

Sources: man 2 of each; Linux mm/process_vm_access.c for what is moved when a part cannot be. All processes of a run keep
guest memory at the same host address (they are forks of one), and what may be done with each page next to it. So another
one's memory is read and written through the host's own calls, where the host lets one process of a user look into another.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable

from .. import hostlibc
from ..abi import IOVEC, s32
from ..cpu import ENGINE_BIT, MAPPED, PAGE, PAGE_BITS, R, W
from ..errors import Fault
from ..nodes import fail
from ..pids import Record
from ..process import Process
from ..space import USER_END
from ..table import syscall
from ..waits import Result
from .advice import madvise
from .io import TASK_SIZE_MAX
from .pidfd import pid_file

MOST_PARTS = 1024
MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE = 3, 20, 21, 25
ELSEWHERE = (MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE)
"""The advice that may be given to another process."""


def parts_of(p: Process, iov: int, count: int) -> list[tuple[int, int]]:
    """Addresses and lengths of an iovec array. Raises Fault, OSError(EINVAL)."""
    if count > MOST_PARTS:
        raise fail(errno.EINVAL)
    parts = [(a, n) for a, n in IOVEC.iter_unpack(p.space.read(iov, count * IOVEC.size))]
    if any(n >> 63 for _, n in parts):
        raise fail(errno.EINVAL)
    return parts


def other(p: Process, pid: int) -> Record | None:
    """The process with this number; None if it is this one. Raises OSError(ESRCH)."""
    if pid == p.pid or any(t.tid == pid for t in p.sched.threads):
        return None
    record = p.pids.by_pid(pid)
    if record is None or not record.host:
        raise fail(errno.ESRCH)
    return record


def permissions(p: Process, host: int, address: int, length: int) -> bytes:
    """The permission bytes of another process's pages. Raises OSError."""
    first, last = address >> PAGE_BITS, min(address + length, USER_END) - 1 >> PAGE_BITS
    if last < first:
        return b""
    base = ctypes.addressof(ctypes.c_char.from_buffer(p.space.perm))
    return hostlibc.read_memory(host, base + first, last - first + 1)


def usable(pages: bytes, address: int, length: int, need: int) -> int:
    """How many bytes from `address` on may be used, by the permission bytes from its page on."""
    good = 0
    while good < len(pages) and pages[good] & need:
        good += 1
    return max(0, min(length, (good << PAGE_BITS) - address % PAGE)) if good else 0


def move(p: Process, pid: int, local: int, local_count: int, remote: int, count: int, flags: int, writing: bool) -> Result:
    """Both calls. What was moved before a part that may not be used counts; EFAULT if that is nothing."""
    if flags:
        return -errno.EINVAL
    here = parts_of(p, local, local_count)
    if any(address + length > TASK_SIZE_MAX for address, length in here):
        return -errno.EFAULT
    here = [(address, length) for address, length in here if length]
    parts = [(address, length) for address, length in parts_of(p, remote, count) if length] if here else []
    if not parts:
        return 0
    record = other(p, s32(pid))
    done = 0
    for address, length in parts:
        while length and here:
            place, room = here[0]
            size = min(length, room)
            try:
                view = p.space.prefix(place, size, R if writing else W)
            except Fault:
                return done or -errno.EFAULT
            moved = touch(p, record, address, view, writing)
            done += moved
            if moved < size:
                return done or -errno.EFAULT
            address, length = address + size, length - size
            here[0] = (place + size, room - size)
            if room == size:
                del here[0]
    return done


def touch(p: Process, record: Record | None, address: int, view: memoryview, writing: bool) -> int:
    """Move one part; answers how many bytes. Raises OSError(EPERM, ESRCH)."""
    size = len(view)
    if record is None:
        try:
            theirs = p.space.prefix(address, size, W if writing else R)
        except Fault:
            return 0
        if writing:
            theirs[:] = view[: len(theirs)]
        else:
            view[: len(theirs)] = theirs
        return len(theirs)
    if address >= USER_END:
        return 0
    pages = permissions(p, record.host, address, size)
    if writing and any(page & ENGINE_BIT for page in pages):  # it has decoded code there, which would stay as it is
        raise fail(errno.EPERM)
    size = usable(pages, address, size, W if writing else R)
    if not size:
        return 0
    at = p.space.host_base() + address
    if writing:
        hostlibc.write_memory(record.host, at, bytes(view[:size]))
    else:
        view[:size] = hostlibc.read_memory(record.host, at, size)
    return size


@syscall(270, "process_vm_readv")
def process_vm_readv(p: Process, pid: int, local: int, local_count: int, remote: int, count: int, flags: int) -> Result:
    """See man 2 process_vm_readv: of this process, and of others of the run where the host allows it (EPERM)."""
    return move(p, pid, local, local_count, remote, count, flags, False)


@syscall(271, "process_vm_writev")
def process_vm_writev(p: Process, pid: int, local: int, local_count: int, remote: int, count: int, flags: int) -> Result:
    """See man 2 process_vm_writev. Code that another process has run cannot be written there: EPERM."""
    return move(p, pid, local, local_count, remote, count, flags, True)


@syscall(440, "process_madvise")
def process_madvise(p: Process, fd: int, iov: int, count: int, advice: int, flags: int) -> Result:
    """See man 2 process_madvise. What may be advised to another process changes nothing that can be seen."""
    advice = s32(advice)
    if flags & 0xFFFFFFFF:
        return -errno.EINVAL
    parts = parts_of(p, iov, count)
    pid = pid_file(p, fd).pid
    record = other(p, pid)
    advise: Callable[[int, int], Result]
    if record is None:

        def advise(start: int, length: int) -> Result:
            return madvise(p, start, length, advice)
    else:
        if advice not in ELSEWHERE:
            return -errno.EINVAL
        host = record.host

        def advise(start: int, length: int) -> Result:
            if start % PAGE:
                return -errno.EINVAL
            pages = permissions(p, host, start, length)
            whole = len(pages) >= length + PAGE - 1 >> PAGE_BITS
            return 0 if whole and all(page & MAPPED for page in pages) else -errno.ENOMEM

    done = 0
    for start, length in parts:
        result = advise(start, length)
        if isinstance(result, int) and result < 0:
            return done or result
        done += length
    return done
