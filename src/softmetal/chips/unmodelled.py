"""Accesses that a board does not model, counted by address: what `softmetal run` lists at the end.

A device says by its line `unmodelled` that an access touched what it does not model; the board, which knows the address,
notes it here. The first 64 addresses are kept, all accesses are counted.
"""

from __future__ import annotations

from softmetal.lang import Chip, cold, u1, u7, u64

MOST = 64
WRITTEN = 1 << 63


class UnmodelledAccesses(Chip):
    """The first MOST physical addresses at which something is not modelled; WRITTEN: by a store."""

    address: u64[64]
    times: u64[64]
    places: u7  # how many of these are in use
    count: u64  # of all accesses

    def note(self, unmodelled: u1, address: u64, write: u1) -> None:
        """Count an access where it was to what is not modelled."""
        if unmodelled:
            self.add(address | write << 63)

    @cold
    def add(self, access: u64) -> None:
        """Count an access at its address, where it is one of the first."""
        self.count += 1
        for i in range(MOST):
            if i == self.places:
                self.address[i] = access
                self.places += 1
            if self.address[i] == access:
                self.times[i] += 1
                return
