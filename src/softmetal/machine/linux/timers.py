"""Timers of guest time: `setitimer`, `alarm`, `timer_create`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Timer:
    """A timer; 0 in `deadline` means that it is not set. Unit ns of the monotonic guest clock."""

    fire: Callable[[int], None]
    """Called with how often it has run out."""
    deadline: int = 0
    interval: int = 0
    overrun: int = 0

    def left(self, now: int) -> int:
        """Time until it runs out; 0 if it is not set."""
        return max(1, self.deadline - now) if self.deadline else 0


class Timers:
    """The timers of a process."""

    def __init__(self) -> None:
        self.all: dict[object, Timer] = {}
        self.active = False

    def set(self, timer: Timer, deadline: int, interval: int) -> None:
        """Set a timer, or stop it with a deadline of 0."""
        timer.deadline = deadline
        timer.interval = interval
        self.active = any(t.deadline for t in self.all.values())

    def next(self) -> int | None:
        """The earliest deadline."""
        if not self.active:
            return None
        return min((t.deadline for t in self.all.values() if t.deadline), default=None)

    def check(self, now: int) -> None:
        """Fire what has run out."""
        if not self.active:
            return
        for timer in list(self.all.values()):
            if timer.deadline and timer.deadline <= now:
                times = 1
                if timer.interval:
                    times += (now - timer.deadline) // timer.interval
                    timer.deadline += times * timer.interval
                else:
                    timer.deadline = 0
                timer.overrun = times - 1
                timer.fire(times)
        self.active = any(t.deadline for t in self.all.values())

    def drop(self, key: object) -> None:
        """Forget a timer."""
        del self.all[key]
        self.active = any(t.deadline for t in self.all.values())
