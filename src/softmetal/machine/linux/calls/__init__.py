"""The handlers of the system calls, by family. Importing this package fills the table."""

from __future__ import annotations

from . import epoll, eventfiles, io, memory, net, paths, pidfd, poll, process, signals, system, threads, time

__all__ = [
    "epoll", "eventfiles", "io", "memory", "net", "paths", "pidfd", "poll", "process", "signals", "system", "threads", "time",
]  # fmt: skip
