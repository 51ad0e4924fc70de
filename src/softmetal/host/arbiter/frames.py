"""Where a frame of a byte stream ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameRule:
    """One of: `ends`, a delimiter; `length_at`, `length_size`, the place of a length field (big-endian unless `little`), to which
    `extra` bytes are added; `gap`, seconds of silence. `answers` is how many frames the hardware sends for a request."""

    ends: bytes = b""
    length_at: int = 0
    length_size: int = 0
    extra: int = 0
    little: bool = False
    gap: float = 0.0
    answers: int = 1


class Frames:
    """Finds the ends of frames in pieces of a stream."""

    def __init__(self, rule: FrameRule) -> None:
        self.rule = rule
        self.held = bytearray()

    def feed(self, data: bytes) -> int:
        """How many frames end in this piece."""
        rule, count = self.rule, 0
        self.held += data
        if rule.ends:
            count = self.held.count(rule.ends)
            if count:
                del self.held[: self.held.rindex(rule.ends) + len(rule.ends)]
            del self.held[: max(0, len(self.held) - len(rule.ends) + 1)]  # only a delimiter's start matters
        elif rule.length_size:
            head = rule.length_at + rule.length_size
            while len(self.held) >= head:
                field = self.held[rule.length_at : head]
                size = max(head, int.from_bytes(field, "little" if rule.little else "big") + rule.extra)
                if len(self.held) < size:
                    break
                del self.held[:size]
                count += 1
        return count

    def clear(self) -> None:
        """Forget an unfinished frame."""
        self.held.clear()
