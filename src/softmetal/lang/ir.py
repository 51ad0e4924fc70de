"""The typed tree between the checker and the back ends.

Every integer expression carries the exact range of its values; cuts are explicit; names are resolved to fields, locals
and function instances. Control flow is structured. A back end needs nothing else: no Python object, no type rule.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from softmetal.lang.chip import Field
from softmetal.lang.ranges import Range
from softmetal.lang.source import described
from softmetal.lang.types import IntType


@dataclass(slots=True)
class Expr:
    """A value. `range` is None for a float (binary64)."""

    range: Range | None


@dataclass(slots=True)
class Const(Expr):
    value: Any


@dataclass(slots=True)
class Local(Expr):
    name: str


@dataclass(slots=True)
class ChipRef:
    """A chip: a parameter's, or one at `offset` bytes inside another, or an element of an array of chips.

    `place` is its offset from the start of the state where that is known when compiling, `path` its name on the board.
    Where they are not, the chip is found when running: it is the parameter's or local's of that name, or lies in `base`, or is
    `chosen`. Then it may be of one of several `classes`, all derived from `cls`; none are named where it is just a `cls`.
    """

    cls: type
    parameter: str
    place: int | None
    path: str | None
    base: ChipRef | None = None
    offset: int = 0
    index: Expr | None = None
    step: int = 0
    classes: tuple[type, ...] = ()
    chosen: ChipSelect | ChipPick | Call | None = None

    @property
    def home(self) -> Any:
        """By what functions name the chip whose fields they load and store: its place, or its class where that is not known."""
        return self.place if self.place is not None else self.cls


def classes_of(chip: ChipRef) -> tuple[type, ...]:
    """The classes of which a chip may be."""
    return chip.classes or (chip.cls,)


@dataclass(slots=True)
class ChipSelect:
    """`a if condition else b`, of chips."""

    condition: Expr
    a: ChipRef
    b: ChipRef


@dataclass(slots=True)
class ChipPick:
    """`(a, b, c)[index]`, of chips."""

    chips: list[ChipRef]
    index: Expr


Known = Range | ChipRef | None
"""What is known of a local: an integer's range; None for a float; the chip that it stands for."""


@dataclass(slots=True)
class FieldLoad(Expr):
    chip: ChipRef
    field: Field
    index: Expr | None  # of an array's element


@dataclass(slots=True)
class ClassValue(Expr):
    """A constant of the class of which a chip is, of 64 bits at most."""

    chip: ChipRef
    values: dict[type, int]


@dataclass(slots=True)
class MemoryLoad(Expr):
    chip: ChipRef
    memory: str
    type: IntType
    address: Expr


@dataclass(slots=True)
class TableLoad(Expr):
    values: tuple[int, ...]
    index: Expr


@dataclass(slots=True)
class Bin(Expr):
    op: str
    a: Expr
    b: Expr


@dataclass(slots=True)
class Cmp(Expr):
    op: str
    a: Expr
    b: Expr


@dataclass(slots=True)
class Not(Expr):
    a: Expr


@dataclass(slots=True)
class Select(Expr):
    """`a if condition else b`; only one of them is evaluated."""

    condition: Expr
    a: Expr
    b: Expr


@dataclass(slots=True)
class Logic(Expr):
    """Python's `a and b` and `a or b`: a value, `b` evaluated only if needed."""

    op: str
    a: Expr
    b: Expr


@dataclass(slots=True)
class Cut(Expr):
    type: Any  # IntType, or FloatType
    a: Expr


@dataclass(slots=True)
class Op(Expr):
    """bit_length, bit_count, abs, min, max; and of floats fneg, fabs, sqrt, fma, bits32, bits64, float32, float64, float."""

    name: str
    args: list[Expr]


@dataclass(slots=True)
class Call(Expr):
    """A call; `types` are the results' types, none or several for a call that is no single value."""

    function: Function
    chips: list[ChipRef]
    args: list[Expr]


@dataclass(slots=True)
class SetLocal:
    name: str
    value: Expr


@dataclass(slots=True)
class SetChip:
    """A local that stands for a chip."""

    name: str
    chip: ChipRef


@dataclass(slots=True)
class SetField:
    chip: ChipRef
    field: Field
    index: Expr | None
    value: Expr


@dataclass(slots=True)
class CopyChip:
    """All fields of one chip become those of another: the `size` bytes from the start of both."""

    chip: ChipRef
    source: ChipRef
    size: int


@dataclass(slots=True)
class Span:
    """`count` elements of an array (or bytes of a memory: then there is no field) from `start` on."""

    chip: ChipRef
    field: Field | None
    memory: str
    start: Expr
    count: int
    element: Any


@dataclass(slots=True)
class CopySpan:
    """The elements of one span become those of another, as if they were copied elsewhere first. No part has an effect."""

    to: Span
    source: Span


@dataclass(slots=True)
class SetMemory:
    chip: ChipRef
    memory: str
    type: IntType
    address: Expr
    value: Expr


@dataclass(slots=True)
class Unpack:
    """Several results of a call to several locals (None: dropped)."""

    names: list[str]
    call: Call


@dataclass(slots=True)
class If:
    condition: Expr
    then: list[Any]
    other: list[Any]


@dataclass(slots=True)
class While:
    condition: Expr
    body: list[Any]


@dataclass(slots=True)
class For:
    """`step` is not 0 and has one sign. `counter` is the range of all that the hidden counter may be."""

    name: str
    start: Expr
    stop: Expr
    step: int
    counter: Range
    body: list[Any]


@dataclass(slots=True)
class Switch:
    value: Expr
    cases: list[tuple[list[int], list[Any]]]
    default: list[Any]


@dataclass(slots=True)
class ChipSwitch:
    """What happens for a chip of each of some classes; it is of one of them."""

    chip: ChipRef
    ways: list[tuple[tuple[type, ...], list[Any]]]


@dataclass(slots=True)
class Return:
    values: list[Any]  # Expr; a ChipRef where the result is a chip


@dataclass(slots=True)
class Raise:
    trap: type
    args: list[Expr]


@dataclass(slots=True)
class Break:
    pass


@dataclass(slots=True)
class Continue:
    pass


@dataclass(slots=True)
class Fence:
    """Every other thread sees what was read and written before this ahead of what comes behind it."""


@dataclass(slots=True)
class Do:
    """An expression evaluated for its effects."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Outside:
    """What callers must know of a function that is compiled already. Fields: can it trap, can it return, does it use, and change,
    fields that an engine keeps in registers."""

    traps: bool
    returns: bool
    touches: bool
    changes: bool


@dataclass(slots=True, eq=False)
class Function:
    """A function, checked for one set of argument chips and compile-time constants; one from outside has no body."""

    name: str
    key: Any
    chips: list[tuple[str, ChipRef]] = field(default_factory=list)
    params: list[tuple[str, Any]] = field(default_factory=list)  # name, IntType or FloatType
    results: list[Any] = field(default_factory=list)
    found: tuple[type, ...] = ()  # what a result that is a chip may be
    locals: dict[str, Known] = field(default_factory=dict)
    body: list[Any] = field(default_factory=list)
    traps: bool = False
    raises: list[type] = field(default_factory=list)
    returns: bool = False  # can it end without a trap?
    loads: set[tuple[Any, str]] = field(default_factory=set)
    stores: set[tuple[Any, str]] = field(default_factory=set)
    calls: list[Function] = field(default_factory=list)
    outside: Outside | None = None

    @property
    def cold(self) -> bool:
        """Is it marked as rarely run?"""
        return hasattr(self.key[0], "__cold__")

    @property
    def apart(self) -> bool:
        """Is it marked as never to be inlined? Then units share it: it has a symbol."""
        return self.cold or hasattr(self.key[0], "__noinline__")

    @property
    def symbol(self) -> str:
        """Its name in object files: the same in every process, for the same sources."""
        return f"{self.name.partition('.')[0]}.{hashlib.sha256(described(self.key).encode()).hexdigest()[:16]}"
