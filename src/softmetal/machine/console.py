"""A guest's console: what it has written, what is typed to it."""

from __future__ import annotations

import re
from collections.abc import Callable


class Console:
    """Text of a guest, as bytes. `output` is all of it; `send` queues what the guest is to read.

    `on_output`, if set, is called with each new piece.
    """

    def __init__(self) -> None:
        self.output = bytearray()
        self.seen = 0  # what `expect` has consumed
        self.pending = bytearray()
        self.on_output: Callable[[bytes], None] | None = None

    def send(self, text: str | bytes) -> None:
        """Type something."""
        self.pending += text.encode() if isinstance(text, str) else text

    def wrote(self, data: bytes) -> None:
        """The guest has written something."""
        self.output += data
        if self.on_output is not None:
            self.on_output(data)

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
