"""Hooks on a machine: compiled code checks their conditions, and Python hears of what met them.

    d = m.debug
    d.on_address(0x8020_0000, when="a0 == 5", call=print)    # Python at each match
    d.on_access(0x8100_0000, 8, "w")                         # the machine stops behind the store
    d.on_trap(exceptions=[12, 13, 15], stop=False)           # a ring of events; d.events takes them out
    d.on_device(0x1000_0000, 8, "rw"); d.on_register("satp")

A hook either stops the machine (`run` gives Stop.HOOK, `d.hits` tells why), or calls a function and goes on, or only counts
among the events. Hooks change nothing that the guest can see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from softmetal.isa.riscv.hart import ABI
from softmetal.isa.riscv.privileged.debug import (
    BREAK,
    BREAKS,
    DEVICE_READ,
    DEVICE_WRITE,
    EVENTS,
    FULL,
    READ,
    REGISTER,
    REGISTERS,
    TRAP,
    WATCH,
    WATCHES,
    WORDS,
    WRITE,
)
from softmetal.isa.riscv.privileged.state import INTERRUPT, Csr

HOW = {"==": 1, "!=": 2, "<": 3, ">=": 4, "&": 5}
KINDS = {BREAK: "address", WATCH: "access", TRAP: "trap", REGISTER: "register"}
CONDITION = re.compile(r"\s*(\w+)\s*(==|!=|<|>=|&)\s*(-?\w+)\s*")


class Hooked(Protocol):
    """What a debugger needs of its machine."""

    board: Any
    engine: Any


class HookError(ValueError):
    """A hook that cannot be set, told in one line."""


@dataclass(frozen=True)
class Event:
    """What met a hook: its kind, the position by the hart's `count`, `pc`, the place (address, cause or register), a value."""

    kind: str
    hook: Hook
    count: int
    pc: int
    place: int
    value: int
    hart: int


@dataclass(eq=False)
class Hook:
    """A hook that is set. `call` gets each event; `stop` says whether the machine stops at it."""

    kind: str
    what: tuple[int, ...]
    stop: bool
    call: Callable[[Event], Any] | None = None
    when: tuple[int, int, int] = (0, 0, 0)
    count: int = field(default=0, init=False)


class Debugger:
    """The hooks of one machine."""

    def __init__(self, machine: Hooked) -> None:
        self._machine = machine
        self._hooks: list[Hook] = []
        self._listed: dict[int, list[Hook]] = {}
        self.hits: list[Event] = []
        self.events: list[Event] = []

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """What is set."""
        return tuple(self._hooks)

    # -- setting

    def on_address(
        self, address: int, *, when: str = "", stop: bool | None = None, call: Callable[[Event], Any] | None = None
    ) -> Hook:
        """Before the instruction at a virtual address, where `when` holds: `REGISTER OP NUMBER`, OP of == != < >= &."""
        return self._add(Hook("address", (address,), stop is not False and call is None, call, condition(when)), stop)

    def on_access(
        self, address: int, length: int, what: str = "rw", *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """Behind a load ("r") or store ("w") of any of some bytes, by virtual address."""
        kinds = (READ if "r" in what else 0) | (WRITE if "w" in what else 0)
        return self._add(Hook("access", (address, address + length - 1, kinds), call is None, call), stop)

    def on_device(
        self, address: int, length: int, what: str = "rw", *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """Behind an access to a device, by physical address."""
        kinds = (DEVICE_READ if "r" in what else 0) | (DEVICE_WRITE if "w" in what else 0)
        return self._add(Hook("access", (address, address + length - 1, kinds), call is None, call), stop)

    def on_trap(
        self, exceptions: Iterable[int] = (), interrupts: Iterable[int] = (), *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """At the handler of a trap, by its number."""
        masks = sum(1 << n for n in set(exceptions)), sum(1 << n for n in set(interrupts))
        return self._add(Hook("trap", masks, call is None, call), stop)

    def on_register(self, name: str | int, *, stop: bool | None = None, call: Callable[[Event], Any] | None = None) -> Hook:
        """Behind an instruction that writes a control and status register."""
        try:
            number = int(name) if isinstance(name, int) else int(Csr[name.upper()])
        except KeyError:
            raise HookError(f"no control and status register {name!r}") from None
        return self._add(Hook("register", (number,), call is None, call), stop)

    def remove(self, hook: Hook) -> None:
        """Take a hook away."""
        self._hooks.remove(hook)
        self.arm()

    def clear(self) -> None:
        """Take all hooks away."""
        self._hooks.clear()
        self.arm()

    def _add(self, hook: Hook, stop: bool | None) -> Hook:
        if stop is not None:
            hook.stop = stop
        self._hooks.append(hook)
        try:
            self.arm()
        except HookError:
            self._hooks.remove(hook)
            self.arm()
            raise
        return hook

    def arm(self) -> None:
        """Put all hooks into the board: after one has been set or taken away, or the board is another."""
        board, engine = self._machine.board, self._machine.engine
        debug = board.debug
        by_kind = {k: [h for h in self._hooks if h.kind == name] for k, name in KINDS.items()}
        for kind, most in ((BREAK, BREAKS), (WATCH, WATCHES), (REGISTER, REGISTERS)):
            if len(by_kind[kind]) > most:
                raise HookError(f"more than {most} hooks on {KINDS[kind]}")
        self._listed = by_kind
        before = list(debug.offsets)
        for i in range(len(debug.offsets)):
            debug.offsets[i] = 0
        for i, hook in enumerate(by_kind[BREAK]):
            address = hook.what[0]
            debug.break_at[i], debug.break_stops[i] = address, self._stops(hook)
            debug.break_register[i], debug.break_how[i], debug.break_value[i] = hook.when
            debug.offsets[(address & 4095) >> 7] |= 1 << ((address >> 1) & 63)
        debug.breaks = len(by_kind[BREAK])
        for i, hook in enumerate(by_kind[WATCH]):
            debug.watch_from[i], debug.watch_to[i], debug.watch_what[i] = hook.what
            debug.watch_stops[i] = self._stops(hook)
        debug.watches = len(by_kind[WATCH])
        for i, hook in enumerate(by_kind[REGISTER]):
            debug.register[i], debug.register_stops[i] = hook.what[0], self._stops(hook)
        debug.registers = len(by_kind[REGISTER])
        debug.traps = debug.interrupts = 0
        for hook in by_kind[TRAP]:
            debug.traps, debug.interrupts = debug.traps | hook.what[0], debug.interrupts | hook.what[1]
        debug.traps_stop = any(self._stops(h) for h in by_kind[TRAP])
        if list(debug.offsets) != before:
            engine.settle()
        engine.call("rekey")

    @staticmethod
    def _stops(hook: Hook) -> bool:
        return hook.stop or hook.call is not None

    # -- hearing

    def look(self) -> bool:
        """After a run: take the events out, call what is to be called. Is the machine to stand still?"""
        debug = self._machine.board.debug
        stopped, debug.stop = debug.stop, 0
        ring = debug.event
        halt = False
        self.hits = []
        for number in range(debug.taken, debug.events):
            at = number % EVENTS * WORDS
            packed, count, pc, place, value, hart = ring[at : at + WORDS]
            kind, index = packed & 255, packed >> 8
            hooks = self._listed.get(kind, [])
            if kind == TRAP:
                side, cause = (1, place & ~INTERRUPT) if place & INTERRUPT else (0, place)
                mine = [h for h in hooks if h.what[side] >> cause & 1]
            else:
                mine = hooks[index : index + 1]
            for hook in mine:
                hook.count += 1
                event = Event(KINDS[kind], hook, count, pc, place, value, hart)
                if hook.call is not None:
                    hook.call(event)
                if hook.stop:
                    self.hits.append(event)
                    halt = True
                elif hook.call is None:
                    self.events.append(event)
        debug.taken = debug.events
        return halt and stopped != FULL


def condition(text: str) -> tuple[int, int, int]:
    """(register, comparison, value) of a condition's text. Raises HookError."""
    if not text:
        return 0, 0, 0
    found = CONDITION.fullmatch(text)
    if not found or found[1] not in ABI:
        raise HookError(f"{text!r} is no condition: give REGISTER OP NUMBER, as in 'a0 == 5'; OP of {' '.join(HOW)}")
    try:
        value = int(found[3], 0)
    except ValueError:
        raise HookError(f"{text!r}: {found[3]!r} is not a number") from None
    return ABI.index(found[1]), HOW[found[2]], value & (1 << 64) - 1
