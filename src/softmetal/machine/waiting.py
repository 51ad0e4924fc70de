"""Inputs that wait until the guest's side has room for them: typed text, packets that were posted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from softmetal.machine.console import Console

MOST_POSTED = 1024
"""Packets for one port that wait until the guest takes them."""
Posted = tuple[tuple[str, tuple[bytes, ...]], ...]


class Waiting:
    """Inputs that have not entered yet, by port. What is typed waits in the consoles."""

    def __init__(self, consoles: Mapping[str, Console]) -> None:
        self._consoles = consoles
        self._posted: dict[str, deque[bytes]] = {}

    def __bool__(self) -> bool:
        return bool(self._posted) or any(c.pending for c in self._consoles.values())

    def post(self, port: str, data: bytes) -> bool:
        """Let a packet wait. False: MOST_POSTED wait already."""
        queue = self._posted.setdefault(port, deque())
        if len(queue) >= MOST_POSTED:
            return False
        queue.append(data)
        return True

    def feed(self, room: Callable[[str, int], int], enter: Callable[[str, bytes], None]) -> bool:
        """Let inputs enter as far as there is room. Did any?"""
        entered = False
        for port, console in self._consoles.items():
            count = room(port, len(console.pending)) if console.pending else 0
            if count:
                taken = bytes(console.pending[:count])
                del console.pending[:count]
                enter(port, taken)
                entered = True
        for port, queue in self._posted.items():
            while queue and room(port, len(queue[0])):
                enter(port, queue.popleft())
                entered = True
        self._posted = {port: queue for port, queue in self._posted.items() if queue}
        return entered

    def clear(self) -> None:
        """Drop all that waits."""
        self._posted.clear()
        for console in self._consoles.values():
            console.pending.clear()

    def posted(self) -> Posted:
        """The packets that wait."""
        return tuple((port, tuple(queue)) for port, queue in self._posted.items())

    def put_back(self, posted: Sequence[tuple[str, Sequence[bytes]]]) -> None:
        """Let these packets wait, and no others."""
        self._posted = {port: deque(queue) for port, queue in posted}
