"""Mode, owner, times and extended attributes of files. Sources: man 2 chmod, chown, utimensat, setxattr and their kin."""

from __future__ import annotations

import errno

from ..abi import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, NS, TIMESPEC, s32
from ..nodes import Node, fail
from ..process import Process
from ..synthfs import behind
from ..table import syscall
from ..waits import Result
from .paths import node_of, target, walk

PLACE_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH


@syscall(53, "fchmodat")
def fchmodat(p: Process, fd: int, path: int, mode: int) -> Result:
    """See man 2 fchmodat (the system call has no flags)."""
    walk(p, fd, path).existing().chmod(mode & 0o7777)
    return 0


@syscall(452, "fchmodat2")
def fchmodat2(p: Process, fd: int, path: int, mode: int, flags: int) -> Result:
    """See man 2 fchmodat."""
    if flags & 0xFFFFFFFF & ~PLACE_FLAGS:
        return -errno.EINVAL
    node_of(target(p, fd, path, flags)).chmod(mode & 0o7777)
    return 0


@syscall(52, "fchmod")
def fchmod(p: Process, fd: int, mode: int) -> Result:
    """See man 2 fchmod."""
    behind(p.fds.get(fd)).chmod(mode & 0o7777)
    return 0


@syscall(54, "fchownat")
def fchownat(p: Process, fd: int, path: int, uid: int, gid: int, flags: int) -> Result:
    """See man 2 fchownat."""
    if flags & 0xFFFFFFFF & ~PLACE_FLAGS:
        return -errno.EINVAL
    node_of(target(p, fd, path, flags)).chown(s32(uid), s32(gid))
    return 0


@syscall(55, "fchown")
def fchown(p: Process, fd: int, uid: int, gid: int) -> Result:
    """See man 2 fchown."""
    behind(p.fds.get(fd)).chown(s32(uid), s32(gid))
    return 0


UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


@syscall(88, "utimensat")
def utimensat(p: Process, fd: int, path: int, times: int, flags: int) -> Result:
    """See man 2 utimensat. "Now" is the host's, like all file times."""
    given = p.space.read(times, 2 * TIMESPEC.size) if times else None
    if given is not None:
        parts = [ns for _, ns in TIMESPEC.iter_unpack(given)]
        if parts == [UTIME_OMIT, UTIME_OMIT]:
            return 0  # not even the path is looked at
    if flags & 0xFFFFFFFF & ~PLACE_FLAGS:
        return -errno.EINVAL
    if not path:
        if s32(fd) == AT_FDCWD:
            return -errno.EFAULT
        if flags & 0xFFFFFFFF:
            return -errno.EINVAL
        node = behind(p.fds.get(fd))
    else:
        node = node_of(target(p, fd, path, flags))
    if given is not None and any(ns not in (UTIME_NOW, UTIME_OMIT) and not 0 <= ns < NS for ns in parts):
        return -errno.EINVAL
    node.utime(given)
    return 0


# Extended attributes.

XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX = 255, 65536, 65536


def attribute_name(p: Process, address: int) -> bytes:
    """The name of an attribute. Raises OSError(ERANGE), Fault."""
    name = p.space.text(address, XATTR_NAME_MAX + 1, errno.ERANGE)
    if not name:
        raise fail(errno.ERANGE)
    return name


def attribute(p: Process, name: int, value: int, size: int, flags: int) -> tuple[bytes, bytes, int]:
    """Name, value and flags for setxattr; they are looked at before the file is. Raises OSError."""
    if flags & 0xFFFFFFFF & ~3:
        raise fail(errno.EINVAL)
    text = attribute_name(p, name)
    if size > XATTR_SIZE_MAX:
        raise fail(errno.E2BIG)
    return text, p.space.read(value, size) if size else b"", flags


def give(p: Process, data: bytes, address: int, size: int) -> Result:
    """Hand out an attribute's value or the list of names; a size of 0 asks how long it is."""
    if size:
        if len(data) > size:
            return -errno.ERANGE
        p.space.write(address, data)
    return len(data)


def names(node: Node) -> bytes:
    """The list of names as the calls give it."""
    return b"".join(name + b"\0" for name in node.attributes())


@syscall(5, "setxattr")
def setxattr(p: Process, path: int, name: int, value: int, size: int, flags: int) -> Result:
    """See man 2 setxattr."""
    given = attribute(p, name, value, size, flags)
    walk(p, AT_FDCWD, path).existing().set_attribute(*given)
    return 0


@syscall(6, "lsetxattr")
def lsetxattr(p: Process, path: int, name: int, value: int, size: int, flags: int) -> Result:
    """See man 2 setxattr."""
    given = attribute(p, name, value, size, flags)
    walk(p, AT_FDCWD, path, follow=False).existing().set_attribute(*given)
    return 0


@syscall(7, "fsetxattr")
def fsetxattr(p: Process, fd: int, name: int, value: int, size: int, flags: int) -> Result:
    """See man 2 setxattr."""
    given = attribute(p, name, value, size, flags)
    behind(p.fds.get(fd)).set_attribute(*given)
    return 0


@syscall(8, "getxattr")
def getxattr(p: Process, path: int, name: int, value: int, size: int) -> Result:
    """See man 2 getxattr."""
    text = attribute_name(p, name)
    return give(p, walk(p, AT_FDCWD, path).existing().get_attribute(text), value, size)


@syscall(9, "lgetxattr")
def lgetxattr(p: Process, path: int, name: int, value: int, size: int) -> Result:
    """See man 2 getxattr."""
    text = attribute_name(p, name)
    return give(p, walk(p, AT_FDCWD, path, follow=False).existing().get_attribute(text), value, size)


@syscall(10, "fgetxattr")
def fgetxattr(p: Process, fd: int, name: int, value: int, size: int) -> Result:
    """See man 2 getxattr."""
    text = attribute_name(p, name)
    return give(p, behind(p.fds.get(fd)).get_attribute(text), value, size)


@syscall(11, "listxattr")
def listxattr(p: Process, path: int, out: int, size: int) -> Result:
    """See man 2 listxattr."""
    return give(p, names(walk(p, AT_FDCWD, path).existing()), out, size)


@syscall(12, "llistxattr")
def llistxattr(p: Process, path: int, out: int, size: int) -> Result:
    """See man 2 listxattr."""
    return give(p, names(walk(p, AT_FDCWD, path, follow=False).existing()), out, size)


@syscall(13, "flistxattr")
def flistxattr(p: Process, fd: int, out: int, size: int) -> Result:
    """See man 2 listxattr."""
    return give(p, names(behind(p.fds.get(fd))), out, size)


@syscall(14, "removexattr")
def removexattr(p: Process, path: int, name: int) -> Result:
    """See man 2 removexattr."""
    text = attribute_name(p, name)
    walk(p, AT_FDCWD, path).existing().remove_attribute(text)
    return 0


@syscall(15, "lremovexattr")
def lremovexattr(p: Process, path: int, name: int) -> Result:
    """See man 2 removexattr."""
    text = attribute_name(p, name)
    walk(p, AT_FDCWD, path, follow=False).existing().remove_attribute(text)
    return 0


@syscall(16, "fremovexattr")
def fremovexattr(p: Process, fd: int, name: int) -> Result:
    """See man 2 removexattr."""
    text = attribute_name(p, name)
    behind(p.fds.get(fd)).remove_attribute(text)
    return 0
