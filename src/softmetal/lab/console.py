"""A machine's console in the supervisor: what it showed last, its log, and whoever looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from softmetal.host.sockets import listen

KEPT = 1 << 16
"""Bytes of output that a newcomer can see."""
PIECE = 1 << 16
MOST_HELD = 1 << 20
"""Bytes for someone who does not read them; then they are dropped."""


class Console:
    """Its machine's end is a descriptor; people come to a Unix socket, and see what it shows from then on."""

    def __init__(self, path: Path, log: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.path, self.loop = path, loop
        self.output = bytearray()
        self.total = 0
        """Bytes that it has ever shown."""
        self.log = log.open("ab", buffering=0)
        self.fd = -1
        self.typed = bytearray()
        self.viewers: dict[socket.socket, bytearray] = {}
        self.shown = asyncio.Event()
        self.listener = listen(path, 8)
        loop.add_reader(self.listener.fileno(), self._accept)

    def connect(self, fd: int) -> None:
        """The machine has (re)started."""
        self.disconnect()
        self.fd = fd
        os.set_blocking(fd, False)
        self.loop.add_reader(fd, self._shows)

    def disconnect(self) -> None:
        """The machine has ended; what it still had to show is shown."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                while data := os.read(self.fd, PIECE):
                    self._show(data)
            if self.fd >= 0:
                self.loop.remove_reader(self.fd)
                self.loop.remove_writer(self.fd)
                os.close(self.fd)
            self.fd = -1
        self.typed.clear()

    def _shows(self) -> None:
        try:
            data = os.read(self.fd, PIECE)
        except BlockingIOError:
            return
        except OSError:  # a pseudo-terminal whose other end is closed
            data = b""
        if data:
            self._show(data)
        else:
            self.loop.remove_reader(self.fd)

    def _show(self, data: bytes) -> None:
        self.total += len(data)
        self.output += data
        del self.output[: max(0, len(self.output) - KEPT)]
        self.log.write(data)
        for viewer, waiting in list(self.viewers.items()):
            if len(waiting) < MOST_HELD:
                waiting += data
            self._push(viewer)
        self.shown.set()
        self.shown = asyncio.Event()

    def type(self, data: bytes) -> None:
        """Type something at it."""
        if len(self.typed) < MOST_HELD:
            self.typed += data
        self._send()

    def _send(self) -> None:
        if self.fd < 0:
            self.typed.clear()
            return
        try:
            while self.typed:
                del self.typed[: os.write(self.fd, self.typed)]
        except BlockingIOError:
            self.loop.add_writer(self.fd, self._send)
            return
        except OSError:
            self.typed.clear()
        self.loop.remove_writer(self.fd)

    def _accept(self) -> None:
        viewer, _ = self.listener.accept()
        viewer.setblocking(False)
        self.viewers[viewer] = bytearray()
        self.loop.add_reader(viewer.fileno(), self._typed, viewer)

    def _typed(self, viewer: socket.socket) -> None:
        try:
            data = viewer.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.type(data)
        else:
            self._leave(viewer)

    def _push(self, viewer: socket.socket) -> None:
        waiting = self.viewers.get(viewer)
        if waiting is None:
            return
        try:
            while waiting:
                del waiting[: viewer.send(waiting)]
        except BlockingIOError:
            self.loop.add_writer(viewer.fileno(), self._push, viewer)
            return
        except OSError:
            self._leave(viewer)
            return
        self.loop.remove_writer(viewer.fileno())

    def _leave(self, viewer: socket.socket) -> None:
        self.loop.remove_reader(viewer.fileno())
        self.loop.remove_writer(viewer.fileno())
        self.viewers.pop(viewer, None)
        viewer.close()

    def close(self) -> None:
        """Let go of everyone."""
        self.disconnect()
        for viewer in list(self.viewers):
            self._leave(viewer)
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()
        self.log.close()
