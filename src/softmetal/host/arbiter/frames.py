"""Where a frame of a byte stream ends."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FrameRule:
    """One of: `ends`, a delimiter; `length_at`, `length_size`, the place of a length field (big-endian unless `little`), to which
    `extra` bytes are added; `gap`, seconds of silence. `request` is the delimiter of requests where it is another one. `answers`
    is how many frames the hardware sends for a request."""

    ends: bytes = b""
    request: bytes = b""
    length_at: int = 0
    length_size: int = 0
    extra: int = 0
    little: bool = False
    gap: float = 0.0
    answers: int = 1

    @property
    def of_requests(self) -> FrameRule:
        """The rule for what guests send."""
        return replace(self, ends=self.request or self.ends)


class Frames:
    """Finds the ends of frames in pieces of a stream."""

    def __init__(self, rule: FrameRule) -> None:
        self.rule = rule
        self.held = bytearray()

    def feed(self, data: bytes) -> list[int]:
        """Where frames end in this piece: offsets behind their last bytes."""
        rule, before, ends = self.rule, len(self.held), []
        self.held += data
        at = 0
        if rule.ends:
            while (found := self.held.find(rule.ends, at)) >= 0:
                at = found + len(rule.ends)
                ends.append(at - before)
            at = max(at, len(self.held) - len(rule.ends) + 1)  # of what is left only a delimiter's start matters
        elif rule.length_size:
            head = rule.length_at + rule.length_size
            while len(self.held) >= at + head:
                field = self.held[at + rule.length_at : at + head]
                size = max(head, int.from_bytes(field, "little" if rule.little else "big") + rule.extra)
                if len(self.held) < at + size:
                    break
                at += size
                ends.append(at - before)
        else:
            at = len(self.held)
        del self.held[:at]
        return ends

    def clear(self) -> None:
        """Forget an unfinished frame."""
        self.held.clear()
