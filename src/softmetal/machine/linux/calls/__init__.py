"""The handlers of the system calls, by family. Importing this package fills the table."""

from __future__ import annotations

from . import (
    advice,
    attributes,
    contents,
    descriptors,
    io,
    ioctl,
    limits,
    memory,
    net,
    opening,
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
    "attributes",
    "contents",
    "descriptors",
    "io",
    "ioctl",
    "limits",
    "memory",
    "net",
    "opening",
    "paths",
    "poll",
    "process",
    "signals",
    "system",
    "threads",
    "time",
]
