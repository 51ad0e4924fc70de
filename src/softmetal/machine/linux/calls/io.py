"""Calls on open descriptors: reading, writing, seeking, duplicating, locking, pipes, ioctl.

Sources: man section 2 for each call; asm-generic/fcntl.h and ioctls.h for the numbers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..abi import IOVEC, M64, pack_dirents, pack_stat, pack_statfs, s32, s64
from ..cpu import R, W
from ..files import (
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    O_RDWR,
    O_WRONLY,
    File,
    RegularFile,
    StreamFile,
)
from ..process import Process
from ..table import syscall
from ..vfs import StatFs, fail
from ..waits import AS_ASKED, NEVER, POLLIN, POLLOUT, Result, Wait

MOST = 0x7FFFF000
"""Bytes that one read or write moves at most (Linux's MAX_RW_COUNT)."""


def vectors(p: Process, iov: int, count: int, need: int) -> list[memoryview]:
    """The buffers of an iovec array. Raises Fault, OSError(EINVAL)."""
    count = s32(count)
    if not 0 <= count <= 1024:
        raise fail(errno.EINVAL)
    table = p.space.view(iov, count * IOVEC.size, R)
    views: list[memoryview] = []
    left = MOST
    for address, length in IOVEC.iter_unpack(table):
        if length >> 63:
            raise fail(errno.EINVAL)
        if length and left:
            view = p.space.prefix(address, min(length, left), need) if not views else p.space.view(
                address, min(length, left), need
            )  # fmt: skip
            views.append(view)
            left -= len(view)
    return views


def read_file(p: Process, file: File, views: list[memoryview], offset: int | None = None) -> Result:
    """Read, or wait until there is something."""
    if not file.readable:
        return -errno.EBADF
    try:
        return file.read(views, offset)
    except BlockingIOError:
        if file.flags & O_NONBLOCK:
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


def write_file(p: Process, file: File, views: list[memoryview], offset: int | None = None) -> Result:
    """Write everything, waiting as often as it takes, unless the file is non-blocking."""
    if not file.writable:
        return -errno.EBADF
    total = sum(map(len, views))
    done = 0

    def attempt() -> Result:
        nonlocal done
        while True:
            try:
                done += file.write(views, None if offset is None else offset + done)
            except BlockingIOError:
                if file.flags & O_NONBLOCK:
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
            views[:] = rest

    def blocked() -> Result:
        wait.partial = done
        if wait.deadline is None and (limit := file.time_limit(POLLOUT)):
            wait.deadline = p.clock.monotonic() + limit
            wait.restart = NEVER
        elif wait.deadline is not None and p.clock.monotonic() >= wait.deadline:
            return done or -errno.EAGAIN
        return wait

    views_all = list(views)
    wait = Wait(attempt, fds=file.host_waits(POLLOUT), outside=file.outside, holds=(file,))
    if not views:
        return 0
    return attempt()


@syscall(63, "read")
def read(p: Process, fd: int, buffer: int, count: int) -> Result:
    """See man 2 read."""
    file = p.fds.get(fd)
    if count == 0:
        return 0 if file.readable else -errno.EBADF
    return read_file(p, file, [p.space.prefix(buffer, min(count, MOST), W)])


@syscall(64, "write")
def write(p: Process, fd: int, buffer: int, count: int) -> Result:
    """See man 2 write."""
    file = p.fds.get(fd)
    if count == 0:
        return 0 if file.writable else -errno.EBADF
    return write_file(p, file, [p.space.prefix(buffer, min(count, MOST), R)])


@syscall(65, "readv")
def readv(p: Process, fd: int, iov: int, count: int) -> Result:
    """See man 2 readv."""
    file = p.fds.get(fd)
    views = vectors(p, iov, count, W)
    return read_file(p, file, views) if views else 0


@syscall(66, "writev")
def writev(p: Process, fd: int, iov: int, count: int) -> Result:
    """See man 2 writev."""
    file = p.fds.get(fd)
    return write_file(p, file, vectors(p, iov, count, R))


def positioned(p: Process, fd: int, offset: int) -> File:
    """The file for a read or write at an offset. Raises OSError."""
    file = p.fds.get(fd)
    if s64(offset) < 0:
        raise fail(errno.EINVAL)
    return file


@syscall(67, "pread64")
def pread64(p: Process, fd: int, buffer: int, count: int, offset: int) -> Result:
    """See man 2 pread."""
    file = positioned(p, fd, offset)
    return read_file(p, file, [p.space.prefix(buffer, min(count, MOST), W)], offset) if count else 0


@syscall(68, "pwrite64")
def pwrite64(p: Process, fd: int, buffer: int, count: int, offset: int) -> Result:
    """See man 2 pwrite."""
    file = positioned(p, fd, offset)
    return write_file(p, file, [p.space.prefix(buffer, min(count, MOST), R)], offset) if count else 0


@syscall(69, "preadv")
def preadv(p: Process, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """See man 2 preadv; on 64 bits the low word is the whole offset."""
    file = positioned(p, fd, low)
    views = vectors(p, iov, count, W)
    return read_file(p, file, views, low) if views else 0


@syscall(70, "pwritev")
def pwritev(p: Process, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """See man 2 pwritev."""
    return write_file(p, positioned(p, fd, low), vectors(p, iov, count, R), low)


@syscall(286, "preadv2")
def preadv2(p: Process, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> Result:
    """See man 2 preadv2; flags other than 0 are not supported."""
    if flags:
        return -errno.EOPNOTSUPP
    return readv(p, fd, iov, count) if low == M64 else preadv(p, fd, iov, count, low, high)


@syscall(287, "pwritev2")
def pwritev2(p: Process, fd: int, iov: int, count: int, low: int, high: int, flags: int) -> Result:
    """See man 2 pwritev2; flags other than 0 are not supported."""
    if flags:
        return -errno.EOPNOTSUPP
    return writev(p, fd, iov, count) if low == M64 else pwritev(p, fd, iov, count, low, high)


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
    return p.fds.add(p.fds.get(fd))


@syscall(24, "dup3")
def dup3(p: Process, old: int, new: int, flags: int) -> Result:
    """See man 2 dup3."""
    file = p.fds.get(old)
    if old & 0xFFFFFFFF == new & 0xFFFFFFFF or flags & ~O_CLOEXEC:
        return -errno.EINVAL
    if not 0 <= s32(new) < p.fds.limit:
        return -errno.EBADF
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


F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN = range(10)
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS = 1030, 1031, 1032, 1033, 1034
FLOCK = struct.Struct("<hhxxxxqqixxxx")


@syscall(25, "fcntl")
def fcntl_(p: Process, fd: int, command: int, argument: int) -> Result:
    """See man 2 fcntl."""
    file = p.fds.get(fd)
    slot = p.fds.slots[fd & 0xFFFFFFFF]
    command = s32(command)
    if command in (F_DUPFD, F_DUPFD_CLOEXEC):
        if not 0 <= s32(argument) < p.fds.limit:
            return -errno.EINVAL
        return p.fds.add(file, command == F_DUPFD_CLOEXEC, s32(argument))
    if command == F_GETFD:
        return int(slot.cloexec)
    if command == F_SETFD:
        slot.cloexec = bool(argument & 1)
        return 0
    if command == F_GETFL:
        return file.flags | 0o100000
    if command == F_SETFL:
        file.set_nonblocking(bool(argument & O_NONBLOCK))
        if (argument ^ file.flags) & O_APPEND and isinstance(file, RegularFile):
            host = fcntl.fcntl(file.fd, fcntl.F_GETFL)
            fcntl.fcntl(file.fd, fcntl.F_SETFL, host & ~os.O_APPEND | (os.O_APPEND if argument & O_APPEND else 0))
            file.flags = file.flags & ~O_APPEND | argument & O_APPEND
        return 0
    if command in (F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW):
        return lock(p, file, command, argument)
    if command in (F_SETPIPE_SZ, F_GETPIPE_SZ) and file.fd >= 0:
        return fcntl.fcntl(file.fd, command, s32(argument))
    if command in (F_ADD_SEALS, F_GET_SEALS) and isinstance(file, RegularFile):
        return fcntl.fcntl(file.fd, command, s32(argument))
    if command in (F_SETOWN, F_GETOWN):
        return 0
    return -errno.EINVAL


def lock(p: Process, file: File, command: int, address: int) -> Result:
    """Record locks are the host's, since each guest process is a host process."""
    if not isinstance(file, RegularFile):
        return -errno.EBADF if file.fd < 0 else -errno.EINVAL
    data = p.space.read(address, FLOCK.size)
    if command in (F_GETLK, F_OFD_GETLK):
        kind, whence, start, length, host = FLOCK.unpack(fcntl.fcntl(file.fd, command, data))
        owner = p.pids.by_host(host) if host > 0 else None
        p.space.write(address, FLOCK.pack(kind, whence, start, length, owner.pid if owner else host))
        return 0
    blocking = command in (F_SETLKW, F_OFD_SETLKW)
    now = command - 1 if blocking else command

    def attempt() -> Result:
        try:
            fcntl.fcntl(file.fd, now, data)
        except OSError as error:
            if blocking and error.errno in (errno.EAGAIN, errno.EACCES):
                return wait
            raise
        return 0

    wait = Wait(attempt, interval=True)
    return attempt()


@syscall(32, "flock")
def flock(p: Process, fd: int, operation: int) -> Result:
    """See man 2 flock."""
    file = p.fds.get(fd)
    if file.fd < 0:
        return 0
    operation = s32(operation)

    def attempt() -> Result:
        try:
            fcntl.flock(file.fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if operation & fcntl.LOCK_NB:
                raise
            return wait
        return 0

    wait = Wait(attempt, interval=True)
    return attempt()


TCGETS, TCSETS, TCSETSW, TCSETSF = 0x5401, 0x5402, 0x5403, 0x5404
TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, FIONBIO, TIOCGSID = (
    0x540F, 0x5410, 0x5413, 0x5414, 0x541B, 0x5421, 0x5429,
)  # fmt: skip
FIONCLEX, FIOCLEX = 0x5450, 0x5451
TERMINAL = {TCGETS: (36, False), TCSETS: (36, True), TCSETSW: (36, True), TCSETSF: (36, True), TIOCGWINSZ: (8, False),
            TIOCSWINSZ: (8, True)}  # fmt: skip
"""Terminal requests that are passed on: size of the structure, and whether the guest gives it. No others are: one
of them, TIOCSTI, types into the user's own shell."""


@syscall(29, "ioctl")
def ioctl(p: Process, fd: int, request: int, argument: int) -> Result:
    """See man 2 ioctl: terminals, FIONREAD, FIONBIO, FIOCLEX."""
    file = p.fds.get(fd)
    request &= 0xFFFFFFFF
    if request in (FIOCLEX, FIONCLEX):
        p.fds.slots[fd & 0xFFFFFFFF].cloexec = request == FIOCLEX
        return 0
    if request == FIONBIO:
        file.set_nonblocking(p.space.u32(argument) != 0)
        return 0
    if request == FIONREAD:
        if isinstance(file, RegularFile):
            p.space.put32(argument, max(0, os.fstat(file.fd).st_size - file.seek(0, 1)))
            return 0
        if file.fd < 0 or file.node is not None:
            return -errno.ENOTTY
        p.space.write(argument, fcntl.ioctl(file.fd, FIONREAD, b"\0\0\0\0"))
        return 0
    if file.fd < 0 or not os.isatty(file.fd):
        return -errno.ENOTTY
    if request in TERMINAL:
        size, given = TERMINAL[request]
        if given:
            fcntl.ioctl(file.fd, request, p.space.read(argument, size))
        else:
            p.space.write(argument, fcntl.ioctl(file.fd, request, bytes(size)))
        return 0
    if request in (TIOCGPGRP, TIOCGSID):
        host = os.tcgetpgrp(file.fd) if request == TIOCGPGRP else os.getsid(0)
        record = p.pids.by_host(host)
        p.space.put32(argument, record.pid if record else p.pids.me.session)
        return 0
    if request == TIOCSPGRP:
        record = p.pids.by_pid(s32(p.space.u32(argument)))
        if record is None:
            return -errno.ESRCH
        os.tcsetpgrp(file.fd, record.host)
        return 0
    return -errno.ENOTTY


@syscall(80, "fstat")
def fstat(p: Process, fd: int, buffer: int) -> Result:
    """See man 2 fstat."""
    p.space.write(buffer, pack_stat(p.fds.get(fd).status()))
    return 0


@syscall(44, "fstatfs")
def fstatfs(p: Process, fd: int, buffer: int) -> Result:
    """See man 2 fstatfs."""
    file = p.fds.get(fd)
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
    entries = file.entries(p.vfs)
    data, position = pack_dirents(entries, file.position, count & 0xFFFFFFFF)
    if not data and file.position < len(entries):
        return -errno.EINVAL
    p.space.write(buffer, data)
    file.position = position
    return len(data)


@syscall(46, "ftruncate")
def ftruncate(p: Process, fd: int, length: int) -> Result:
    """See man 2 ftruncate."""
    file = p.fds.get(fd)
    if not file.writable or not isinstance(file, RegularFile) or s64(length) < 0:
        return -errno.EINVAL
    p.space.file_cut(file.fd, length)
    os.ftruncate(file.fd, length)
    return 0


@syscall(47, "fallocate")
def fallocate(p: Process, fd: int, mode: int, offset: int, length: int) -> Result:
    """See man 2 fallocate; only mode 0."""
    file = p.fds.get(fd)
    if not file.writable:
        return -errno.EBADF
    if not isinstance(file, RegularFile):
        return -errno.ENODEV
    if mode & 0xFFFFFFFF:
        return -errno.EOPNOTSUPP
    os.posix_fallocate(file.fd, s64(offset), s64(length))
    return 0


@syscall(81, "sync")
def sync(p: Process) -> Result:
    """The host writes back when it likes; a guest cannot make it."""
    return 0


@syscall(82, "fsync")
def fsync(p: Process, fd: int) -> Result:
    """See man 2 fsync."""
    file = p.fds.get(fd)
    if isinstance(file, RegularFile):
        os.fsync(file.fd)
        return 0
    return 0 if file.node is not None else -errno.EINVAL


@syscall(83, "fdatasync")
def fdatasync(p: Process, fd: int) -> Result:
    """See man 2 fdatasync."""
    return fsync(p, fd)


@syscall(84, "sync_file_range")
def sync_file_range(p: Process, fd: int, offset: int, length: int, flags: int) -> Result:
    """Advice; nothing to do."""
    p.fds.get(fd)
    return 0


@syscall(267, "syncfs")
def syncfs(p: Process, fd: int) -> Result:
    """Like sync."""
    p.fds.get(fd)
    return 0


@syscall(223, "fadvise64")
def fadvise64(p: Process, fd: int, offset: int, length: int, advice: int) -> Result:
    """Advice; only its errors are given."""
    file = p.fds.get(fd)
    if isinstance(file, StreamFile):
        return -errno.ESPIPE
    return 0 if s32(advice) in range(6) else -errno.EINVAL


@syscall(213, "readahead")
def readahead(p: Process, fd: int, offset: int, count: int) -> Result:
    """Advice; nothing to do."""
    return 0 if p.fds.get(fd).readable else -errno.EBADF


def transfer(p: Process, source: File, sink: File, position: int | None, count: int) -> tuple[int, Result]:
    """Copy up to `count` bytes from a file to another; answers how many and what to say if that is none."""
    if not source.readable or not sink.writable:
        return 0, -errno.EBADF
    done = 0
    while done < count:
        buffer = memoryview(bytearray(min(count - done, 1 << 16)))
        got = source.read([buffer], None if position is None else position + done)
        if got == 0:
            break
        try:
            put = sink.write([buffer[:got]])
        except BlockingIOError:
            put = 0
        done += put
        if put < got:
            if position is None:
                source.seek(put - got, 1)
            break
    return done, 0


@syscall(71, "sendfile")
def sendfile(p: Process, out: int, source: int, offset: int, count: int) -> Result:
    """See man 2 sendfile."""
    sink, file = p.fds.get(out), p.fds.get(source)
    if not isinstance(file, RegularFile) or sink.flags & O_APPEND:
        return -errno.EINVAL
    if not file.readable or not sink.writable:
        return -errno.EBADF
    position = p.space.u64(offset) if offset else None
    count = min(count, MOST)

    def attempt() -> Result:
        done, _ = transfer(p, file, sink, position, count)
        if done == 0 and count and isinstance(sink, StreamFile):
            here = position if position is not None else file.seek(0, 1)
            if here < os.fstat(file.fd).st_size:
                return -errno.EAGAIN if sink.flags & O_NONBLOCK else wait
        if position is not None:
            p.space.put64(offset, position + done)
        return done

    wait = Wait(attempt, fds=sink.host_waits(POLLOUT), outside=sink.outside)
    return attempt()


@syscall(285, "copy_file_range")
def copy_file_range(p: Process, source: int, source_offset: int, out: int, sink_offset: int, count: int, flags: int) -> Result:
    """See man 2 copy_file_range."""
    file, sink = p.fds.get(source), p.fds.get(out)
    if not isinstance(file, RegularFile) or not isinstance(sink, RegularFile) or flags:
        return -errno.EINVAL
    if not file.readable or not sink.writable or sink.flags & O_APPEND:
        return -errno.EBADF
    a = p.space.u64(source_offset) if source_offset else None
    b = p.space.u64(sink_offset) if sink_offset else None
    if not all(stat.S_ISREG(os.fstat(f.fd).st_mode) for f in (file, sink)):
        return -errno.EINVAL
    done = os.copy_file_range(file.fd, sink.fd, min(count, MOST), a, b)
    if a is not None:
        p.space.put64(source_offset, a + done)
    if b is not None:
        p.space.put64(sink_offset, b + done)
    return done


@syscall(279, "memfd_create")
def memfd_create(p: Process, name: int, flags: int) -> Result:
    """See man 2 memfd_create."""
    text = p.space.text(name, 250, errno.EINVAL)
    if flags & ~0x1B:
        return -errno.EINVAL
    fd = os.memfd_create(os.fsdecode(text), os.MFD_CLOEXEC | (flags & 2))
    return p.fds.add(RegularFile(fd, O_RDWR, b"/memfd:" + text + b" (deleted)"), bool(flags & 1))
