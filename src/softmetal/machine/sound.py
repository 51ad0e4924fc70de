"""What a machine plays: samples, for whoever listens to them or keeps them in a file."""

from __future__ import annotations

import wave
from collections.abc import Callable

WIDTH = 2
"""Bytes of a sample: signed, little-endian."""
MOST = 64 << 20
"""Bytes that are kept: some six minutes of stereo. What comes after them is lost, and counted."""


class Sound:
    """A machine's sound: `rate` samples a second for each of so many `channels`, which take turns in `samples`.

    `on_samples`, if set, is called with each new piece. What has been played stays here when the machine goes back in time.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.samples = bytearray()
        self.lost = 0
        """Bytes that were more than are kept."""
        self.on_samples: Callable[[bytes], None] | None = None
        self.muted = False
        """While a machine runs again what it has run, its sound is not heard again."""

    def played(self, data: bytes) -> None:
        """The machine has played something."""
        if self.muted:
            return
        kept = max(0, min(len(data), MOST - len(self.samples)))
        self.samples += data[:kept]
        self.lost += len(data) - kept
        if self.on_samples is not None:
            self.on_samples(data)

    def save(self, path: str) -> None:
        """Put what is kept into a WAV file. Raises OSError."""
        with wave.open(path, "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(WIDTH)
            file.setframerate(self.rate)
            file.writeframes(self.samples)
