"""Threads: the register file of each that is not running, and why it is not."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from .cpu import Cpu
from .waits import Wait

if TYPE_CHECKING:
    from .files import File
    from .rseq import Registration


class Pending(NamedTuple):
    """A signal that waits to be delivered."""

    number: int
    info: bytes
    """`siginfo_t`, 128 bytes."""


class Thread:
    """One guest thread. While it is current its registers are the CPU's; `x`, `f`, `pc`, `fcsr` are stale then."""

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self.x: list[int] = [0] * 32
        self.f: list[int] = [0] * 32
        self.pc = 0
        self.fcsr = 0
        self.mask = 0
        """Blocked signals; bit n-1 is signal n."""
        self.signalled = False
        """It may have a signal to take (Linux's TIF_SIGPENDING): those for the process are given to one thread."""
        self.stopped = False
        """It was stopped and goes on, which ends some calls (waits.NEVER)."""
        self.restore_mask: int | None = None
        """The mask to return to when the call that changed it for its duration ends."""
        self.pending: deque[Pending] = deque()
        self.stack = (0, 2, 0)
        """sigaltstack: address, flags (SS_DISABLE), size."""
        self.clear_tid = 0
        self.rseq: Registration | None = None
        self.robust = 0
        self.wait: Wait | None = None
        self.interrupted: Wait | None = None
        self.held: tuple[File, ...] = ()
        """The files that its blocked call keeps open."""
        self.name = b""
        self.policy = self.nice = 0
        self.io_priority = 0
        """Scheduling parameters: kept, and without effect."""
        self.used = 0
        """Instructions run in finished turns."""
        self.began = 0
        self.dead = False

    def let_go(self) -> None:
        """Its blocked call has ended: that call's files need not stay open."""
        if self.held:
            held, self.held = self.held, ()
            for file in held:
                file.release()

    def save(self, cpu: Cpu) -> None:
        """Take the registers from the CPU."""
        self.x = list(cpu.x)
        self.f = list(cpu.f)
        self.pc = cpu.pc
        self.fcsr = cpu.fcsr
        self.used += cpu.count - self.began
        self.began = cpu.count

    def load(self, cpu: Cpu) -> None:
        """Put the registers into the CPU."""
        x, f = cpu.x, cpu.f
        for index, value in enumerate(self.x):
            x[index] = value
        for index, value in enumerate(self.f):
            f[index] = value
        cpu.pc = self.pc
        cpu.fcsr = self.fcsr
        cpu.clear_reservation()
        self.began = cpu.count
