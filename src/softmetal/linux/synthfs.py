"""Nodes that exist only for the guest: directories, generated files, links, and the devices of `/dev`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import hostlibc
from .files import O_ACCMODE, O_PATH, O_TMPFILE, ContentFile, DirectoryFile, File, PathFile, RandomFile, StreamFile
from .nodes import Node, Status, fail
from .terminals import Terminals

if TYPE_CHECKING:
    from .process import Process


class Directory(Node):
    """A read-only directory with fixed entries, or those that `listing` makes."""

    def __init__(self, children: dict[bytes, Node], listing: Callable[[], dict[bytes, Node]] | None = None) -> None:
        self.children = children
        self.listing = listing

    def all(self) -> dict[bytes, Node]:
        """The entries now."""
        return {**self.children, **self.listing()} if self.listing else self.children

    def status(self) -> Status:
        """See `Node.status`."""
        return Status(stat.S_IFDIR | 0o555, number(self.path), st_nlink=2)

    def lookup(self, name: bytes) -> Node:
        """See `Node.lookup`."""
        found = self.children.get(name) or self.all().get(name)
        if found is None:
            raise fail(errno.ENOENT)
        return found

    def entries(self) -> list[tuple[bytes, int, int]]:
        """See `Node.entries`."""
        at = self.path.rstrip(b"/") + b"/"
        return [(name, number(at + name), node.mode >> 12) for name, node in self.all().items()]

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`."""
        if flags & O_PATH:
            return PathFile(self, flags)
        if flags & O_TMPFILE == O_TMPFILE:
            raise fail(errno.EROFS)
        return DirectoryFile(self, flags)


def number(path: bytes) -> int:
    """An inode number for a synthetic path: 32-bit FNV-1a of its bytes, never 0."""
    value = 0x811C9DC5
    for byte in path:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value or 1


class Content(Node):
    """A generated file; `write`, if there is one, is given what is written to it."""

    def __init__(self, make: Callable[[], bytes], mode: int = 0o444, write: Callable[[bytes], None] | None = None) -> None:
        self.make = make
        self._permissions = mode
        self._write = write

    def access(self, mode: int) -> bool:
        """See `Node.access`."""
        return not (mode & 1 or (mode & 2 and self._write is None))

    def status(self) -> Status:
        """See `Node.status`; like those of `/proc`, its size says 0."""
        return Status(stat.S_IFREG | self._permissions, number(self.path))

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`."""
        if flags & O_PATH:
            return PathFile(self, flags)
        if flags & O_ACCMODE and self._write is None:
            raise fail(errno.EACCES)
        return ContentFile(self.make, flags, self.path, self, self._write)


class Link(Node):
    """A symbolic link, to a text or, like those of `/proc/self`, right to a node."""

    def __init__(self, text: Callable[[], bytes], jump: Callable[[], Node | None] | None = None) -> None:
        self._text = text
        self._jump = jump

    def status(self) -> Status:
        """See `Node.status`."""
        return Status(stat.S_IFLNK | 0o777, number(self.path))

    def readlink(self) -> bytes:
        """See `Node.readlink`."""
        return self._text()

    def jump(self) -> Node | None:
        """See `Node.jump`."""
        return self._jump() if self._jump else None


class Again(Node):
    """What a link in `/proc/self/fd` leads to: opening it gives the open file again."""

    def __init__(self, file: File) -> None:
        self._file = file
        self.path = file.path

    def status(self) -> Status | os.stat_result:
        """See `Node.status`."""
        return self._file.status()

    def open(self, flags: int, mode: int = 0) -> File:
        """Open a regular file anew, with no more rights than the open one has; share anything else."""
        file = self._file
        if flags & O_PATH:
            return PathFile(self, flags)
        wanted = flags & O_ACCMODE
        if (wanted in (0, 2) and not file.readable) or (wanted in (1, 2) and not file.writable):
            raise fail(errno.EACCES)
        from .files import RegularFile, host_flags

        if isinstance(file, RegularFile):
            return RegularFile(os.open(b"/proc/self/fd/%d" % file.fd, host_flags(flags)), flags, file.path)
        return file

    def _host(self) -> int | None:
        """The host's descriptor, if the inode behind it is the guest's alone."""
        from .files import RegularFile

        file = self._file
        mine = isinstance(file, RegularFile) or (isinstance(file, StreamFile) and file.owned)
        return file.fd if mine else None

    def chmod(self, mode: int) -> None:
        """See `Node.chmod`."""
        if (fd := self._host()) is None:
            super().chmod(mode)
        else:
            os.fchmod(fd, mode & 0o7777)

    def chown(self, uid: int, gid: int) -> None:
        """See `Node.chown`."""
        if (fd := self._host()) is None:
            super().chown(uid, gid)
        else:
            os.fchown(fd, uid, gid)

    def utime(self, times: bytes | None) -> None:
        """See `Node.utime`."""
        if (fd := self._host()) is None:
            super().utime(times)
        else:
            hostlibc.utimens(b"/proc/self/fd/%d" % fd, times)

    def truncate(self, length: int) -> None:
        """See `Node.truncate`."""
        if (fd := self._host()) is None:
            super().truncate(length)
        elif self._file.writable:
            os.ftruncate(fd, length)
        else:
            raise fail(errno.EACCES)

    def get_attribute(self, name: bytes) -> bytes:
        """See `Node.get_attribute`."""
        fd = self._host()
        return super().get_attribute(name) if fd is None else os.getxattr(fd, name)

    def set_attribute(self, name: bytes, value: bytes, flags: int) -> None:
        """See `Node.set_attribute`."""
        if (fd := self._host()) is None:
            super().set_attribute(name, value, flags)
        else:
            os.setxattr(fd, name, value, flags)

    def remove_attribute(self, name: bytes) -> None:
        """See `Node.remove_attribute`."""
        if (fd := self._host()) is None:
            super().remove_attribute(name)
        else:
            os.removexattr(fd, name)

    def attributes(self) -> list[bytes]:
        """See `Node.attributes`."""
        fd = self._host()
        return super().attributes() if fd is None else [os.fsencode(name) for name in os.listxattr(fd)]

    def access(self, mode: int) -> bool:
        """See `Node.access`."""
        return not ((mode & 4 and not self._file.readable) or (mode & 2 and not self._file.writable))


class Device(Node):
    """A character device."""

    def __init__(self, major: int, minor: int, opener: Callable[[int, bytes, Node], File]) -> None:
        self._rdev = os.makedev(major, minor)
        self._opener = opener

    def status(self) -> Status:
        """See `Node.status`."""
        return Status(stat.S_IFCHR | 0o666, number(self.path), st_rdev=self._rdev)

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`."""
        if flags & O_PATH:
            return PathFile(self, flags)
        return self._opener(flags, self.path, self)

    def access(self, mode: int) -> bool:
        """See `Node.access`."""
        return not mode & 1


class PlainDevice(StreamFile):
    """A host device that never blocks; the guest sees the guest's device number."""

    def __init__(self, name: bytes, flags: int, path: bytes, node: Node) -> None:
        super().__init__(os.open(name, flags & O_ACCMODE | os.O_CLOEXEC | os.O_NOCTTY), flags, path, owned=False)
        self.host_name = name
        self._node = node
        self.outside = False

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


def behind(file: File) -> Node:
    """The node to work on for an open file: where it was opened, or the open file itself if it has no such place."""
    from .files import RegularFile

    if file.node is not None:
        return file.node
    if isinstance(file, RegularFile) and file.origin is not None:
        return file.origin
    return Again(file)


def name_of(file: File) -> bytes:
    """What a link in `/proc/self/fd` says: the path of now, or the kind and number of what has none."""
    node = behind(file)
    return file.path if isinstance(node, Again) else node.where()


def devices(process: Process) -> Directory:
    """The guest's `/dev`."""

    def plain(name: bytes) -> Callable[[int, bytes, Node], File]:
        return lambda flags, path, node: PlainDevice(name, flags, path, node)

    def random(flags: int, path: bytes, node: Node) -> File:
        return RandomFile(process, flags, path, node)

    session = os.getsid(0)
    terminals = Terminals()

    def tty(flags: int, path: bytes, node: Node) -> File:
        # The user's own terminal only if the guest has it already; in a session of the guest's it is one of the guest's.
        if os.getsid(0) == session and not any(os.isatty(fd) for fd in (0, 1, 2)):
            raise fail(errno.ENXIO)
        fd = os.open(b"/dev/tty", flags & O_ACCMODE | os.O_CLOEXEC | os.O_NOCTTY)
        return StreamFile(fd, flags, path, owned=False)

    def to(text: bytes) -> Link:
        return Link(lambda: text)

    return Directory({
        b"null": Device(1, 3, plain(b"/dev/null")),
        b"zero": Device(1, 5, plain(b"/dev/zero")),
        b"full": Device(1, 7, plain(b"/dev/full")),
        b"random": Device(1, 8, random),
        b"urandom": Device(1, 9, random),
        b"tty": Device(5, 0, tty),
        b"ptmx": Device(5, 2, terminals.make),
        b"pts": Directory({b"ptmx": Device(5, 2, terminals.make)}, terminals.nodes),
        b"fd": to(b"/proc/self/fd"),
        b"stdin": to(b"/proc/self/fd/0"),
        b"stdout": to(b"/proc/self/fd/1"),
        b"stderr": to(b"/proc/self/fd/2"),
    })  # fmt: skip
