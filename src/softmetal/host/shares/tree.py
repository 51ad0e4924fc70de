"""Files of the tree that a share opens.

A node holds an O_PATH descriptor that was opened with O_NOFOLLOW below its parent's: it names an inode, not a path. No
path is ever put together, and `..` is the node that one came from, so neither symbolic links nor renaming lead out.
"""

from __future__ import annotations

import errno
import os
import stat

LOOKUP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def fail(code: int) -> OSError:
    """The error of this number."""
    return OSError(code, os.strerror(code))


def checked(name: bytes) -> bytes:
    """A name that can be a file's in a directory."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise fail(errno.EINVAL)
    return name


class Node:
    """A file, a directory or a link in the tree."""

    __slots__ = ("__weakref__", "fd", "kind", "name", "parent")

    def __init__(self, fd: int, parent: Node | None, name: bytes) -> None:
        self.fd = fd
        self.parent = parent
        self.name = name
        self.kind = stat.S_IFMT(os.fstat(fd).st_mode)

    def __del__(self) -> None:
        os.close(self.fd)

    @property
    def magic(self) -> bytes:
        """A path of the host that leads to this very inode."""
        return b"/proc/self/fd/%d" % self.fd

    def child(self, name: bytes) -> Node:
        """What has this name in this directory."""
        if name == b"..":
            return self.parent or self
        if name == b".":
            return self
        return Node(os.open(checked(name), LOOKUP, dir_fd=self.fd), self, name)

    def names(self) -> tuple[bytes, ...]:
        """The way here from the root."""
        out = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            out.append(node.name)
            node = node.parent
        return tuple(reversed(out))

    def open(self, flags: int) -> int:
        """A descriptor to read or write. Only files and directories: a pipe or a device of the host may wait or act."""
        if self.kind == stat.S_IFLNK:
            raise fail(errno.ELOOP)
        if self.kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise fail(errno.ENXIO)
        return os.open(self.magic, flags | os.O_CLOEXEC | os.O_NOCTTY)

    def entries(self) -> list[tuple[bytes, int, int]]:
        """(name, inode, type as in `st_mode`) of what is in this directory, in order of names, without `.` and `..`."""
        fd = os.open(self.magic, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(fd) as scan:
                return sorted((os.fsencode(e.name), e.inode(), entry_kind(e)) for e in scan)
        finally:
            os.close(fd)

    def place(self) -> tuple[Node, bytes]:
        """Directory and name where this is found now."""
        if self.parent is None:
            raise fail(errno.EBUSY)
        there, here = os.stat(self.name, dir_fd=self.parent.fd, follow_symlinks=False), os.fstat(self.fd)
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
            raise fail(errno.ENOENT)
        return self.parent, self.name


def entry_kind(entry: os.DirEntry[str]) -> int:
    """The type of a directory's entry."""
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
