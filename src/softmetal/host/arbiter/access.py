"""A guest's access to a piece of hardware: who, what, when, how much; and the account of all that were made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Access:
    """One request of a guest. `run` carries it out; times are of the arbiter's clock, in seconds."""

    __slots__ = ("asked", "ended", "granted", "guest", "kind", "run", "size")

    def __init__(self, guest: str, kind: str, size: int, run: Callable[[], None]) -> None:
        self.guest, self.kind, self.size, self.run = guest, kind, size, run
        self.asked = self.granted = self.ended = 0.0

    @property
    def waited(self) -> float:
        """Seconds from asking to being granted."""
        return self.granted - self.asked


class Account:
    """What one guest did with one piece of hardware."""

    __slots__ = ("accesses", "bytes", "longest", "used", "waited")

    def __init__(self) -> None:
        self.accesses = self.bytes = 0
        self.used = self.waited = self.longest = 0.0
        """Seconds of use, of waiting, and the longest wait."""

    def add(self, access: Access) -> None:
        """Enter an access that has ended."""
        wait = access.granted - access.asked
        self.accesses += 1
        self.bytes += access.size
        self.used += access.ended - access.granted
        self.waited += wait
        if wait > self.longest:
            self.longest = wait


class Ledger:
    """Accounts by guest, and the last accesses themselves."""

    KEPT = 1 << 16

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.recent: deque[tuple[str, str, int, float, float, float]] = deque(maxlen=self.KEPT)
        """Guest, kind, bytes; asked, granted, ended."""

    def enter(self, access: Access) -> None:
        """Keep an access that has ended."""
        account = self.accounts.get(access.guest)
        if account is None:
            account = self.accounts[access.guest] = Account()
        account.add(access)
        self.recent.append((access.guest, access.kind, access.size, access.asked, access.granted, access.ended))
