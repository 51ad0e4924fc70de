"""How a switch learns where addresses are.

Source: IEEE 802.1D, clauses 7.7 and 7.8 (the learning and the forwarding process).
"""

from __future__ import annotations

from typing import Generic, TypeVar

Port = TypeVar("Port")
MOST = 4096
"""Addresses that a switch knows at once: a guest may send from as many as it likes."""


class Learned(Generic[Port]):
    """Addresses, and the ports at which they last sent a frame."""

    def __init__(self) -> None:
        self.ports: dict[bytes, Port] = {}

    def __len__(self) -> int:
        return len(self.ports)

    def way(self, frame: bytes, origin: Port) -> Port | None:
        """Learn from a frame that came in at `origin`; the port behind which its destination is, None where it goes to all."""
        destination, source = frame[:6], frame[6:12]
        if len(source) == 6 and not source[0] & 1:
            if source not in self.ports and len(self.ports) >= MOST:
                del self.ports[next(iter(self.ports))]
            self.ports[source] = origin
        return None if destination[:1] and destination[0] & 1 else self.ports.get(destination)

    def forget(self, port: Port) -> None:
        """A port is no longer there."""
        self.ports = {address: there for address, there in self.ports.items() if there is not port}
