"""What an expression may be besides a number, before it is used: a chip, a method, an array... and what is known of it."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir
from softmetal.lang.ranges import Range

Value = Any  # an ir.Expr, an ir.ChipRef, or one of the following
State = dict[str, Range | None] | None
"""The ranges of the locals that are set (None: a float); None where nothing comes to."""


class Static:
    """A Python object that is known when compiling: a function, a class, a table..."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Method:
    """A method of a chip, not yet called."""

    def __init__(self, chip: ir.ChipRef, function: Any, owner: type) -> None:
        self.chip, self.function, self.owner = chip, function, owner


class Part:
    """An array field, a memory, or a memory seen as values of one type; not yet indexed."""

    def __init__(self, chip: ir.ChipRef, field: Any, name: str, kind: Any) -> None:
        self.chip, self.field, self.name, self.kind = chip, field, name, kind


class Bound:
    """A method of an integer (`bit_length`), not yet called."""

    def __init__(self, value: ir.Expr, name: str) -> None:
        self.value, self.name = value, name


def describe(value: Value) -> str:
    """What a value is, for an error."""
    if isinstance(value, ir.ChipRef):
        return f"the chip {value.cls.__name__}"
    if isinstance(value, Static):
        return f"{value.value!r}"
    if isinstance(value, Method):
        return f"the method {value.function.__name__}"
    if isinstance(value, Part):
        return f"{value.name}: {value.kind!r}"
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
    if isinstance(value, ir.TableLoad):
        return pure(value.index)
    if isinstance(value, ir.MemoryLoad):
        return pure(value.chip) and pure(value.address)
    if isinstance(value, ir.ChipRef):
        return (value.index is None or pure(value.index)) and (value.base is None or pure(value.base))
    return True


def settled(chip: ir.ChipRef) -> bool:
    """Is it certain which chip this is, whatever runs meanwhile?"""
    fixed = chip.index is None or isinstance(chip.index, ir.Const | ir.Local)
    return fixed and (chip.base is None or settled(chip.base))
