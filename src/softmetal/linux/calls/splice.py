"""Moving bytes between pipes and other files: splice, tee, vmsplice. Sources: man 2 splice, tee, vmsplice; fs/splice.c.

Pipes are the host's, so the host moves the bytes; waiting is the scheduler's.
"""

from __future__ import annotations

import errno
import os
import select
import stat

from .. import hostlibc
from ..abi import IOVEC, s32, s64
from ..cpu import R, W
from ..files import File, RegularFile, StreamFile
from ..process import Process
from ..table import syscall
from ..waits import POLLIN, POLLOUT, Result, Wait
from .io import MOST, vectors

SPLICE_F_NONBLOCK, SPLICE_F_ALL = 2, 15


def is_pipe(file: File) -> bool:
    """Whether it is an end of a pipe."""
    return file.fd >= 0 and isinstance(file, StreamFile) and stat.S_ISFIFO(os.fstat(file.fd).st_mode)


def ready(file: File, event: int) -> bool:
    """Whether the host would not wait for it."""
    if not isinstance(file, StreamFile):
        return True
    poller = select.poll()
    poller.register(file.fd, event)
    return bool(poller.poll(0))


def until_moved(p: Process, source: File, sink: File, nonblocking: bool, move: object) -> Result:
    """Do `move`, waiting for whichever end is not ready."""
    assert callable(move)

    def attempt() -> Result:
        try:
            for file, event in ((source, POLLIN), (sink, POLLOUT)):
                if isinstance(file, StreamFile) and file.careful and not ready(file, event):
                    raise BlockingIOError
            result: int = move()
        except BlockingIOError:
            if nonblocking:
                return -errno.EAGAIN
            late = source if not ready(source, POLLIN) else sink
            wait.fds = late.host_waits(POLLIN if late is source else POLLOUT)
            return wait
        return result

    wait = Wait(attempt, outside=source.outside or sink.outside, holds=(source, sink))
    return attempt()


@syscall(76, "splice")
def splice(p: Process, fd_in: int, off_in: int, fd_out: int, off_out: int, length: int, flags: int) -> Result:
    """See man 2 splice."""
    flags &= 0xFFFFFFFF
    if length == 0:
        return 0
    if flags & ~SPLICE_F_ALL:
        return -errno.EINVAL
    source, sink = p.fds.get(fd_in), p.fds.get(fd_out)
    from_pipe, to_pipe = is_pipe(source), is_pipe(sink)
    if (from_pipe and off_in) or (to_pipe and off_out):
        return -errno.ESPIPE
    at_out = s64(p.space.u64(off_out)) if off_out else None
    at_in = s64(p.space.u64(off_in)) if off_in else None
    if not source.readable or not sink.writable:
        return -errno.EBADF
    if not from_pipe and not to_pipe:
        return -errno.EINVAL
    length = min(length, MOST)
    pipes = [file for file, pipe in ((source, from_pipe), (sink, to_pipe)) if pipe]
    nonblocking = bool(flags & SPLICE_F_NONBLOCK) or any(file.nonblocking for file in pipes)

    def move() -> int:
        done = hostlibc.splice(source.fd, at_in, sink.fd, at_out, length, flags | SPLICE_F_NONBLOCK)
        for address, before in ((off_in, at_in), (off_out, at_out)):
            if before is not None:
                p.space.put64(address, before + done)
        return done

    if any(file.fd < 0 or not isinstance(file, (StreamFile, RegularFile)) for file in (source, sink)):
        return -errno.EINVAL
    return until_moved(p, source, sink, nonblocking, move)


@syscall(77, "tee")
def tee(p: Process, fd_in: int, fd_out: int, length: int, flags: int) -> Result:
    """See man 2 tee."""
    flags &= 0xFFFFFFFF
    if flags & ~SPLICE_F_ALL:
        return -errno.EINVAL
    if length == 0:
        return 0
    source, sink = p.fds.get(fd_in), p.fds.get(fd_out)
    if not source.readable or not sink.writable:
        return -errno.EBADF
    if not is_pipe(source) or not is_pipe(sink):
        return -errno.EINVAL
    nonblocking = bool(flags & SPLICE_F_NONBLOCK) or source.nonblocking or sink.nonblocking
    return until_moved(
        p, source, sink, nonblocking,
        lambda: hostlibc.tee(source.fd, sink.fd, min(length, MOST), flags | SPLICE_F_NONBLOCK),
    )  # fmt: skip


@syscall(75, "vmsplice")
def vmsplice(p: Process, fd: int, iov: int, count: int, flags: int) -> Result:
    """See man 2 vmsplice: the bytes are copied, which a program cannot distinguish from SPLICE_F_GIFT's moving of pages."""
    flags &= 0xFFFFFFFF
    if flags & ~SPLICE_F_ALL:
        return -errno.EINVAL
    file = p.fds.get(fd)
    count = s32(count)
    lengths = p.space.view(iov, 16 * count, R) if 0 <= count <= 1024 else b""
    if not is_pipe(file) and all(not length >> 63 for _, length in IOVEC.iter_unpack(lengths)) and 0 < count <= 1024:
        return -errno.EBADF
    views = vectors(p, iov, count, R if file.writable else W)
    if not views:
        return 0
    nonblocking = bool(flags & SPLICE_F_NONBLOCK) or file.nonblocking

    def attempt() -> Result:
        try:
            return file.write(views) if file.writable else file.read(views)
        except BlockingIOError:
            return -errno.EAGAIN if nonblocking else wait

    wait = Wait(attempt, fds=file.host_waits(POLLOUT if file.writable else POLLIN), outside=file.outside, holds=(file,))
    return attempt()
