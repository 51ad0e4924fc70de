"""Why a run came back, and the moment that never comes."""

from __future__ import annotations

from enum import Enum

FOREVER = 1 << 60
"""A clock, in ns, that no machine reaches."""


class Stop(Enum):
    """Why a run came back."""

    INSNS = "the instructions are used up"
    TIME = "the time is used up"
    UNTIL = "what was waited for has come"
    OFF = "the guest has powered off"
    FAILED = "the guest has powered off with an error"
    RESET = "the guest wants to be reset"
    IDLE = "the guest waits, and nothing will ever come"
    HOOK = "a hook was met"
    END = "the recording ends here"
