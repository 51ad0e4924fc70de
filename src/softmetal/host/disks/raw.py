"""Raw images: a file, or a block device, that is the disk byte for byte.

Read and written with calls, not mapped: a mapping of a file that someone cuts short kills the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from softmetal.host.disks.base import MAGICS, Base, DiskError, disk_error

SECTOR = 512
MOST_PARTS = 1024  # IOV_MAX
ZEROES = memoryview(bytes(1 << 20))
PUNCH_HOLE, KEEP_SIZE = 2, 1  # modes of fallocate(2)

_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "this is a directory; give an image file, or use --share",
    errno.EROFS: "on a read-only file system; use FILE,ro or FILE,overlay",
}


def open_image(path: str, writable: bool) -> int:
    """A descriptor of an image file, locked: one writer, or any number of readers."""
    try:
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror)
        if error.errno == errno.EACCES:
            readable = writable and os.access(path, os.R_OK, effective_ids=True)
            reason = "may not be written; use FILE,ro or FILE,overlay" if readable else "may not be read"
        raise DiskError(error.errno or errno.EIO, f"disk {path}: {reason}") from None
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise DiskError(errno.EISDIR, f"disk {path}: {REASONS[errno.EISDIR]}")
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            raise DiskError(errno.EINVAL, f"disk {path}: neither a file nor a block device")
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if writable else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            how = "in use by another machine" if writable else "written by another machine"
            raise DiskError(errno.EBUSY, f"disk {path}: {how} at this moment") from None
        except OSError:
            pass  # a file system without locks
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def alone(path: str, fd: int) -> Iterator[None]:
    """A lock for reading an image that no one writes. Raises DiskError if another process writes it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DiskError(errno.EBUSY, f"disk {path}: in use by another machine at this moment") from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)


class RawBase(Base):
    """A raw image. Where its size is no multiple of a sector, the last sector is filled up with zeroes."""

    def __init__(self, path: str, fd: int) -> None:
        self.name = path
        self.fd = fd
        self.length = os.lseek(fd, 0, os.SEEK_END)
        if not self.length:
            raise DiskError(errno.EINVAL, f"disk {path}: empty; give it a size first: truncate -s 2G FILE")
        self.size = -(-self.length // SECTOR) * SECTOR
        self.lost: OSError | None = None

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.readv`."""
        self._transfer(os.preadv, "reading", offset, parts)

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.writev`. A guest that could make its raw disk a qcow2 would choose its backing file from the host's files."""
        if offset < 4 and (os.pread(self.fd, offset, 0) + b"".join([bytes(part[:4]) for part in parts[:4]]))[:4] in MAGICS:
            raise DiskError(errno.EPERM, f"disk {self.name}: the guest may not make a raw image begin like a qcow2 image")
        self._transfer(os.pwritev, "writing", offset, parts)

    def _transfer(
        self, call: Callable[[int, Sequence[memoryview], int], int], doing: str, offset: int, parts: Sequence[memoryview]
    ) -> None:
        wanted = sum(map(len, parts))
        if len(parts) <= MOST_PARTS:
            try:
                if call(self.fd, parts, offset) == wanted:
                    return
            except OSError as error:
                raise disk_error(self.name, doing, error) from None
        for part in parts:  # it stopped somewhere: piece by piece, to find out where and why
            while part:
                try:
                    count = call(self.fd, [part], offset)
                except OSError as error:
                    raise disk_error(self.name, doing, error) from None
                if not count:
                    if offset < self.length:
                        raise self._cut_short()
                    part[:] = ZEROES[: len(part)]
                    break
                part = part[count:]
                offset += count
            else:
                continue
            offset += len(part)

    def _cut_short(self) -> DiskError:
        return DiskError(errno.EIO, f"disk {self.name}: the file was truncated while the machine ran")

    def flush(self) -> None:
        """See `Base.flush`. After one failure it is unknown what was lost, so all later ones fail, too."""
        if self.lost is None:
            try:
                os.fdatasync(self.fd)
            except OSError as error:
                self.lost = error
        if self.lost is not None:
            raise disk_error(self.name, "flushing", self.lost)
        if os.lseek(self.fd, 0, os.SEEK_END) < self.length:
            raise self._cut_short()

    def _punch(self, offset: int, length: int) -> bool:
        return bool(_fallocate(self.fd, PUNCH_HOLE | KEEP_SIZE, offset, length) == 0)

    def discard(self, offset: int, length: int) -> None:
        """See `Base.discard`: gives the space back to the host, where it can take it."""
        self._punch(offset, length)

    def zero(self, offset: int, length: int) -> None:
        """See `Base.zero`."""
        if self._punch(offset, length):
            return
        end = offset + length
        while offset < end:
            piece = ZEROES[: end - offset]
            self.writev(offset, [piece])
            offset += len(piece)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """See `Base.writing`."""
        with alone(self.name, self.fd):
            try:
                writer = os.open(self.name, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise disk_error(self.name, "opening it to be written", error) from None
            reader, self.fd = self.fd, writer
            try:
                if not os.path.samestat(os.fstat(reader), os.fstat(writer)):
                    raise DiskError(errno.ESTALE, f"disk {self.name}: another file has this name now")
                yield
                self.flush()
            finally:
                self.fd = reader
                os.close(writer)

    def shut(self) -> None:
        """See `Base.shut`."""
        os.close(self.fd)
