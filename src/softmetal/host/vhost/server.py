"""Sockets where front ends come, and the turns of what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from softmetal.host.arbiter import Shared
from softmetal.host.sockets import forget, listen
from softmetal.host.vhost.connection import Backend, Connection

MOMENT = 1 << 18
"""What a piece of hardware does at most before anything else is looked at, as `Shared` counts."""


class Turns:
    """Lets a piece of hardware work, between looks at everything else, for as long as anything waits for it."""

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        self.shared, self.loop = shared, loop
        self.planned: asyncio.Handle | None = None

    def work(self) -> None:
        """Something waits: let it work at once, for a moment, unless it has more to do already."""
        if self.planned is None:
            self._turn(MOMENT)
        else:
            self.wake()

    def wake(self) -> None:
        """Something waits."""
        if isinstance(self.planned, asyncio.TimerHandle):
            self.planned.cancel()
            self.planned = None
        if self.planned is None:
            self.planned = self.loop.call_soon(self._turn)

    def _turn(self, budget: int = 1 << 20) -> None:
        self.planned = None
        when = self.shared.run(budget)
        if when is not None and self.planned is None:
            now = self.shared.clock()
            self.planned = self.loop.call_soon(self._turn) if when <= now else self.loop.call_later(when - now, self._turn)


class Listener:
    """A Unix socket for one guest's device. A front end that comes while another is connected has to wait for it to go."""

    def __init__(self, path: Path, backend: Callable[[], Backend], loop: asyncio.AbstractEventLoop, warn: Callable[[str], None]):
        self.path, self.backend, self.loop, self.warn = path, backend, loop, warn
        self.connection: Connection | None = None
        self.sock = listen(path)
        self._listen()

    def _listen(self) -> None:
        self.loop.add_reader(self.sock.fileno(), self._accept)

    def _accept(self) -> None:
        sock, _ = self.sock.accept()
        self.loop.remove_reader(self.sock.fileno())
        self.connection = Connection(sock, self.backend(), self.loop, self._closed)

    def _closed(self, _: Connection, problem: str) -> None:
        self.connection = None
        if problem:
            self.warn(f"{self.path.name}: {problem}")
        if self.sock.fileno() >= 0:
            self._listen()

    def close(self) -> None:
        """Let go of the front end and of the socket."""
        self.loop.remove_reader(self.sock.fileno())
        self.sock.close()
        forget(self.path)
        if self.connection:
            self.connection.close()
