"""One front end's connection: what it asks, and the rings that it shares.

Source: QEMU docs/interop/vhost-user.rst. A ring is looked at when the guest kicks it, and not before it has been described,
given a descriptor for kicks, and enabled.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.vhost import Guest
from softmetal.host.vhost.memory import GuestMemory, Region
from softmetal.host.vhost.messages import (
    ADDRESS,
    CONFIG,
    INFLIGHT,
    LOG,
    LOG_ALL,
    NEED_REPLY,
    NO_FD,
    PROTOCOL_FEATURES,
    REGION,
    SINGLE,
    STATE,
    U64,
    Message,
    Protocol,
    ProtocolError,
    Received,
    name,
    receive,
    reply,
)
from softmetal.lang.chip import Board

OFFERED = (
    Protocol.MQ | Protocol.LOG_SHMFD | Protocol.REPLY_ACK | Protocol.BACKEND_REQ | Protocol.CONFIG | Protocol.INFLIGHT_SHMFD
    | Protocol.CONFIGURE_MEM_SLOTS
)  # fmt: skip
KICK = (1).to_bytes(8, "little")
PER_ENTRY, INFLIGHT_HEADER = 16, 16  # bytes of a queue's part of the in-flight region


class Backend(ABC):
    """What a device is to its guest: one for each connection. Rings are `Ring`s of its kind."""

    features: int
    queues: int

    @abstractmethod
    def config(self) -> bytes:
        """The configuration space."""

    @abstractmethod
    def ring(self, connection: Connection, index: int) -> Ring:
        """A new ring."""

    @abstractmethod
    def close(self) -> None:
        """The front end is gone."""


class Ring(ABC):
    """A virtqueue: a board of its own, which has the guest's memory."""

    def __init__(self, connection: Connection, index: int) -> None:
        self.connection, self.index = connection, index
        self.size = self.base = 0
        self.addresses: tuple[int, int, int] | None = None  # of the front end: descriptors, available ring, used ring
        self.enabled = self.started = False
        self.kick = self.call = self.err = -1

    @property
    @abstractmethod
    def board(self) -> Any:
        """The board, a `Guest`, whose `start` and `stop` are compiled."""

    @abstractmethod
    def start(self, desc: int, driver: int, device: int, tracked: bool) -> bool:
        """Begin; physical addresses of the rings. Was it a queue?"""

    @abstractmethod
    def stop(self) -> int:
        """End, once no request is open; how many chains were taken."""

    @abstractmethod
    def look(self) -> None:
        """The guest may have put something in."""

    def interrupt(self) -> None:
        """Interrupt the guest."""
        if self.call >= 0:
            with contextlib.suppress(OSError):  # nobody reads there any more, or it is full of earlier ones
                os.write(self.call, KICK)

    def begin(self) -> None:
        """Start, if all that it needs is there."""
        connection = self.connection
        if self.started or not self.enabled or self.addresses is None or self.kick < 0 or not self.size:
            return
        desc, driver, device = (connection.memory.physical(a) for a in self.addresses)
        connection.memory.attach(self.board)
        connection.attach_shared(self)
        if not self.start(desc, driver, device, connection.inflight is not None):
            raise ProtocolError(f"ring {self.index}: no queue can be where it should be")
        self.started = True
        connection.loop.add_reader(self.kick, self._kicked)
        self.look()  # there may have been a kick before us

    def end(self) -> int:
        """Stop; how many chains were taken."""
        if self.started:
            self.connection.loop.remove_reader(self.kick)
            self.started = False
            self.base = self.stop()
        return self.base

    def _kicked(self) -> None:
        try:
            os.read(self.kick, 8)
        except BlockingIOError:
            pass
        except OSError:
            self.connection.close()
            return
        self.look()

    def replace(self, which: str, fd: int) -> None:
        """Have another descriptor; -1 for none."""
        old = getattr(self, which)
        if which == "kick" and self.started:
            self.end()
        setattr(self, which, fd)
        if old >= 0:
            os.close(old)
        if which != "err" and fd >= 0:
            os.set_blocking(fd, False)


class Connection:
    """A front end. `closed` is called once, when it is gone, with what was wrong ("" for nothing)."""

    def __init__(
        self, sock: socket.socket, backend: Backend, loop: asyncio.AbstractEventLoop, closed: Callable[[Connection, str], None]
    ) -> None:
        self.sock, self.backend, self.loop, self.closed = sock, backend, loop, closed
        self.memory = GuestMemory()
        self.rings: dict[int, Ring] = {}
        self.features = 0
        self.protocol = Protocol(0)
        self.inflight: tuple[int, int, int] | None = None  # file, offset, bytes for each queue
        self.log: tuple[int, int, int] | None = None  # file, offset, bytes
        self.backend_socket: socket.socket | None = None
        self.open = True
        sock.setblocking(True)
        loop.add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        problem = ""
        try:
            message = receive(self.sock)
            if message is not None:
                try:
                    self.handle(message)
                finally:
                    message.close()
                return
        except OSError as error:
            problem = str(error)
        self.close(problem)

    def close(self, problem: str = "") -> None:
        """End the connection: rings stop, files are let go of."""
        if not self.open:
            return
        self.open = False
        self.loop.remove_reader(self.sock.fileno())
        for ring in self.rings.values():
            ring.end()
            for which in ("kick", "call", "err"):
                ring.replace(which, -1)
        self.rings.clear()
        self.backend.close()
        self.memory.close()
        self._drop("inflight")
        self._drop("log")
        for sock in (self.sock, self.backend_socket):
            if sock:
                sock.close()
        self.closed(self, problem)

    def _drop(self, which: str) -> None:
        held = getattr(self, which)
        if held:
            os.close(held[0])
        setattr(self, which, None)

    def ring(self, index: int) -> Ring:
        """A ring by its number. Raises ProtocolError where the device has none."""
        if index >= self.backend.queues:
            raise ProtocolError(f"ring {index}, the device has {self.backend.queues}")
        if index not in self.rings:
            self.rings[index] = self.backend.ring(self, index)
            self.rings[index].enabled = not self.features >> PROTOCOL_FEATURES & 1
        return self.rings[index]

    def attach_shared(self, ring: Ring) -> None:
        """Give a ring's board the log of written pages and the table of open requests."""
        board: Any = ring.board
        places = Board.of(type(board)).memories
        if self.log and self.features >> LOG_ALL & 1:
            at, kind = places["log"]
            board.__mapping__.attach(at, min(-(-self.log[2] // mmap.PAGESIZE) * mmap.PAGESIZE, kind.length), *self.log[:2])
            board.logging = 1
        elif board.logging:
            board.logging = 0
            at, kind = places["log"]
            board.__mapping__.detach(at, kind.length)
        if self.inflight and "disk.region" in places:
            fd, offset, part = self.inflight
            at, _ = places["disk.region"]
            size = os.fstat(fd).st_size - offset
            board.__mapping__.attach(at, size // mmap.PAGESIZE * mmap.PAGESIZE, fd, offset)
            board.disk.part = part * ring.index

    # -- messages

    def handle(self, message: Received) -> None:
        """Do what a message asks, and answer it. Raises ProtocolError."""
        try:
            handler = getattr(self, f"_{Message(message.number).name.lower()}")
        except ValueError:
            raise ProtocolError(f"{name(message.number)} is none that this back end knows") from None
        answer = handler(message)
        if answer is not None:
            payload, fds = answer if isinstance(answer, tuple) else (answer, [])
            reply(self.sock, message.number, payload, fds)
        elif message.flags & NEED_REPLY and self.protocol & Protocol.REPLY_ACK:
            reply(self.sock, message.number, U64.pack(0))

    def _get_features(self, message: Received) -> bytes:
        return U64.pack(self.backend.features | 1 << PROTOCOL_FEATURES | 1 << LOG_ALL)

    def _set_features(self, message: Received) -> None:
        (self.features,) = message.unpack(U64)
        for ring in self.rings.values():
            if ring.started:  # logging begins or ends
                self.attach_shared(ring)

    def _set_owner(self, message: Received) -> None:
        pass

    _reset_owner = _set_owner

    def _get_protocol_features(self, message: Received) -> bytes:
        return U64.pack(OFFERED)

    def _set_protocol_features(self, message: Received) -> None:
        self.protocol = Protocol(message.unpack(U64)[0]) & OFFERED

    def _get_queue_num(self, message: Received) -> bytes:
        return U64.pack(self.backend.queues)

    def _set_mem_table(self, message: Received) -> None:
        (count, _) = message.unpack(STATE)
        regions = []
        if count != len(message.fds):
            raise ProtocolError(f"SET_MEM_TABLE names {count} regions and has {len(message.fds)} descriptors")
        for i in range(count):
            guest, size, user, offset = message.unpack(REGION, STATE.size + i * REGION.size)
            regions.append(Region(guest, size, user, message.fds[i], offset))
        self._have(regions)
        message.fds = []

    def _have(self, regions: list[Region]) -> None:
        """Have other regions of guest memory; rings that run have them at once."""
        self.memory.replace(regions)
        for ring in self.rings.values():
            if ring.started:
                self.memory.attach(ring.board)

    def _get_max_mem_slots(self, message: Received) -> bytes:
        return U64.pack(Guest.REGIONS)

    def _add_mem_reg(self, message: Received) -> None:
        _, guest, size, user, offset = message.unpack(SINGLE)
        self._have([*self.memory.regions, Region(guest, size, user, message.take_fd(), offset)])

    def _rem_mem_reg(self, message: Received) -> None:
        _, guest, size, user, _ = message.unpack(SINGLE)
        self._have([r for r in self.memory.regions if (r.guest, r.size, r.user) != (guest, size, user)])

    def _set_log_base(self, message: Received) -> bytes:
        size, offset = message.unpack(LOG)
        fd = message.take_fd()
        self._drop("log")
        self.log = (fd, offset, size)
        for ring in self.rings.values():
            if ring.started:
                self.attach_shared(ring)
        return U64.pack(0)

    def _set_log_fd(self, message: Received) -> None:
        pass  # QEMU looks at the log itself

    def _set_vring_num(self, message: Received) -> None:
        index, number = message.unpack(STATE)
        self.ring(index).size = number

    def _set_vring_addr(self, message: Received) -> None:
        index, _, desc, used, available, _ = message.unpack(ADDRESS)
        ring = self.ring(index)
        ring.addresses = (desc, available, used)
        ring.begin()

    def _set_vring_base(self, message: Received) -> None:
        index, number = message.unpack(STATE)
        self.ring(index).base = number & 0xFFFF

    def _get_vring_base(self, message: Received) -> bytes:
        index, _ = message.unpack(STATE)
        ring = self.ring(index)
        base = ring.end()
        ring.replace("kick", -1)
        return STATE.pack(index, base)

    def _ring_fd(self, message: Received, which: str) -> Ring:
        (value,) = message.unpack(U64)
        ring = self.ring(value & 0xFF)
        ring.replace(which, -1 if value & NO_FD else message.take_fd())
        return ring

    def _set_vring_kick(self, message: Received) -> None:
        self._ring_fd(message, "kick").begin()

    def _set_vring_call(self, message: Received) -> None:
        self._ring_fd(message, "call")

    def _set_vring_err(self, message: Received) -> None:
        self._ring_fd(message, "err")

    def _set_vring_enable(self, message: Received) -> None:
        index, number = message.unpack(STATE)
        ring = self.ring(index)
        ring.enabled = bool(number)
        if number:
            ring.begin()
        else:
            ring.end()

    def _set_backend_req_fd(self, message: Received) -> None:
        if self.backend_socket:
            self.backend_socket.close()
        self.backend_socket = socket.socket(fileno=message.take_fd())

    def _get_config(self, message: Received) -> bytes:
        offset, size, flags = message.unpack(CONFIG)
        part = self.backend.config()[offset : offset + size]
        return CONFIG.pack(offset, size, flags) + part.ljust(size, b"\0")

    def _set_config(self, message: Received) -> None:
        pass  # no device has anything there that a driver may write

    def _get_inflight_fd(self, message: Received) -> tuple[bytes, list[int]]:
        _, _, queues, size = message.unpack(INFLIGHT)
        part = -(-(INFLIGHT_HEADER + PER_ENTRY * size) // 64) * 64
        length = -(-part * queues // mmap.PAGESIZE) * mmap.PAGESIZE
        fd = os.memfd_create("softmetal in flight", os.MFD_CLOEXEC)
        os.ftruncate(fd, length)
        self._drop("inflight")
        self.inflight = (fd, 0, part)
        return INFLIGHT.pack(length, 0, queues, size), [fd]

    def _set_inflight_fd(self, message: Received) -> None:
        _, offset, _, size = message.unpack(INFLIGHT)
        fd = message.take_fd()
        self._drop("inflight")
        self.inflight = (fd, offset, -(-(INFLIGHT_HEADER + PER_ENTRY * size) // 64) * 64)
