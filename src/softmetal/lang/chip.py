"""Chips: classes with typed fields, whose state is one flat block.

A chip's fields lie one after the other, each aligned to its container; sub-chips lie inside. Memories lie behind the
block, on pages of their own, in the same mapping. So a machine is one run of bytes:

    +-----------+---------+------------------+----------------------------+
    | block     | mailbox | memories         | room for an engine         |
    +-----------+---------+------------------+----------------------------+
    0           block_size                   size                         size + room

and every field and every memory byte of a board is at a distance from its start that is known when it is compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar

from softmetal.lang.bus import bus_methods
from softmetal.lang.golden import golden
from softmetal.lang.mapping import PAGE, Mapping
from softmetal.lang.marks import cold, host, noinline, reads, shared, writes
from softmetal.lang.source import annotation, field_error, remembered
from softmetal.lang.traps import Trap, Unanswered, trap_class, trap_fields
from softmetal.lang.types import ArrayType, FloatType, HwType, IntType, MemoryType
from softmetal.lang.views import Array, Grid, Memory

MAILBOX = PAGE
"""Bytes between block and memories where compiled code leaves its results; not part of the state."""


class _Method:
    """A method in a chip's class: its golden form is made when it is first looked up."""

    def __init__(self, function: FunctionType, owner: type) -> None:
        self.function, self.owner = function, owner

    def __get__(self, instance: Any, cls: type) -> Any:
        made = golden(self.function, self.owner)
        setattr(self.owner, self.function.__name__, made)
        return made.__get__(instance, cls)


def _view(letter: str) -> str:
    """The key, in a chip's dictionary, of the block seen as numbers of one format: one that no field can have as its name."""
    return "block as " + letter


def _scalar(field: Field) -> property:
    """A number in the block, as an attribute of the chip. Writing cuts."""
    view, index, cut = _view(field.type.format), field.offset // field.type.size, field.type

    def get(chip: Any) -> Any:
        return chip.__dict__[view][index]

    def put(chip: Any, value: Any) -> None:
        chip.__dict__[view][index] = cut(value)

    return property(get, put)


@remembered
def _prepare(cls: type) -> None:
    """Give a chip class attributes for its numbers; other fields are attributes of each instance."""
    for name, field in layout_of(cls).fields.items():
        if isinstance(field.type, IntType | FloatType):
            setattr(cls, name, _scalar(field))


@dataclass(frozen=True)
class Field:
    """A field at rest: `offset` in bytes from its chip's start (memories: none, the board places them)."""

    name: str
    type: Any
    offset: int
    power_on: Any


@dataclass(frozen=True)
class ChipLayout:
    """Where a chip's fields lie. `size` in bytes, a multiple of 8; `end` of the last field, where a derived class goes on."""

    fields: dict[str, Field]
    memories: dict[str, MemoryType]
    size: int
    end: int


class Chip:
    """Hardware with state. Subclasses annotate fields and define methods, in hardware Python.

    An instance made by calling the class is a golden model: a whole board at power-on whose methods CPython runs, with
    a state block of its own. Fields that the class gives a value start with it, the others with 0.
    """

    __hw_methods__: ClassVar[dict[str, FunctionType]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        annotations = inspect.get_annotations(cls)
        hidden = {n for n, t in annotations.items() if "ClassVar" in str(t)}
        cls.__power_on__ = {n: cls.__dict__[n] for n in annotations if n in cls.__dict__ and n not in hidden}  # type: ignore[attr-defined]
        for name in cls.__power_on__:  # type: ignore[attr-defined]
            delattr(cls, name)
        methods = {}
        for name, value in list(vars(cls).items()):
            if isinstance(value, FunctionType) and not getattr(value, "__host__", False) and not name.startswith("__"):
                methods[name] = value
                setattr(cls, name, _Method(value, cls))
        cls.__hw_methods__ = methods
        if any(getattr(m, "__reads__", ()) or getattr(m, "__writes__", ()) for m in methods.values()):
            for name, made in bus_methods(cls, lambda m, n: annotation(m, cls, n), Unanswered).items():
                mine = method_of(cls, name)
                if mine is None or getattr(mine[0], "__bus__", False):  # a chip may do it itself
                    methods[name] = made
                    setattr(cls, name, _Method(made, cls))

    def __class_getitem__(cls, length: int) -> ArrayType:
        if not isinstance(length, int) or length < 1:
            raise TypeError(f"{cls.__name__}[{length!r}]: the length of an array of chips is one whole number, 1 or more")
        return ArrayType(cls, length)

    def __init__(self, *, room: int = 0, in_file: bool = False) -> None:
        board = Board.of(type(self))
        view_of(self, board, new_mapping(board, room, in_file))
        power_on(self)

    def assign(self, other: Chip) -> None:
        """Make all fields those of another chip: of the same class, or one is of a class derived from the other's."""
        size = shared_size(type(self), type(other))
        to, source = self.__dict__["_offset"], other.__dict__["_offset"]
        view = self.__mapping__.view
        view[to : to + size] = bytes(other.__mapping__.view[source : source + size])

    @property
    def __mapping__(self) -> Mapping:
        found: Mapping = self.__dict__["_mapping"]
        return found


def method_of(cls: type, name: str) -> tuple[FunctionType, type] | None:
    """The source function that `cls().name` means, and the class that defines it."""
    for base in cls.__mro__:
        found = base.__dict__.get("__hw_methods__", {}).get(name)
        if found is not None:
            return found, base
    return None


def fields_of(cls: type) -> dict[str, Any]:
    """Names and types of a chip's fields, bases first."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is Chip or not issubclass(base, Chip):
            continue
        for name, kind in inspect.get_annotations(base, eval_str=True).items():
            if "ClassVar" not in str(kind):
                found[name] = kind
    return found


@remembered
def layout_of(cls: type) -> ChipLayout:
    """Where the fields of a chip lie. Raises TypeError for a field that is no hardware type."""
    fields: dict[str, Field] = {}
    memories: dict[str, MemoryType] = {}
    power_on = {k: v for b in reversed(cls.__mro__) for k, v in b.__dict__.get("__power_on__", {}).items()}
    at = 0
    for name, kind in fields_of(cls).items():
        if isinstance(kind, MemoryType):
            memories[name] = kind
            continue
        element = kind.element if isinstance(kind, ArrayType) else kind
        is_chip = isinstance(element, type) and issubclass(element, Chip)
        if is_chip:
            align, size = 8, layout_of(element).size
        elif isinstance(element, IntType | FloatType) and element.size <= 8:
            align = size = element.size
        else:
            what = kind.__name__ if isinstance(kind, type) else repr(kind)
            instead = "u1..u64, s1..s64, f32, f64, an array of them, memory[n] or a chip"
            owner = next((b for b in cls.__mro__ if name in inspect.get_annotations(b)), cls)
            raise field_error(owner, name, f"{what} cannot be the type of a field", instead)
        count = kind.length if isinstance(kind, ArrayType) else 1
        at = -(-at // align) * align
        fields[name] = Field(name, kind, at, power_on.get(name))
        at += size * count
    return ChipLayout(fields, memories, max(8, -(-at // 8) * 8), at)


def shared_size(a: type, b: type) -> int:
    """Bytes of the fields that two classes of chips share, from the start of both. Raises TypeError where neither is a base."""
    base = a if issubclass(b, a) else b
    if not issubclass(a, base):
        raise TypeError(f"{a.__name__} and {b.__name__}: neither is derived from the other")
    mine = layout_of(base)
    if mine.memories or any(layout_of(c).fields[n] != f for c in (a, b) for n, f in mine.fields.items()):
        raise TypeError(f"{base.__name__} has memories, or its fields lie elsewhere in a class derived from it")
    return max((f.offset + _size_of(f.type) for f in mine.fields.values()), default=0)  # behind them may lie others' fields


def _size_of(kind: Any) -> int:
    """Bytes of a field."""
    if isinstance(kind, ArrayType):
        return _size_of(kind.element) * kind.length
    cls = chip_class(kind)
    return layout_of(cls).size if cls else int(kind.size)


def chip_class(kind: Any) -> Any:
    """`kind` where it is a class of chips, else None."""
    return kind if isinstance(kind, type) and issubclass(kind, Chip) else None


@dataclass(frozen=True)
class Entry:
    """A line of `layout()`: a field's path, its offset in bytes from the start of the state, its type."""

    path: str
    offset: int
    type: Any


@dataclass(frozen=True)
class Board:
    """The layout of a whole board: a chip class and all that is in it.

    `block_size`, `size` in bytes; `memories` maps a path to (offset from the start of the mapping, type).
    """

    cls: type
    block_size: int
    memories: dict[str, tuple[int, MemoryType]]
    size: int

    @staticmethod
    @remembered
    def of(cls: type) -> Board:
        block = -(-layout_of(cls).size // PAGE) * PAGE
        memories = sorted(_memories(cls, ""), key=lambda m: m[1].length)
        at, placed = block + MAILBOX, {}
        for path, kind in memories:
            align = PAGE if kind.length < 1 << 21 else 1 << 21
            at = -(-at // align) * align
            placed[path] = (at, kind)
            at += -(-kind.length // PAGE) * PAGE
        return Board(cls, block, placed, at)

    @property
    def mailbox(self) -> int:
        """Offset of the mailbox."""
        return self.block_size

    def places(self, cls: type) -> list[tuple[int, str]]:
        """Where the chips of just this class lie: offset from the start of the state, and path; in order."""
        return _chips_of(self.cls).get(cls, [])


@remembered
def _chips_of(board: type) -> dict[type, list[tuple[int, str]]]:
    """Offset and path of every chip of a board, by class."""
    found: dict[type, list[tuple[int, str]]] = {}

    def walk(cls: type, path: str, base: int) -> None:
        found.setdefault(cls, []).append((base, path))
        for name, field in layout_of(cls).fields.items():
            for index, sub, offset in _sub_chips(field):
                walk(sub, f"{path}{name}{index}.", base + offset)

    walk(board, "", 0)
    return found


def _memories(cls: type, path: str) -> Iterator[tuple[str, MemoryType]]:
    layout = layout_of(cls)
    for name, kind in layout.memories.items():
        yield path + name, kind
    for name, field in layout.fields.items():
        for index, sub, _ in _sub_chips(field):
            yield from _memories(sub, f"{path}{name}{index}.")


def _sub_chips(field: Field) -> Iterator[tuple[str, Any, int]]:
    """(index text, class, offset) of each chip that a field holds."""
    if chip_class(field.type):
        yield "", field.type, field.offset
    elif isinstance(field.type, ArrayType) and chip_class(field.type.element):
        step = layout_of(field.type.element).size
        for i in range(field.type.length):
            yield f"[{i}]", field.type.element, field.offset + i * step


def layout(cls: type) -> list[Entry]:
    """Every field and memory of a board, in the order in which they lie."""

    def walk(cls: type, path: str, base: int) -> Iterator[Entry]:
        for name, field in layout_of(cls).fields.items():
            subs = list(_sub_chips(field))
            for index, sub, offset in subs:
                yield from walk(sub, f"{path}{name}{index}.", base + offset)
            if not subs:
                yield Entry(path + name, base + field.offset, field.type)

    memories = [Entry(path, offset, kind) for path, (offset, kind) in Board.of(cls).memories.items()]
    return [*walk(cls, "", 0), *memories]


def new_mapping(board: Board, room: int = 0, in_file: bool = False) -> Mapping:
    """A mapping for a board, and `room` bytes for an engine."""
    memories = min((at for at, _ in board.memories.values()), default=board.size), -(-board.size // PAGE) * PAGE
    return Mapping(-(-(board.size + room) // PAGE) * PAGE, memories, in_file)


def view_of(chip: Chip, board: Board, mapping: Mapping) -> None:
    """Make `chip` the golden view of a whole board's bytes."""
    _attach(chip, mapping, 0, "", board)
    chip.__dict__["_board"] = board


def _attach(chip: Chip, mapping: Mapping, offset: int, path: str, board: Board) -> None:
    """Make `chip` the golden view of the bytes at `offset`."""
    layout = layout_of(type(chip))
    _prepare(type(chip))
    own = chip.__dict__
    own["_mapping"], own["_offset"] = mapping, offset
    block = mapping.view[offset : offset + layout.size]
    for letter in "bBhHiIqQfd":
        own[_view(letter)] = block.cast(letter)  # type: ignore[call-overload]
    for name, field in layout.fields.items():
        kind = field.type
        subs = []
        for index, cls, at in _sub_chips(field):
            sub: Chip = cls.__new__(cls)
            _attach(sub, mapping, offset + at, f"{path}{name}{index}.", board)
            subs.append(sub)
        if chip_class(kind):
            own[name] = subs[0]
        elif subs:
            own[name] = subs
        elif isinstance(kind, ArrayType):
            start = field.offset // kind.element.size
            view = own[_view(kind.element.format)][start : start + kind.length]
            own[name] = Grid(view, kind) if kind.columns else Array(view, kind)
    for name, kind in layout.memories.items():
        at = board.memories[path + name][0]
        own[name] = Memory(mapping.view[at : at + kind.length])


def power_on(chip: Chip) -> None:
    """Give every field its power-on value."""
    for name, field in layout_of(type(chip)).fields.items():
        for sub in chip.__dict__[name] if isinstance(chip.__dict__.get(name), list) else [chip.__dict__.get(name)]:
            if isinstance(sub, Chip):
                power_on(sub)
        if field.power_on is not None:
            if isinstance(field.type, ArrayType):
                values = field.power_on
                view = chip.__dict__[name]
                for i, row in enumerate(view if field.type.columns else [view]):
                    given = values[i] if field.type.columns and isinstance(values, Sequence) else values
                    row[:] = given if isinstance(given, Sequence) else [given] * len(row)
            else:
                setattr(chip, name, field.power_on)


__all__ = [
    "Array", "Board", "Chip", "Entry", "Grid", "HwType", "Mapping", "Memory", "Trap", "Unanswered",
    "cold", "host", "layout", "layout_of", "method_of", "noinline", "reads", "shared", "trap_class", "trap_fields", "writes",
]  # fmt: skip
