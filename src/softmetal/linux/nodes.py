"""Nodes of the guest's file tree: what every kind of them answers, and what is known of one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .files import File


@dataclass(slots=True)
class Status:
    """What `stat` answers for a synthetic node; the names are those of `os.stat_result`."""

    st_mode: int
    st_ino: int = 1
    st_size: int = 0
    st_rdev: int = 0
    st_dev: int = 0x13
    st_nlink: int = 1
    st_uid: int = 0
    st_gid: int = 0
    st_blksize: int = 4096
    st_blocks: int = 0
    st_atime_ns: int = 0
    st_mtime_ns: int = 0
    st_ctime_ns: int = 0


class StatFs(NamedTuple):
    """What `statfs` answers."""

    kind: int
    block_size: int
    blocks: int
    free: int
    available: int
    files: int
    files_free: int
    name_max: int
    flags: int


SYNTHETIC = {b"proc": 0x9FA0, b"sys": 0x62656572}
"""The magic numbers of procfs and sysfs (linux/magic.h)."""


def fail(error: int) -> OSError:
    """An OSError with this errno."""
    return OSError(error, os.strerror(error))


class Node:
    """A file, directory or link at a place in the guest's tree."""

    path = b"/"
    """The guest path at which the walk found it."""
    read_only = True

    def status(self) -> Status | os.stat_result:
        """Size, times, mode."""
        raise NotImplementedError

    def birth(self) -> int | None:
        """The time of birth in ns, where the file system keeps it."""
        return None

    @property
    def mode(self) -> int:
        """`st_mode`."""
        return self.status().st_mode

    @property
    def is_dir(self) -> bool:
        """It is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """It is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    def lookup(self, name: bytes) -> Node:
        """The entry `name` of this directory. Raises FileNotFoundError, NotADirectoryError."""
        raise fail(errno.ENOTDIR)

    def entries(self) -> list[tuple[bytes, int, int]]:
        """The entries of this directory: name, inode, `d_type`."""
        raise fail(errno.ENOTDIR)

    def readlink(self) -> bytes:
        """The target of this link."""
        raise fail(errno.EINVAL)

    def jump(self) -> Node | None:
        """The node that a magic link of `/proc` leads to, whatever its text says."""
        return None

    def open(self, flags: int, mode: int = 0) -> File:
        """Open what exists; `mode` is that of a nameless file (O_TMPFILE)."""
        raise fail(errno.EACCES)

    def access(self, mode: int) -> bool:
        """Whether reading (4), writing (2), executing (1) is allowed."""
        st = self.mode
        return not (mode & 2) and (not mode & 1 or bool(st & 0o111)) and (not mode & 4 or bool(st & 0o444))

    def create(self, name: bytes, flags: int, mode: int) -> File:
        """Make and open a file in this directory."""
        raise fail(errno.EROFS)

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory in this one."""
        raise fail(errno.EROFS)

    def mknod(self, name: bytes, mode: int) -> None:
        """Make a FIFO or an empty file."""
        raise fail(errno.EROFS)

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        raise fail(errno.EROFS)

    def unlink(self, name: bytes, directory: bool) -> None:
        """Remove a file, or an empty directory."""
        raise fail(errno.EROFS)

    def rename(self, name: bytes, target: Node, new_name: bytes, flags: int) -> None:
        """Move an entry to `target`, a directory of the same tree."""
        raise fail(errno.EXDEV)

    def link(self, target: Node, new_name: bytes) -> None:
        """Give this file another name."""
        raise fail(errno.EXDEV)

    def chmod(self, mode: int) -> None:
        """Change the mode."""
        raise fail(errno.EPERM)

    def chown(self, uid: int, gid: int) -> None:
        """Change the owner."""
        raise fail(errno.EPERM)

    def utime(self, times: bytes | None) -> None:
        """Set access and modification time: two `struct timespec` as utimensat takes them, or both to now."""
        raise fail(errno.EROFS)

    def where(self) -> bytes:
        """The guest path at which it is now, as Linux shows it: after renames, and with ` (deleted)` if it is gone."""
        return self.path

    def is_gone(self) -> bool:
        """It has been removed, and only those who had it open see it."""
        return False

    def get_attribute(self, name: bytes) -> bytes:
        """An extended attribute. Raises OSError(EOPNOTSUPP, ENODATA)."""
        raise fail(errno.ENODATA if self._never_user(name) else errno.EOPNOTSUPP)

    def set_attribute(self, name: bytes, value: bytes, flags: int) -> None:
        """Set an extended attribute; flags are those of setxattr."""
        raise fail(errno.EPERM if self._never_user(name) else errno.EOPNOTSUPP)

    def remove_attribute(self, name: bytes) -> None:
        """Remove an extended attribute."""
        raise fail(errno.EPERM if self._never_user(name) else errno.EOPNOTSUPP)

    def _never_user(self, name: bytes) -> bool:
        """Only regular files and directories have attributes that begin with `user.` (man 7 xattr)."""
        return name.startswith(b"user.") and not (self.is_dir or stat.S_ISREG(self.mode))

    def attributes(self) -> list[bytes]:
        """The names of the extended attributes."""
        return []

    def truncate(self, length: int) -> None:
        """Cut or extend the file."""
        raise fail(errno.EISDIR if self.is_dir else errno.EROFS)

    def statfs(self) -> StatFs:
        """The file system's numbers; synthetic ones say that they are the file system of their place, or a tmpfs."""
        kind = SYNTHETIC.get(self.path.split(b"/")[1], 0x01021994)
        return StatFs(kind, 4096, 0, 0, 0, 0, 0, 255, 1)

    def shown(self, st: os.stat_result) -> Status | os.stat_result:
        """What the guest sees of the host's status of this file."""
        return st

    def changed(self) -> None:
        """What is in it has been changed through a descriptor."""

    def bind_socket(self, bind: Callable[[bytes], None], temporary: bytes, name: bytes) -> None:
        """Bind a Unix socket in this directory: under one name first, then renamed. Raises FileExistsError, OSError."""
        raise fail(errno.EROFS)

    def connect_path(self) -> bytes:
        """A host path of this socket. Raises ConnectionRefusedError if it is none."""
        raise fail(errno.ECONNREFUSED)
