"""Interrupts of Python are deferred while a machine is between two consistent states.

Between the native code that runs a guest and the bookkeeping behind it, a KeyboardInterrupt would leave a machine that has run
without a record of how far. A signal's handler runs in the main thread between any two byte codes. So inside `signals_held()`
the handlers that Python code has installed only note that they were called; they are really called when the outermost
`signals_held()` ends, and in `deliver()`, which is called where the machine is consistent.

Exceptions of a user's own code (hooks, observers, callbacks for output) are deferred too: see `Machine.atomic`.
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
"""The handlers that `_note` has replaced."""
_noted: list[tuple[int, FrameType | None]] = []


def _note(number: int, frame: FrameType | None) -> None:
    """Replaces a handler."""
    if _depth:
        _noted.append((number, frame))
    else:
        _handlers[number](number, frame)


class SignalsHeld:
    """A context in which signal handlers are deferred. It may be nested, at little cost."""

    __slots__ = ("_main",)

    def __enter__(self) -> SignalsHeld:
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
                    if _signal.getsignal(number) is _note:  # else another one has been installed since
                        _signal.signal(number, handler)
                _call()


class AtomicMachine(Protocol):
    """What `Atomic` needs of a machine."""

    atomic_depth: int
    pending_error: BaseException | None


class Atomic(SignalsHeld):
    """A context for a change of a machine that must not be interrupted half-way: see `Machine.atomic`."""

    __slots__ = ("_machine",)

    def __init__(self, machine: AtomicMachine) -> None:
        self._machine = machine

    def __enter__(self) -> Atomic:
        super().__enter__()
        self._machine.atomic_depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        machine = self._machine
        machine.atomic_depth -= 1
        raised = machine.pending_error
        if not machine.atomic_depth:
            machine.pending_error = None
        super().__exit__()
        if raised is not None and not machine.atomic_depth and error[0] is None:
            raise raised


def signals_held() -> SignalsHeld:
    """A context in which signal handlers are deferred."""
    return SignalsHeld()


def deliver() -> None:
    """Call the deferred handlers: the machine is consistent here, though it goes on."""
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
