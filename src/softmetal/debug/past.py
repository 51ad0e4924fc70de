"""Going back: by one instruction of a hart, or to the last hook that was met.

The machine's timeline goes back to a position; the hooks that are met after it are found by running to the present again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softmetal.machine.debugger import Event
from softmetal.machine.stop import Stop

CHUNK = 20_000_000
"""Instructions after which a search checks whether the user has interrupted it."""


class Past:
    """Goes back in a machine's run, for a debugger."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine

    def begin(self) -> None:
        """Keep a timeline from here on."""
        if self.machine.timeline is None:
            self.machine.keep_timeline()

    def step(self, hart: int) -> bool:
        """Go back to before the last instruction of a hart. False: there is none, the machine is at the timeline's beginning."""
        machine, first = self.machine, self.machine.timeline.first
        high, size = machine.position, 1
        count = self._count(hart)
        while True:  # in most cases it was the last instruction of all
            low = max(first, high - size)
            machine.goto(low)
            if self._count(hart) < count:
                break
            if low == first:
                return False
            high, size = low, size * 64
        while high - low > 1:
            middle = (low + high) // 2
            machine.goto(middle)
            low, high = (middle, high) if self._count(hart) < count else (low, middle)
        machine.goto(low)
        return True

    def hit(self, interrupted: Callable[[], bool]) -> list[Event] | None:
        """Go back to the last hook that was met, to its instruction; the events there.

        []: there is none, the machine is at the timeline's beginning. None: the search was interrupted, the machine is unmoved.
        """
        machine = self.machine
        here, end = machine.place, machine.position
        for start in reversed([s.position for s in machine.timeline.snapshots]):
            if start >= end:
                continue
            machine.goto(start)
            batch, enough = self._last_batch(end, interrupted)
            if enough:
                machine.goto(here)
                return None
            if batch is not None:
                return self._land(batch, end)
            end = start
        machine.goto(machine.timeline.first)
        return []

    def _last_batch(self, end: int, interrupted: Callable[[], bool]) -> tuple[int | None, bool]:
        """Run to a position: where the last piece of the run with an event began, and whether the search was interrupted."""
        machine, debug, found = self.machine, self.machine.debug, None
        with machine.timeline.unobserved(stops=False):
            while machine.position < end:
                before, passed = machine.position, debug.passed
                stop = machine.advance(min(CHUNK, end - before))
                if debug.passed > passed:
                    found = before
                if stop is not None and machine.position == before:
                    break
                if interrupted():
                    return None, True
        return found, False

    def _land(self, start: int, end: int) -> list[Event]:
        """Go to the last of the few hooks that are met between two positions."""
        machine, debug = self.machine, self.machine.debug
        hits: list[Event] = []
        stops = 0
        with machine.timeline.unobserved(stops=True):
            machine.goto(start)
            while machine.position < end:
                before = machine.position
                stop = machine.advance(end - before)
                if stop is Stop.HOOK:
                    hits, stops = debug.hits, stops + 1
                elif stop is not None and machine.position == before:
                    break
        with machine.timeline.unobserved(stops=True):
            machine.goto(start)
            while stops:
                stops -= machine.advance(end - machine.position) is Stop.HOOK
        return hits

    def _count(self, hart: int) -> int:
        return int(self.machine.cpus[hart].state.count)
