"""The resource limits of a process. Source: man 2 getrlimit; Linux kernel/time/posix-cpu-timers.c for RLIMIT_CPU.

CPU time is instructions, one a nanosecond. NPROC does not bind root, and counts the processes of the run and the threads of
the one that asks. Not enforced: RSS (Linux does not either), LOCKS, SIGPENDING, MSGQUEUE, NICE, RTPRIO, RTTIME; CORE, since
no core file is written.
"""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

from . import signals as sig
from .abi import M64, NS
from .areas import ENDLESS
from .errors import GuestExit
from .nodes import fail
from .threads import Pending

if TYPE_CHECKING:
    from .process import Process

CPU, FSIZE, DATA, STACK, CORE, RSS, NPROC, NOFILE, MEMLOCK, AS = range(10)
COUNT = 16
SIGXCPU, SIGXFSZ = 24, 25
MOST_FILES = 4096
"""Descriptors that a guest process may have: each costs one of the host's."""
NR_OPEN = 1 << 20
DEFAULTS = {
    STACK: (8 << 20, M64), CORE: (0, M64), NPROC: (4096, 4096), NOFILE: (1024, MOST_FILES),
    11: (4096, 4096), 12: (819200, 819200), 13: (0, 0), 14: (0, 0),
}  # fmt: skip
"""Soft and hard; the others are unlimited."""
NAMES = (
    ("cpu time", "seconds"), ("file size", "bytes"), ("data size", "bytes"), ("stack size", "bytes"),
    ("core file size", "bytes"), ("resident set", "bytes"), ("processes", "processes"), ("open files", "files"),
    ("locked memory", "bytes"), ("address space", "bytes"), ("file locks", "locks"), ("pending signals", "signals"),
    ("msgqueue size", "bytes"), ("nice priority", ""), ("realtime priority", ""), ("realtime timeout", "us"),
)  # fmt: skip
"""Names and units in `/proc/PID/limits`."""


class Limits:
    """What a process may use. A fork copies them; `execve` keeps them."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.values: dict[int, tuple[int, int]] = {}
        self.file_size: int | None = None
        """RLIMIT_FSIZE in bytes, if there is one."""
        self.cpu_moment: int | None = None
        """The instruction count at which RLIMIT_CPU has to be looked at."""
        self.began = 0
        """The instruction count at which the process began."""

    def get(self, kind: int) -> tuple[int, int]:
        """Soft and hard limit. Raises OSError(EINVAL)."""
        if not 0 <= kind < COUNT:
            raise fail(errno.EINVAL)
        return self.values.get(kind) or DEFAULTS.get(kind, (M64, M64))

    def set(self, kind: int, soft: int, hard: int) -> None:
        """Set a limit, and let it have its effect. Raises OSError(EINVAL, EPERM)."""
        _, most = self.get(kind)
        if soft > hard:
            raise fail(errno.EINVAL)
        if hard > most or (kind == NOFILE and hard > NR_OPEN):
            raise fail(errno.EPERM)
        self.values[kind] = (soft, hard)
        space = self.process.space
        size = min(soft, ENDLESS)
        if kind == NOFILE:
            self.process.fds.limit = min(soft, MOST_FILES)
            have = resource.getrlimit(resource.RLIMIT_NOFILE)
            if have[0] != resource.RLIM_INFINITY and have[0] < have[1]:
                resource.setrlimit(resource.RLIMIT_NOFILE, (have[1], have[1]))
        elif kind == STACK:
            space.stack_limit = size
        elif kind == AS:
            space.total_limit = size
        elif kind == DATA:
            space.data_limit = size
        elif kind == MEMLOCK:
            space.lock_limit = size
        elif kind == FSIZE:
            self.file_size = None if soft == M64 else soft
        elif kind == CPU:
            self._plan()

    def _plan(self) -> None:
        soft, hard = self.get(CPU)
        seconds = max(1, min(soft, hard))
        self.cpu_moment = None if seconds >= 1 << 34 else self.began + seconds * NS

    def forked(self) -> None:
        """In a new process: its CPU time begins."""
        self.began = self.process.cpu.count
        self._plan()

    def check_cpu(self) -> None:
        """RLIMIT_CPU: SIGXCPU at the soft limit and every second from then on, SIGKILL at the hard one."""
        if self.cpu_moment is None or self.process.cpu.count < self.cpu_moment:
            return
        soft, hard = self.get(CPU)
        used = (self.process.cpu.count - self.began) // NS
        if used >= max(1, hard):
            raise GuestExit(128 + sig.SIGKILL, sig.SIGKILL)
        self.values[CPU] = (max(1, soft) + 1, hard)
        self._plan()
        self.process.signals.post(Pending(SIGXCPU, sig.info(SIGXCPU, sig.SI_KERNEL, 0)))

    def check_size(self, length: int, now: int) -> None:
        """A file of `now` bytes is about to be made `length` bytes long. Raises OSError(EFBIG) with SIGXFSZ."""
        if self.file_size is not None and length > self.file_size and length > now:
            self._too_big()

    def cut(self, views: list[memoryview], position: int) -> list[memoryview]:
        """What may be written of `views` at `position`. Raises OSError(EFBIG) with SIGXFSZ if that is nothing."""
        if self.file_size is None:
            return views
        room = self.file_size - position
        if room <= 0 and any(map(len, views)):
            self._too_big()
        kept = []
        for view in views:
            if room <= 0:
                break
            kept.append(view[:room])
            room -= len(view)
        return kept

    def signal_size(self) -> None:
        """Send SIGXFSZ."""
        process = self.process
        process.signals.post(Pending(SIGXFSZ, sig.info(SIGXFSZ, sig.SI_USER, process.pid)), process.thread)

    def _too_big(self) -> None:
        self.signal_size()
        raise fail(errno.EFBIG)

    def text(self) -> str:
        """`/proc/PID/limits`."""

        def number(value: int) -> str:
            return "unlimited" if value == M64 else str(value)

        lines = [f"{'Limit':25} {'Soft Limit':20} {'Hard Limit':20} {'Units':10}"]
        for kind, (name, unit) in enumerate(NAMES):
            soft, hard = self.get(kind)
            lines.append(f"{'Max ' + name:25} {number(soft):20} {number(hard):20} {unit:10}")
        return "\n".join(lines) + "\n"
