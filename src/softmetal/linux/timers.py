"""Timers of guest time: `setitimer`, `alarm`, `timer_create`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .threads import Thread


@dataclass(slots=True)
class Timer:
    """A timer; 0 in `deadline` means that it is not set. Unit ns of its clock: the monotonic one, or time used."""

    fire: Callable[[int], None]
    """Called with how often it has run out."""
    deadline: int = 0
    interval: int = 0
    overrun: int = 0
    used: Callable[[], int] | None = None
    """The time that it counts, if that is time used and not the monotonic clock."""
    thread: Thread | None = None
    """Whose time it counts; None for the process's."""

    def now(self, monotonic: int) -> int:
        """Its clock, when the monotonic one reads `monotonic`."""
        return monotonic if self.used is None else self.used()

    def left(self, now: int) -> int:
        """Time until it runs out; 0 if it is not set."""
        return max(1, self.deadline - now) if self.deadline else 0


class Timers:
    """The timers of a process."""

    def __init__(self) -> None:
        self.all: dict[object, Timer] = {}
        self.active = False

    def after_exec(self) -> Timers:
        """What `execve` leaves of them: those of setitimer and alarm."""
        kept = Timers()
        kept.all = {key: t for key, t in self.all.items() if isinstance(key, tuple) and key[0] == "itimer"}
        kept.active = any(t.deadline for t in kept.all.values())
        return kept

    def set(self, timer: Timer, deadline: int, interval: int) -> None:
        """Set a timer, or stop it with a deadline of 0."""
        timer.deadline = deadline
        timer.interval = interval
        self.active = any(t.deadline for t in self.all.values())

    def next(self) -> int | None:
        """The earliest deadline by the monotonic clock: what a process that sleeps wakes for."""
        if not self.active:
            return None
        return min((t.deadline for t in self.all.values() if t.deadline and t.used is None), default=None)

    def budget(self, monotonic: int | None, thread: Thread) -> int | None:
        """How long `thread` may run until the next timer runs out; None: for ever, as far as timers know.

        Without `monotonic` only the timers that count used time are looked at.
        """
        left = None
        for t in self.all.values():
            if not t.deadline or (t.used is None and monotonic is None) or t.thread not in (None, thread):
                continue
            rest = max(0, t.deadline - (t.used() if t.used is not None else monotonic or 0))
            left = rest if left is None else min(left, rest)
        return left

    def check(self, monotonic: int) -> None:
        """Fire what has run out."""
        if not self.active:
            return
        for timer in list(self.all.values()):
            if not timer.deadline:
                continue
            now = timer.now(monotonic)
            if timer.deadline <= now:
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
        self.all.pop(key, None)
        self.active = any(t.deadline for t in self.all.values())
