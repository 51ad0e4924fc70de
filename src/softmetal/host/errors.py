"""Errors of the host."""

from __future__ import annotations


class HostError(OSError):
    """Something of the host that does not do what a machine needs: one line that a user understands, and an `errno`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)

    def __str__(self) -> str:
        return str(self.args[1])
