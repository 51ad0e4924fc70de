"""A log that a machine follows: what entered it before enters again, at the same places, until the log ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from softmetal.machine.errors import Diverged, MachineError
from softmetal.machine.inputs import Input

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine

END = "end"
"""The port of an input that is no input, but the end of a recording."""


class Script:
    """What will enter, in order. `bound`: nothing else may enter before."""

    def __init__(self) -> None:
        self._items: deque[Input] = deque()
        self.bound = False

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def ahead(self) -> tuple[Input, ...]:
        """What has not entered yet."""
        return tuple(self._items)

    def follow(self, items: Iterable[Input], bound: bool = False) -> None:
        """Follow another log from here on."""
        self._items, self.bound = deque(items), bound

    def drop(self) -> None:
        """Something enters that is not in the log: the rest of the log is dropped. Raises MachineError if it is bound."""
        if self.bound and self._items:
            raise MachineError("during a replay nothing else can enter the machine")
        self._items.clear()

    def at_end(self, machine: Machine) -> bool:
        """Does the recording end here?"""
        if not self._items or self._items[0].port != END:
            return False
        item = self._items[0]
        return item.position <= machine.position and (not item.waited or machine.clock >= item.clock)

    def feed(self, machine: Machine, enter: Callable[[str, bytes], None]) -> bool:
        """Let the log's inputs for this place enter. Did anything enter?"""
        items, entered = self._items, False
        while items and items[0].position <= machine.position and not items[0].is_answer and items[0].port != END:
            item = items[0]
            if item.waited and (machine.waited is None or machine.waited < item.clock):
                break
            if item.position < machine.position:
                raise Diverged(
                    machine.position,
                    f"{item.port!r} entered at position {item.position}; the machine has run past it, to {machine.position}",
                )
            enter(item.port, item.data)
            items.popleft()  # not before: observers check whether the log is followed
            entered = True
        return entered

    def limits(self, machine: Machine, most: int, horizon: int) -> tuple[int, int, bool]:
        """How far the machine may run before the log's next item; and whether all CPUs have to wait now, according to the log."""
        if not self._items:
            return most, horizon, False
        item = self._items[0]
        if item.position > machine.position:
            return min(most, item.position - machine.position), horizon, False
        if item.is_answer:
            board = machine.board
            if machine.computer.owes(board):  # the device is served, and gets its answer, when the clock has advanced so far
                return 1, horizon, False
            if not board.needs_host:
                raise Diverged(
                    machine.position, f"{item.port!r} answered at position {item.position}, where no device expects it"
                )
            return 0, horizon, False
        if item.waited and (machine.waited is None or machine.waited < item.clock):
            return 1, min(horizon, item.clock), True
        return 0, horizon, False

    def answer(self, machine: Machine, port: str, start: bytes) -> bytes | None:
        """The answer to a device in the log, None where the host has to give it."""
        if not self._items:
            return None
        item = self._items[0]
        if item.port == port and item.position == machine.position and item.data.startswith(start):
            machine.log_answer(port, item.data)
            self._items.popleft()
            return item.data
        if port.startswith("share") and self.bound:
            raise Diverged(machine.position, f"the guest uses {port!r}, which it did not when recorded")
        return None
