"""Open files: what a guest's file descriptor refers to.

A `File` is Linux's open file description; several descriptors, of several processes after a fork, share one.
Where the host has the same kind of thing (regular files, pipes, sockets, eventfds) a File holds a host
descriptor, so that sharing over `fork` is the host's. A host call never blocks: it raises BlockingIOError,
and the scheduler waits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from .waits import POLLIN, POLLOUT

if TYPE_CHECKING:
    from .nodes import Node, Status
    from .process import Process
    from .vfs import Vfs

O_ACCMODE, O_WRONLY, O_RDWR = 3, 1, 2
O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK = 0o100, 0o200, 0o400, 0o1000, 0o2000, 0o4000
O_DSYNC, O_DIRECT, O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW = 0o10000, 0o40000, 0o100000, 0o200000, 0o400000
O_NOATIME, O_CLOEXEC, O_SYNC, O_PATH, O_TMPFILE = 0o1000000, 0o2000000, 0o4010000, 0o10000000, 0o20200000

ALWAYS_READY = POLLIN | POLLOUT | 0x40 | 0x100
"""What poll answers for a file that never blocks: also POLLRDNORM and POLLWRNORM."""

HOST_FLAGS = (
    (O_CREAT, os.O_CREAT), (O_EXCL, os.O_EXCL), (O_TRUNC, os.O_TRUNC), (O_APPEND, os.O_APPEND),
    (O_DSYNC, os.O_DSYNC), (O_NOATIME, os.O_NOATIME), (O_DIRECTORY, os.O_DIRECTORY), (O_SYNC, os.O_SYNC),
    (O_TMPFILE, os.O_TMPFILE),
)  # fmt: skip


def host_flags(flags: int) -> int:
    """The host's open flags for the guest's; O_NOFOLLOW, O_NONBLOCK and O_DIRECT are this module's business."""
    result = flags & O_ACCMODE | os.O_CLOEXEC | os.O_NOCTTY
    for guest, host in HOST_FLAGS:
        if flags & guest == guest:
            result |= host
    return result


class File:
    """An open file description. Methods raise OSError with the errno for the guest."""

    _made = 0
    fd = -1
    """The host's descriptor, if there is one."""
    outside = False
    """Waiting for it is waiting for the world outside of the guest."""
    event_mask = -1
    """The events that it can have at all."""
    soft_events = False
    """What makes it ready is the guest's clock or signals; `refresh` updates the host's descriptor."""
    node: Node | None = None
    """For a directory: where it is."""

    def __init__(self, flags: int, path: bytes) -> None:
        self.flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
        self.path = path
        self.refs = 0
        File._made += 1
        self.serial = File._made
        """When it was opened: a number that grows."""
        self.created = False
        """Opening it made the file."""
        self.owner = (1, 0)
        """Who would get SIGIO: F_OWNER_TID, PID or PGRP, and the number."""
        self.signal = 0

    def retain(self) -> File:
        """Count one more user."""
        self.refs += 1
        return self

    def release(self) -> None:
        """Count one user less; the last one closes it."""
        self.refs -= 1
        if self.refs <= 0:
            self.close()

    def close(self) -> None:
        """Give back what it holds."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __del__(self) -> None:
        if self.fd >= 0:
            try:  # noqa: SIM105
                os.close(self.fd)
            except OSError:
                pass

    @property
    def is_path(self) -> bool:
        """It was opened with O_PATH: it names a place and is good for nothing else."""
        return self.flags & O_PATH != 0

    @property
    def seekable(self) -> bool:
        """It can be read and written at offsets."""
        return False

    @property
    def readable(self) -> bool:
        """It was opened for reading."""
        return self.flags & (O_ACCMODE | O_PATH) in (0, O_RDWR)

    @property
    def writable(self) -> bool:
        """It was opened for writing."""
        return self.flags & O_PATH == 0 and self.flags & O_ACCMODE in (O_WRONLY, O_RDWR)

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """Read into `views`, at `offset` if it is given. BlockingIOError if that would block."""
        raise OSError(errno.EINVAL, "not readable")

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """Write `views`. BlockingIOError if that would block."""
        raise OSError(errno.EINVAL, "not writable")

    def seek(self, offset: int, whence: int) -> int:
        """Move the file offset."""
        raise OSError(errno.ESPIPE, "not seekable")

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        if self.fd < 0:
            from .nodes import Status

            return Status(stat.S_IFREG | 0o600)
        return os.fstat(self.fd)

    def ready(self, events: int) -> int | None:
        """The poll events that are true now; None if the host's poll on `fd` knows."""
        return None if self.fd >= 0 else events & ALWAYS_READY

    def refresh(self) -> None:
        """Bring the host's descriptor up to date with the guest's clock and signals."""

    def wake_time(self) -> int | None:
        """The guest time at which it becomes ready by itself."""
        return None

    def host_waits(self, events: int) -> list[tuple[int, int]]:
        """What to wait for on the host until it is ready."""
        return [(self.fd, events)] if self.fd >= 0 else []

    def time_limit(self, event: int) -> int | None:
        """How long a blocking call on it waits at most, in ns."""
        return None

    @property
    def nonblocking(self) -> bool:
        """O_NONBLOCK is set."""
        return self.flags & O_NONBLOCK != 0

    def set_nonblocking(self, on: bool) -> None:
        """Set or clear O_NONBLOCK."""
        self.flags = self.flags | O_NONBLOCK if on else self.flags & ~O_NONBLOCK

    def forked(self) -> None:
        """Called in the child after a fork."""


class RegularFile(File):
    """A host file that can be read and written at any offset and never blocks."""

    def __init__(self, fd: int, flags: int, path: bytes, origin: Node | None = None) -> None:
        super().__init__(flags, path)
        self.fd = fd
        self.origin = origin
        """The node that it was opened from, for changing mode, owner and times."""

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        return True

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        return os.readv(self.fd, views) if offset is None else os.preadv(self.fd, views, offset)

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """See `File.write`."""
        done = os.writev(self.fd, views) if offset is None else os.pwritev(self.fd, views, offset)
        if self.origin is not None:
            self.origin.changed()
        return done

    def status(self) -> Status | os.stat_result:
        """See `File.status`."""
        st = os.fstat(self.fd)
        return self.origin.shown(st) if self.origin is not None else st

    def close(self) -> None:
        """See `File.close`. What keeps the node keeps its inode, whose end others may wait for (inotify)."""
        super().close()
        self.origin = None

    def altered(self) -> None:
        """Its contents have been changed in another way than by `write`."""
        if self.origin is not None:
            self.origin.changed()

    def write_position(self, offset: int | None) -> int:
        """Where a write at `offset` (None: at the file offset) would begin."""
        if self.flags & O_APPEND:
            return os.fstat(self.fd).st_size
        return os.lseek(self.fd, 0, os.SEEK_CUR) if offset is None else offset

    def seek(self, offset: int, whence: int) -> int:
        """See `File.seek`. SEEK_DATA and SEEK_HOLE are the host's."""
        return os.lseek(self.fd, offset, whence)

    def ready(self, events: int) -> int | None:
        """Always ready."""
        return events & ALWAYS_READY


class StreamFile(File):
    """A host pipe, socket, terminal, device or eventfd.

    `owned` ones were opened here, non-blocking on the host. Others are shared with programs outside, whose
    mode must not change: those are polled before each call, and written to in small pieces.
    """

    def __init__(self, fd: int, flags: int, path: bytes, *, owned: bool) -> None:
        super().__init__(flags, path)
        self.fd = fd
        self.owned = owned
        self.outside = not owned
        self._others: list[int] = []
        self.careful = not owned and (not stat.S_ISCHR(os.fstat(fd).st_mode) or os.isatty(fd))
        self._marked = owned
        """Whether O_NONBLOCK is kept on the host (see `nonblocking`)."""
        if owned:
            os.set_blocking(fd, False)
            if flags & O_NONBLOCK:
                self.set_nonblocking(True)

    @property
    def nonblocking(self) -> bool:
        """O_NONBLOCK belongs to what all processes that have the file share. The host's flag of that name is taken, so the
        host keeps it in one that means nothing for a pipe or socket, O_NOATIME, where the inode's owner may set that."""
        if self._marked:
            return fcntl.fcntl(self.fd, fcntl.F_GETFL) & os.O_NOATIME != 0
        return super().nonblocking

    def set_nonblocking(self, on: bool) -> None:
        """See `File.set_nonblocking`."""
        super().set_nonblocking(on)
        if self._marked:
            host = fcntl.fcntl(self.fd, fcntl.F_GETFL)
            try:
                fcntl.fcntl(self.fd, fcntl.F_SETFL, host | os.O_NOATIME if on else host & ~os.O_NOATIME)
            except PermissionError:
                self._marked = False

    def another(self, taken: list[int]) -> int:
        """A host descriptor of this file that is not among `taken`; it lives as long as the file is open."""
        for fd in (self.fd, *self._others):
            if fd not in taken:
                return fd
        self._others.append(os.dup(self.fd))
        return self._others[-1]

    def close(self) -> None:
        """See `File.close`."""
        for fd in self._others:
            os.close(fd)
        self._others.clear()
        super().close()

    def _wait_for(self, events: int) -> None:
        poller = select.poll()
        poller.register(self.fd, events)
        if not poller.poll(0):
            raise BlockingIOError(errno.EAGAIN, "would block")

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        if offset is not None:
            return os.preadv(self.fd, views, offset)
        if self.careful:
            self._wait_for(POLLIN)
        return os.readv(self.fd, views)

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """See `File.write`."""
        if offset is not None:
            return os.pwritev(self.fd, views, offset)
        if not self.careful:
            return os.writev(self.fd, views)
        self._wait_for(POLLOUT)
        return os.write(self.fd, views[0][:4096])

    def seek(self, offset: int, whence: int) -> int:
        """See `File.seek`; the host says ESPIPE for a pipe."""
        return os.lseek(self.fd, offset, whence)

    def needs_interval(self) -> bool:
        """Whether the host's poll may miss that it has become ready."""
        return False

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        if not stat.S_ISCHR(os.fstat(self.fd).st_mode):
            return False
        try:
            os.lseek(self.fd, 0, os.SEEK_CUR)
        except OSError:
            return False
        return True

    @property
    def is_pipe(self) -> bool:
        """It is a pipe or a socket: there is no seeking in it."""
        mode = os.fstat(self.fd).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class FifoFile(StreamFile):
    """A named pipe. Reading before the first writer has come waits for it, as its `open` does on Linux."""

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        got = super().read(views, offset)
        if got == 0 and any(len(v) for v in views):
            poller = select.poll()
            poller.register(self.fd, POLLIN)
            if not poller.poll(0):
                raise BlockingIOError(errno.EAGAIN, "no writer yet")
        return got

    def needs_interval(self) -> bool:
        """See `StreamFile.needs_interval`."""
        return True


class DirectoryFile(File):
    """An open directory. Its entries come sorted by name, so that a run does not depend on the host's order."""

    def __init__(self, node: Node, flags: int, fd: int = -1) -> None:
        super().__init__(flags, node.path)
        self.node = node
        self.fd = fd
        self.position = 0
        self._list: list[tuple[bytes, int, int]] | None = None

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        return True

    def entries(self, vfs: Vfs) -> list[tuple[bytes, int, int]]:
        """Name, inode and type of each entry: the snapshot that was made when reading began."""
        if self._list is None or self.position == 0:
            assert self.node is not None
            here = self.node.status().st_ino
            self._list = [(b".", here, 4), (b"..", here, 4), *sorted(vfs.entries(self.node))]
        return self._list

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """A directory is not read as a file."""
        raise IsADirectoryError(errno.EISDIR, "is a directory")

    def seek(self, offset: int, whence: int) -> int:
        """Positions are indexes of entries."""
        if whence == 1:
            offset += self.position
        elif whence in (2, 3, 4) and self.fd >= 0:
            offset = os.lseek(self.fd, offset, whence)
        elif whence != 0:
            raise OSError(errno.EINVAL, "whence")
        if offset < 0:
            raise OSError(errno.EINVAL, "offset")
        self.position = offset
        return offset

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        assert self.node is not None
        return self.node.status()

    def ready(self, events: int) -> int | None:
        """Always ready."""
        return events & ALWAYS_READY


class PathFile(File):
    """What O_PATH gives: a place, not a file."""

    def __init__(self, node: Node, flags: int) -> None:
        super().__init__(flags, node.path)
        self.node = node

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """O_PATH descriptors cannot be read."""
        raise OSError(errno.EBADF, "O_PATH")

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """O_PATH descriptors cannot be written."""
        raise OSError(errno.EBADF, "O_PATH")

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        assert self.node is not None
        return self.node.status()


class ContentFile(File):
    """A synthetic file: its bytes are made when reading starts at its beginning."""

    def __init__(
        self, make: Callable[[], bytes], flags: int, path: bytes, node: Node, write: Callable[[bytes], None] | None = None
    ) -> None:
        super().__init__(flags, path)
        self._make = make
        self._write = write
        self._node = node
        self._data: bytes | None = None
        self.position = 0

    def data(self) -> bytes:
        """The contents."""
        if self._data is None:
            self._data = self._make()
        return self._data

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        return True

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        if offset is None and self.position == 0:
            self._data = None
        data = self.data()
        at = self.position if offset is None else offset
        done = 0
        for view in views:
            piece = data[at + done : at + done + len(view)]
            view[: len(piece)] = piece
            done += len(piece)
        if offset is None:
            self.position += done
        return done

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """One write is one new value, for those that can be written."""
        data = b"".join(bytes(view) for view in views)
        if self._write is None:
            raise OSError(errno.EACCES, "read-only")
        self._write(data)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """See `File.seek`."""
        base = (0, self.position)[whence] if 0 <= whence < 2 else -1
        if base < 0 or base + offset < 0:
            raise OSError(errno.EINVAL, "offset")
        self.position = base + offset
        return self.position

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


class RandomFile(File):
    """`/dev/random` and `/dev/urandom`: the process's seeded generator."""

    def __init__(self, process: Process, flags: int, path: bytes, node: Node) -> None:
        super().__init__(flags, path)
        self._process = process
        self._node = node

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        return True

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`; at most 1 MiB a call."""
        view = views[0][: 1 << 20]
        view[:] = self._process.entropy.take(len(view))
        return len(view)

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """Accepted and forgotten: the seed alone decides."""
        return sum(map(len, views))

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


def inherited(fd: int, path: bytes) -> File:
    """The guest's view of one of our own standard streams. Raises OSError(EBADF) if it is closed."""
    mode = os.fstat(fd).st_mode
    flags = fcntl.fcntl(fd, fcntl.F_GETFL) & (O_ACCMODE | os.O_APPEND)
    copy = os.dup(fd)
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return RegularFile(copy, flags, path)
    return StreamFile(copy, flags, path, owned=False)
