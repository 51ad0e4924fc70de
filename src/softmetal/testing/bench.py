"""One chip on a bench: the same object to drive it with, whatever runs it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from softmetal.lang import Chip, Trap, layout, restore, snapshot, state_hash
from softmetal.lang.chip import fields_of, method_of
from softmetal.lang.native import Native
from softmetal.lang.state import Snapshot
from softmetal.lang.types import ArrayType, MemoryType

ENGINES = ("golden", "native")
"""What a chip can run on here: CPython, or the code that LLVM makes of it."""


@dataclass(frozen=True)
class Played:
    """What came of some traffic: each step's result, or the name and values of its trap; and every field at the end."""

    results: tuple[Any, ...]
    state: dict[str, str]


class Bench:
    """A chip at power-on. Its fields and methods are this object's; a method without a result gives the bench itself."""

    def __init__(self, cls: type[Chip], engine: str) -> None:
        if engine not in ENGINES:
            raise ValueError(f"no engine {engine!r} for a chip: {', '.join(ENGINES)}")
        runs: Any = cls() if engine == "golden" else Native(cls)
        vars(self).update(_cls=cls, _runs=runs, chip=runs if engine == "golden" else runs.state, engine=engine)

    def __getattr__(self, name: str) -> Any:
        found = method_of(self._cls, name)
        if found is None:
            return getattr(self.chip, name)

        def call(*args: Any, **named: Any) -> Any:
            given = inspect.signature(found[0]).bind(self, *args, **named)
            given.apply_defaults()
            result = getattr(self._runs, name)(*list(given.arguments.values())[1:])
            return self if result is None else result

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in fields_of(self._cls):
            raise AttributeError(f"{self._cls.__name__} has no field {name!r}")
        setattr(self.chip, name, value)

    def read(self, offset: int) -> int:
        """Read over the bus. Raises Unanswered where nothing answers."""
        found: int = self._bus("read")(offset)
        return found

    def write(self, offset: int, value: int) -> Bench:
        """Write over the bus. Raises Unanswered where nothing takes it."""
        self._bus("write")(offset, value)
        return self

    def _bus(self, name: str) -> Any:
        """What answers accesses: what the marks make, or the chip's own method of that name."""
        for each in (f"bus_{name}", name):
            if method_of(self._cls, each):
                return getattr(self._runs, each)
        raise TypeError(f"{self._cls.__name__} answers no bus {name}: mark its methods with @{name}s(offset)")

    def play(self, traffic: Iterable[tuple[Any, ...]]) -> Played:
        """Do each step: a method's name and the values that it is called with, as in ("bus_read", offset)."""
        results: list[Any] = []
        for name, *values in traffic:
            try:
                results.append(_plain(getattr(self._runs, name)(*values)))
            except Trap as trap:
                results.append((type(trap).__name__, *trap.values))
        return Played(tuple(results), self.values())

    def values(self) -> dict[str, str]:
        """Every field and its value; of a memory, a digest of what it holds."""
        found: dict[str, str] = {}
        pages = snapshot(self.chip).pages
        for entry in layout(self._cls):
            if isinstance(entry.type, MemoryType):
                end = entry.offset + entry.type.length
                mine = [(at - entry.offset, page) for at, page in sorted(pages.items()) if entry.offset <= at < end]
                found[entry.path] = hashlib.sha256(repr(mine).encode()).hexdigest() if mine else "zeros"
            else:
                value = _at(self.chip, entry.path)
                found[entry.path] = repr(list(value) if isinstance(entry.type, ArrayType) else value)
        return found

    def snapshot(self) -> Snapshot:
        """A copy of the state."""
        return snapshot(self.chip)

    def restore(self, snap: Snapshot) -> Bench:
        """Go back to a copy of the state."""
        restore(self.chip, snap)
        return self

    def state_hash(self) -> str:
        """A digest of the state."""
        return state_hash(self.chip)


def bench(cls: type[Chip], engine: str = "golden") -> Any:
    """A chip at power-on, on an engine: an object with its fields and methods, `read`, `write` and `play`."""
    return Bench(cls, engine)


def _plain(value: Any) -> Any:
    """A result that compares as its bits do."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return repr(value) if isinstance(value, float) else value


def _at(chip: Any, path: str) -> Any:
    """What a path of `layout()` names."""
    for part in path.replace("[", ".[").split("."):
        chip = chip[int(part[1:-1])] if part[0] == "[" else getattr(chip, part)
    return chip
