"""A guest's console: what it has written, what is typed to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

WINDOW = 1 << 20
"""Bytes: between one and two times as much of what a guest has written last is kept."""


class Text:
    """A console's output up to a moment: what came since another moment, and that one. It never changes."""

    __slots__ = ("before", "data", "dropped", "length")

    def __init__(self, before: Text | None, data: bytes, dropped: int = 0) -> None:
        self.before, self.data, self.dropped = before, data, dropped
        self.length: int = len(data) + (before.length if before else 0)

    def __bytes__(self) -> bytes:
        pieces: list[bytes] = []
        at: Text | None = self
        while at is not None:
            pieces.append(at.data)
            at = at.before
        return b"".join(reversed(pieces))


class Console:
    """Text of a guest, as bytes. `output` is the last of it, of which there are `dropped` bytes before; `send` queues what
    the guest is to read.

    `on_output`, if set, is called with each new piece; `copy_to` puts all of them into a file.
    """

    def __init__(self) -> None:
        self.output = bytearray()
        self.dropped = 0
        self.seen = 0  # what `expect` has consumed of `output`
        self.pending = bytearray()
        self.on_output: Callable[[bytes], None] | None = None
        self.muted = False
        """While a machine repeats a part of its run, output is neither passed on nor written."""
        self._file: BinaryIO | None = None
        self._kept: Text | None = None

    def send(self, text: str | bytes) -> None:
        """Type something."""
        self.pending += text.encode() if isinstance(text, str) else text

    def copy_to(self, path: str) -> None:
        """Also write all output from here on into a file. Raises OSError, here and where it is written."""
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  (it stays open)

    def wrote(self, data: bytes) -> None:
        """The guest has written something."""
        self.output += data
        while len(self.output) > 2 * WINDOW:  # what is kept follows from how much was written, not from in which pieces
            del self.output[:WINDOW]
            self.dropped += WINDOW
            self.seen = max(0, self.seen - WINDOW)
            self._kept = None
        if self.muted:
            return
        if self._file is not None:
            self._file.write(data)
        if self.on_output is not None:
            self.on_output(data)

    def keep(self) -> Text:
        """A copy of `output`, for `put_back`."""
        if self._kept is None or self._kept.length != len(self.output):
            self._kept = Text(self._kept, bytes(self.output[self._kept.length if self._kept else 0 :]), self.dropped)
        return self._kept

    def put_back(self, text: Text) -> None:
        """Set the output to what `keep` has returned."""
        if self._kept is not text or len(self.output) != text.length:
            self.output[:] = bytes(text)
            self.dropped = text.dropped
            self._kept = text

    def since(self, place: int) -> str:
        """What was written from a place on, counted from the first byte ever, as far as it is kept and consumed; as text."""
        return self.output[max(0, place - self.dropped) : self.seen].decode(errors="replace")

    def match(self, pattern: str | bytes) -> re.Match[bytes] | None:
        """The first match of a regular expression in what has not been consumed; consumes up to its end."""
        found = re.compile(pattern.encode() if isinstance(pattern, str) else pattern).search(self.output, self.seen)
        if found:
            self.seen = found.end()
        return found

    @property
    def text(self) -> str:
        """The output that is kept, as text."""
        return self.output.decode(errors="replace")
