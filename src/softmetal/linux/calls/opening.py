"""Opening files: openat and openat2. Sources: man 2 open, openat2; Linux fs/open.c (`build_open_flags`) for the wrong flags."""

from __future__ import annotations

import errno
import os
import stat
import struct

from ..files import (
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_DSYNC,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_SYNC,
    O_TMPFILE,
    O_TRUNC,
    File,
)
from ..nodes import Node, fail
from ..process import Process
from ..table import syscall
from ..vfs import BENEATH, CACHED, IN_ROOT
from ..waits import Result, Wait
from .paths import base, refuse_running

OPEN_HOW = struct.Struct("<QQQ")
O_ASYNC = 0o20000
KNOWN = (
    O_ACCMODE | O_APPEND | O_CLOEXEC | O_CREAT | O_DIRECT | O_DIRECTORY | O_DSYNC | O_EXCL | O_LARGEFILE | O_NOATIME
    | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_PATH | O_SYNC | O_TMPFILE | O_TRUNC | O_ASYNC
)  # fmt: skip
WITH_PATH = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC


@syscall(56, "openat")
def openat(p: Process, fd: int, path: int, flags: int, mode: int) -> Result:
    """See man 2 openat; as on Linux, unknown flags are ignored."""
    flags &= KNOWN
    if flags & O_PATH:
        flags &= WITH_PATH
    return opened(p, fd, path, flags, mode & 0o7777, 0)


@syscall(437, "openat2")
def openat2(p: Process, fd: int, path: int, how: int, size: int) -> Result:
    """See man 2 openat2."""
    if size < OPEN_HOW.size:
        return -errno.EINVAL
    if size > 4096 or any(p.space.view(how + OPEN_HOW.size, size - OPEN_HOW.size)):
        return -errno.E2BIG
    flags, mode, resolve = p.space.unpack(OPEN_HOW, how)
    if flags & ~KNOWN or resolve & ~0x3F or (resolve & BENEATH and resolve & IN_ROOT):
        return -errno.EINVAL
    if mode & ~0o7777 if flags & (O_CREAT | O_TMPFILE & ~O_DIRECTORY) else mode:
        return -errno.EINVAL
    if flags & O_PATH and flags & ~WITH_PATH:
        return -errno.EINVAL
    if resolve & CACHED:  # a kernel may always say that a walk needs more than its cache
        return -errno.EAGAIN
    return opened(p, fd, path, flags, mode, resolve)


def opened(p: Process, fd: int, path: int, flags: int, mode: int, resolve: int) -> Result:
    """Open, and give the file a number."""
    if flags & O_SYNC & ~O_DSYNC:
        flags |= O_DSYNC
    if flags & O_TMPFILE & ~O_DIRECTORY:
        if flags & O_TMPFILE != O_TMPFILE or not flags & O_ACCMODE or flags & O_CREAT:
            return -errno.EINVAL
    elif flags & O_CREAT and flags & O_DIRECTORY:
        return -errno.EINVAL
    name = p.space.path(path)
    start = base(p, fd, b"." if resolve & (BENEATH | IN_ROOT) and name else name)
    file = open_place(p, start, name, flags, mode, resolve)
    if isinstance(file, Wait):
        return file
    return p.fds.add(file, bool(flags & O_CLOEXEC))


def open_place(p: Process, start: Node, name: bytes, flags: int, mode: int, resolve: int = 0) -> File | Wait:
    """Open or create; the writer of a FIFO waits until it has a reader."""
    follow = not flags & O_NOFOLLOW and not (flags & O_CREAT and flags & O_EXCL)
    place = p.vfs.walk(name, start, follow, resolve)
    node = place.node
    if node is None:
        if not flags & O_CREAT:
            raise fail(errno.ENOENT)
        if place.directory:
            raise fail(errno.EISDIR)
        assert place.parent is not None
        try:
            return place.parent.create(place.name, flags, mode)
        except FileExistsError:
            if flags & O_EXCL:
                raise
            node = p.vfs.walk(name, start, follow, resolve).existing()
    elif flags & O_CREAT:
        if flags & O_EXCL:
            raise fail(errno.EEXIST)
        if node.is_dir:
            raise fail(errno.EISDIR)
    if node.is_dir:
        if flags & (O_ACCMODE | O_TRUNC) and flags & O_TMPFILE != O_TMPFILE:
            raise fail(errno.EISDIR)
    elif flags & O_DIRECTORY:
        raise fail(errno.ENOTDIR)
    if node.is_link and not flags & O_PATH:
        raise fail(errno.ELOOP)
    if flags & O_NOATIME and not flags & O_PATH and os.geteuid() not in (0, node.status().st_uid):
        raise fail(errno.EPERM)
    if flags & (O_ACCMODE | O_TRUNC) and not flags & O_PATH and stat.S_ISREG(node.mode):
        refuse_running(p, node)
    if flags & O_TRUNC and stat.S_ISREG(node.mode) and node.access(2):
        p.space.file_cut(node.status(), 0)
    try:
        return node.open(flags, mode)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(node.mode) or flags & O_NONBLOCK:
            raise
    fifo = node

    def attempt() -> Result:
        try:
            file = fifo.open(flags)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return wait
        return p.fds.add(file, bool(flags & O_CLOEXEC))

    wait = Wait(attempt, interval=True)
    return wait
