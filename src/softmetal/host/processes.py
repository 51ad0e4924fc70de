"""Processes that we start."""

from __future__ import annotations

import ctypes
import signal

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """In a process that is just made: let it be killed when the one that made it ends, however that ends (man 2 prctl)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
