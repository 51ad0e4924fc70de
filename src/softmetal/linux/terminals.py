"""Pseudo-terminals: `/dev/ptmx` and `/dev/pts`.

A guest's terminal is one of the host's, whose line discipline does the work: echo, lines, signals of control characters
and of the window's size. They reach the guest because its sessions and process groups are the host's, too. The guest
numbers its terminals from 0; of the host's it sees no other. Source: man 4 pts, man 2 ioctl_tty, man 3 ptsname.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress

from .files import O_NOCTTY, O_PATH, File, PathFile, StreamFile
from .nodes import Node, StatFs, Status, fail

MOST = 256
"""Terminals that a run has at a time."""
TIOCGPTN, TIOCSCTTY = 0x80045430, 0x540E
FLOCK = struct.Struct("<hhxxxxqqixxxx")
MAJOR_SLAVE = 136
DEVPTS = 0x1CD1


class Terminals:
    """The terminals of one run, in a file that all its processes share.

    Word i of the file holds the host's number of terminal i. Byte i is locked as long as some process has the master
    open, and so the number is this run's: a lock of an open file description is inherited like the master itself.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("softmetal-terminals", os.MFD_CLOEXEC)
        os.ftruncate(self._file, 4 * MOST)

    def _lock(self, fd: int, kind: int, first: int, length: int, command: int) -> tuple[int, ...]:
        flock = FLOCK.pack(kind, os.SEEK_SET, first, length, 0)
        return FLOCK.unpack(fcntl.fcntl(fd, command, flock))

    def numbers(self) -> list[int]:
        """The numbers of the terminals that there are."""
        found: list[int] = []
        at = 0
        while at < MOST:
            kind, _, start, length, _ = self._lock(self._file, fcntl.F_WRLCK, at, MOST - at, fcntl.F_OFD_GETLK)
            if kind == fcntl.F_UNLCK:
                break
            found += range(max(start, at), min(start + (length or MOST), MOST))
            at = start + length if length else MOST
        return found

    def host_path(self, number: int) -> bytes:
        """The host's file of terminal `number`. Raises OSError(ENOENT)."""
        if number not in self.numbers():
            raise fail(errno.ENOENT)
        return b"/dev/pts/%d" % int.from_bytes(os.pread(self._file, 4, 4 * number), "little")

    def make(self, flags: int, path: bytes, node: Node) -> File:
        """Open a new terminal's master. Raises OSError."""
        fd = os.open(b"/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        lock = -1
        try:
            host = struct.unpack("<I", fcntl.ioctl(fd, TIOCGPTN, bytes(4)))[0]
            lock = os.open(b"/proc/self/fd/%d" % self._file, os.O_RDWR | os.O_CLOEXEC)
            for number in range(MOST):
                with suppress(BlockingIOError):
                    self._lock(lock, fcntl.F_WRLCK, number, 1, fcntl.F_OFD_SETLK)
                    break
            else:
                raise fail(errno.ENOSPC)
            os.pwrite(self._file, host.to_bytes(4, "little"), 4 * number)
            return Master(fd, lock, number, flags, path, node)
        except OSError:
            os.close(fd)
            if lock >= 0:
                os.close(lock)
            raise

    def nodes(self) -> dict[bytes, Node]:
        """The entries of `/dev/pts`."""
        return {b"%d" % number: Slave(self, number) for number in self.numbers()}


class Master(StreamFile):
    """The side of a terminal that a terminal emulator holds."""

    def __init__(self, fd: int, lock: int, number: int, flags: int, path: bytes, node: Node) -> None:
        super().__init__(fd, flags, path, owned=True)
        self.outside = True  # the host's line discipline works in its own time
        self.lock = lock
        self.number = number
        self._node = node

    def close(self) -> None:
        """See `File.close`. The lock goes first: nothing may open the terminal once the host may reuse its number."""
        if self.lock >= 0:
            lock, self.lock = self.lock, -1
            os.close(lock)
        super().close()

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


class SlaveFile(StreamFile):
    """The side of a terminal that programs run on."""

    def __init__(self, fd: int, flags: int, path: bytes, node: Node) -> None:
        super().__init__(fd, flags, path, owned=True)
        self.outside = True
        self._node = node

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


class Slave(Node):
    """A file in `/dev/pts`."""

    def __init__(self, terminals: Terminals, number: int) -> None:
        self._terminals = terminals
        self.number = number

    def status(self) -> Status:
        """See `Node.status`: owner, mode and times are the host's."""
        s = os.stat(self._terminals.host_path(self.number))
        return Status(
            s.st_mode, self.number + 3, st_rdev=os.makedev(MAJOR_SLAVE, self.number), st_dev=0x18, st_uid=s.st_uid,
            st_gid=s.st_gid, st_blksize=1024, st_atime_ns=s.st_atime_ns, st_mtime_ns=s.st_mtime_ns, st_ctime_ns=s.st_ctime_ns,
        )  # fmt: skip

    @property
    def mode(self) -> int:
        """See `Node.mode`."""
        return stat.S_IFCHR | 0o620

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`. Without O_NOCTTY it becomes the terminal of a session leader that has none."""
        if flags & O_PATH:
            return PathFile(self, flags)
        how = flags & os.O_ACCMODE | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self._terminals.host_path(self.number), how)
        if not flags & O_NOCTTY and os.getsid(0) == os.getpid():
            with suppress(OSError):
                fcntl.ioctl(fd, TIOCSCTTY, 0)
        return SlaveFile(fd, flags, self.path, self)

    def access(self, mode: int) -> bool:
        """See `Node.access`."""
        return os.access(self._terminals.host_path(self.number), mode)

    def chmod(self, mode: int) -> None:
        """See `Node.chmod`."""
        os.chmod(self._terminals.host_path(self.number), mode & 0o7777)

    def chown(self, uid: int, gid: int) -> None:
        """See `Node.chown`."""
        os.chown(self._terminals.host_path(self.number), uid, gid)

    def statfs(self) -> StatFs:
        """See `Node.statfs`."""
        return StatFs(DEVPTS, 4096, 0, 0, 0, 0, 0, 255, 0)
