"""The Network Block Device protocol: disks for guests that reach them by a socket, and the other end of it.

Our own machines have their disks of the host layer so, and QEMU where a system has no virtio drivers.

Source: the NBD protocol, doc/proto.md of the nbd project: newstyle negotiation with fixed flags, NBD_OPT_GO, simple replies.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from pathlib import Path

from softmetal.host.arbiter import Access, Shared
from softmetal.host.disks import Disk
from softmetal.host.disks.base import Base, DiskError
from softmetal.host.sockets import forget, listen

MAGIC, OPTION = b"NBDMAGIC", b"IHAVEOPT"
REPLY = 0x3E889045565A9
FIXED, NO_ZEROES = 1, 2  # flags of both ends' greetings
OPTION_HEAD, OPTION_REPLY = struct.Struct(">8sII"), struct.Struct(">QIII")
EXPORT_NAME, ABORT, LIST, INFO, GO = 1, 2, 3, 6, 7
ACK, SERVER, INFORMATION, UNSUPPORTED = 1, 2, 3, 0x80000001
EXPORT = struct.Struct(">HQH")  # an information: its kind (0), the size, flags
HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_ZEROES = 1, 2, 4, 8, 32, 64
REQUEST, ANSWER = struct.Struct(">IHHQQI"), struct.Struct(">IIQ")
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
FUA = 1
GONE = (errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ENOTCONN)
RETRY = 0.02
"""Seconds between two looks for a server that is gone."""
LARGEST = 32 << 20
"""Bytes of one request."""
FARTHEST = 1 << 30
"""Bytes of a request that moves none; the field has 32 bits."""
LONGEST = 1 << 16
"""Bytes of an option, and of the answer to one."""
DEPTH = 16
"""Requests of a guest that wait at once; the next is read after one of them was carried out."""
ERRORS = {errno.EROFS: errno.EPERM, errno.EDQUOT: errno.ENOSPC, errno.EFBIG: errno.ENOSPC, errno.EOPNOTSUPP: errno.EOPNOTSUPP} | {
    code: code for code in (errno.EPERM, errno.EIO, errno.ENOMEM, errno.EINVAL, errno.ENOSPC, errno.EOVERFLOW, errno.ESHUTDOWN)
}
"""The host's errors, in the protocol's; others are EIO."""


class Command(IntEnum):
    """Types of requests."""

    READ = 0
    WRITE = 1
    DISC = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6


class NbdServer:
    """A disk at a Unix socket, for one guest. `wake` is called when there is work for `shared`."""

    def __init__(
        self, path: Path, guest: str, disk: Disk, shared: Shared, loop: asyncio.AbstractEventLoop, wake: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.path, self.guest, self.disk, self.shared, self.loop = path, guest, disk, shared, loop
        self.wake, self.warn = wake, warn
        self.sock = listen(path)
        self.starting = loop.create_task(asyncio.start_unix_server(self._serve, sock=self.sock))
        self.clients: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.clients.add(task)
        try:
            if await self._greet(reader, writer):
                await self._requests(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the guest is gone, or is let go of (asyncio calls a cancelled one an error of the loop)
        except DiskError as error:
            self.warn(f"{self.guest}: {error}")
        finally:
            self.clients.discard(task)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Negotiate. Does the guest want the disk?"""
        writer.write(MAGIC + OPTION + struct.pack(">H", FIXED | NO_ZEROES))
        padding = b"" if int.from_bytes(await reader.readexactly(4), "big") & NO_ZEROES else bytes(124)
        flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_ZEROES | (READ_ONLY if self.disk.read_only else 0)
        while True:
            magic, option, size = OPTION_HEAD.unpack(await reader.readexactly(OPTION_HEAD.size))
            if magic != OPTION or size > LONGEST:
                raise DiskError(errno.EPROTO, f"disk {self.disk.name}: what connected does not speak NBD")
            await reader.readexactly(size)

            def answer(kind: int, payload: bytes = b"", option: int = option) -> None:
                writer.write(OPTION_REPLY.pack(REPLY, option, kind, len(payload)) + payload)

            if option == EXPORT_NAME:
                writer.write(struct.pack(">QH", self.disk.size, flags) + padding)
                return True
            if option in (INFO, GO):
                answer(INFORMATION, EXPORT.pack(0, self.disk.size, flags))
                answer(ACK)
                if option == GO:
                    return True
            elif option == LIST:
                answer(SERVER, struct.pack(">I", 0))
                answer(ACK)
            else:
                answer(ACK if option == ABORT else UNSUPPORTED)
                if option == ABORT:
                    return False

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room = asyncio.Semaphore(DEPTH)
        while True:
            magic, flags, kind, handle, offset, size = REQUEST.unpack(await reader.readexactly(REQUEST.size))
            if magic != REQUEST_MAGIC or (size > LARGEST and kind in (Command.READ, Command.WRITE)):
                raise DiskError(errno.EPROTO, f"disk {self.disk.name}: a request that is none of NBD's")
            data = await reader.readexactly(size) if kind == Command.WRITE else b""
            if kind == Command.DISC:
                return
            await room.acquire()

            def done(error: int, answer: bytes, handle: int = handle) -> None:
                writer.write(ANSWER.pack(ANSWER_MAGIC, error, handle) + answer)
                room.release()

            self._submit(kind, flags, offset, size, data, done)
            await writer.drain()

    def _submit(
        self, kind: int, flags: int, offset: int, size: int, data: bytes, done: Callable[[int, bytes], None]
    ) -> None:
        def run() -> None:
            error, answer = 0, b""
            try:
                answer = self._carry_out(kind, flags, offset, size, data)
            except OSError as problem:
                error = ERRORS.get(problem.errno or 0, errno.EIO)
                self.warn(f"{self.guest}: {problem}")
            done(error, answer)

        try:
            name = Command(kind).name.lower()
        except ValueError:
            name = "unknown"
        moved = size if kind in (Command.READ, Command.WRITE) else 0
        self.shared.submit(Access(self.guest, name, moved, run))
        self.wake()

    def _carry_out(self, kind: int, flags: int, offset: int, size: int, data: bytes) -> bytes:
        answer = b""
        match kind:
            case Command.READ:
                buffer = bytearray(size)
                self.disk.read(offset, memoryview(buffer))
                answer = bytes(buffer)
            case Command.WRITE:
                self.disk.write(offset, memoryview(data))
            case Command.FLUSH:
                self.disk.flush()
            case Command.TRIM:
                self.disk.discard(offset, size)
            case Command.WRITE_ZEROES:
                self.disk.zero(offset, size)
            case _:
                raise DiskError(errno.EINVAL, f"disk {self.disk.name}: there is no NBD request {kind}")
        if flags & FUA:
            self.disk.flush()
        return answer

    def close(self) -> None:
        """Let go of the guest and of the socket."""
        self.starting.cancel()  # does nothing to one that has started
        if self.starting.done() and not self.starting.cancelled() and not self.starting.exception():
            self.starting.result().close()
        for task in list(self.clients):
            task.cancel()
        self.sock.close()
        forget(self.path)


class NbdBase(Base):
    """A disk that is served at a Unix socket. If whoever serves it dies, another one is waited for, `patience` seconds at most.
    Raises DiskError."""

    def __init__(self, path: str, name: str = "", patience: float = 0) -> None:
        self.path, self.name, self.patience = path, name or path, patience
        self.handle = 0
        try:
            self._connect()
        except OSError as error:
            raise self._error(error) from None

    def _connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self.sock.connect(self.path)
            self._greet()
        except OSError:
            self.sock.close()
            raise

    def _again(self, problem: OSError) -> None:
        """Connect with whoever serves the disk after `problem`, once there is someone. Raises `problem`."""
        self.sock.close()
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            try:
                self._connect()
                return
            except OSError:
                time.sleep(RETRY)
        raise problem

    def _error(self, error: OSError) -> DiskError:
        if isinstance(error, DiskError):
            return error
        return DiskError(error.errno or errno.EIO, f"disk {self.name}: {error.strerror or error}")

    def _exactly(self, into: memoryview) -> None:
        while into:
            count = self.sock.recv_into(into)
            if not count:
                raise DiskError(errno.ECONNRESET, f"disk {self.name}: whoever serves it has gone")
            into = into[count:]

    def _take(self, layout: struct.Struct) -> tuple[int, ...]:
        data = bytearray(layout.size)
        self._exactly(memoryview(data))
        return layout.unpack(data)

    def _greet(self) -> None:
        hello = bytearray(18)
        self._exactly(memoryview(hello))
        if bytes(hello[:16]) != MAGIC + OPTION:
            raise DiskError(errno.EPROTO, f"disk {self.name}: what is served there is not NBD")
        payload = struct.pack(">IH", 0, 0)
        self.sock.sendall(struct.pack(">I", FIXED | NO_ZEROES) + OPTION_HEAD.pack(OPTION, GO, len(payload)) + payload)
        self.size = -1
        while True:
            magic, _, kind, length = self._take(OPTION_REPLY)
            if magic != REPLY or length > LONGEST:
                raise DiskError(errno.EPROTO, f"disk {self.name}: what is served there is not NBD")
            data = bytearray(length)
            self._exactly(memoryview(data))
            if kind == INFORMATION and data[:2] == b"\0\0" and length >= EXPORT.size:
                _, self.size, flags = EXPORT.unpack(data[: EXPORT.size])
                self.read_only = bool(flags & READ_ONLY)
            elif kind == ACK and self.size >= 0:
                break
            elif kind == ACK:
                raise DiskError(errno.EPROTO, f"disk {self.name}: is exported without a size")
            elif kind >> 31:
                raise DiskError(errno.EPROTO, f"disk {self.name}: is not exported ({kind:#x})")

    def _request(self, kind: Command, offset: int, size: int, parts: Sequence[memoryview] = (), doing: str = "reading") -> None:
        while True:
            try:
                self._try(kind, offset, size, parts, doing)
                return
            except OSError as problem:
                if not self.patience or problem.errno not in GONE:
                    raise self._error(problem) from None
                try:
                    self._again(problem)  # and ask once more: doing it twice does what doing it once does
                except OSError as error:
                    raise self._error(error) from None

    def _try(self, kind: Command, offset: int, size: int, parts: Sequence[memoryview], doing: str) -> None:
        self.handle += 1
        self.sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, kind, self.handle, offset, size))
        if kind == Command.WRITE:
            for part in parts:
                self.sock.sendall(part)
        magic, error, handle = self._take(ANSWER)
        if magic != ANSWER_MAGIC or handle != self.handle:
            raise DiskError(errno.EPROTO, f"disk {self.name}: an answer that is none of NBD's")
        if error:
            raise DiskError(error, f"disk {self.name}: {doing} failed: {os.strerror(error)}")
        if kind == Command.READ:
            for part in parts:
                self._exactly(part)

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.readv`."""
        for at, group in _groups(offset, parts):
            self._request(Command.READ, at, sum(map(len, group)), group)

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """See `Base.writev`."""
        for at, group in _groups(offset, parts):
            self._request(Command.WRITE, at, sum(map(len, group)), group, "writing")

    def flush(self) -> None:
        """See `Base.flush`."""
        self._request(Command.FLUSH, 0, 0, doing="flushing")

    def discard(self, offset: int, length: int) -> None:
        """See `Base.discard`."""
        for at in range(offset, offset + length, FARTHEST):
            self._request(Command.TRIM, at, min(FARTHEST, offset + length - at), doing="discarding")

    def zero(self, offset: int, length: int) -> None:
        """See `Base.zero`."""
        for at in range(offset, offset + length, FARTHEST):
            self._request(Command.WRITE_ZEROES, at, min(FARTHEST, offset + length - at), doing="zeroing")

    def writing(self) -> AbstractContextManager[None]:
        """See `Base.writing`."""
        return contextlib.nullcontext()

    def shut(self) -> None:
        """See `Base.shut`."""
        with contextlib.suppress(OSError):
            self.sock.sendall(REQUEST.pack(REQUEST_MAGIC, 0, Command.DISC, 0, 0, 0))
        self.sock.close()


def _groups(offset: int, parts: Sequence[memoryview]) -> Iterator[tuple[int, list[memoryview]]]:
    """The parts in groups that one request can move, each with its offset."""
    group: list[memoryview] = []
    at, size = offset, 0
    for part in parts:
        while part:
            piece, part = part[: LARGEST - size], part[LARGEST - size :]
            group.append(piece)
            size += len(piece)
            if size == LARGEST:
                yield at, group
                at, group, size = at + size, [], 0
    if group:
        yield at, group
