"""A tree of the host, mounted for the guest.

Each node holds an O_PATH descriptor opened with O_NOFOLLOW below its parent's, so it names an inode and not a
path: renaming things on the host cannot lead it elsewhere. Device files in such a tree are refused, as on a
`nodev` mount. Inode numbers and times are the host's.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import hostlibc
from .files import (
    O_ACCMODE,
    O_CREAT,
    O_DIRECT,
    O_EXCL,
    O_NOFOLLOW,
    O_PATH,
    O_TMPFILE,
    O_TRUNC,
    DirectoryFile,
    FifoFile,
    File,
    PathFile,
    RegularFile,
    host_flags,
)
from .nodes import Node, StatFs, Status, fail
from .vfs import join

if TYPE_CHECKING:
    from .filetimes import FileTimes

STATX_BTIME = 0x800
LOOKUP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """What was mounted as one: what is renamed or linked must stay in it."""

    root: HostNode

    def __init__(self, times: FileTimes) -> None:
        self.times = times


class HostNode(Node):
    """A file or directory of the host."""

    def __init__(self, fd: int, read_only: bool, tree: Tree) -> None:
        self.fd = fd
        self.read_only = read_only
        self.tree = tree
        self._status: os.stat_result | None = os.fstat(fd)
        self._mode = self._status.st_mode

    def __del__(self) -> None:
        try:  # noqa: SIM105
            os.close(self.fd)
        except OSError:
            pass

    def status(self) -> Status | os.stat_result:
        """See `Node.status`. The first look is the one that the walk took."""
        status, self._status = self._status, None
        return status if status is not None else os.fstat(self.fd)

    def birth(self) -> int | None:
        """See `Node.birth`."""
        data = hostlibc.statx_of(self.fd, STATX_BTIME)
        mask, seconds, ns = struct.unpack_from("<I76xqI", data)
        return seconds * 10**9 + ns if mask & STATX_BTIME else None

    @property
    def mode(self) -> int:
        """`st_mode` as the walk saw it; the type never changes."""
        return self._mode

    @property
    def magic(self) -> bytes:
        """A host path that names this inode."""
        return b"/proc/self/fd/%d" % self.fd

    def where(self) -> bytes:
        """See `Node.where`: the host knows what was renamed, by whomever, unless the name is too long for it."""
        root = self.tree.root
        try:
            here, top = os.readlink(self.magic), os.readlink(root.magic).rstrip(b"/")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return self.path
        if here == top:
            return root.path
        return join(root.path, here[len(top) + 1 :]) if here.startswith(top + b"/") else self.path

    def is_gone(self) -> bool:
        """See `Node.is_gone`."""
        return os.fstat(self.fd).st_nlink == 0

    def get_attribute(self, name: bytes) -> bytes:
        """See `Node.get_attribute`."""
        return os.getxattr(self.magic, name)

    def set_attribute(self, name: bytes, value: bytes, flags: int) -> None:
        """See `Node.set_attribute`."""
        self._writable()
        os.setxattr(self.magic, name, value, flags)

    def remove_attribute(self, name: bytes) -> None:
        """See `Node.remove_attribute`."""
        self._writable()
        os.removexattr(self.magic, name)

    def attributes(self) -> list[bytes]:
        """See `Node.attributes`."""
        return [os.fsencode(name) for name in os.listxattr(self.magic)]

    def _writable(self) -> None:
        if self.read_only:
            raise fail(errno.EROFS)

    def around(self, fd: int, path: bytes) -> HostNode:
        """A node for the file that was just opened as `fd` in this tree."""
        node = type(self)(os.open(b"/proc/self/fd/%d" % fd, os.O_PATH | os.O_CLOEXEC), self.read_only, self.tree)
        node.path = path
        node._status = None
        return node

    def lookup(self, name: bytes) -> Node:
        """See `Node.lookup`."""
        return type(self)(os.open(name, LOOKUP, dir_fd=self.fd), self.read_only, self.tree)

    def entries(self) -> list[tuple[bytes, int, int]]:
        """See `Node.entries`."""
        fd = os.open(self.magic, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = []
            with os.scandir(fd) as scan:
                for entry in scan:
                    if entry.is_symlink():
                        kind = 10
                    elif entry.is_dir(follow_symlinks=False):
                        kind = 4
                    elif entry.is_file(follow_symlinks=False):
                        kind = 8
                    else:
                        kind = 0
                    found.append((os.fsencode(entry.name), entry.inode(), kind))
            return found
        finally:
            os.close(fd)

    def readlink(self) -> bytes:
        """See `Node.readlink`."""
        if not stat.S_ISLNK(self.mode):
            raise fail(errno.EINVAL)
        return os.readlink(b"", dir_fd=self.fd)

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`."""
        if flags & O_PATH:
            return PathFile(self, flags)
        kind = stat.S_IFMT(self.mode)
        if kind == stat.S_IFLNK:
            raise fail(errno.ELOOP)
        if (flags & O_ACCMODE or flags & O_TRUNC) and kind != stat.S_IFIFO:
            if kind != stat.S_IFDIR:
                self._writable()
        how = host_flags(flags & ~(O_CREAT | O_NOFOLLOW | (0 if flags & O_TMPFILE == O_TMPFILE else O_EXCL)))
        if kind == stat.S_IFDIR:
            if flags & O_DIRECT:
                raise fail(errno.EINVAL)
            if flags & O_TMPFILE == O_TMPFILE:
                self._writable()
            fd = os.open(self.magic, how, mode & 0o7777)
            if flags & O_ACCMODE:
                path = join(self.path, b"#%d (deleted)" % os.fstat(fd).st_ino)
                return RegularFile(fd, flags, path, self.around(fd, path))
            return DirectoryFile(self, flags, fd)
        if kind == stat.S_IFREG:
            return RegularFile(os.open(self.magic, how), flags, self.path, self)
        if kind == stat.S_IFIFO:
            return FifoFile(os.open(self.magic, how & ~os.O_NOATIME | os.O_NONBLOCK), flags, self.path, owned=True)
        if kind == stat.S_IFSOCK:
            raise fail(errno.ENXIO)
        raise fail(errno.EACCES)

    def access(self, mode: int) -> bool:
        """See `Node.access`."""
        if stat.S_ISLNK(self.mode):
            return True
        if mode & 2 and self.read_only:
            raise fail(errno.EROFS)
        return os.access(self.magic, mode)

    def create(self, name: bytes, flags: int, mode: int) -> File:
        """See `Node.create`."""
        self._writable()
        how = host_flags(flags) | os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL
        fd = os.open(name, how, mode & 0o7777, dir_fd=self.fd)
        path = join(self.path, name)
        file = RegularFile(fd, flags, path, self.around(fd, path))
        file.created = True
        return file

    def mkdir(self, name: bytes, mode: int) -> None:
        """See `Node.mkdir`."""
        self._writable()
        os.mkdir(name, mode & 0o7777, dir_fd=self.fd)

    def mknod(self, name: bytes, mode: int) -> None:
        """See `Node.mknod`; device files answer EPERM."""
        self._writable()
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
            raise fail(errno.EPERM)
        os.mknod(name, mode, dir_fd=self.fd)

    def symlink(self, name: bytes, target: bytes) -> None:
        """See `Node.symlink`."""
        self._writable()
        os.symlink(target, name, dir_fd=self.fd)

    def unlink(self, name: bytes, directory: bool) -> None:
        """See `Node.unlink`."""
        self._writable()
        if directory:
            os.rmdir(name, dir_fd=self.fd)
        else:
            os.unlink(name, dir_fd=self.fd)

    def rename(self, name: bytes, target: Node, new_name: bytes, flags: int) -> None:
        """See `Node.rename`; flags are those of `renameat2`."""
        self._writable()
        if not isinstance(target, HostNode) or target.tree is not self.tree:
            raise fail(errno.EXDEV)
        if flags:
            hostlibc.renameat2(self.fd, name, target.fd, new_name, flags)
        else:
            os.rename(name, new_name, src_dir_fd=self.fd, dst_dir_fd=target.fd)

    def link(self, target: Node, new_name: bytes) -> None:
        """See `Node.link`."""
        if not isinstance(target, HostNode) or target.tree is not self.tree:
            raise fail(errno.EXDEV)
        target._writable()
        os.link(self.magic, new_name, dst_dir_fd=target.fd, follow_symlinks=True)  # of the magic link, not of this one

    def chmod(self, mode: int) -> None:
        """See `Node.chmod`."""
        self._writable()
        if stat.S_ISLNK(self.mode):
            raise fail(errno.EOPNOTSUPP)
        os.chmod(self.magic, mode & 0o7777)

    def chown(self, uid: int, gid: int) -> None:
        """See `Node.chown`."""
        self._writable()
        hostlibc.chown_of(self.fd, uid, gid)

    def utime(self, times: bytes | None) -> None:
        """See `Node.utime`."""
        self._writable()
        hostlibc.utimens(self.magic, times)

    def truncate(self, length: int) -> None:
        """See `Node.truncate`."""
        self._writable()
        if stat.S_ISDIR(self.mode):
            raise fail(errno.EISDIR)
        if not stat.S_ISREG(self.mode):
            raise fail(errno.EINVAL)
        os.truncate(self.magic, length)

    def statfs(self) -> StatFs:
        """See `Node.statfs`."""
        s = os.statvfs(self.fd)
        flags = s.f_flag | (1 if self.read_only else 0)
        return StatFs(0xEF53, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_namemax, flags)

    def bind_socket(self, bind: Callable[[bytes], None], temporary: bytes, name: bytes) -> None:
        """See `Node.bind_socket`."""
        self._writable()
        bind(self.magic + b"/" + temporary)
        try:
            self.rename(temporary, self, name, 1)  # RENAME_NOREPLACE
        except OSError:
            os.unlink(temporary, dir_fd=self.fd)
            raise

    def connect_path(self) -> bytes:
        """See `Node.connect_path`. The descriptor names the inode, so no link can be followed from here."""
        if not stat.S_ISSOCK(self.mode):
            raise fail(errno.ECONNREFUSED if os.access(self.magic, os.W_OK) else errno.EACCES)
        return self.magic
