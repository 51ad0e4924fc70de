"""Unix sockets at which guests, and people, come."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def listen(path: Path, backlog: int = 1) -> socket.socket:
    """A socket that listens at `path` and does not block. What was there before, from a process that is gone, is removed."""
    forget(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    sock.bind(os.fspath(path))
    sock.listen(backlog)
    return sock


def forget(path: Path) -> None:
    """Remove a socket's name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
