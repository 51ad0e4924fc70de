"""Traps: what leaves an instruction before its end."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from softmetal.lang.source import remembered
from softmetal.lang.types import IntType, u1, u32


class Trap(Exception):
    """What leaves an instruction before its end. Subclasses annotate integer fields: `raise IllegalInstruction(bits)`."""

    def __init__(self, *values: int) -> None:
        names = trap_fields(type(self))
        if len(values) != len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} values: {', '.join(names)}")
        self.values = tuple(kind(v) for kind, v in zip(names.values(), values, strict=True))
        for name, value in zip(names, self.values, strict=True):
            setattr(self, name, value)
        super().__init__(*self.values)

    def __str__(self) -> str:
        fields = [f"{n} {v if v < 10 else hex(v)}" for n, v in zip(trap_fields(type(self)), self.values, strict=True)]
        return f"{type(self).__name__}: {', '.join(fields)}" if fields else type(self).__name__


@remembered
def trap_fields(cls: type[Trap]) -> dict[str, IntType]:
    """The integer fields of a trap class, in order."""
    found: dict[str, IntType] = {}
    for base in reversed(cls.__mro__):
        found |= {n: t for n, t in inspect.get_annotations(base, eval_str=True).items() if isinstance(t, IntType)}
    return found


class Unanswered(Trap):
    """An access to a chip, at an offset where nothing is modelled."""

    offset: u32  # type: ignore[valid-type]
    write: u1  # type: ignore[valid-type]

    def __str__(self) -> str:
        return f"nothing answers a bus {'write' if self.values[1] else 'read'} at offset {self.values[0]:#x}"


def trap_class(module: str, name: str) -> type[Trap]:
    """The trap class of a name that a compiled unit remembers."""
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    kind: type[Trap] = found
    return kind
