"""The two ways in which running a program can fail for a reason that the user should read."""

from __future__ import annotations

import errno

CANNOT_RUN = 126
NOT_FOUND = 127
OUT_OF_BUDGET = 124
INTERNAL = 125


class RunError(Exception):
    """The program cannot be run; `str()` is the one line for the user and `code` the exit code."""

    def __init__(self, message: str, code: int = CANNOT_RUN, error: int = errno.ENOEXEC) -> None:
        super().__init__(message)
        self.code = code
        self.errno = error


class Fault(OSError):
    """The guest passed a pointer that it may not use; the call answers `EFAULT`."""

    def __init__(self, address: int) -> None:
        super().__init__(errno.EFAULT, "bad guest address")
        self.address = address


class GuestExit(BaseException):
    """The process ends: `signal` killed it, or it left with `status` (0..255)."""

    def __init__(self, status: int, signal: int = 0) -> None:
        super().__init__(status, signal)
        self.status = status
        self.signal = signal


class OutOfBudget(BaseException):
    """`--max-insns` instructions have run."""
