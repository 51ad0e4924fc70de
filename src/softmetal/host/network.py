"""A network of the host's own: a learning switch, at whose ports guests are.

What goes through it are records, as `chips.virtio.net` has them: a frame behind the first ten bytes of a `virtio_net_hdr`.
So guests hand each other segments of 64 KiB whose checksums nobody made.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO

from softmetal.chips.virtio.net import HEADER, LARGEST
from softmetal.host.learning import Learned
from softmetal.host.sockets import forget, listen

MOST_HELD = 1 << 20
"""Bytes of records for a guest that takes none."""
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0x40000, 1)  # times in nanoseconds; Ethernet


class NetworkPort(ABC):
    """Where a guest is connected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = self.received = self.lost = 0
        """Frames that came from the guest, went to it, and found no room there."""
        self.capture: BinaryIO | None = None

    @abstractmethod
    def put(self, record: bytes) -> bool:
        """Give the guest a record. Was there room?"""

    @abstractmethod
    def flush(self) -> None:
        """Records that were put are to be delivered now."""


class Network:
    """The switch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ports: list[NetworkPort] = []
        self.learned: Learned[NetworkPort] = Learned()

    def join(self, port: NetworkPort) -> None:
        """Put a cable in."""
        self.ports.append(port)

    def leave(self, port: NetworkPort) -> None:
        """Pull a cable out."""
        self.ports.remove(port)
        self.learned.forget(port)

    def forward(self, records: list[bytes], origin: NetworkPort) -> None:
        """Send records of one port on to where their destinations are."""
        touched: dict[NetworkPort, None] = {}
        for record in records:
            origin.sent += 1
            if origin.capture:
                capture(origin.capture, record)
            for port in self._ways(record, origin):
                if port.put(record):
                    port.received += 1
                    if port.capture:
                        capture(port.capture, record)
                else:
                    port.lost += 1
                touched[port] = None
        for port in touched:
            port.flush()

    def _ways(self, record: bytes, origin: NetworkPort) -> list[NetworkPort]:
        if len(record) < HEADER + 12:
            return []
        known = self.learned.way(record[HEADER : HEADER + 12], origin)
        if known is None:
            return [port for port in self.ports if port is not origin]
        return [known] if known is not origin else []


class SocketPort(NetworkPort):
    """A Unix socket for a guest that speaks records: each behind its length, four bytes, little-endian. Our own machines do."""

    def __init__(self, guest: str, network: Network, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(guest)
        self.network, self.path, self.loop = network, path, loop
        self.sock: socket.socket | None = None
        self.held = bytearray()
        self.waiting = bytearray()
        self.listener = listen(path)
        loop.add_reader(self.listener.fileno(), self._accept)

    def _accept(self) -> None:
        sock, _ = self.listener.accept()
        if self.sock is not None:  # one card, one cable
            sock.close()
            return
        sock.setblocking(False)
        self.sock = sock
        self.loop.add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        assert self.sock is not None
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone()
            return
        self.held += data
        records, at = [], 0
        while len(self.held) - at >= 4:
            size = int.from_bytes(self.held[at : at + 4], "little")
            if size > LARGEST:
                self._gone()
                return
            if len(self.held) - at < 4 + size:
                break
            records.append(bytes(self.held[at + 4 : at + 4 + size]))
            at += 4 + size
        del self.held[:at]
        self.network.forward(records, self)

    def put(self, record: bytes) -> bool:
        """See `NetworkPort.put`."""
        if self.sock is None or len(self.waiting) > MOST_HELD:
            return False
        self.waiting += len(record).to_bytes(4, "little") + record
        return True

    def flush(self) -> None:
        """See `NetworkPort.flush`."""
        if self.sock is None:
            return
        try:
            while self.waiting:
                del self.waiting[: self.sock.send(self.waiting)]
        except BlockingIOError:
            self.loop.add_writer(self.sock.fileno(), self.flush)
            return
        except OSError:
            self._gone()
            return
        self.loop.remove_writer(self.sock.fileno())

    def _gone(self) -> None:
        if self.sock is not None:
            self.loop.remove_reader(self.sock.fileno())
            self.loop.remove_writer(self.sock.fileno())
            self.sock.close()
            self.sock = None
        self.held.clear()
        self.waiting.clear()

    def close(self) -> None:
        """Let go of the guest and of the socket."""
        self._gone()
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()
        forget(self.path)


def start_capture(port: NetworkPort, path: Path) -> None:
    """Write all frames of a port to a file that Wireshark opens (pcap)."""
    port.capture = path.open("wb")
    port.capture.write(PCAP_HEADER)
    port.capture.flush()


def capture(file: BinaryIO, record: bytes) -> None:
    """Write one frame."""
    frame = record[HEADER:]
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
    file.flush()
