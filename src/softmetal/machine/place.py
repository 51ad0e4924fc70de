"""A place in a run: a position and, since that does not change while all CPUs wait, the clock."""

from __future__ import annotations

from typing import Any, NamedTuple

CHUNK = 10_000_000
"""Instructions after which pending signals are handled."""


class Place(NamedTuple):
    """How many instructions and traps all CPUs have done, and the clock in ticks since power-on."""

    position: int
    clock: int

    def __str__(self) -> str:
        return f"position {self.position}, tick {self.clock}"


def reach(machine: Any, position: int, clock: int = 0) -> bool:
    """Run a machine to a position, and, where its CPUs wait there, on to a clock. False: the guest does not reach it."""
    while machine.position < position:
        before = machine.position, machine.clock
        if machine.advance(min(position - before[0], CHUNK)) is not None and (machine.position, machine.clock) == before:
            return False
    while machine.position == position and machine.clock < clock:
        before = machine.position, machine.clock
        if machine.advance(1, clock) is not None and (machine.position, machine.clock) == before:
            return False
    return bool(machine.position == position)
