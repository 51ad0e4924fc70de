"""A cable between two machines in one process: their clocks go on together, and frames arrive a moment after they were sent.

Both run for a slice of machine time, then what each has sent goes to the other. So the latency is a slice, and the run depends
on nothing but the machines: it is the same each time. While no frame is under way, slices grow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softmetal.machine.errors import MachineError
from softmetal.machine.machine import Machine, Stop

SLICE = 50_000
"""Ticks (nanoseconds) between two looks at the cable while frames are under way."""
LONGEST = 1_000_000
"""The same while there are none."""
ENDED = (Stop.OFF, Stop.FAILED, Stop.RESET)


class Link:
    """A cable. Either machine may be run by itself, too: what it sends then waits here."""

    def __init__(self, one: Machine, other: Machine, latency: int = SLICE) -> None:
        for machine in (one, other):
            if not machine.virt.network:
                raise MachineError("a machine without a network card cannot be linked: make it with network=True")
        self.machines = one, other
        self.latency = latency
        self.slice = latency
        self.frames = [0, 0]
        """How many frames each has sent."""
        self.origin = [one.clock, other.clock]
        """Their clocks when the cable was put in: they may have been on for different times."""

    @property
    def clock(self) -> int:
        """Machine time, in ticks, since the cable was put in: of the machine that is behind."""
        return min(m.clock - start for m, start in zip(self.machines, self.origin, strict=True))

    def run(self, *, seconds: float | None = None, until: Callable[[], Any] | None = None) -> Stop:
        """Run both until so many seconds of machine time have passed, or `until()` is true, or one of them ends."""
        deadline = None if seconds is None else self.clock + round(seconds * 1e9)
        while not (until is not None and until()):
            now = self.clock
            if deadline is not None and now >= deadline:
                return Stop.TIME
            ended = self._slice(now + self.slice if deadline is None else min(now + self.slice, deadline))
            if ended is not None:
                return ended
        return Stop.UNTIL

    def _slice(self, end: int) -> Stop | None:
        for machine, start in zip(self.machines, self.origin, strict=True):
            goal = start + end
            while machine.clock < goal:
                stop = machine.advance((goal - machine.clock) * machine.virt.cpus, goal)
                if stop in ENDED or stop is Stop.HOOK:
                    return stop
        moved = self.carry()
        self.slice = self.latency if moved else min(2 * self.slice, max(LONGEST, self.latency))
        return None

    def carry(self) -> int:
        """Take to each what the other has sent; how many frames that were."""
        moved = 0
        for number, machine in enumerate(self.machines):
            if machine.sent:
                peer = self.machines[1 - number]
                for record in machine.sent:
                    peer.post("net", record)
                self.frames[number] += len(machine.sent)
                moved += len(machine.sent)
                machine.sent.clear()
        return moved


def connect(one: Machine, other: Machine, latency: int = SLICE) -> Link:
    """Put a cable between two machines."""
    return Link(one, other, latency)
