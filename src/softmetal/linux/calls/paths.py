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
    pack_stat,
    pack_statfs,
    pack_statx,
    s32,
    s64,
)
from ..cpu import R
from ..errors import Fault
from ..files import (
    File,
)
from ..nodes import Node, Status, fail
from ..process import Process
from ..synthfs import behind
from ..table import syscall
from ..vfs import Place
from ..waits import Result

AT_EACCESS, AT_NO_AUTOMOUNT, AT_STATX_SYNC = 0x200, 0x800, 0x6000
STATX_BTIME = 0x800
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
DELETED = b" (deleted)"


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
    """The directory that a relative path starts from. Raises OSError(ENOENT, EBADF, ENOTDIR)."""
    if not path:
        raise fail(errno.ENOENT)
    if path[:1] == b"/" or s32(fd) == AT_FDCWD:
        return p.cwd
    node = p.fds.any(fd).node
    if node is None:
        raise fail(errno.ENOTDIR)
    return node


def walk(p: Process, fd: int, address: int, follow: bool = True) -> Place:
    """The place that the path at `address` names. Raises OSError, Fault."""
    path = p.space.path(address)
    return p.vfs.walk(path, base(p, fd, path), follow)


def walk_parent(p: Process, fd: int, address: int) -> Place:
    """The place of a name that is to be made, removed or renamed. Raises OSError, Fault."""
    path = p.space.path(address)
    return p.vfs.walk_parent(path, base(p, fd, path))


def target(p: Process, fd: int, address: int, flags: int, null: bool = False) -> Target:
    """Like `walk`, for calls that know AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW. `null`: no path at all is an empty one."""
    path = b"" if null and not address and flags & AT_EMPTY_PATH else p.space.path(address)
    if not path and flags & AT_EMPTY_PATH:
        if s32(fd) == AT_FDCWD:
            return Target(p.cwd, None)
        file = p.fds.any(fd)
        return Target(file.node, file)
    return Target(p.vfs.walk(path, base(p, fd, path), not flags & AT_SYMLINK_NOFOLLOW).existing(), None)


def node_of(where: Target) -> Node:
    """A node for `where`, whatever it is."""
    if where.node is not None:
        return where.node
    assert where.file is not None
    return behind(where.file)


STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC


def is_empty(p: Process, path: int) -> bool:
    """Whether a path is the empty one, or none at all."""
    try:
        return not path or not p.space.prefix(path, 1, R)[0]
    except Fault:
        return False


@syscall(79, "newfstatat")
def newfstatat(p: Process, fd: int, path: int, buffer: int, flags: int) -> Result:
    """See man 2 fstatat."""
    if flags & AT_EMPTY_PATH and s32(fd) >= 0 and is_empty(p, path):
        p.space.write(buffer, pack_stat(p.fds.any(fd).status()))
        return 0
    if flags & 0xFFFFFFFF & ~STAT_FLAGS:
        return -errno.EINVAL
    p.space.write(buffer, pack_stat(target(p, fd, path, flags, null=True).status()))
    return 0


@syscall(291, "statx")
def statx(p: Process, fd: int, path: int, flags: int, mask: int, buffer: int) -> Result:
    """See man 2 statx: the basic fields always, and the time of birth where the host's file system knows it."""
    if mask & 0x80000000 or flags & 0xFFFFFFFF & ~STAT_FLAGS or flags & AT_STATX_SYNC == AT_STATX_SYNC:
        return -errno.EINVAL
    where = target(p, fd, path, flags, null=True)
    node = where.node if where.node is not None else node_of(where)
    birth = node.birth() if mask & STATX_BTIME else None
    p.space.write(buffer, pack_statx(where.status(), birth))
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
    if mode & ~7 or flags & 0xFFFFFFFF & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
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
        if not node.is_link:
            return -errno.ENOENT
    text = node.readlink()[: s32(size)]
    p.space.write(buffer, text)
    return len(text)


def refuse_running(p: Process, node: Node) -> None:
    """Raises OSError(ETXTBSY) if the file is a program that runs, and the guest may write to it otherwise."""
    status = node.status()
    if p.pids.running(status.st_dev, status.st_ino) and not node.read_only and node.access(2):
        raise fail(errno.ETXTBSY)


@syscall(17, "getcwd")
def getcwd(p: Process, buffer: int, size: int) -> Result:
    """See man 2 getcwd; the system call answers the length with its NUL."""
    where = p.cwd.where()
    if where.endswith(DELETED) and p.cwd.is_gone():
        return -errno.ENOENT
    text = where + b"\0"
    if len(text) > 4096:
        return -errno.ENAMETOOLONG
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
    node = p.fds.any(fd).node
    return -errno.ENOTDIR if node is None else enter(p, node)


@syscall(51, "chroot")
def chroot(p: Process, path: int) -> Result:
    """Not allowed: the guest has its root."""
    walk(p, AT_FDCWD, path).existing()
    return -errno.EPERM


@syscall(34, "mkdirat")
def mkdirat(p: Process, fd: int, path: int, mode: int) -> Result:
    """See man 2 mkdirat."""
    place = walk_parent(p, fd, path)
    place.fresh(directory=True).mkdir(place.name, mode & 0o1777)
    return 0


@syscall(33, "mknodat")
def mknodat(p: Process, fd: int, path: int, mode: int, device: int) -> Result:
    """See man 2 mknodat; devices answer EPERM."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        return -errno.EPERM
    if kind not in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
        return -errno.EINVAL
    place = walk_parent(p, fd, path)
    place.fresh().mknod(place.name, mode & 0xFFFF)
    return 0


@syscall(35, "unlinkat")
def unlinkat(p: Process, fd: int, path: int, flags: int) -> Result:
    """See man 2 unlinkat."""
    if flags & 0xFFFFFFFF & ~AT_REMOVEDIR:
        return -errno.EINVAL
    place = walk_parent(p, fd, path)
    directory = bool(flags & AT_REMOVEDIR)
    if place.parent is None:
        return -({b".": errno.EINVAL, b"..": errno.ENOTEMPTY}.get(place.name, errno.EBUSY) if directory else errno.EISDIR)
    node = place.existing()
    if node.path in p.vfs.mounts:
        return -errno.EBUSY
    if node.is_dir != directory:
        return -(errno.ENOTDIR if directory else errno.EISDIR)
    if place.directory and not directory:
        return -errno.ENOTDIR
    place.parent.unlink(place.name, directory)
    return 0


@syscall(36, "symlinkat")
def symlinkat(p: Process, text: int, fd: int, path: int) -> Result:
    """See man 2 symlinkat."""
    goal = p.space.path(text)
    if not goal:
        return -errno.ENOENT
    place = walk_parent(p, fd, path)
    place.fresh().symlink(place.name, goal)
    return 0


@syscall(37, "linkat")
def linkat(p: Process, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> Result:
    """See man 2 linkat."""
    if flags & 0xFFFFFFFF & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        return -errno.EINVAL
    nofollow = 0 if flags & AT_SYMLINK_FOLLOW else AT_SYMLINK_NOFOLLOW
    node = node_of(target(p, old_fd, old, flags & AT_EMPTY_PATH | nofollow))
    place = walk_parent(p, new_fd, new)
    parent = place.fresh()
    if node.is_dir:
        return -errno.EPERM
    node.link(parent, place.name)
    return 0


@syscall(276, "renameat2")
def renameat2(p: Process, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> Result:
    """See man 2 renameat2."""
    flags &= 0xFFFFFFFF
    if flags & ~7 or (flags & RENAME_EXCHANGE and flags & ~RENAME_EXCHANGE):
        return -errno.EINVAL
    source = walk_parent(p, old_fd, old)
    sink = walk_parent(p, new_fd, new)
    if source.parent is None:
        return -errno.EBUSY
    if sink.parent is None:
        return -(errno.EEXIST if flags & RENAME_NOREPLACE else errno.EBUSY)
    node = source.existing()
    if sink.error:
        return -sink.error
    if flags & RENAME_NOREPLACE and sink.node is not None:
        return -errno.EEXIST
    if flags & RENAME_EXCHANGE:
        sink.existing()
    if sink.directory and flags & RENAME_EXCHANGE and not sink.existing().is_dir:
        return -errno.ENOTDIR
    if (source.directory or (sink.directory and not flags & RENAME_EXCHANGE)) and not node.is_dir:
        return -errno.ENOTDIR
    if any(n is not None and n.path in p.vfs.mounts for n in (node, sink.node)):
        return -errno.EBUSY
    source.parent.rename(source.name, sink.parent, sink.name, flags)
    return 0


@syscall(45, "truncate")
def truncate(p: Process, path: int, length: int) -> Result:
    """See man 2 truncate."""
    if s64(length) < 0:
        return -errno.EINVAL
    node = walk(p, AT_FDCWD, path).existing()
    if stat.S_ISREG(node.mode) and node.access(2):
        refuse_running(p, node)
        status = node.status()
        p.limits.check_size(length, status.st_size)
        p.space.file_cut(status, length)
    node.truncate(length)
    return 0
