"""A guest's console: what it has written, what is typed to it."""

from __future__ import annotations

import re
from collections.abc import Callable


class Text:
    """A console's output up to a moment: what came since another moment, and that one. It never changes."""

    __slots__ = ("before", "data", "length")

    def __init__(self, before: Text | None, data: bytes) -> None:
        self.before, self.data = before, data
        self.length: int = len(data) + (before.length if before else 0)

    def __bytes__(self) -> bytes:
        pieces: list[bytes] = []
        at: Text | None = self
        while at is not None:
            pieces.append(at.data)
            at = at.before
        return b"".join(reversed(pieces))


class Console:
    """Text of a guest, as bytes. `output` is all of it; `send` queues what the guest is to read.

    `on_output`, if set, is called with each new piece.
    """

    def __init__(self) -> None:
        self.output = bytearray()
        self.seen = 0  # what `expect` has consumed
        self.pending = bytearray()
        self.on_output: Callable[[bytes], None] | None = None
        self._kept: Text | None = None

    def send(self, text: str | bytes) -> None:
        """Type something."""
        self.pending += text.encode() if isinstance(text, str) else text

    def wrote(self, data: bytes) -> None:
        """The guest has written something."""
        self.output += data
        if self.on_output is not None:
            self.on_output(data)

    def keep(self) -> Text:
        """All that was written until now, for later."""
        if self._kept is None or self._kept.length != len(self.output):
            self._kept = Text(self._kept, bytes(self.output[self._kept.length if self._kept else 0 :]))
        return self._kept

    def put_back(self, text: Text) -> None:
        """Let that be all that was written."""
        if self._kept is not text or len(self.output) != text.length:
            self.output[:] = bytes(text)
            self._kept = text

    def match(self, pattern: str | bytes) -> re.Match[bytes] | None:
        """The first match of a regular expression in what has not been consumed; consumes up to its end."""
        found = re.compile(pattern.encode() if isinstance(pattern, str) else pattern).search(self.output, self.seen)
        if found:
            self.seen = found.end()
        return found

    @property
    def text(self) -> str:
        """All that the guest has written, as text."""
        return self.output.decode(errors="replace")
