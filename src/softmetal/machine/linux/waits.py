"""Why a thread sleeps, and what wakes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32


class Wait:
    """A blocked call. `attempt` is tried again when something that it waits for may have happened.

    It answers the call's result, or a Wait (itself, as a rule) to go on sleeping. It looks at the clock
    itself: when the deadline has passed it must answer.
    """

    __slots__ = (
        "attempt",
        "cancel",
        "deadline",
        "fds",
        "firm",
        "interval",
        "kick",
        "outside",
        "partial",
        "ready",
        "restart",
    )

    def __init__(
        self, attempt: Callable[[], Result], *, fds: list[tuple[int, int]] | None = None, deadline: int | None = None,
        restart: bool = True, kick: bool = False, interval: bool = False, outside: bool = False,
        firm: bool = False, cancel: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.attempt = attempt
        self.fds = fds or []
        """Host file descriptors and poll events."""
        self.deadline = deadline
        """Monotonic guest time in ns at which to try again in any case."""
        self.restart = restart
        """A signal handler with SA_RESTART restarts the call; without it, EINTR."""
        self.kick = kick
        """Try again when a signal has arrived or a child has changed."""
        self.interval = interval
        """Try again every millisecond: nothing tells when it is worth it."""
        self.outside = outside
        """It waits for the world outside of the guest, whose time is the host's."""
        self.firm = firm
        """Signals do not end it."""
        self.cancel = cancel
        """Called when the wait ends in another way than by `attempt`."""
        self.partial = 0
        """What the call has done already; answered instead of EINTR when it is not 0."""
        self.ready = False


Result: TypeAlias = "int | Wait | None"
"""What a system call answers: its result (or negative errno), a wait, or None when it has set the registers itself."""
