"""qcow2 images, through QEMU's own `qemu-nbd`, one process an image.

It knows all of the format (compression, backing files, encryption, checks) and locks the image against other QEMUs. We
speak the NBD protocol with it over a socket that has no name by the time it is used. It ends when we do.

Sources: the NBD project's "The NBD protocol" (doc/proto.md): "Fixed newstyle negotiation", "Transmission phase".
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence

from softmetal.host.disks.base import Base, DiskError, disk_error
from softmetal.host.disks.raw import alone

READ, WRITE, DISCONNECT, FLUSH, TRIM, ZERO = 0, 1, 2, 3, 4, 6
REQUEST = struct.Struct(">IHHQQI")
REPLY = struct.Struct(">IIQ")
MOST = 16 << 20  # bytes in a request; servers take at least 32 MiB
HAND_OVER = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec qemu-nbd "$@"'  # a listening socket is handed over as 3


class QemuBase(Base):
    """An image behind a `qemu-nbd`."""

    def __init__(self, path: str, fd: int, format: str, writable: bool) -> None:
        self.name = path
        self.fd = fd  # holds the lock
        self.format = format
        self.lock = threading.Lock()
        self._start(writable)

    def _start(self, writable: bool) -> None:
        path, self.socket = self.name, socket.socket(socket.AF_UNIX)
        options = ["-f", self.format, "--cache=writeback", "--discard=unmap", *([] if writable else ["--read-only"])]
        with tempfile.TemporaryDirectory(prefix="softmetal-") as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(folder + "/nbd")
            listener.listen(1)
            self.socket.connect(folder + "/nbd")
            try:
                self.process = subprocess.Popen(
                    ["/bin/sh", "-c", HAND_OVER, "qemu-nbd", *options, "--", os.path.abspath(path)],
                    stdin=listener.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            except OSError:
                self.socket.close()
                raise
        try:
            self.size = self._negotiate()
        except OSError:
            raise self._ended() from None

    def _negotiate(self) -> int:
        """Ask for the only export there is; answers its size."""
        magic, options, _ = struct.unpack(">8sQH", self._receive(18))
        if magic != b"NBDMAGIC":
            raise ConnectionError
        self.socket.sendall(struct.pack(">IQII", 3, options, 1, 0))
        size, _ = struct.unpack(">QH", self._receive(10))
        return int(size)

    def _ended(self) -> DiskError:
        """Why there is no `qemu-nbd` any more."""
        self.socket.close()
        _, said = self.process.communicate()
        lines = said.decode(errors="replace").strip().splitlines()
        if self.process.returncode == 127:
            return DiskError(errno.ENOENT, f"disk {self.name}: this is qcow2, which needs qemu-nbd: install qemu-utils")
        reason = lines[-1].removeprefix("qemu-nbd: ") if lines else f"qemu-nbd ended with code {self.process.returncode}"
        return DiskError(errno.EIO, f"disk {self.name}: {reason}")

    def _receive(self, size: int) -> bytes:
        data = bytearray(size)
        self._fill([memoryview(data)])
        return bytes(data)

    def _fill(self, parts: Sequence[memoryview]) -> None:
        for part in parts:
            while part:
                count = self.socket.recv_into(part)
                if not count:
                    raise ConnectionError
                part = part[count:]

    def _ask(
        self, kind: int, doing: str, offset: int = 0, length: int = 0,
        data: Sequence[memoryview] = (), into: Sequence[memoryview] = (),
    ) -> None:  # fmt: skip
        with self.lock:
            try:
                self.socket.sendall(b"".join([REQUEST.pack(0x25609513, 0, kind, 0, offset, length), *data]))
                magic, error, _ = REPLY.unpack(self._receive(REPLY.size))
                if magic != 0x67446698:
                    raise ConnectionError
                if not error:
                    self._fill(into)
                    return
            except OSError:
                if self.process.stderr is None or self.process.stderr.closed:
                    raise DiskError(errno.EIO, f"disk {self.name}: qemu-nbd, which serves it, has ended") from None
                raise self._ended() from None
        raise disk_error(self.name, doing, OSError(error, os.strerror(error)))

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.readv`."""
        for at, pieces, length in bundles(offset, parts):
            self._ask(READ, "reading", at, length, into=pieces)

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.writev`."""
        for at, pieces, length in bundles(offset, parts):
            self._ask(WRITE, "writing", at, length, data=pieces)

    def flush(self) -> None:
        """See `Base.flush`."""
        self._ask(FLUSH, "flushing")

    def discard(self, offset: int, length: int) -> None:
        """See `Base.discard`."""
        self._ranges(TRIM, "discarding", offset, length)

    def zero(self, offset: int, length: int) -> None:
        """See `Base.zero`."""
        self._ranges(ZERO, "writing", offset, length)

    def _ranges(self, kind: int, doing: str, offset: int, length: int) -> None:
        for at in range(offset, offset + length, MOST):
            self._ask(kind, doing, at, min(MOST, offset + length - at))

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """See `Base.writing`: with another qemu-nbd, for which this one makes way."""
        with alone(self.name, self.fd):
            self._stop()
            try:
                self._start(True)
                yield
                self.flush()
            finally:
                self._stop()
                self._start(False)

    def shut(self) -> None:
        """See `Base.shut`. The process has closed the image when this returns."""
        self._stop()
        os.close(self.fd)

    def _stop(self) -> None:
        if self.process.stderr is not None and not self.process.stderr.closed:
            try:
                self.socket.sendall(REQUEST.pack(0x25609513, 0, DISCONNECT, 0, 0, 0))
                self.socket.close()
                self.process.communicate()
            except OSError:
                self._ended()


def bundles(offset: int, parts: Sequence[memoryview]) -> list[tuple[int, list[memoryview], int]]:
    """The parts in requests of a size that servers take: (offset, parts, length)."""
    out: list[tuple[int, list[memoryview], int]] = []
    for part in parts:
        while part:
            piece = part[:MOST]
            part = part[len(piece) :]
            if out and out[-1][2] + len(piece) <= MOST:
                at, pieces, length = out[-1]
                pieces.append(piece)
                out[-1] = (at, pieces, length + len(piece))
            else:
                out.append((offset, [piece], len(piece)))
            offset += len(piece)
    return out
