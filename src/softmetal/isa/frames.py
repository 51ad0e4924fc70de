"""Frames of memory with code in them: the interface between a core and an engine that has decoded it. No part of the hardware."""

from __future__ import annotations

from typing import Any

from softmetal.lang import Chip, host, u1, u32

CHANGED = 1024
"""Frames that are listed when code in them was changed."""


class CodeFrames(Chip):
    """What a core and an engine that decodes code by frames (`isa.decoding.ByFrame`) share."""

    ahead: u1  # the engine runs ahead: what may change more than registers raises a trap before it has any effect
    changed: u32[CHANGED]  # frames whose code has been changed since the core was last prepared
    changed_count: u32  # CHANGED + 1: there were more

    def change(self, frame: u32) -> None:
        """Code in a frame is about to change."""
        if self.changed_count < CHANGED:
            self.changed[self.changed_count & CHANGED - 1] = frame
        self.changed_count = min(self.changed_count + 1, CHANGED + 1)

    @host
    def forget(self) -> None:
        """Clear the list of changed code, so that the state is canonical: the engine that has decoded it has been notified."""
        chip: Any = self
        chip.changed_count = 0
        chip.changed.view[:] = memoryview(bytes(4 * CHANGED)).cast("I")
