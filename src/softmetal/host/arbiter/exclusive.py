"""Hardware that one guest at a time may use: leases, and the queue of those that wait for one.

A guest's first access takes the lease if the hardware is free, and waits otherwise, behind those of higher or equal priority
that came before. All times are of the arbiter's clock, in seconds; nothing here waits by itself: whoever drives it calls `tick`
when the time that `due` names has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from softmetal.host.arbiter.access import Access, Ledger


class End(Enum):
    """Why a lease ended, or a wait."""

    CLOSED = "closed"  # the guest closed the device
    FRAME = "frame"  # the frame that it waited for ended
    IDLE = "idle"  # nothing moved for so long
    MAX_HOLD = "max_hold"  # it held for as long as it may, while others waited
    DIED = "died"
    RELEASED = "released"  # by hand
    LEFT = "left"  # the guest left the queue
    DEADLINE = "deadline"  # it waited for as long as it may


@dataclass(frozen=True)
class Terms:
    """How long a lease, and a wait for one, may last; None: as long as it takes."""

    idle: float | None = None
    max_hold: float | None = None
    deadline: float | None = None
    quiet: float = 0.0
    """After a lease was taken away the hardware may still answer its holder: it has to be silent for so long before the next."""


class Party:
    """A guest that may use the hardware. `granted` is called when it may go on, `ended`, with the reason, when it no longer may.
    A guest of higher priority is served first."""

    def __init__(
        self, guest: str, granted: Callable[[], None], ended: Callable[[End], None], priority: int = 0
    ) -> None:
        self.guest, self.granted, self.ended, self.priority = guest, granted, ended, priority
        self.lease: Access | None = None
        """Its lease, or what it waits for."""


class Exclusive:
    """A piece of hardware with one holder."""

    def __init__(self, name: str, terms: Terms, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.terms, self.clock = name, terms, clock
        self.holder: Party | None = None
        self.queue: list[Party] = []
        self.ledger = Ledger()
        self.moved = 0.0
        """When the holder, or the hardware, last did anything."""
        self.quiet_until: float | None = None
        self.ends: list[tuple[str, End, float]] = []
        """Guest, reason and time of each end that was not a frame's, for whoever wants to know; they may clear it."""

    def want(self, party: Party) -> bool:
        """A guest has something for the hardware. May it go on? Otherwise it waits, and is called."""
        if self.holder is party:
            return True
        if party.lease is None:
            party.lease = Access(party.guest, "lease", 0, party.granted)
            party.lease.asked = self.clock()
            at = next((i for i, other in enumerate(self.queue) if other.priority < party.priority), len(self.queue))
            self.queue.insert(at, party)
            self._next(call=party)
        return self.holder is party

    def used(self, size: int = 0) -> None:
        """The holder, or the hardware, moved so many bytes."""
        self.moved = self.clock()
        if self.holder and self.holder.lease:
            self.holder.lease.size += size
        if self.quiet_until is not None:
            self.quiet_until = self.moved + self.terms.quiet

    def release(self, party: Party, why: End) -> bool:
        """End a guest's lease, or its wait. Had it any? The next that waits goes on at once."""
        lease = party.lease
        if lease is None:
            return False
        now = self.clock()
        party.lease = None
        if self.holder is party:
            lease.ended = now
            self.ledger.enter(lease)
            self.holder = None
            if why in (End.MAX_HOLD, End.DIED, End.RELEASED) and self.terms.quiet:
                self.quiet_until = now + self.terms.quiet
        else:
            self.queue.remove(party)
        if why is not End.FRAME:
            self.ends.append((party.guest, why, now))
        party.ended(why)
        self._next()
        return True

    def _next(self, call: Party | None = None) -> None:
        """Give the lease to the first that waits, if the hardware is free. `call`: it asks just now and needs no call."""
        if self.holder or not self.queue or self.quiet_until is not None:
            return
        party = self.queue.pop(0)
        assert party.lease is not None
        self.holder = party
        self.moved = party.lease.granted = self.clock()
        if party is not call:
            party.granted()

    def due(self) -> float | None:
        """When `tick` has something to do; None: not before anything else happens."""
        times = []
        if self.quiet_until is not None:
            times.append(self.quiet_until)
        if self.holder and self.holder.lease:
            if self.terms.idle is not None:
                times.append(self.moved + self.terms.idle)
            if self.terms.max_hold is not None and self.queue:
                times.append(self.holder.lease.granted + self.terms.max_hold)
        if self.terms.deadline is not None:
            times += [p.lease.asked + self.terms.deadline for p in self.queue if p.lease]
        return min(times, default=None)

    def tick(self) -> None:
        """End what has lasted too long."""
        now = self.clock()
        if self.terms.deadline is not None:
            for party in list(self.queue):
                if party.lease and party.lease.asked + self.terms.deadline <= now:
                    self.release(party, End.DEADLINE)
        holder = self.holder
        if holder and holder.lease:
            if self.terms.max_hold is not None and self.queue and holder.lease.granted + self.terms.max_hold <= now:
                self.release(holder, End.MAX_HOLD)
            elif self.terms.idle is not None and self.moved + self.terms.idle <= now:
                self.release(holder, End.IDLE)
        if self.quiet_until is not None and self.quiet_until <= now:
            self.quiet_until = None
            self._next()
