"""Calls on the contents of files: size, holes, copies inside the kernel, writing back. Sources: man section 2."""

from __future__ import annotations

import errno
import os
import stat

from .. import hostlibc
from ..abi import s32, s64
from ..cpu import W
from ..files import O_APPEND, O_RDWR, ContentFile, DirectoryFile, File, RegularFile, StreamFile
from ..nodes import fail
from ..process import Process
from ..synthfs import PlainDevice
from ..table import syscall
from ..waits import POLLOUT, Result, Wait
from .io import MOST

KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE = 1, 2, 8, 16


@syscall(46, "ftruncate")
def ftruncate(p: Process, fd: int, length: int) -> Result:
    """See man 2 ftruncate."""
    if s64(length) < 0:
        return -errno.EINVAL
    file = p.fds.get(fd)
    if not file.writable or not isinstance(file, RegularFile):
        return -errno.EINVAL
    status = os.fstat(file.fd)
    p.limits.check_size(length, status.st_size)
    p.space.file_cut(status, length)
    os.ftruncate(file.fd, length)
    file.altered()
    return 0


@syscall(47, "fallocate")
def fallocate(p: Process, fd: int, mode: int, offset: int, length: int) -> Result:
    """See man 2 fallocate; which modes there are is the host's file system's affair."""
    file = p.fds.get(fd)
    mode, offset, length = s32(mode), s64(offset), s64(length)
    if offset < 0 or length <= 0:
        return -errno.EINVAL
    if mode & ~0x7F or (mode & PUNCH_HOLE and mode & (ZERO_RANGE | KEEP_SIZE) != KEEP_SIZE):
        return -errno.EOPNOTSUPP
    if not file.writable:
        return -errno.EBADF
    if not isinstance(file, RegularFile):
        return -errno.ESPIPE if isinstance(file, StreamFile) and file.is_pipe else -errno.ENODEV
    status = os.fstat(file.fd)
    if not mode & ~0x40:
        p.limits.check_size(offset + length, status.st_size)
    hostlibc.fallocate(file.fd, mode, offset, length)
    file.altered()
    if mode & COLLAPSE_RANGE:
        p.space.file_cut(status, os.fstat(file.fd).st_size)
    return 0


@syscall(81, "sync")
def sync(p: Process) -> Result:
    """See man 2 sync: the host writes everything back, its own files too."""
    os.sync()
    return 0


@syscall(82, "fsync")
def fsync(p: Process, fd: int) -> Result:
    """See man 2 fsync."""
    file = p.fds.get(fd)
    if isinstance(file, (RegularFile, DirectoryFile)):
        if file.fd >= 0:
            os.fsync(file.fd)
        return 0
    return -errno.EINVAL


@syscall(83, "fdatasync")
def fdatasync(p: Process, fd: int) -> Result:
    """See man 2 fdatasync."""
    return fsync(p, fd)


@syscall(84, "sync_file_range")
def sync_file_range(p: Process, fd: int, offset: int, length: int, flags: int) -> Result:
    """See man 2 sync_file_range."""
    file = p.fds.get(fd)
    if flags & 0xFFFFFFFF & ~7 or s64(offset) < 0 or s64(length) < 0 or s64(offset + length) < 0:
        return -errno.EINVAL
    if not isinstance(file, RegularFile):
        return 0 if isinstance(file, (DirectoryFile, ContentFile)) else -errno.ESPIPE
    hostlibc.sync_file_range(file.fd, offset, length, flags & 7)
    return 0


@syscall(267, "syncfs")
def syncfs(p: Process, fd: int) -> Result:
    """See man 2 syncfs."""
    file = p.fds.get(fd)
    if file.fd >= 0:
        hostlibc.syncfs(file.fd)
    return 0


@syscall(223, "fadvise64")
def fadvise64(p: Process, fd: int, offset: int, length: int, advice: int) -> Result:
    """See man 2 posix_fadvise; the host gets the advice."""
    file = p.fds.get(fd)
    if isinstance(file, StreamFile) and file.is_pipe:
        return -errno.ESPIPE
    if s32(advice) not in range(6) or s64(length) < 0:
        return -errno.EINVAL
    if isinstance(file, RegularFile):
        os.posix_fadvise(file.fd, s64(offset), s64(length), s32(advice))
    return 0


@syscall(213, "readahead")
def readahead(p: Process, fd: int, offset: int, count: int) -> Result:
    """See man 2 readahead."""
    file = p.fds.get(fd)
    if not file.readable:
        return -errno.EBADF
    if not isinstance(file, (RegularFile, ContentFile)) or count >> 63:
        return -errno.EINVAL
    if isinstance(file, ContentFile):
        return 0
    os.posix_fadvise(file.fd, s64(offset), min(count, MOST), os.POSIX_FADV_WILLNEED)
    return 0


def transfer(source: File, sink: File, position: int | None, count: int) -> int:
    """Copy up to `count` bytes from a file to another; answers how many."""
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
        except OSError:
            if not done:
                raise
            put = 0
        done += put
        if put < got:
            if position is None:
                source.seek(put - got, 1)
            break
    return done


def limited(p: Process, sink: File, position: int, count: int) -> int:
    """How much of `count` bytes RLIMIT_FSIZE lets be written to `sink`. Raises OSError(EFBIG) with SIGXFSZ."""
    if p.limits.file_size is None or not isinstance(sink, RegularFile) or not count:
        return count
    p.limits.check_size(position + 1, position)
    return min(count, p.limits.file_size - position)


@syscall(71, "sendfile")
def sendfile(p: Process, out: int, source: int, offset: int, count: int) -> Result:
    """See man 2 sendfile."""
    position = p.space.u64(offset) if offset else None
    if offset:
        p.space.view(offset, 8, W)
    file = p.fds.get(source)
    if not file.readable:
        return -errno.EBADF
    if position is not None and not file.seekable:
        return -errno.ESPIPE
    if count >> 63 or (position is not None and position >> 63):
        return -errno.EINVAL
    sink = p.fds.get(out)
    if not sink.writable:
        return -errno.EBADF
    if not count and file.seekable:
        return 0
    if not isinstance(file, (RegularFile, ContentFile, PlainDevice)) or sink.flags & O_APPEND:
        return -errno.EINVAL
    if sink.fd >= 0 and not stat.S_IFMT(os.fstat(sink.fd).st_mode):  # an eventfd or the like
        return -errno.EINVAL
    wanted = count = min(count, MOST)
    if isinstance(sink, RegularFile):
        count = limited(p, sink, sink.write_position(None), wanted)

    def attempt() -> Result:
        done = transfer(file, sink, position, count)
        if done == count < wanted:  # Linux copies on and meets the limit
            p.limits.signal_size()
        if done == 0 and count and isinstance(sink, StreamFile) and isinstance(file, RegularFile):
            here = position if position is not None else file.seek(0, 1)
            if here < os.fstat(file.fd).st_size:
                return -errno.EAGAIN if sink.nonblocking else wait
        if position is not None:
            p.space.put64(offset, position + done)
        return done

    wait = Wait(attempt, fds=sink.host_waits(POLLOUT), outside=sink.outside)
    return attempt()


@syscall(285, "copy_file_range")
def copy_file_range(p: Process, source: int, source_offset: int, out: int, sink_offset: int, count: int, flags: int) -> Result:
    """See man 2 copy_file_range."""
    file, sink = p.fds.get(source), p.fds.get(out)
    a = p.space.u64(source_offset) if source_offset else None
    b = p.space.u64(sink_offset) if sink_offset else None
    if flags & 0xFFFFFFFF:
        return -errno.EINVAL
    if isinstance(file, DirectoryFile) or isinstance(sink, DirectoryFile):
        return -errno.EISDIR
    for f in (file, sink):
        if not isinstance(f, (RegularFile, ContentFile)) or (f.fd >= 0 and not stat.S_ISREG(os.fstat(f.fd).st_mode)):
            return -errno.EINVAL
    if not file.readable or not sink.writable or sink.flags & O_APPEND:
        return -errno.EBADF
    if not isinstance(file, RegularFile) or not isinstance(sink, RegularFile):
        return -errno.EXDEV
    if any(position is not None and position >> 63 for position in (a, b)):
        return -errno.EINVAL
    count = limited(p, sink, sink.write_position(b), min(count, MOST))
    done = os.copy_file_range(file.fd, sink.fd, count, a, b)
    sink.altered()
    if a is not None:
        p.space.put64(source_offset, a + done)
    if b is not None:
        p.space.put64(sink_offset, b + done)
    return done


MFD_CLOEXEC, MFD_FLAGS = 1, 0x1B


@syscall(279, "memfd_create")
def memfd_create(p: Process, name: int, flags: int) -> Result:
    """See man 2 memfd_create; no huge pages."""
    if flags & 0xFFFFFFFF & ~MFD_FLAGS:
        return -errno.EINVAL
    text = p.space.text(name, 250, errno.EINVAL)
    fd = os.memfd_create(os.fsdecode(text), os.MFD_CLOEXEC | (flags & MFD_FLAGS))
    return p.fds.add(RegularFile(fd, O_RDWR, b"/memfd:" + text + b" (deleted)"), bool(flags & MFD_CLOEXEC))


@syscall(447, "memfd_secret")
def memfd_secret(p: Process, flags: int) -> Result:
    """Not there, as on a kernel that was started without `secretmem.enable`."""
    raise fail(errno.ENOSYS)
