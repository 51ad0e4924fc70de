"""A call of a method that several classes define: a function that calls the one of the class that a chip is of."""

from __future__ import annotations

from typing import Any

from softmetal.lang import ir
from softmetal.lang.check.values import chip_of
from softmetal.lang.ranges import type_range
from softmetal.lang.source import annotation


def signature(function: Any, owner: type) -> list[Any]:
    """Names, types and defaults of a method's parameters, and its result's type."""
    code = function.__code__
    names = [*code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount], "return"]
    return [[(name, annotation(function, owner, name)) for name in names], function.__defaults__, function.__kwdefaults__]


def dispatcher(chip: ir.ChipRef, ways: list[tuple[tuple[type, ...], ir.Function]]) -> ir.Function:
    """The function that takes the first of the ways of whose classes the chip is; all take and give the same."""
    first = ways[0][1]
    own = first.chips[0][0]
    made = ir.Function(first.name, ("dispatch", *(one.key for _, one in ways)), [*first.chips], [*first.params], [*first.results])
    made.chips[0] = (own, chip_of(ir.classes_of(chip), own))
    made.locals = {name: type_range(kind) for name, kind in made.params}
    made.calls = [one for _, one in ways]
    made.traps, made.returns = any(c.traps for c in made.calls), any(c.returns for c in made.calls)
    made.found = tuple(dict.fromkeys(cls for one in made.calls for cls in one.found))
    bodies = [(classes, _body(made, own, classes, one)) for classes, one in ways]
    made.body = [ir.ChipSwitch(made.chips[0][1], bodies)]
    return made


def _body(made: ir.Function, own: str, classes: tuple[type, ...], one: ir.Function) -> list[Any]:
    """What is done for a chip of some classes: a call with the same arguments, whose results are handed on."""
    others = [ref if ref.place is not None else chip_of(ir.classes_of(ref), name) for name, ref in made.chips[1:]]
    chips = [chip_of(classes, own), *others]
    found = type_range(one.results[0]) if len(one.results) == 1 else None
    call = ir.Call(found, one, chips, [ir.Local(type_range(kind), name) for name, kind in one.params])
    if not one.results:
        return [ir.Do(call), ir.Return([])]
    if one.found:
        return [ir.Return([chip_of(one.found, chosen=call)])]
    if len(one.results) == 1:
        return [ir.Return([call])]
    parts = [ir.Local(type_range(kind), f"result.{i}") for i, kind in enumerate(one.results)]
    made.locals |= {part.name: part.range for part in parts}
    return [ir.Unpack([part.name for part in parts], call), ir.Return(parts)]
