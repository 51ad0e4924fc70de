"""The handlers of the system calls, by family. Importing this package fills the table."""

from __future__ import annotations

from . import (
    advice,
    contents,
    descriptors,
    io,
    ioctl,
    limits,
    memory,
    net,
    paths,
    poll,
    process,
    signals,
    system,
    threads,
    time,
)

__all__ = [
    "advice",
    "contents",
    "descriptors",
    "io",
    "ioctl",
    "limits",
    "memory",
    "net",
    "paths",
    "poll",
    "process",
    "signals",
    "system",
    "threads",
    "time",
]
