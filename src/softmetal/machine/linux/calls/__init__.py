"""The handlers of the system calls, by family. Importing this package fills the table."""

from __future__ import annotations

from . import io, memory, net, paths, poll, process, signals, system, threads, time

__all__ = ["io", "memory", "net", "paths", "poll", "process", "signals", "system", "threads", "time"]
