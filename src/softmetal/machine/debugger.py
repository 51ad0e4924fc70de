"""Hooks on a machine: compiled code checks their conditions, and reports events to Python.

    d = m.debug
    d.on_address("panic", when="a0 == 5", call=print)        # Python at each match
    d.on_access(0x8100_0000, 8, "w")                         # the machine stops before the store
    d.on_trap(exceptions=[12, 13, 15], stop=False)           # a ring of events; d.drain() takes them out
    d.on_device(0x1000_0000, 8, "rw"); d.on_register("satp")

A hook either stops the machine (`run` returns Stop.HOOK, `d.hits` has the events), or calls a function and goes on, or only
counts. Events are kept in a ring in the machine, from which thousands are taken out at once; they are decoded when `drain` is
called. Hooks change nothing that the guest can see.
"""

from __future__ import annotations

import functools
import operator
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from softmetal.isa.debug import (
    BREAK,
    BREAKS,
    DEVICE_READ,
    DEVICE_WRITE,
    EVENTS,
    PARCELS,
    READ,
    REGISTER,
    REGISTERS,
    TRAP,
    WATCH,
    WATCHES,
    WORDS,
    WRITE,
    Debug,
    How,
)
from softmetal.lang.chip import layout_of
from softmetal.machine.computer import Computer
from softmetal.machine.symbols import Symbols

HOW = {"==": How.EQUAL, "!=": How.UNEQUAL, "<": How.LESS, ">=": How.AT_LEAST, "&": How.SOME_BITS}
KINDS = {BREAK: "address", WATCH: "access", TRAP: "trap", REGISTER: "register"}
HERE = ("arrived_cpu", "arrived_pc", "arrived_count", "seen_cpu", "seen_pc", "seen_count", "seen")
"""What `Debug` keeps of the place where the machine has stopped: an event at that place is not reported again."""
INTERRUPT = 1 << 63
"""In the cause of a trap: it is an interrupt."""
PARCEL = 2
"""Bytes of a parcel of code, by which a page's breaks are listed."""
MOST = {"address": BREAKS, "access": WATCHES, "register": REGISTERS}
FEW = 10_000
"""Instructions for which it is not worth decoding code again."""
MOST_KEPT = 1 << 18
"""Events that are kept until `drain`: the last ones."""
CONDITION = re.compile(r"\s*(\w+)\s*(==|!=|<|>=|&)\s*(-?\w+)\s*")


class Hooked(Protocol):
    """What a debugger needs of its machine."""

    computer: Computer
    board: Any
    engine: Any
    position: int
    symbols: Symbols

    def notify(self, call: Callable[..., Any], *args: Any) -> None:
        """Call a user's callback; an exception of it is raised when the machine is consistent."""


class HookError(ValueError):
    """A hook that cannot be set, in one line."""


@dataclass(slots=True)
class Event:
    """What met a hook: its kind, the CPU and its `count`, `pc`, the place (address, cause or register), a value.

    The value is what is stored or written, the register of a condition, or what a trap leaves in `tval`.
    """

    kind: str
    hook: Hook
    count: int
    pc: int
    place: int
    value: int
    cpu: int


@dataclass(eq=False)
class Hook:
    """A hook that is set. `call` gets each event; `stop` says whether the machine stops at it."""

    kind: str
    what: tuple[int, ...]
    stop: bool
    call: Callable[[Event], Any] | None = None
    when: tuple[int, int, int] = (0, How.ALWAYS, 0)
    count: int = field(default=0, init=False)


class Debugger:
    """The hooks of one machine. They are put into the board before it runs, and are no part of its state."""

    def __init__(self, machine: Hooked) -> None:
        self._machine = machine
        self._hooks: list[Hook] = []
        self._listed: dict[int, list[Hook]] = {}
        self._armed: Any = None  # the board that holds them, and how often it had been restored by then
        self._position = -1  # of the machine, when it last stopped
        self._decoded = 0  # offsets of pages at which code may have been decoded with a break in it,
        self._wanted = 0  # and at which there is a break
        self._has_counting = False  # there are hooks that only count
        self._repeating = False  # the machine repeats a part of its run
        self._stopping: bool | None = True
        self.hits: list[Event] = []
        self.passed = 0
        self.lost = 0
        """Events that were dropped, since more than MOST_KEPT came before `drain`."""
        self._counted: deque[tuple[memoryview, dict[int, list[Hook]]]] = deque()
        self._kept = 0  # events in it

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """What is set."""
        return tuple(self._hooks)

    # -- setting

    def on_address(
        self, address: int | str, *, when: str = "", stop: bool | None = None, call: Callable[[Event], Any] | None = None
    ) -> Hook:
        """Before the instruction at a virtual address or symbol, where `when` holds: `REGISTER OP NUMBER`, OP of == != < >= &.

        An instruction that cannot be fetched has no address yet: its trap comes first.
        """
        return self._add("address", (self._machine.symbols.address(address),), stop, call, self._condition(when))

    def on_access(
        self, address: int | str, length: int, what: str = "rw", *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """Before a load ("r") or store ("w") of any of some bytes, by virtual address; also before one that will trap."""
        return self._access(self._machine.symbols.address(address), length, what, READ, WRITE, stop, call)

    def on_device(
        self, address: int, length: int, what: str = "rw", *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """After an access to a device, by physical address."""
        return self._access(address, length, what, DEVICE_READ, DEVICE_WRITE, stop, call)

    def _access(
        self, address: int, length: int, what: str, read: int, write: int, stop: bool | None, call: Callable[[Event], Any] | None
    ) -> Hook:
        kinds = read * ("r" in what) | write * ("w" in what)
        if not kinds or length < 1 or not 0 <= address <= address + length - 1 < 1 << 64:
            raise HookError(f"{length} bytes at {address:#x}, {what!r}: give at least one byte, and 'r', 'w' or 'rw'")
        return self._add("access", (address, address + length - 1, kinds), stop, call)

    def on_trap(
        self, exceptions: Iterable[int] = (), interrupts: Iterable[int] = (), *, stop: bool | None = None,
        call: Callable[[Event], Any] | None = None,
    ) -> Hook:  # fmt: skip
        """At the handler of a trap, by its number."""
        masks = sum(1 << n for n in set(exceptions)), sum(1 << n for n in set(interrupts))
        return self._add("trap", masks, stop, call)

    def on_register(self, name: str | int, *, stop: bool | None = None, call: Callable[[Event], Any] | None = None) -> Hook:
        """After an instruction that writes a register of the computer's `special_registers`: by its name, or its number."""
        known = self._machine.computer.special_registers
        number = name if isinstance(name, int) else known.get(name.lower())
        if number is None or not known:
            what = f"no control and status register {name!r}" if known else "this computer's CPU has no registers to hook"
            raise HookError(what)
        return self._add("register", (number,), stop, call)

    def _condition(self, text: str) -> tuple[int, int, int]:
        """(register, comparison, value) of a condition's text. Raises HookError."""
        if not text:
            return 0, How.ALWAYS, 0
        found, registers = CONDITION.fullmatch(text), self._machine.computer.condition_registers
        if not found or found[1] not in registers:
            example = f"as in '{registers[min(10, len(registers) - 1)]} == 5'; OP of {' '.join(HOW)}"
            raise HookError(f"{text!r} is not a condition: give REGISTER OP NUMBER, {example}")
        try:
            value = int(found[3], 0)
        except ValueError:
            raise HookError(f"{text!r}: {found[3]!r} is not a number") from None
        return registers.index(found[1]), HOW[found[2]], value & (1 << 64) - 1

    def remove(self, hook: Hook) -> None:
        """Take a hook away."""
        self._hooks.remove(hook)
        self._armed = None

    def clear(self) -> None:
        """Take all hooks away."""
        self._hooks.clear()
        self._armed = None

    def _add(
        self, kind: str, what: tuple[int, ...], stop: bool | None, call: Callable[[Event], Any] | None,
        when: tuple[int, int, int] = (0, How.ALWAYS, 0),
    ) -> Hook:  # fmt: skip
        if sum(h.kind == kind for h in self._hooks) >= MOST.get(kind, 1 << 30):
            raise HookError(f"more than {MOST[kind]} hooks on {kind}")
        hook = Hook(kind, what, call is None if stop is None else stop, call, when)
        self._hooks.append(hook)
        self._armed = None
        return hook

    # -- the board's part

    def arm(self, most: int = 1 << 60) -> None:
        """Put all hooks into the board, unless they are there already, before it runs that many instructions."""
        machine = self._machine
        board, debug = machine.board, machine.board.debug
        self.hits = []
        if self._position != machine.position:  # the machine was restored, or has gone to another place
            debug.arrived_cpu = debug.seen_cpu = 0
        now = board, board.__mapping__.restored
        if self._armed == now and (self._decoded == self._wanted or most < FEW):
            return
        here = [getattr(debug, name) for name in HERE]
        self._block()[:] = bytes(layout_of(Debug).size)
        for name, value in zip(HERE, here, strict=True):
            setattr(debug, name, value)
        hooks = self._present()
        by_kind = {k: [h for h in hooks if h.kind == name] for k, name in KINDS.items()}
        self._listed = by_kind
        self._has_counting = any(not h.stop and h.call is None for h in hooks)
        for i, hook in enumerate(by_kind[BREAK]):
            debug.break_at[i], debug.break_stops[i] = hook.what[0], self._stops(hook)
            debug.break_register[i], debug.break_how[i], debug.break_value[i] = hook.when
        debug.breaks = len(by_kind[BREAK])
        for i, hook in enumerate(by_kind[WATCH]):
            debug.watch_from[i], debug.watch_to[i], debug.watch_what[i] = hook.what
            debug.watch_stops[i] = self._stops(hook)
        debug.watches = len(by_kind[WATCH])
        for i, hook in enumerate(by_kind[REGISTER]):
            debug.register[i], debug.register_stops[i] = hook.what[0], self._stops(hook)
        debug.registers = len(by_kind[REGISTER])
        for hook in by_kind[TRAP]:
            debug.traps, debug.interrupts = debug.traps | hook.what[0], debug.interrupts | hook.what[1]
        debug.traps_stop = any(self._stops(h) for h in by_kind[TRAP])
        offsets = self._wanted = self._offsets()
        for i in range(len(debug.offsets)):
            debug.offsets[i] = offsets >> 64 * i & (1 << 64) - 1
        # Code that was decoded for a break which has been removed only costs time: acceptable for a short run.
        if offsets & ~self._decoded or (offsets != self._decoded and most >= FEW):
            machine.engine.drop_code()
            self._decoded = offsets
        machine.engine.call("hooks_changed")
        self._armed = now

    def _offsets(self) -> int:
        """A bit for each parcel of a page at which there is a break in some page."""
        places = (h.what[0] // PARCEL % PARCELS for h in self._present() if h.kind == "address")
        return functools.reduce(operator.or_, (1 << place for place in places), 0)

    def _present(self) -> list[Hook]:
        """The hooks that have to be in the board now."""
        return self._hooks if not self._repeating else [h for h in self._hooks if h.stop and self._stopping is not None]

    def _stops(self, hook: Hook) -> bool:
        return self._stopping is True and (hook.stop or hook.call is not None)

    def _block(self) -> memoryview:
        board = self._machine.board
        start = board.debug.__dict__["_offset"]
        view: memoryview = board.__mapping__.view
        return view[start : start + layout_of(Debug).size]

    # -- events

    @contextmanager
    def repeating(self, stops: bool | None = None) -> Iterator[None]:
        """A context in which the machine repeats a part of its run: no hook calls or counts.

        Hooks that stop do so (True), or only add to `passed` (False), or no hook is there at all (None).
        """
        before = self._repeating, self._stopping
        self._repeating, self._stopping, self._armed = True, stops, None
        try:
            yield
        finally:
            (self._repeating, self._stopping), self._armed = before, None

    def take_events(self) -> bool:
        """After a run: take the events out of the ring, and call the hooks' functions. Does a hook stop the machine?"""
        debug = self._machine.board.debug
        debug.stop = 0
        self._position = self._machine.position
        first, last = debug.taken, debug.events
        if first == last:
            return False
        debug.taken = last
        raw, listed = self._taken(first, last), self._listed
        words = raw.tolist()
        if not self._repeating and self._has_counting and all(map(self._only_counts, set(words[::WORDS]))):
            self._keep(raw)
            return False
        for at in range(0, len(words), WORDS):
            hooks = _met(words, at, listed)
            if self._repeating:
                self.passed += len(hooks)
                if self._stopping:
                    self.hits += [_event(words, at, hook) for hook in hooks]
                continue
            counted = False
            for hook in hooks:
                if hook.call is None and not hook.stop:
                    counted = True
                    continue
                hook.count += 1
                event = _event(words, at, hook)
                if hook.call is not None:
                    self._machine.notify(hook.call, event)
                if hook.stop:
                    self.hits.append(event)
            if counted:
                self._keep(raw[at : at + WORDS])
        return bool(self.hits)

    def _taken(self, first: int, last: int) -> memoryview:
        """The words of some events in the ring."""
        ring: memoryview = self._machine.board.debug.event.view
        start, end = first % EVENTS * WORDS, last % EVENTS * WORDS
        found = ring[start:end].tobytes() if start < end else ring[start : EVENTS * WORDS].tobytes() + ring[:end].tobytes()
        return memoryview(found).cast("Q")

    def _only_counts(self, key: int) -> bool:
        """Do the hooks that an event's first word names neither stop nor call?"""
        hooks = self._listed.get(key & 255, [])
        return not any(h.stop or h.call is not None for h in (hooks if key & 255 == TRAP else hooks[key >> 8 : (key >> 8) + 1]))

    def _keep(self, words: memoryview) -> None:
        """Keep events of hooks that only count, and count them."""
        listed = self._listed
        keys = words[::WORDS].tolist()
        if TRAP in keys:  # the cause of a trap determines which hooks it met
            met = Counter(zip(keys, words[3::WORDS].tolist(), strict=True))
        else:
            met = Counter({(key, 0): keys.count(key) for key in set(keys)})
        for (key, place), times in met.items():
            for hook in _met([key, 0, 0, place], 0, listed):
                if hook.call is None and not hook.stop:
                    hook.count += times
        self._counted.append((words, listed))
        self._kept += len(words) // WORDS
        while self._kept > MOST_KEPT:
            gone = len(self._counted.popleft()[0]) // WORDS
            self._kept -= gone
            self.lost += gone

    def drain(self) -> list[Event]:
        """The events since the last call, of hooks that neither stop nor call: the last MOST_KEPT of them; `lost` is
        how many were dropped before those."""
        batches, self._counted, self._kept = self._counted, deque(), 0
        return [
            _event(words, at, hook)
            for raw, listed in batches
            for words in [raw.tolist()]
            for at in range(0, len(words), WORDS)
            for hook in _met(words, at, listed)
            if hook.call is None and not hook.stop
        ]


def _met(words: list[int], at: int, listed: dict[int, list[Hook]]) -> list[Hook]:
    """The hooks that an event has met."""
    kind, index = words[at] & 255, words[at] >> 8
    hooks = listed.get(kind, [])
    if kind != TRAP:
        return hooks[index : index + 1]
    place = words[at + 3]
    side, cause = (1, place & ~INTERRUPT) if place & INTERRUPT else (0, place)
    return [h for h in hooks if h.what[side] >> cause & 1]


def _event(words: list[int], at: int, hook: Hook) -> Event:
    packed, count, pc, place, value, cpu = words[at : at + WORDS]
    return Event(KINDS[packed & 255], hook, count, pc, place, value, cpu)
