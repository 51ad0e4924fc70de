"""The functions that a board's entry points need, each checked once for each set of chips and constants it is called with."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from typing import Any

from softmetal.lang import ir
from softmetal.lang.check.calls import Calls
from softmetal.lang.check.dispatch import dispatcher, signature
from softmetal.lang.check.function import Checker, named_type
from softmetal.lang.check.values import Static, Way, chip_of, describe
from softmetal.lang.chip import Board, Chip
from softmetal.lang.ranges import Range
from softmetal.lang.source import HardwareError, annotation, tree_of
from softmetal.lang.types import FloatType, IntType


class Program:
    """The function instances that a board's entry points need."""

    def __init__(self, outside: Mapping[str, ir.Outside] | None = None) -> None:
        self.functions: dict[Any, ir.Function] = {}
        self.outside = outside or {}
        """Functions that are compiled already, by their symbols: their bodies are not looked at."""
        self.dispatchers: dict[Any, ir.Function] = {}
        """Functions that call one of several methods, by the class that a chip is of."""
        self.board = Board.of(Chip)
        self.busy: list[Any] = []
        self.names: dict[str, int] = {}
        self.constants: dict[tuple[str, str], Any] = {}
        """Constants by module and name: what they were when their values went into the code."""

    def root(self, cls: type) -> ir.ChipRef:
        """The board itself, as an argument."""
        self.board = Board.of(cls)
        return ir.ChipRef(cls, "self", 0, "")

    def instance(
        self, function: Any, owner: type | None, args: list[Any], named: dict[str, Any], where: Calls | None = None,
        node: Any = None, known: dict[str, Range] | None = None,
    ) -> tuple[ir.Function, list[ir.ChipRef], list[Any]]:  # fmt: skip
        """The instance of `function` for these arguments, and its chip and number arguments.

        `known` narrows integer parameters (an engine that decodes knows more of an operand than its type).
        """
        bound: dict[str, Any] = {}
        while isinstance(function, partial):
            if function.args:
                raise TypeError("a partial of a meaning binds its arguments by keyword")
            bound = function.keywords | bound
            function = function.func
        tree, filename = tree_of(function)
        known = known or {}

        def fail(message: str, instead: str) -> Any:
            raise HardwareError(where.filename if where else filename, node or tree, message, instead)

        arguments = tree.args
        if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
            raise HardwareError(filename, tree, "* and / in parameters are not hardware Python", "plain parameters")
        names = [a.arg for a in (*arguments.args, *arguments.kwonlyargs)]
        free = [n for n in names if n not in bound]
        shape = f"{tree.name}({', '.join(n for n in free if n != 'self')})"
        if len(args) > len(free):
            fail(f"{tree.name}() takes {len(free)} arguments, {len(args)} are given", shape)
        given = dict(zip(free, args, strict=False))
        for name, value in named.items():
            if name in given or name not in free:
                what = "gets" if name in given else "has no parameter"
                fail(f"{tree.name}() {what} {name!r}{' twice' if name in given else ''}", shape)
            given[name] = value
        defaults = dict(zip(names[::-1], (function.__defaults__ or ())[::-1], strict=False))
        defaults.update(function.__kwdefaults__ or {})
        key: list[Any] = [function, owner]
        chips: list[tuple[str, ir.ChipRef]] = []
        chip_args: list[ir.ChipRef] = []
        params: list[tuple[str, Any]] = []
        numbers: list[Any] = []
        fixed: dict[str, Any] = {n: _rested(annotation(function, owner, n), v) for n, v in bound.items()}
        for arg in (*arguments.args, *arguments.kwonlyargs):
            name = arg.arg
            if name in bound:
                key.append((name, _identity(fixed[name])))
                continue
            if name not in given and name in defaults:
                given[name] = _given(defaults[name])
            if name not in given:
                fail(f"{tree.name}() needs an argument for {name!r}", shape)
            kind = annotation(function, owner, name)
            value = given[name]
            if isinstance(value, ir.ChipRef):
                if kind is not None and isinstance(kind, type) and not all(issubclass(c, kind) for c in ir.classes_of(value)):
                    fail(f"{name} is a {kind.__name__}, {value.cls.__name__} is given", f"a chip of class {kind.__name__}")
                if isinstance(kind, IntType | FloatType):
                    fail(f"{name} is a {kind}, a chip is given", "one of its fields")
                chip_args.append(value)
                if getattr(function, "__shared__", False) and value.path != "":
                    value = chip_of(ir.classes_of(value), name)
                chips.append((name, value))
                key.append((name, value.cls, value.place, value.path, *value.classes))
            elif isinstance(value, Static):
                fixed[name] = value.value
                key.append((name, _identity(value.value)))
            elif isinstance(kind, IntType | FloatType):
                if not isinstance(value, ir.Expr):
                    fail(f"{name} is a {kind}, {describe(value)} is given", "a number")
                params.append((name, kind))
                numbers.append(where.cut(node, value, kind) if where else value)
                key.append((name, known.get(name)))
            elif kind is None:
                raise HardwareError(filename, arg, f"parameter {name!r} has no type", f"{name}: u64, or another type")
            else:
                message = f"{named_type(kind)} is no hardware type"
                raise HardwareError(filename, arg, message, "u1..u128, s1..s128, f32, f64 or a chip")
        found = tuple(key)
        if found in self.busy:
            fail(f"{tree.name}() calls itself", "a loop: hardware has no recursion")
        if found not in self.functions:
            number = self.names[tree.name] = self.names.get(tree.name, 0) + 1
            name = tree.name if number == 1 else f"{tree.name}.{number}"
            made = ir.Function(name, found, chips, params)
            checker = _Checker(self, made, function, owner, fixed, known)
            made.outside = self.outside.get(made.symbol) if made.apart and self.outside else None
            if made.outside is None:
                self.busy.append(found)
                checker.run()
                self.busy.pop()
            else:
                made.results = checker.results()
                made.traps, made.returns = made.outside.traps, made.outside.returns
            self.functions[found] = made
        return self.functions[found], chip_args, numbers

    def dispatch(self, where: Calls, node: ast.AST, chip: ir.ChipRef, ways: list[Way], args: list[Any], named: Any) -> ir.Call:
        """A call of one of several methods, by the class that a chip is of."""
        first, *others = ways
        for way in others:
            if signature(way.function, way.owner) != signature(first.function, first.owner):
                what = f"{first.function.__name__}() of {way.owner.__name__}"
                where.fail(
                    node, f"{what} has other parameters or results than that of {first.owner.__name__}",
                    f"the same for all classes derived from {chip.cls.__name__}",
                )  # fmt: skip
        made: list[tuple[tuple[type, ...], ir.Function]] = []
        chips: list[ir.ChipRef] = []
        numbers: list[Any] = []
        for way in ways:
            one, chips, numbers = self.instance(way.function, way.owner, [chip_of(way.classes), *args], named, where, node)
            made.append((way.classes, one))
        key = tuple((classes, one.key) for classes, one in made)
        if key not in self.dispatchers:
            self.dispatchers[key] = dispatcher(chip, made)
        return ir.Call(None, self.dispatchers[key], [chip, *chips[1:]], numbers)


def _identity(value: Any) -> Any:
    if isinstance(value, partial):
        return ("partial", value.func, tuple(sorted((k, _identity(v)) for k, v in value.keywords.items())))
    return value


def _given(value: Any) -> Any:
    """A parameter's default, as if it had been written in the call."""
    if isinstance(value, int):
        return ir.Const(Range(int(value), int(value)), int(value))
    return ir.Const(None, value) if isinstance(value, float) else Static(value)


def _rested(kind: Any, value: Any) -> Any:
    """A value bound to a parameter by `partial`: a number is cut as in any call."""
    if isinstance(kind, IntType) and isinstance(value, int):
        return kind(value)
    return kind(value) if isinstance(kind, FloatType) and isinstance(value, int | float) else value


class _Checker(Checker):
    """The checker of one of a program's functions."""

    def __init__(
        self, program: Program, function: ir.Function, python: Any, owner: type | None, bound: dict[str, Any], known: Any
    ) -> None:
        super().__init__(function, python, owner, bound, known)
        self.program = program

    def instance(self, function: Any, owner: type | None, args: list[Any], names: Any, node: ast.AST) -> Any:
        return self.program.instance(function, owner, args, names, self, node)

    def dispatch(self, node: ast.AST, chip: ir.ChipRef, ways: list[Way], args: list[Any], named: Any) -> ir.Call:
        return self.program.dispatch(self, node, chip, ways, args, named)

    def check_places(self, node: ast.AST, classes: tuple[type, ...]) -> None:
        seen: dict[int, type] = {}
        for cls in dict.fromkeys(classes):
            for place, _ in self.program.board.places(cls):
                if place in seen:
                    names = f"{seen[place].__name__} and {cls.__name__}"
                    self.fail(node, f"chips {names} begin at one place, one inside the other", "a field before the one inside")
                seen[place] = cls

    def used(self, home: Any, name: str, value: Any) -> None:
        if isinstance(value, int | float | tuple | bytes):
            place = (home, name) if isinstance(home, str) else (home.__module__, f"{home.__qualname__}.{name}")
            self.program.constants[place] = value
