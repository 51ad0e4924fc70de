"""Why a thread sleeps, and what wakes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .files import File

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32

AS_ASKED, UNLESS_HANDLED, NEVER, ALWAYS = range(4)
"""When a call that a signal interrupts starts again. Linux's names for the four: ERESTARTSYS (if the handler has
SA_RESTART), ERESTARTNOHAND (if no handler runs), EINTR (not even then), ERESTARTNOINTR. man 7 signal lists which
call does what."""


class Wait:
    """A blocked call. `attempt` is tried again when something that it waits for may have happened.

    It answers the call's result, or a Wait (itself, as a rule) to go on sleeping. It looks at the clock
    itself: when the deadline has passed it must answer. It is also tried when a signal has come, before the
    handler runs: as on Linux, a result that is there wins against the signal.
    """

    __slots__ = (
        "attempt",
        "cancel",
        "deadline",
        "fds",
        "firm",
        "holds",
        "interval",
        "kick",
        "outside",
        "partial",
        "ready",
        "restart",
    )

    def __init__(
        self, attempt: Callable[[], Result], *, fds: list[tuple[int, int]] | None = None, deadline: int | None = None,
        restart: int = AS_ASKED, kick: bool = False, interval: bool = False, outside: bool = False,
        firm: bool = False, cancel: Callable[[], None] | None = None, holds: tuple[File, ...] = (),
    ) -> None:  # fmt: skip
        self.attempt = attempt
        self.fds = fds or []
        """Host file descriptors and poll events."""
        self.deadline = deadline
        """Monotonic guest time in ns at which to try again in any case."""
        self.restart = restart
        """AS_ASKED, UNLESS_HANDLED, NEVER or ALWAYS."""
        self.kick = kick
        """Try again when a signal has arrived or a child has changed."""
        self.interval = interval
        """Try again every millisecond: there is no notification to wait for."""
        self.outside = outside
        """It waits for the world outside of the guest, whose time is the host's."""
        self.firm = firm
        """Signals do not end it."""
        self.cancel = cancel
        """Called when the wait ends in another way than by `attempt`."""
        self.holds = holds
        """Files that stay open while it lasts, even if the guest closes its descriptors of them."""
        self.partial = 0
        """What the call has done already; answered instead of EINTR when it is not 0."""
        self.ready = False


Result: TypeAlias = "int | Wait | None"
"""What a system call answers: its result (or negative errno), a wait, or None when it has set the registers itself."""
