"""What a machine cannot do, and what cannot be made into one: each in one line."""

from __future__ import annotations


class MachineError(RuntimeError):
    """What a machine cannot do."""


class LoadError(ValueError):
    """A computer that cannot be built of what the user has given."""


class Diverged(MachineError):
    """A run that is not the one in the log; `position` is where that was seen."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


class UnknownRegister(KeyError):
    """A register's name that there is none of, with those that there are."""

    def __str__(self) -> str:
        return str(self.args[0])
