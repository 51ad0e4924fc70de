"""What an expression may be besides a number, before it is used: a chip, a method, an array... and what is known of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

from softmetal.lang import ir

Value = Any  # an ir.Expr, an ir.ChipRef, or one of the following
State = dict[str, ir.Known] | None
"""What is known of the locals that are set; None where nothing comes to."""


class Static:
    """A Python object that is known when compiling: a function, a class, a table..."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Method:
    """A method of a chip, not yet called."""

    def __init__(self, chip: ir.ChipRef, function: Any, owner: type) -> None:
        self.chip, self.function, self.owner = chip, function, owner


class Way(NamedTuple):
    """A method that a call means where a chip is of one of these classes, and the class that defines it."""

    classes: tuple[type, ...]
    function: Any
    owner: type


class Part:
    """An array field, a row of one, a memory, or a memory seen as values of one type; not yet indexed.

    `start` is where a row begins, in elements from the start of the array.
    """

    def __init__(self, chip: ir.ChipRef, field: Any, name: str, kind: Any, start: ir.Expr | None = None) -> None:
        self.chip, self.field, self.name, self.kind, self.start = chip, field, name, kind, start


class Bound:
    """A method of an integer (`bit_length`), not yet called."""

    def __init__(self, value: ir.Expr, name: str) -> None:
        self.value, self.name = value, name


def common_base(classes: Iterable[type]) -> Any:
    """The closest class that all of these are, or are derived from."""
    first, *rest = classes
    return next(base for base in first.__mro__ if all(issubclass(c, base) for c in rest))


def chip_of(classes: Iterable[type], name: str = "", chosen: Any = None) -> ir.ChipRef:
    """A chip that is known when running: of one of these classes, in a parameter or local, or `chosen`."""
    kinds = tuple(sorted(set(classes), key=lambda c: (c.__module__, c.__qualname__)))
    return ir.ChipRef(common_base(kinds), name, None, None, classes=kinds if len(kinds) > 1 else (), chosen=chosen)


def describe(value: Value) -> str:
    """What a value is, for an error."""
    if isinstance(value, ir.ChipRef):
        return f"the chip {value.cls.__name__}"
    if isinstance(value, Static):
        return f"{value.value!r}"
    if isinstance(value, Method):
        return f"the method {value.function.__name__}"
    if isinstance(value, Part):
        return f"{value.name}.{value.kind[0]}" if isinstance(value.kind, tuple) else f"{value.name}: {value.kind!r}"
    if isinstance(value, Bound):
        return f"the method {value.name}"
    return "a float" if value.range is None else "an integer"


def source_text(node: Any) -> str:
    """An expression as errors show it."""
    return getattr(node, "text", "") or ast.unparse(node)


def close_to(name: str, names: list[str]) -> str:
    """A hint with the names most like one that was not found."""
    import difflib

    near = difflib.get_close_matches(name, names, 2)
    return " or ".join(near)


def pure(value: Any) -> bool:
    """Has evaluating this no effect?"""
    if isinstance(value, ir.Call):
        return False
    if isinstance(value, ir.Bin | ir.Cmp | ir.Logic):
        return pure(value.a) and pure(value.b)
    if isinstance(value, ir.Select):
        return pure(value.condition) and pure(value.a) and pure(value.b)
    if isinstance(value, ir.Not | ir.Cut):
        return pure(value.a)
    if isinstance(value, ir.Op):
        return all(map(pure, value.args))
    if isinstance(value, ir.FieldLoad):
        return pure(value.chip) and (value.index is None or pure(value.index))
    if isinstance(value, ir.ClassValue):
        return pure(value.chip)
    if isinstance(value, ir.TableLoad):
        return pure(value.index)
    if isinstance(value, ir.MemoryLoad):
        return pure(value.chip) and pure(value.address)
    if isinstance(value, ir.ChipRef):
        return all(part is None or pure(part) for part in (value.index, value.base, value.chosen))
    if isinstance(value, ir.ChipSelect):
        return pure(value.condition) and pure(value.a) and pure(value.b)
    if isinstance(value, ir.ChipPick):
        return pure(value.index) and all(map(pure, value.chips))
    return True


def is_certain(chip: ir.ChipRef) -> bool:
    """Is it certain which chip this is, whatever runs meanwhile?"""
    fixed = chip.chosen is None and (chip.index is None or isinstance(chip.index, ir.Const | ir.Local))
    return fixed and (chip.base is None or is_certain(chip.base))
