"""A disk as a machine sees it."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

from softmetal.host.disks.base import MAGICS, Base, DiskError, foreign
from softmetal.host.disks.overlay import Overlay, OverlayState
from softmetal.host.disks.qcow2 import QemuBase
from softmetal.host.disks.raw import RawBase, open_image

__all__ = ["Disk", "DiskError", "open_disk"]


class Disk(ABC):
    """Bytes on a host, in units of 512. All methods raise DiskError, with the reason in one line.

    A state is a picture of what was written and is not in the image: with an overlay all of it, else nothing.
    """

    read_only = False
    commits = False
    overlaid = False
    """Are its writes kept in memory, so that it can go back?"""
    """Is what was written put into its image in the end?"""
    raw = False
    """Was it opened as raw, whatever it begins like?"""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.name = base.name
        self.size = base.size
        self.closed = False

    def read(self, offset: int, into: memoryview) -> None:
        """Fill `into` with what the disk holds from `offset` on."""
        self.readv(offset, [into])

    def write(self, offset: int, data: memoryview) -> None:
        """Put `data` on the disk at `offset`."""
        self.writev(offset, [data])

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Fill the parts, one after the other: one call for a whole request."""
        self._inside(offset, sum(map(len, parts)))
        self._readv(offset, parts)

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Write the parts, one after the other."""
        self._inside(offset, sum(map(len, parts)))
        self._writev(offset, parts)

    def discard(self, offset: int, length: int) -> None:
        """The guest no longer needs these bytes; what is read there from now on is undefined."""
        self._inside(offset, length)
        self._discard(offset, length)

    def zero(self, offset: int, length: int) -> None:
        """These bytes are zero from now on."""
        self._inside(offset, length)
        self._zero(offset, length)

    def _inside(self, offset: int, length: int) -> None:
        if self.closed:
            raise DiskError(errno.EBADF, f"disk {self.name}: closed")
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DiskError(errno.EINVAL, f"disk {self.name}: {length} bytes at {offset} are outside of it")

    def flush(self) -> None:  # noqa: B027  (only a file has something to do)
        """All that was written to a file stays, whatever happens to the host."""

    def close(self) -> None:
        """Flush, and let go of the image. A second time does nothing."""
        if not self.closed:
            try:
                self.flush()
            finally:
                self.closed = True
                self.base.close()

    @abstractmethod
    def _readv(self, offset: int, parts: Sequence[memoryview]) -> None: ...

    @abstractmethod
    def _writev(self, offset: int, parts: Sequence[memoryview]) -> None: ...

    @abstractmethod
    def _discard(self, offset: int, length: int) -> None: ...

    @abstractmethod
    def _zero(self, offset: int, length: int) -> None: ...

    @abstractmethod
    def state(self) -> object:
        """A picture of what was written. Immutable, and cheap: it shares with the disk and with other pictures."""

    @abstractmethod
    def restore(self, state: object) -> None:
        """Put a picture back that this disk, or a fork of it, gave."""

    @abstractmethod
    def digest(self) -> bytes:
        """16 bytes, equal for equal pictures. Cheap."""

    @abstractmethod
    def save(self, state: object) -> bytes:
        """A picture as bytes."""

    @abstractmethod
    def load(self, data: bytes) -> object:
        """The picture that `save` made; refused where the image is another one."""

    @abstractmethod
    def fork(self) -> Disk:
        """A copy that is independent from here on."""


class OverlayDisk(Disk):
    """`FILE,overlay`: writes stay in memory and are dropped at the end."""

    overlaid = True

    def __init__(self, base: Base) -> None:
        super().__init__(base)
        self.overlay = Overlay(base)

    def _readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        self.overlay.readv(offset, parts)

    def _writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        self.overlay.writev(offset, parts)

    def _discard(self, offset: int, length: int) -> None:
        self.overlay.discard(offset, length)

    def _zero(self, offset: int, length: int) -> None:
        self.overlay.zero(offset, length)

    def state(self) -> OverlayState:
        """See `Disk.state`."""
        return self.overlay.state()

    def restore(self, state: object) -> None:
        """See `Disk.restore`."""
        self.overlay.restore(self._own(state))

    def commit(self) -> int:
        """Write the overlay's contents into the image; how many bytes that were. States that were taken before cannot be
        restored any more. Refused while a fork uses the image."""
        if self.base.users > 1:
            raise DiskError(errno.EBUSY, f"disk {self.name}: forks of this machine use its image: close them first")
        return self.overlay.commit()

    def _own(self, state: object) -> OverlayState:
        if not isinstance(state, OverlayState) or state.size != self.size:
            raise DiskError(errno.EINVAL, f"disk {self.name}: this state belongs to another disk")
        if state.version != self.overlay.version:
            raise DiskError(errno.ESTALE, f"disk {self.name}: this state is from before its overlay was committed to the image")
        return state

    def digest(self) -> bytes:
        """See `Disk.digest`."""
        return self.overlay.digest()

    def save(self, state: object) -> bytes:
        """See `Disk.save`."""
        return self.overlay.save(self._own(state))

    def load(self, data: bytes) -> OverlayState:
        """See `Disk.load`."""
        return self.overlay.load(data)

    def fork(self) -> OverlayDisk:
        """See `Disk.fork`."""
        self.base.users += 1
        twin = OverlayDisk(self.base)
        twin.raw = self.raw
        twin.overlay.restore(self.overlay.state())
        twin.overlay.version = self.overlay.version
        return twin


class CommittedDisk(OverlayDisk):
    """`FILE,commit`: writes stay in memory, so that the machine can go back in time, and are put into the file when the disk
    is closed. Until then no other process may use the file; if the process is killed the writes are lost."""

    commits = True

    def close(self) -> None:
        """See `Disk.close`."""
        if not self.closed:
            try:
                self.commit()
            finally:
                super().close()


class ReadOnlyDisk(Disk):
    """`FILE,ro`."""

    read_only = True

    def _readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        self.base.readv(offset, parts)

    def _refuse(self) -> DiskError:
        return DiskError(errno.EROFS, f"disk {self.name}: read-only")

    def _writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        raise self._refuse()

    def _discard(self, offset: int, length: int) -> None:
        raise self._refuse()

    def _zero(self, offset: int, length: int) -> None:
        raise self._refuse()

    def state(self) -> object:
        """See `Disk.state`: always the same."""
        return b""

    def restore(self, state: object) -> None:
        """See `Disk.restore`."""
        if state != b"":
            raise DiskError(errno.EINVAL, f"disk {self.name}: this state belongs to another disk")

    def digest(self) -> bytes:
        """See `Disk.digest`."""
        return Overlay(self.base).digest()

    def save(self, state: object) -> bytes:
        """See `Disk.save`: only what identifies the image."""
        return Overlay(self.base).save(OverlayState(self.size, {}))

    def load(self, data: bytes) -> object:
        """See `Disk.load`."""
        if Overlay(self.base).load(data).leaves:
            raise DiskError(errno.EROFS, f"disk {self.name}: this state has writes; use {self.name},overlay")
        return b""

    def fork(self) -> ReadOnlyDisk:
        """See `Disk.fork`."""
        self.base.users += 1
        twin = ReadOnlyDisk(self.base)
        twin.raw = self.raw
        return twin


class FileDisk(Disk):
    """`FILE`: writes go to the file at once, and are safe after a flush. The disk cannot go back."""

    def __init__(self, base: Base) -> None:
        super().__init__(base)
        self.writes = 0

    def _readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        self.base.readv(offset, parts)

    def _writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        self.writes += 1
        self.base.writev(offset, parts)

    def _discard(self, offset: int, length: int) -> None:
        self.writes += 1
        self.base.discard(offset, length)

    def _zero(self, offset: int, length: int) -> None:
        self.writes += 1
        self.base.zero(offset, length)

    def flush(self) -> None:
        """See `Disk.flush`."""
        self.base.flush()

    def _no(self, what: str) -> DiskError:
        use = f"use {self.name},overlay or {self.name},commit"
        return DiskError(errno.EOPNOTSUPP, f"disk {self.name}: {what}, for its file is written directly; {use}")

    def state(self) -> object:
        """See `Disk.state`: only how often the file was written."""
        return self.writes

    def restore(self, state: object) -> None:
        """See `Disk.restore`: to where nothing was written since."""
        if state != self.writes:
            raise self._no("cannot go back in time")

    def digest(self) -> bytes:
        """See `Disk.digest`: nothing is written but to the image."""
        return Overlay(self.base).digest()

    def save(self, state: object) -> bytes:
        """See `Disk.save`."""
        raise self._no("its state cannot be saved")

    def load(self, data: bytes) -> object:
        """See `Disk.load`."""
        raise self._no("a saved state cannot be put on it")

    def fork(self) -> Disk:
        """See `Disk.fork`."""
        raise self._no("cannot be forked")


KINDS: dict[str, type[Disk]] = {"rw": FileDisk, "ro": ReadOnlyDisk, "overlay": OverlayDisk, "commit": CommittedDisk}


def open_disk(spec: str) -> Disk:
    """The disk that `FILE`, `FILE,ro`, `FILE,overlay` or `FILE,commit` names. A comma before that belongs to the file's name.

    With `,raw` before that the file is the disk byte for byte, whatever it begins like.
    """
    path, comma, kind = spec.rpartition(",")
    if not comma or kind not in (*KINDS, "raw"):
        if comma and not os.path.exists(spec) and os.path.exists(path):
            raise DiskError(errno.EINVAL, f"disk {path}: no option {kind!r}; choose ro, overlay or commit")
        path, kind = spec, "rw"
    raw = kind == "raw" or path.endswith(",raw")
    path, kind = path.removesuffix(",raw"), "rw" if kind == "raw" else kind
    writable = kind in ("rw", "commit")
    if "\0" in path:
        raise DiskError(errno.EINVAL, f"disk {path!r}: not a file name")
    fd = open_image(path, writable)
    try:
        magic = os.pread(fd, 4, 0)
        if magic in MAGICS and not raw:
            return KINDS[kind](QemuBase(path, fd, MAGICS[magic], kind == "rw"))
        end = os.lseek(fd, 0, os.SEEK_END)
        found = "" if raw else foreign(os.pread(fd, 512, 0), os.pread(fd, 512, max(0, end - 512)))
        if found:
            raise DiskError(
                errno.EINVAL,
                f"disk {path}: this is {found}, which is not read here: convert it to raw or qcow2 first"
                f" (if the file is to be the disk byte for byte, give {path},raw)",
            )
        made = KINDS[kind](RawBase(path, fd))
        made.raw = raw
        return made
    except OSError as error:
        os.close(fd)
        if isinstance(error, DiskError):
            raise
        raise DiskError(error.errno or errno.EIO, f"disk {path}: {error.strerror}") from None
