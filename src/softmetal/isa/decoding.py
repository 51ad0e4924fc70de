"""How a core's code may be decoded ahead of running it, and what the core has to provide for that.

    class Hart(Chip):
        decoding = Ahead(code_bits=38, code_write=CodeWrite)

A core that says nothing has every instruction decoded when it runs, which suits all of them. Engines look at nothing
else to find out how a core is to be run. `decoding_of` checks that the core has what it promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from softmetal.lang.chip import Trap, layout_of, method_of


@dataclass(frozen=True)
class EachTime:
    """Code is fetched and decoded whenever it runs. The core: `fetch(address)`, or `poll()` and `fetch()` of a
    `fetching` table.
    """

    METHODS: ClassVar[tuple[str, ...]] = ("fetch",)
    HOST: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]] = ("pc", "count")


@dataclass(frozen=True)
class Ahead(EachTime):
    """Code is decoded ahead, by its address, and what was decoded is kept until it changes.

    Code lies below 2**`code_bits`. The engine calls `watch(address)` for each page that it decodes from: 1 if the
    page was not watched before. From then on a store to it raises `code_write` before it happens. `unwatch(page)` ends that
    (a host method).
    """

    code_bits: int
    code_write: type[Trap] | None = None
    METHODS: ClassVar[tuple[str, ...]] = ("fetch", "watch")
    HOST: ClassVar[tuple[str, ...]] = ("unwatch",)
    FIELDS: ClassVar[tuple[str, ...]] = ("pc", "next_pc", "count")


@dataclass(frozen=True)
class ByFrame(EachTime):
    """Code is decoded ahead by the frame of memory that it lies in, for cores that translate addresses, take traps, and
    have a clock.

    `frames`: how many there may be. `prepare(budget, horizon)` does what is due, and returns how many instructions may run
    now; `locate(pc)` and `locate_alone(pc)` give the frame of an address, the second for one instruction
    only; `forget_code(frame)` is called before a store to code; the field `code` is a `CodeFrames`.

    `taken` is the trap of exceptions, whose values `take` gets. `deferred`: an instruction that must not run ahead of
    time, while `code.ahead` is 1. `code_write`: a store to code, before it happens. `pieced`: protection cuts the page, so
    each instruction is fetched by itself. `watched`: an access that a debugger wants to see.
    """

    frames: int
    taken: type[Trap]
    deferred: type[Trap]
    code_write: type[Trap]
    pieced: type[Trap]
    watched: type[Trap]
    METHODS: ClassVar[tuple[str, ...]] = ("fetch", "prepare", "locate", "locate_alone", "forget_code", "take", "break_hit")
    HOST: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]] = ("pc", "next_pc", "count", "code")


@dataclass(frozen=True)
class Itself(EachTime):
    """The board runs its CPUs itself, in hardware Python, each by its table's `step`: for boards with several CPUs, and for
    those whose every bus access is a moment in time.

    `advance(budget, horizon)` runs until so many instructions and traps are done, or the clock is behind `horizon`, or a
    device or a hook wants the host; it gives how many were done.
    """

    METHODS: ClassVar[tuple[str, ...]] = ("advance",)
    FIELDS: ClassVar[tuple[str, ...]] = ()


def decoding_of(cls: type[Any]) -> EachTime:
    """A core's `decoding`. Raises TypeError, one line, if the core lacks what that requires."""
    found = getattr(cls, "decoding", EACH_TIME)
    if not isinstance(found, EachTime):
        raise TypeError(f"{cls.__name__}.decoding is {found!r}: give Ahead(...), ByFrame(...), Itself(), or nothing")
    fields = layout_of(cls).fields
    missing = [f"the method {name}()" for name in found.METHODS if method_of(cls, name) is None]
    missing += [f"the host method {name}()" for name in found.HOST if not callable(getattr(cls, name, None))]
    missing += [f"the field {name}" for name in found.FIELDS if name not in fields]
    if missing:
        raise TypeError(f"{cls.__name__} declares its code to be decoded {type(found).__name__}, but lacks {', '.join(missing)}")
    return found


EACH_TIME = EachTime()
