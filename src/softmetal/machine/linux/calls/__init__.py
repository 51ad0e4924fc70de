"""The handlers of the system calls, by family. Importing this package fills the table."""

from __future__ import annotations

from . import (
    epoll,
    eventfiles,
    inotify,
    io,
    memory,
    net,
    paths,
    pidfd,
    poll,
    process,
    schedule,
    signals,
    splice,
    system,
    threads,
    time,
)

__all__ = [
    "epoll", "eventfiles", "inotify", "io", "memory", "net", "paths", "pidfd", "poll", "process", "schedule", "signals",
    "splice", "system", "threads", "time",
]  # fmt: skip
