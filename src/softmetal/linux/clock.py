"""Guest time and guest randomness, both functions of the run and not of the host.

Time: one instruction is one nanosecond (a machine of 1000 million instructions a second), plus the time slept.
A sleep does not wait for the host; it moves the clock. The wall clock starts at `EPOCH`, the monotonic one at
`UPTIME`. With `--host-time` both are the host's, sleeping is real, and runs differ.
The wall clock jumps forward when the guest is shown a file that is newer (`filetimes`).

Randomness: SplitMix64 (Steele, Lea, Flood 2014), seeded with `--seed`; every byte the guest can get comes from it.
"""

from __future__ import annotations

import time

from .cpu import Cpu

EPOCH = 1_735_689_600 * 10**9
"""2025-01-01T00:00:00Z, in ns."""
UPTIME = 100 * 10**9
"""The monotonic clock at power-on, in ns."""
MASK64 = (1 << 64) - 1


class Clock:
    """The clocks of one process; unit ns."""

    def __init__(self, cpu: Cpu, host_time: bool) -> None:
        self.cpu = cpu
        self.host_time = host_time
        self.slept = 0
        self.wall_offset = EPOCH - UPTIME
        self.coarse = EPOCH
        """The wall clock when the thread's turn began: what files are dated with (Linux, too, takes a coarse clock)."""

    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        if self.host_time:
            return time.monotonic_ns()
        return UPTIME + self.cpu.count + self.slept

    def wall(self) -> int:
        """CLOCK_REALTIME."""
        if self.host_time:
            return time.time_ns()
        return self.monotonic() + self.wall_offset

    def has_shown(self, moment: int) -> None:
        """The guest has seen a file that was changed at `moment` of the wall clock, which is no earlier from now on."""
        if not self.host_time and moment > self.wall():
            self.wall_offset = moment - self.monotonic()
            self.coarse = moment

    def used(self) -> int:
        """CLOCK_PROCESS_CPUTIME_ID."""
        return self.cpu.count

    def until(self, moment: int) -> int:
        """How many instructions from now the monotonic clock reads `moment`; at least 0."""
        return max(0, moment - self.monotonic())

    def advance(self, moment: int) -> None:
        """Move the monotonic clock forward to `moment`; never back."""
        if not self.host_time:
            self.slept += max(0, moment - self.monotonic())


class Entropy:
    """SplitMix64."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK64

    def word(self) -> int:
        """64 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK64
        return z ^ (z >> 31)

    def take(self, length: int) -> bytes:
        """`length` random bytes."""
        words = (length + 7) // 8
        return b"".join(self.word().to_bytes(8, "little") for _ in range(words))[:length]

    def below(self, limit: int) -> int:
        """A number in `range(limit)`; the bias is under limit / 2**64."""
        return self.word() % limit

    def branch(self, key: int) -> None:
        """Go on as another generator, the one that `key` (a forked process's number) selects."""
        self.state = (self.state ^ (key * 0x9E3779B97F4A7C15)) & MASK64
        self.state = self.word()
