"""Calls that take path names. Sources: man section 2; the walk itself is in `vfs`."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from ..abi import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    NS,
    TIMESPEC,
    pack_stat,
    pack_statfs,
    pack_statx,
    s32,
    s64,
)
from ..files import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOFOLLOW,
    O_PATH,
    O_TMPFILE,
    File,
    RegularFile,
)
from ..process import Process
from ..synthfs import Again
from ..table import syscall
from ..vfs import Node, Place, Status, fail
from ..waits import Result, Wait


class Target(NamedTuple):
    """What an `*at` call with AT_EMPTY_PATH works on: a node, or an open file that has none."""

    node: Node | None
    file: File | None

    def status(self) -> Status | os.stat_result:
        """What `stat` answers."""
        if self.node is not None:
            return self.node.status()
        assert self.file is not None
        return self.file.status()


def base(p: Process, fd: int, path: bytes) -> Node:
    """The directory that a relative path starts from. Raises OSError(EBADF, ENOTDIR)."""
    if path[:1] == b"/" or s32(fd) == AT_FDCWD:
        return p.cwd
    node = p.fds.get(fd).node
    if node is None:
        raise fail(errno.ENOTDIR)
    return node


def walk(p: Process, fd: int, address: int, follow: bool = True) -> Place:
    """The place that the path at `address` names. Raises OSError, Fault."""
    path = p.space.path(address)
    return p.vfs.walk(path, base(p, fd, path), follow)


def target(p: Process, fd: int, address: int, flags: int) -> Target:
    """Like `walk`, for calls that know AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW."""
    path = p.space.path(address) if address or not flags & AT_EMPTY_PATH else b""
    if not path and flags & AT_EMPTY_PATH:
        if s32(fd) == AT_FDCWD:
            return Target(p.cwd, None)
        file = p.fds.get(fd)
        return Target(file.node, file)
    return Target(p.vfs.walk(path, base(p, fd, path), not flags & AT_SYMLINK_NOFOLLOW).existing(), None)


def node_of(where: Target) -> Node:
    """A node for `where`, whatever it is."""
    if where.node is not None:
        return where.node
    assert where.file is not None
    file = where.file
    if isinstance(file, RegularFile) and file.origin is not None:
        return file.origin
    return Again(file)


@syscall(56, "openat")
def openat(p: Process, fd: int, path: int, flags: int, mode: int) -> Result:
    """See man 2 openat."""
    name = p.space.path(path)
    start = base(p, fd, name)
    flags &= 0xFFFFFFFF
    if flags & O_PATH:
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    file = open_place(p, start, name, flags, mode)
    if isinstance(file, Wait):
        return file
    return p.fds.add(file, bool(flags & O_CLOEXEC))


def open_place(p: Process, start: Node, name: bytes, flags: int, mode: int) -> File | Wait:
    """Open or create; a FIFO that nobody reads yet makes the writer wait."""
    follow = not flags & O_NOFOLLOW and not (flags & O_CREAT and flags & O_EXCL)
    place = p.vfs.walk(name, start, follow)
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
            node = p.vfs.walk(name, start, follow).existing()
    elif flags & O_CREAT:
        if flags & O_EXCL:
            raise fail(errno.EEXIST)
        if node.is_dir:
            raise fail(errno.EISDIR)
    if node.is_dir:
        if flags & O_ACCMODE and flags & O_TMPFILE != O_TMPFILE:
            raise fail(errno.EISDIR)
    elif flags & O_DIRECTORY:
        raise fail(errno.ENOTDIR)
    if node.is_link and not flags & O_PATH:
        raise fail(errno.ELOOP)
    try:
        return node.open(flags)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(node.mode) or flags & 0o4000:
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


@syscall(79, "newfstatat")
def newfstatat(p: Process, fd: int, path: int, buffer: int, flags: int) -> Result:
    """See man 2 fstatat."""
    p.space.write(buffer, pack_stat(target(p, fd, path, flags).status()))
    return 0


@syscall(291, "statx")
def statx(p: Process, fd: int, path: int, flags: int, mask: int, buffer: int) -> Result:
    """See man 2 statx; always the basic fields."""
    if mask & 0x80000000:
        return -errno.EINVAL
    p.space.write(buffer, pack_statx(target(p, fd, path, flags).status()))
    return 0


@syscall(43, "statfs")
def statfs(p: Process, path: int, buffer: int) -> Result:
    """See man 2 statfs."""
    p.space.write(buffer, pack_statfs(walk(p, AT_FDCWD, path).existing().statfs()))
    return 0


@syscall(48, "faccessat")
def faccessat(p: Process, fd: int, path: int, mode: int) -> Result:
    """See man 2 faccessat."""
    return faccessat2(p, fd, path, mode, 0)


@syscall(439, "faccessat2")
def faccessat2(p: Process, fd: int, path: int, mode: int, flags: int) -> Result:
    """See man 2 faccessat2."""
    mode &= 0xFFFFFFFF
    if mode & ~7:
        return -errno.EINVAL
    node = node_of(target(p, fd, path, flags))
    return 0 if mode == 0 or node.access(mode) else -errno.EACCES


@syscall(78, "readlinkat")
def readlinkat(p: Process, fd: int, path: int, buffer: int, size: int) -> Result:
    """See man 2 readlinkat."""
    if s32(size) <= 0:
        return -errno.EINVAL
    name = p.space.path(path)
    if name:
        node = p.vfs.walk(name, base(p, fd, name), follow=False).existing()
    else:
        node = node_of(target(p, fd, path, AT_EMPTY_PATH))
    text = node.readlink()[: s32(size)]
    p.space.write(buffer, text)
    return len(text)


@syscall(17, "getcwd")
def getcwd(p: Process, buffer: int, size: int) -> Result:
    """See man 2 getcwd; the system call answers the length with its NUL."""
    text = p.cwd.path + b"\0"
    if len(text) > size:
        return -errno.ERANGE
    p.space.write(buffer, text)
    return len(text)


def enter(p: Process, node: Node) -> Result:
    """Make a directory the current one."""
    if not node.is_dir:
        return -errno.ENOTDIR
    if not node.access(1):
        return -errno.EACCES
    p.cwd = node
    return 0


@syscall(49, "chdir")
def chdir(p: Process, path: int) -> Result:
    """See man 2 chdir."""
    return enter(p, walk(p, AT_FDCWD, path).existing())


@syscall(50, "fchdir")
def fchdir(p: Process, fd: int) -> Result:
    """See man 2 fchdir."""
    node = p.fds.get(fd).node
    return -errno.ENOTDIR if node is None else enter(p, node)


@syscall(51, "chroot")
def chroot(p: Process, path: int) -> Result:
    """Not allowed: the guest has its root."""
    walk(p, AT_FDCWD, path).existing()
    return -errno.EPERM


@syscall(34, "mkdirat")
def mkdirat(p: Process, fd: int, path: int, mode: int) -> Result:
    """See man 2 mkdirat."""
    place = walk(p, fd, path, follow=False)
    place.fresh().mkdir(place.name, mode)
    return 0


@syscall(33, "mknodat")
def mknodat(p: Process, fd: int, path: int, mode: int, device: int) -> Result:
    """See man 2 mknodat; devices answer EPERM."""
    place = walk(p, fd, path, follow=False)
    place.fresh().mknod(place.name, mode & 0xFFFF)
    return 0


@syscall(35, "unlinkat")
def unlinkat(p: Process, fd: int, path: int, flags: int) -> Result:
    """See man 2 unlinkat."""
    place = walk(p, fd, path, follow=False)
    holder = place.holder()
    assert place.node is not None
    directory = bool(flags & AT_REMOVEDIR)
    if place.node.path in p.vfs.mounts:
        return -errno.EBUSY
    if place.node.is_dir != directory:
        return -(errno.ENOTDIR if directory else errno.EISDIR)
    holder.unlink(place.name, directory)
    return 0


@syscall(36, "symlinkat")
def symlinkat(p: Process, text: int, fd: int, path: int) -> Result:
    """See man 2 symlinkat."""
    goal = p.space.path(text)
    place = walk(p, fd, path, follow=False)
    if not goal:
        return -errno.ENOENT
    place.fresh().symlink(place.name, goal)
    return 0


@syscall(37, "linkat")
def linkat(p: Process, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> Result:
    """See man 2 linkat."""
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        return -errno.EINVAL
    nofollow = 0 if flags & AT_SYMLINK_FOLLOW else AT_SYMLINK_NOFOLLOW
    node = node_of(target(p, old_fd, old, flags & AT_EMPTY_PATH | nofollow))
    place = walk(p, new_fd, new, follow=False)
    node.link(place.fresh(), place.name)
    return 0


@syscall(276, "renameat2")
def renameat2(p: Process, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> Result:
    """See man 2 renameat2."""
    flags &= 0xFFFFFFFF
    if flags & ~7:
        return -errno.EINVAL
    source = walk(p, old_fd, old, follow=False)
    sink = walk(p, new_fd, new, follow=False)
    holder = source.holder()
    if sink.parent is None:
        return -errno.EBUSY
    assert source.node is not None
    for node in (source.node, sink.node):
        if node is not None and node.path in p.vfs.mounts:
            return -errno.EBUSY
    if flags & 1 and sink.node is not None:
        return -errno.EEXIST
    if (source.directory or sink.directory) and not source.node.is_dir:
        return -errno.ENOTDIR
    holder.rename(source.name, sink.parent, sink.name, flags)
    return 0


@syscall(45, "truncate")
def truncate(p: Process, path: int, length: int) -> Result:
    """See man 2 truncate."""
    if s64(length) < 0:
        return -errno.EINVAL
    walk(p, AT_FDCWD, path).existing().truncate(length)
    return 0


@syscall(53, "fchmodat")
def fchmodat(p: Process, fd: int, path: int, mode: int) -> Result:
    """See man 2 fchmodat (the system call has no flags)."""
    walk(p, fd, path).existing().chmod(mode & 0o7777)
    return 0


@syscall(452, "fchmodat2")
def fchmodat2(p: Process, fd: int, path: int, mode: int, flags: int) -> Result:
    """See man 2 fchmodat."""
    node_of(target(p, fd, path, flags)).chmod(mode & 0o7777)
    return 0


@syscall(52, "fchmod")
def fchmod(p: Process, fd: int, mode: int) -> Result:
    """See man 2 fchmod."""
    node_of(Target(p.fds.get(fd).node, p.fds.get(fd))).chmod(mode & 0o7777)
    return 0


@syscall(54, "fchownat")
def fchownat(p: Process, fd: int, path: int, uid: int, gid: int, flags: int) -> Result:
    """See man 2 fchownat."""
    node_of(target(p, fd, path, flags)).chown(s32(uid), s32(gid))
    return 0


@syscall(55, "fchown")
def fchown(p: Process, fd: int, uid: int, gid: int) -> Result:
    """See man 2 fchown."""
    node_of(Target(p.fds.get(fd).node, p.fds.get(fd))).chown(s32(uid), s32(gid))
    return 0


UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


@syscall(88, "utimensat")
def utimensat(p: Process, fd: int, path: int, times: int, flags: int) -> Result:
    """See man 2 utimensat."""
    where = target(p, fd, path, flags) if path else target(p, fd, 0, AT_EMPTY_PATH)
    given = p.space.read(times, 2 * TIMESPEC.size) if times else None
    if given and any(ns not in (UTIME_NOW, UTIME_OMIT) and not 0 <= ns < NS for _, ns in TIMESPEC.iter_unpack(given)):
        return -errno.EINVAL
    node_of(where).utime(given)
    return 0
