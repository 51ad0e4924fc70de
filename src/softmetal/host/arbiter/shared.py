"""Hardware that all guests use at once: their accesses are interleaved, fair by weight.

Deficit round robin (M. Shreedhar, G. Varghese, "Efficient fair queuing using deficit round robin", 1996): each guest whose
accesses wait gets, turn by turn, credit in proportion to its weight, and spends it on accesses in their order. An access
costs its bytes and OPERATION, so that small ones count. Limits are token buckets, of bytes and of operations a second.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from softmetal.host.arbiter.access import Access, Ledger

OPERATION = 4096
"""What an access costs beside its bytes."""
CREDIT = 1 << 16
"""What a guest of weight 1 gets in a turn."""
BURST = 0.05
"""Seconds of its limit that a guest may use at once."""


class Bucket:
    """A limit: so much a second. It may be overdrawn by one access, which is paid back before the next."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.level = self.most = rate * BURST
        self.at = -math.inf

    def ready(self, now: float) -> float:
        """The time from which on there is something to take."""
        self.level = min(self.most, self.level + (now - self.at) * self.rate)
        self.at = now
        return now if self.level > 0 else now - self.level / self.rate

    def take(self, amount: float) -> None:
        """Take so much."""
        self.level -= amount


class Share:
    """One guest's part of a piece of hardware: its weight, and limits in bytes and accesses a second, 0 for none."""

    def __init__(self, guest: str, weight: float = 1, bandwidth: float = 0, rate: float = 0) -> None:
        if not weight > 0 or bandwidth < 0 or rate < 0:
            raise ValueError(f"guest {guest}: a weight is above 0, limits are not below 0")
        self.guest, self.weight = guest, weight
        self.bytes = Bucket(bandwidth) if bandwidth else None
        self.operations = Bucket(rate) if rate else None
        self.waiting: deque[Access] = deque()
        self.credit = 0.0
        self.active = False
        """Does it take its turns?"""

    def ready(self, now: float) -> float:
        """The time from which on its limits allow another access."""
        return max((b.ready(now) for b in (self.bytes, self.operations) if b), default=now)

    def spend(self, access: Access) -> None:
        """Enter an access in the limits."""
        if self.bytes:
            self.bytes.take(access.size)
        if self.operations:
            self.operations.take(1)


class Shared:
    """A piece of hardware that guests share. Accesses of one guest are carried out in the order in which it asked."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.clock = name, clock
        self.shares: dict[str, Share] = {}
        self.active: deque[Share] = deque()
        self.ledger = Ledger()

    def join(self, share: Share) -> None:
        """Have another guest. Raises ValueError where it is there already."""
        if share.guest in self.shares:
            raise ValueError(f"{self.name}: guest {share.guest} is there already")
        self.shares[share.guest] = share

    def leave(self, guest: str) -> None:
        """A guest goes; what it waits for is dropped."""
        share = self.shares.pop(guest)
        share.waiting.clear()
        self._rest(share)

    def _rest(self, share: Share) -> None:
        if share.active:
            self.active.remove(share)
            share.active = False

    def submit(self, access: Access) -> None:
        """Ask for an access; it is carried out by `run`."""
        access.asked = self.clock()
        share = self.shares[access.guest]
        share.waiting.append(access)
        if not share.active:
            share.active, share.credit = True, 0.0
            self.active.append(share)

    def run(self, budget: int = 1 << 20) -> float | None:
        """Carry out accesses that cost so much, or all. When there is more to do: the clock's time, or None: nothing waits."""
        left: float = budget
        now = self.clock()
        blocked, soonest = 0, math.inf
        while self.active and left > 0:
            share = self.active[0]
            when = share.ready(now)
            if when > now:
                soonest = min(soonest, when)
                blocked += 1
                if blocked >= len(self.active):
                    return soonest
                self.active.rotate(-1)
                continue
            blocked, soonest = 0, math.inf
            if share.credit <= 0:
                share.credit += CREDIT * share.weight
            while share.waiting and share.credit > 0 and left > 0:
                access = share.waiting.popleft()
                cost = access.size + OPERATION
                share.credit -= cost
                left -= cost
                share.spend(access)
                self.carry_out(access)
                now = access.ended
                if share.ready(now) > now:
                    break
            if not share.waiting:
                self.active.popleft()
                share.active = False
            elif share.credit <= 0 or share.ready(now) > now:
                self.active.rotate(-1)
        return now if self.active else None

    def carry_out(self, access: Access) -> None:
        """Do it now."""
        access.granted = self.clock()
        access.run()
        access.ended = self.clock()
        self.ledger.enter(access)

    def finish(self, guest: str) -> None:
        """Carry out all that a guest waits for, whatever its share: it stops, and nothing of it may stay open."""
        share = self.shares[guest]
        while share.waiting:
            self.carry_out(share.waiting.popleft())
        self._rest(share)
