"""A speaker on one line: its level, sampled at a fixed rate, for the outside.

The board calls `sample` as often as it samples, and looks at `calls`: nothing is lost, for the host is called to drain the port
before it is full. Not modelled: what the cone does with the edges; whoever plays the samples may filter them.
"""

from __future__ import annotations

from softmetal.chips.device import Port
from softmetal.lang import Chip, u1

SPARE = 64
"""Samples for which there is still room when the host is called: more than an instruction lasts."""


class Speaker(Chip):
    """Samples are bytes in the port `tx`: 1 where the line is high, else 0."""

    tx: Port
    calls: u1  # output line; 1 = the host has to drain the port before machine time goes on

    def sample(self, level: u1) -> None:
        """Take the line's level now."""
        self.tx.put(level)
        if self.tx.room() <= SPARE:
            self.calls = 1
