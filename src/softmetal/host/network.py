"""A network of the host's own: a learning switch, at whose ports guests are.

What goes through it are records, as `chips.virtio.net` has them: a frame behind the first ten bytes of a `virtio_net_hdr`.
So guests hand each other segments of 64 KiB whose checksums nobody made.

Source for how a switch learns and floods: IEEE 802.1D, clauses 7.7 and 7.8 (the learning and the forwarding process).
"""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO

from softmetal.chips.virtio.net import HEADER

MOST_LEARNED = 4096
"""Addresses that a switch knows at once: a guest may send from as many as it likes."""
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
        self.learned: dict[bytes, NetworkPort] = {}

    def join(self, port: NetworkPort) -> None:
        """Put a cable in."""
        self.ports.append(port)

    def leave(self, port: NetworkPort) -> None:
        """Pull a cable out."""
        self.ports.remove(port)
        self.learned = {address: there for address, there in self.learned.items() if there is not port}

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
        destination, source = record[HEADER : HEADER + 6], record[HEADER + 6 : HEADER + 12]
        if len(source) < 6:
            return []
        if not source[0] & 1 and self.learned.get(source) is not origin:
            if len(self.learned) >= MOST_LEARNED and source not in self.learned:
                del self.learned[next(iter(self.learned))]
            self.learned[source] = origin
        known = None if destination[0] & 1 else self.learned.get(destination)
        if known is None:
            return [port for port in self.ports if port is not origin]
        return [known] if known is not origin else []


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
