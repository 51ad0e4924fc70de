"""Calls on open descriptors: reading, writing, seeking, duplicating, pipes.

Sources: man section 2 for each call; asm-generic/fcntl.h for the numbers.
"""

from __future__ import annotations

import errno
import os
import select

from ..abi import IOVEC, M64, pack_dirents, pack_stat, pack_statfs, s32, s64
from ..cpu import PAGE, R, W
from ..errors import Fault
from ..files import (
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    O_WRONLY,
    ContentFile,
    DirectoryFile,
    File,
    RegularFile,
    StreamFile,
)
from ..nodes import StatFs, fail
from ..process import Process
from ..synthfs import PlainDevice
from ..table import syscall
from ..waits import AS_ASKED, NEVER, POLLIN, POLLOUT, Result, Wait

MOST = 0x7FFFF000
"""Bytes that one read or write moves at most (Linux's MAX_RW_COUNT)."""


TASK_SIZE_MAX = (1 << 63) - 1
"""A buffer that reaches beyond it is refused before anything is done (Linux's `access_ok`)."""


def vectors(p: Process, iov: int, count: int, need: int) -> list[memoryview]:
    """The buffers of an iovec array. Raises Fault, OSError(EINVAL)."""
    found = iovec(p, None, iov, count, need)
    assert not isinstance(found, int)
    return found


def iovec(p: Process, file: File | None, iov: int, count: int, need: int, offset: int | None = None) -> list[memoryview] | int:
    """The buffers of an iovec array, or what `buffer` says instead. Raises Fault, OSError(EINVAL)."""
    count = s32(count)
    if not 0 <= count <= 1024:
        raise fail(errno.EINVAL)
    pairs = list(IOVEC.iter_unpack(p.space.view(iov, count * IOVEC.size, R)))
    if any(length >> 63 for _, length in pairs):
        raise fail(errno.EINVAL)
    if any(address + length > TASK_SIZE_MAX for address, length in pairs):
        raise fail(errno.EFAULT)
    check_end(offset, sum(length for _, length in pairs))
    views: list[memoryview] = []
    left = MOST
    for address, length in pairs:
        if length and left:
            size = min(length, left)
            try:
                view = p.space.prefix(address, size, need)
            except Fault:
                if views:
                    break
                if file is None:
                    raise
                return untouched(file, need, offset, size)
            views.append(view)
            left -= len(view)
            if len(view) < size:
                break
    return views


def buffer(p: Process, file: File, address: int, count: int, need: int, offset: int | None = None) -> list[memoryview] | int:
    """The guest's buffer as far as it may be used, or the call's result if that needs no buffer. Raises Fault."""
    if address + count > TASK_SIZE_MAX:
        raise Fault(address)
    check_end(offset, count)
    if not count:
        return -errno.EISDIR if isinstance(file, DirectoryFile) else []
    size = min(count, MOST)
    try:
        view = p.space.prefix(address, size, need)
    except Fault:
        return untouched(file, need, offset, count)
    if len(view) < size and need == R and isinstance(file, PlainDevice):
        return untouched(file, need, offset, count)
    if len(view) < size and need == R and isinstance(file, StreamFile):
        view = view[: len(view) & -PAGE]  # pipes and sockets take whole pages or nothing
        if not view:
            raise Fault(address)
    return [view]


def check_end(offset: int | None, count: int) -> None:
    """Raise OSError(EINVAL) if a transfer would end behind the last position that there is."""
    if offset is not None and offset + count >> 63:
        raise fail(errno.EINVAL)


def untouched(file: File, need: int, offset: int | None, count: int) -> int:
    """The result of a call whose buffer may not be used: Linux meets that only when there is something to move."""
    if need == R:
        return min(count, MOST) if isinstance(file, PlainDevice) and file.host_name != b"/dev/full" else -errno.EFAULT
    if isinstance(file, PlainDevice) and file.host_name == b"/dev/null":
        return 0
    if isinstance(file, DirectoryFile):
        return -errno.EISDIR
    if isinstance(file, RegularFile):
        at = file.seek(0, 1) if offset is None else offset
        return 0 if at >= os.fstat(file.fd).st_size else -errno.EFAULT
    if file.nonblocking and isinstance(file, StreamFile):
        poller = select.poll()
        poller.register(file.fd, POLLIN)
        if not poller.poll(0):
            return -errno.EAGAIN
    return -errno.EFAULT


def read_file(p: Process, file: File, views: list[memoryview] | int, offset: int | None = None) -> Result:
    """Read, or wait until there is something."""
    if isinstance(views, int):
        return views
    try:
        return file.read(views, offset)
    except BlockingIOError:
        if file.nonblocking:
            return -errno.EAGAIN

    limit = file.time_limit(POLLIN)
    end = p.clock.monotonic() + limit if limit else None

    def attempt() -> Result:
        try:
            return file.read(views, offset)
        except BlockingIOError:
            if end is not None and p.clock.monotonic() >= end:
                return -errno.EAGAIN
            wait.deadline = file.wake_time() if end is None else end
            return wait

    wait = Wait(
        attempt, fds=file.host_waits(POLLIN), deadline=file.wake_time() if end is None else end, outside=file.outside,
        holds=(file,), restart=NEVER if limit else AS_ASKED,
        interval=file.fd >= 0 and isinstance(file, StreamFile) and file.needs_interval(),
    )  # fmt: skip
    return wait


def write_file(p: Process, file: File, views: list[memoryview] | int, offset: int | None = None) -> Result:
    """Write everything, waiting as often as it takes, unless the file is non-blocking."""
    if isinstance(views, int):
        return views
    if p.limits.file_size is not None and isinstance(file, RegularFile):
        views = p.limits.cut(views, file.write_position(offset))
    parts = views
    total = sum(map(len, parts))
    done = 0

    def attempt() -> Result:
        nonlocal done
        while True:
            try:
                done += file.write(parts, None if offset is None else offset + done)
            except BlockingIOError:
                if file.nonblocking:
                    return done or -errno.EAGAIN
                return blocked()
            except OSError:
                if done:
                    return done
                raise
            if done >= total:
                return done
            skip = done
            rest = []
            for view in views_all:
                if skip >= len(view):
                    skip -= len(view)
                else:
                    rest.append(view[skip:])
                    skip = 0
            parts[:] = rest

    def blocked() -> Result:
        wait.partial = done
        if wait.deadline is None and (limit := file.time_limit(POLLOUT)):
            wait.deadline = p.clock.monotonic() + limit
            wait.restart = NEVER
        elif wait.deadline is not None and p.clock.monotonic() >= wait.deadline:
            return done or -errno.EAGAIN
        return wait

    views_all = list(parts)
    wait = Wait(attempt, fds=file.host_waits(POLLOUT), outside=file.outside, holds=(file,))
    if not parts:
        return 0
    return attempt()


def source(p: Process, fd: int) -> File:
    """An open file to read from. Raises OSError(EBADF)."""
    file = p.fds.get(fd)
    if not file.readable:
        raise fail(errno.EBADF)
    return file


def sink(p: Process, fd: int) -> File:
    """An open file to write to. Raises OSError(EBADF)."""
    file = p.fds.get(fd)
    if not file.writable:
        raise fail(errno.EBADF)
    return file


def positioned(p: Process, fd: int, offset: int, writing: bool) -> File:
    """The file for a read or write at an offset. Raises OSError."""
    if s64(offset) < 0:
        raise fail(errno.EINVAL)
    file = p.fds.get(fd)
    if not file.seekable or (writing and isinstance(file, ContentFile)):
        raise fail(errno.ESPIPE)
    if not (file.writable if writing else file.readable):
        raise fail(errno.EBADF)
    return file


@syscall(63, "read")
def read(p: Process, fd: int, address: int, count: int) -> Result:
    """See man 2 read."""
    file = source(p, fd)
    views = buffer(p, file, address, count, W)
    return read_file(p, file, views) if views else 0


@syscall(64, "write")
def write(p: Process, fd: int, address: int, count: int) -> Result:
    """See man 2 write."""
    file = sink(p, fd)
    return write_file(p, file, buffer(p, file, address, count, R))


@syscall(65, "readv")
def readv(p: Process, fd: int, iov: int, count: int) -> Result:
    """See man 2 readv."""
    file = source(p, fd)
    views = iovec(p, file, iov, count, W)
    return read_file(p, file, views) if views else 0


@syscall(66, "writev")
def writev(p: Process, fd: int, iov: int, count: int) -> Result:
    """See man 2 writev."""
    file = sink(p, fd)
    return write_file(p, file, iovec(p, file, iov, count, R))


@syscall(67, "pread64")
def pread64(p: Process, fd: int, address: int, count: int, offset: int) -> Result:
    """See man 2 pread."""
    file = positioned(p, fd, offset, False)
    views = buffer(p, file, address, count, W, offset)
    return read_file(p, file, views, offset) if views else 0


@syscall(68, "pwrite64")
def pwrite64(p: Process, fd: int, address: int, count: int, offset: int) -> Result:
    """See man 2 pwrite."""
    file = positioned(p, fd, offset, True)
    return write_file(p, file, buffer(p, file, address, count, R, offset), offset)


@syscall(69, "preadv")
def preadv(p: Process, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """See man 2 preadv; on 64 bits the low word is the whole offset."""
    file = positioned(p, fd, low, False)
    views = iovec(p, file, iov, count, W, low)
    return read_file(p, file, views, low) if views else 0


@syscall(70, "pwritev")
def pwritev(p: Process, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """See man 2 pwritev."""
    file = positioned(p, fd, low, True)
    return write_file(p, file, iovec(p, file, iov, count, R, low), low)


RWF_NOWAIT = 8
RWF_KNOWN = RWF_NOWAIT | os.RWF_HIPRI | os.RWF_DSYNC | os.RWF_SYNC | os.RWF_APPEND


@syscall(286, "preadv2")
def preadv2(p: Process, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> Result:
    """See man 2 preadv2. RWF_NOWAIT never waits for a writer; reading from a disk is not waiting."""
    if flags & ~RWF_KNOWN:
        return -errno.EOPNOTSUPP
    result = readv(p, fd, iov, count) if low == M64 else preadv(p, fd, iov, count, low, high)
    return -errno.EAGAIN if isinstance(result, Wait) and flags & RWF_NOWAIT else result


@syscall(287, "pwritev2")
def pwritev2(p: Process, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> Result:
    """See man 2 pwritev2. RWF_NOWAIT never waits for a reader; writing to a disk is not waiting."""
    if flags & ~RWF_KNOWN:
        return -errno.EOPNOTSUPP
    file = sink(p, fd) if low == M64 else positioned(p, fd, low, True)
    if isinstance(file, RegularFile):
        views = iovec(p, file, iov, count, R, None if low == M64 else low)
        if isinstance(views, int):
            return views
        at = os.fstat(file.fd).st_size if flags & os.RWF_APPEND else file.write_position(None if low == M64 else low)
        views = p.limits.cut(views, at)
        done = os.pwritev(file.fd, views, s64(low), flags & (os.RWF_APPEND | os.RWF_SYNC | os.RWF_DSYNC)) if views else 0
        file.altered()
        return done
    result = writev(p, fd, iov, count) if low == M64 else pwritev(p, fd, iov, count, low, high)
    if isinstance(result, Wait) and flags & RWF_NOWAIT:
        return result.partial or -errno.EAGAIN
    return result


@syscall(62, "lseek")
def lseek(p: Process, fd: int, offset: int, whence: int) -> Result:
    """See man 2 lseek."""
    return p.fds.get(fd).seek(s64(offset), s32(whence))


@syscall(57, "close")
def close(p: Process, fd: int) -> Result:
    """See man 2 close."""
    p.fds.close(fd)
    return 0


@syscall(436, "close_range")
def close_range(p: Process, first: int, last: int, flags: int) -> Result:
    """See man 2 close_range."""
    first, last = first & 0xFFFFFFFF, last & 0xFFFFFFFF
    if first > last or flags & ~6:
        return -errno.EINVAL
    for fd in [fd for fd in p.fds if first <= fd <= last]:
        if flags & 4:
            p.fds.slots[fd].cloexec = True
        else:
            p.fds.close(fd)
    return 0


@syscall(23, "dup")
def dup(p: Process, fd: int) -> Result:
    """See man 2 dup."""
    return p.fds.add(p.fds.any(fd))


@syscall(24, "dup3")
def dup3(p: Process, old: int, new: int, flags: int) -> Result:
    """See man 2 dup3."""
    if old & 0xFFFFFFFF == new & 0xFFFFFFFF or flags & 0xFFFFFFFF & ~O_CLOEXEC:
        return -errno.EINVAL
    if not 0 <= s32(new) < p.fds.limit:
        return -errno.EBADF
    file = p.fds.any(old)
    p.fds.put(s32(new), file, bool(flags & O_CLOEXEC))
    return s32(new)


@syscall(59, "pipe2")
def pipe2(p: Process, fds: int, flags: int) -> Result:
    """See man 2 pipe2."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT):
        return -errno.EINVAL
    p.space.view(fds, 8, W)
    r, w = os.pipe2(os.O_CLOEXEC | (os.O_DIRECT if flags & O_DIRECT else 0))
    name = b"pipe:[%d]" % os.fstat(r).st_ino
    cloexec = bool(flags & O_CLOEXEC)
    keep = flags & O_NONBLOCK
    reader = p.fds.add(StreamFile(r, keep, name, owned=True), cloexec)
    try:
        writer = p.fds.add(StreamFile(w, keep | O_WRONLY, name, owned=True), cloexec)
    except OSError:
        p.fds.close(reader)
        raise
    p.space.put32(fds, reader)
    p.space.put32(fds + 4, writer)
    return 0


@syscall(80, "fstat")
def fstat(p: Process, fd: int, buffer: int) -> Result:
    """See man 2 fstat."""
    p.space.write(buffer, pack_stat(p.fds.any(fd).status()))
    return 0


@syscall(44, "fstatfs")
def fstatfs(p: Process, fd: int, buffer: int) -> Result:
    """See man 2 fstatfs."""
    file = p.fds.any(fd)
    if file.node is not None:
        numbers = file.node.statfs()
    elif isinstance(file, RegularFile):
        s = os.fstatvfs(file.fd)
        numbers = StatFs(0xEF53, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_namemax, s.f_flag)
    else:
        numbers = StatFs(0x50495045, 4096, 0, 0, 0, 0, 0, 255, 0)
    p.space.write(buffer, pack_statfs(numbers))
    return 0


@syscall(61, "getdents64")
def getdents64(p: Process, fd: int, buffer: int, count: int) -> Result:
    """See man 2 getdents64."""
    from ..files import DirectoryFile

    file = p.fds.get(fd)
    if not isinstance(file, DirectoryFile):
        return -errno.ENOTDIR
    assert file.node is not None
    if s32(count) < 0:
        return -errno.EINVAL
    entries = file.entries(p.vfs)
    data, position = pack_dirents(entries, file.position, count & 0xFFFFFFFF)
    if not data and file.position < len(entries):
        return -errno.EINVAL
    p.space.write(buffer, data)
    file.position = position
    return len(data)
