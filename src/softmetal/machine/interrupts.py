"""What interrupts Python waits while a machine is between two states that are whole.

Between the native code that runs a guest and the bookkeeping behind it, a KeyboardInterrupt would leave a machine that has run
but does not know how far. A signal's handler runs in the main thread between any two byte codes. So inside `held()` the
handlers that Python code has installed only note that they were called; they are called for good when the outermost `held()`
ends, and wherever `deliver()` says that the machine is whole.

Exceptions of a user's own code (hooks, observers, what hears of output) wait too: see `Machine.whole`.
"""

from __future__ import annotations

import _signal  # signal.getsignal makes an enumeration's member of each answer: a hundred times slower
import signal
import threading
from types import FrameType
from typing import Any, Protocol

_CATCHABLE = tuple(map(int, sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})))
_MAIN = threading.main_thread().ident

_depth = 0
_handlers: dict[int, Any] = {}
"""The handlers in whose place `_note` stands."""
_noted: list[tuple[int, FrameType | None]] = []


def _note(number: int, frame: FrameType | None) -> None:
    """Stand in for a handler."""
    if _depth:
        _noted.append((number, frame))
    else:
        _handlers[number](number, frame)


class Held:
    """A context in which signal handlers wait. It may be entered again inside itself, and costs little there."""

    __slots__ = ("_main",)

    def __enter__(self) -> Held:
        global _depth
        self._main = threading.get_ident() == _MAIN
        if self._main:
            if not _depth:
                for number, handler in zip(_CATCHABLE, map(_signal.getsignal, _CATCHABLE), strict=True):
                    if handler.__class__ is not int and handler is not _note and handler is not None:
                        _handlers[number] = handler
                        _signal.signal(number, _note)
            _depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        global _depth
        if self._main:
            _depth -= 1  # first: a handler that has its place again may raise at once
            if not _depth:
                for number, handler in _handlers.items():
                    if _signal.getsignal(number) is _note:  # else somebody has installed another one since
                        _signal.signal(number, handler)
                _call()


class Mendable(Protocol):
    """What `Whole` needs of a machine."""

    inside: int
    raised: BaseException | None


class Whole(Held):
    """A context in which a thing is done to a machine that must not be left half done: see `Machine.whole`."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Mendable) -> None:
        self._machine = machine

    def __enter__(self) -> Whole:
        super().__enter__()
        self._machine.inside += 1
        return self

    def __exit__(self, *error: object) -> None:
        machine = self._machine
        machine.inside -= 1
        raised = machine.raised
        if not machine.inside:
            machine.raised = None
        super().__exit__()
        if raised is not None and not machine.inside and error[0] is None:
            raise raised


def held() -> Held:
    """A context in which signal handlers wait."""
    return Held()


def deliver() -> None:
    """Call the handlers that wait: the machine is whole here, though it goes on."""
    global _depth
    if _noted and threading.get_ident() == _MAIN:
        depth, _depth = _depth, 0
        try:
            _call()
        finally:
            _depth = depth


def _call() -> None:
    while _noted:
        number, frame = _noted.pop(0)
        _handlers[number](number, frame)
