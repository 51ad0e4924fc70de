"""A front end in Python: what QEMU is to a back end, with a driver whose queues lie in memory that both have."""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
from typing import Any

from softmetal.host.vhost.messages import ADDRESS, CONFIG, HEADER, INFLIGHT, LOG, REGION, STATE, U64, VERSION, Message, Protocol
from tests.chips.virtio.bed import BASE, SIZE, Driver

USER = 0x7F00_0000_0000  # where the memory would lie in the front end's process
PATIENCE = 20  # seconds that a back end may take before the test fails


class Gone(Exception):
    """The back end has closed the connection."""


class FrontEnd(Driver):
    """The driver of `bed`, in a front end. `queue` below is a ring's number."""

    def __init__(self, path: str, size: int = 16, queues: int = 1, memory: int | None = None) -> None:
        self.path, self.size, self.queues = path, size, queues
        self.given, self.seen = [0] * queues, [0] * queues
        self.heap = 0x4000 * queues + 0x1_0000
        self.file = os.memfd_create("guest", os.MFD_CLOEXEC) if memory is None else memory
        os.ftruncate(self.file, SIZE)
        self.memory = mmap.mmap(self.file, SIZE)
        self.kicks = [os.eventfd(0) for _ in range(queues)]
        self.calls = [os.eventfd(0) for _ in range(queues)]
        self.inflight: int | None = None
        self.connect()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)

    def close(self) -> None:
        self.sock.close()
        for fd in (*self.kicks, *self.calls):
            os.close(fd)

    # -- messages

    def tell(self, number: Message | int, payload: bytes = b"", fds: Any = (), flags: int = VERSION) -> None:
        try:
            socket.send_fds(self.sock, [HEADER.pack(number, flags, len(payload)) + payload], list(fds))
        except BrokenPipeError:
            raise Gone from None

    def answer(self) -> tuple[bytes, list[int]]:
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, HEADER.size, 8)
        except ConnectionResetError:
            raise Gone from None
        if not data:
            raise Gone
        size = HEADER.unpack(data)[2]
        return (self.sock.recv(size) if size else b""), fds

    def ask(self, number: Message, payload: bytes = b"", fds: Any = ()) -> bytes:
        self.tell(number, payload, fds)
        return self.answer()[0]

    def sync(self) -> None:
        """Until the back end has done all that it was told. Raises Gone."""
        self.ask(Message.GET_FEATURES)

    # -- what QEMU does when a driver starts

    def negotiate(self, refuse: int = 0) -> None:
        (self.features,) = U64.unpack(self.ask(Message.GET_FEATURES))
        self.features &= ~(1 << 26 | refuse)
        (offered,) = U64.unpack(self.ask(Message.GET_PROTOCOL_FEATURES))
        self.tell(Message.SET_PROTOCOL_FEATURES, U64.pack(offered & ~Protocol.CONFIGURE_MEM_SLOTS))
        self.tell(Message.SET_OWNER)

    def share(self, size: int = SIZE, guest: int = BASE, offset: int = 0) -> None:
        table = STATE.pack(1, 0) + REGION.pack(guest, size, USER, offset)
        self.tell(Message.SET_MEM_TABLE, table, [self.file])

    def track(self) -> None:
        """Have a table of open requests: a new one, or the one that an earlier back end gave."""
        if self.inflight is None:
            self.tell(Message.GET_INFLIGHT_FD, INFLIGHT.pack(0, 0, self.queues, self.size))
            payload, (self.inflight,) = self.answer()
            self.table = INFLIGHT.unpack(payload)
        self.tell(Message.SET_INFLIGHT_FD, INFLIGHT.pack(*self.table), [self.inflight])

    def address(self, queue: int) -> bytes:
        where = (USER + self.desc(queue), USER + self.used(queue), USER + self.avail(queue))
        return ADDRESS.pack(queue, 0, *where, 0)

    def start(self, queue: int = 0, base: int = 0) -> None:
        self.tell(Message.SET_FEATURES, U64.pack(self.features))
        self.tell(Message.SET_VRING_NUM, STATE.pack(queue, self.size))
        self.tell(Message.SET_VRING_BASE, STATE.pack(queue, base))
        self.tell(Message.SET_VRING_ADDR, self.address(queue))
        self.tell(Message.SET_VRING_CALL, U64.pack(queue), [self.calls[queue]])
        self.tell(Message.SET_VRING_KICK, U64.pack(queue), [self.kicks[queue]])
        self.tell(Message.SET_VRING_ENABLE, STATE.pack(queue, 1))

    def stop(self, queue: int = 0) -> int:
        """End a ring; how many chains were taken."""
        return STATE.unpack(self.ask(Message.GET_VRING_BASE, STATE.pack(queue, 0)))[1]

    def up(self) -> FrontEnd:
        """All of it, with every ring."""
        self.negotiate()
        self.share()
        for queue in range(self.queues):
            self.start(queue)
        self.sync()
        return self

    def config(self, offset: int, size: int) -> bytes:
        found = self.ask(Message.GET_CONFIG, CONFIG.pack(offset, size, 0) + bytes(size))
        return found[CONFIG.size :]

    def log(self) -> mmap.mmap:
        """Have writes logged; the log."""
        size = (BASE + SIZE >> 12) // 8
        fd = os.memfd_create("log", os.MFD_CLOEXEC)
        os.ftruncate(fd, -(-size // 4096) * 4096)
        self.ask(Message.SET_LOG_BASE, LOG.pack(size, 0), [fd])
        self.tell(Message.SET_FEATURES, U64.pack(self.features | 1 << 26))
        return mmap.mmap(fd, -(-size // 4096) * 4096)

    # -- the driver

    def poke(self, at: int, data: bytes) -> None:
        self.memory[at : at + len(data)] = data

    def peek(self, at: int, size: int) -> bytes:
        return self.memory[at : at + size]

    def kick(self, queue: int = 0) -> None:
        os.eventfd_write(self.kicks[queue], 1)

    def wait(self, queue: int = 0) -> list[tuple[int, int]]:
        """What comes back, once anything does."""
        while True:
            self.poke(self.avail(queue) + 4 + 2 * self.size, (self.seen[queue] & 0xFFFF).to_bytes(2, "little"))  # of the next
            if found := self.back(queue):
                return found
            ready, _, _ = select.select([self.calls[queue], self.sock], [], [], PATIENCE)
            assert ready, "no interrupt"
            if self.sock in ready:
                raise Gone
            os.eventfd_read(self.calls[queue])

    def request(
        self, kind: int, sector: int = 0, data: Any = (), queue: int = 0, first: int = 0
    ) -> tuple[int, int, int]:
        """Offer a disk request; the segment where its status comes."""
        status = self.space(1)
        self.poke(status[0] - BASE, b"\xee")
        self.offer([self.buffer(struct.pack("<IIQ", kind, 0, sector)), *data, status], queue, first)
        return status

    def disk(self, kind: int, sector: int = 0, data: Any = (), queue: int = 0) -> int:
        """Carry out a disk request; its status."""
        status = self.request(kind, sector, data, queue)
        self.kick(queue)
        self.wait(queue)
        return self.content(status)[0]
