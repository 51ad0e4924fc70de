"""Packets of GDB's remote protocol on a connection.

Source: GDB manual, appendix "Remote Protocol", "Overview" (framing, escapes, acknowledgement) and "Interrupts".
"""

from __future__ import annotations

import re
import select
import socket

INTERRUPT = b"\x03"
MOST = 1 << 16
"""Bytes of a packet."""
PACKET = re.compile(rb"\x03|\+|-|\$([^#]*)#([0-9a-fA-F]{2})", re.DOTALL)
ESCAPE = re.compile(rb"}(.)", re.DOTALL)


class Gone(Exception):
    """The debugger has left."""


def framed(data: bytes) -> bytes:
    """A packet on the wire."""
    body = re.sub(rb"[#$}*]", lambda m: bytes([ord("}"), m[0][0] ^ 32]), data)
    return b"$" + body + b"#%02x" % (sum(body) & 255)


class Link:
    """A connection to a debugger."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acknowledges = True
        self._received = b""
        self._sent = b""

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def packets(self, wait: float = 0) -> list[bytes]:
        """The packets received, without escapes, after waiting at most so many seconds; INTERRUPT is one. Raises Gone."""
        try:
            if not select.select([self.connection], [], [], wait)[0]:
                return []
            data = self.connection.recv(MOST)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self._received += data
        found, at = [], 0
        for match in PACKET.finditer(self._received):
            at = match.end()
            if match[0] == INTERRUPT:
                found.append(INTERRUPT)
            elif match[0] == b"-":
                self._put(self._sent)
            elif match[1] is not None:
                good = sum(match[1]) & 255 == int(match[2], 16)
                if self.acknowledges:
                    self._put(b"+" if good else b"-")
                if good:
                    found.append(ESCAPE.sub(lambda m: bytes([m[1][0] ^ 32]), match[1]))
        self._received = self._received[at:]
        if len(self._received) > 2 * MOST:
            raise Gone
        return found

    def send(self, data: bytes) -> None:
        """Send a packet. Raises Gone."""
        self._sent = framed(data)
        self._put(self._sent)

    def _put(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError:
            raise Gone from None
