"""Calls of methods and functions, casts, and the operations that look like calls."""

from __future__ import annotations

import ast
from abc import abstractmethod
from functools import partial
from typing import Any

from softmetal.lang import ir, ops
from softmetal.lang.check.operators import Operators
from softmetal.lang.check.values import Bound, Method, Static, Value, Way, chip_of, describe, is_certain, pure
from softmetal.lang.chip import Trap, method_of
from softmetal.lang.ranges import BIT, Range, type_range
from softmetal.lang.source import is_hardware_function
from softmetal.lang.types import UNSIGNED, FloatType, IntType


class Calls(Operators):
    """The checker of calls: the last of those of expressions."""

    def on_Call(self, node: ast.Call) -> Value:
        for keyword in node.keywords:
            if keyword.arg is None:
                self.fail(node, "**kwargs is not hardware Python", "each argument by name")
        if any(isinstance(a, ast.Starred) for a in node.args):
            self.fail(node, "*args is not hardware Python", "each argument")
        if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
            return self._super(node, node.func)
        callee = self.value(node.func)
        if isinstance(callee, Method):
            return self._method(node, callee)
        if isinstance(callee, Bound):
            return self._bit_method(node, callee)
        if not isinstance(callee, Static):
            self.fail(node, f"{describe(callee)} cannot be called", "a method of a chip or a function")
        target = callee.value
        if isinstance(target, IntType | FloatType):
            return self._cast(node, target)
        simple = getattr(target, "__name__", "")
        if target in (min, max, abs, int, bool) or (callable(target) and getattr(ops, simple, None) is target):
            return self._operation(node, simple)
        if isinstance(target, partial) or is_hardware_function(target):
            return self.call(node, target, None, None)
        if target is print:
            self.fail(node, "hardware does not print", "a field that the host reads")
        if isinstance(target, type) and issubclass(target, Trap):
            self.fail(node, "a trap is raised, not called", f"raise {simple}(...)")
        return self.fail(
            node, f"{ast.unparse(node.func)} is no hardware function",
            "a method, a function whose parameters are all annotated, or a cast",
        )  # fmt: skip

    def _super(self, node: ast.Call, func: ast.Attribute) -> Value:
        chip = self.bound.get("self")
        assert self.owner is not None
        ways = {_next_method(c, self.owner, func.attr) for c in ir.classes_of(chip)} if isinstance(chip, ir.ChipRef) else set()
        if len(ways) > 1:
            self.fail(
                node, f"super().{func.attr}() is not the same in all classes that this chip may be of", "one base for each class"
            )
        for way in ways - {None}:
            return self.call(node, way[0], way[1], chip)
        return self.fail(node, f"no base of {self.owner.__name__} has a method {func.attr!r}", "a method of a base class")

    def call(self, node: ast.Call, function: Any, owner: type | None, chip: ir.ChipRef | None) -> Value:
        """Check a call of a hardware function."""
        args, named = self._arguments(node)
        args = [chip, *args] if chip is not None else args
        self._in_order(node, function, [*args, *named.values()], [str(n) for n in named])
        made, chip_args, numbers = self.instance(function, owner, args, named, node)
        self.function.calls.append(made)
        return self._result(node, ir.Call(None, made, chip_args, numbers))

    def _result(self, node: ast.AST, call: ir.Call) -> Value:
        """What a call gives: its results, or the chip that it has found."""
        results = call.function.results
        if call.function.found:
            return chip_of(self.one_of(node, [chip_of(call.function.found)]), chosen=call)
        call.range = type_range(results[0]) if len(results) == 1 else None
        return call

    def _method(self, node: ast.Call, callee: Method) -> Value:
        """A call of a chip's method: where the chip may be of several classes that define it, of the one that the chip is of."""
        name = callee.function.__name__
        found: dict[Any, tuple[type, ...]] = {}
        for cls in ir.classes_of(callee.chip):
            method = method_of(cls, name)
            found[method] = (*found.get(method, ()), cls)
        ways = [Way(classes, *method) for method, classes in found.items()]
        if len(ways) == 1:
            return self.call(node, ways[0].function, ways[0].owner, callee.chip)
        args, named = self._arguments(node)
        self._in_order(node, callee.function, [callee.chip, *args, *named.values()], [str(n) for n in named])
        call = self.dispatch(node, callee.chip, ways, args, named)
        self.function.calls.append(call.function)
        return self._result(node, call)

    @abstractmethod
    def dispatch(self, node: ast.AST, chip: ir.ChipRef, ways: list[Way], args: list[Value], named: Any) -> ir.Call:
        """A call of one of several methods, by the class that a chip is of."""

    def _arguments(self, node: ast.Call) -> tuple[list[Value], dict[Any, Value]]:
        return [self._argument(a) for a in node.args], {k.arg: self._argument(k.value) for k in node.keywords}

    def _in_order(self, node: ast.Call, function: Any, values: list[Value], named: list[str]) -> None:
        """Refuse arguments that Python would evaluate in another order than compiled code does, where that matters."""
        effects = [i for i, v in enumerate(values) if isinstance(v, ir.Expr | ir.ChipRef) and not pure(v)]
        if not effects:
            return
        while isinstance(function, partial):
            function = function.func
        names = function.__code__.co_varnames
        places = [names.index(n) for n in named if n in names]
        if places != sorted(places):
            self.fail(node, "arguments with effects are not in the parameters' order", "them in that order, or variables")
        for i in effects:  # compiled code finds all chips first
            if isinstance(values[i], ir.Expr):
                if any(isinstance(v, ir.ChipRef) and not is_certain(v) for v in values[i:]):
                    self.fail(
                        node, "which chip is meant may change while the arguments are evaluated", "a variable for its index"
                    )
            elif any(isinstance(v, ir.Expr) and not isinstance(v, ir.Const | ir.Local) for v in values[:i]):
                self.fail(node, "finding a chip behind other arguments has effects", "a variable for the chip, set before")

    def _argument(self, node: ast.expr) -> Value:
        value = self.value(node)
        if isinstance(value, Static) and isinstance(value.value, int | float):
            return self._constant(node, value.value)
        return value

    def _bit_method(self, node: ast.Call, callee: Bound) -> Value:
        found = callee.value.range
        assert found is not None
        if node.args or node.keywords:
            self.fail(node, f"{callee.name}() takes no arguments", f"x.{callee.name}()")
        if found.lo < 0 and not self.probing:
            self.fail(node, f"{callee.name}() of a value that may be negative", "a cut to an unsigned type first")
        low = found.lo.bit_length() if callee.name == "bit_length" and found.lo >= 0 else 0
        return self._checked(node, ir.Op(Range(low, max(found.hi, 0).bit_length()), callee.name, [callee.value]))

    def _cast(self, node: ast.Call, kind: IntType | FloatType) -> Value:
        if len(node.args) != 1 or node.keywords:
            self.fail(node, f"{kind}() takes one value", f"{kind}(x)")
        value = self.expr(node.args[0])
        return self.cut(node.args[0], value, kind)

    def cut(self, node: ast.AST, value: ir.Expr, kind: Any) -> ir.Expr:
        """A value as it rests in `kind`."""
        if isinstance(kind, FloatType):
            if value.range is not None:
                if not self.probing and not Range(-(2**53), 2**53).holds(value.range) and kind.bits == 32:
                    self.fail(node, "an integer this wide would be rounded twice", "f32(f64(x)) if that is meant")
                if not self.probing and value.range.bits > 64:
                    self.fail(node, "more than 64 bits cannot become a float", "s64(x) or u64(x) first")
                value = ir.Op(None, "float", [value])
            return ir.Cut(None, kind, value)
        if value.range is None:
            self.fail(node, f"a float is stored as {kind}", "bits64(x) or bits32(x) for its bits")
        full = type_range(kind)
        if full.holds(value.range):
            return value
        if value.range.single and isinstance(value, ir.Const):
            kept = kind(value.value)
            return ir.Const(Range(kept, kept), kept)
        return ir.Cut(full, kind, value)

    def _operation(self, node: ast.Call, name: str) -> Value:
        if name == "fence":
            self.fail(node, "fence() takes nothing and gives nothing", "fence() on a line of its own")
        args = [self.expr(a) for a in node.args]
        found = [a.range for a in args]
        count = {"min": 2, "max": 2, "fma": 3}.get(name, 1)
        if node.keywords or (len(args) != count and not (name in ("min", "max") and len(args) > 2)):
            self.fail(node, f"{name}() takes {count} value{'s' * (count > 1)}", f"{name}({', '.join('abc'[:count])})")
        if name in ("sqrt", "fma", "bits64", "bits32") or (name == "abs" and found[0] is None):
            if any(f is not None for f in found):
                self.fail(node, f"{name}() takes floats", "f64(i) to convert the integer")
            width = {"bits64": Range(0, (1 << 64) - 1), "bits32": Range(0, (1 << 32) - 1)}.get(name)
            return ir.Op(width, "fabs" if name == "abs" else name, args)
        if any(f is None for f in found):
            self.fail(node, f"{name}() takes integers", "a comparison and an if for floats")
        if name in ("float64", "float32"):
            kind = UNSIGNED[int(name[5:])]
            if not self.probing and found[0] is not None and not type_range(kind).holds(found[0]):
                self.fail(node, f"{name}() takes a {kind}", f"{name}({kind}(x))")
            return ir.Op(None, name, args)
        whole = [f for f in found if f is not None]
        if name == "int":
            return args[0]
        if name == "bool":
            return ir.Cmp(BIT, "!=", args[0], ir.Const(Range(0, 0), 0))
        if name == "abs":
            a = whole[0]
            if a.lo >= 0:
                return args[0]
            return self._checked(node, ir.Op(Range(max(0, -a.hi), max(-a.lo, a.hi)), "abs", args))
        pick = min if name == "min" else max
        value = args[0]
        for other in args[1:]:
            assert value.range is not None
            assert other.range is not None
            span = Range(pick(value.range.lo, other.range.lo), pick(value.range.hi, other.range.hi))
            value = self._checked(node, ir.Op(span, name, [value, other]))
        return value


def _next_method(cls: type, owner: type, name: str) -> Any:
    """The method (function and owner) that `super().name` means in `owner`, for a chip of class `cls`; None if there is none."""
    for base in cls.__mro__[cls.__mro__.index(owner) + 1 :]:
        found = base.__dict__.get("__hw_methods__", {}).get(name)
        if found:
            return found, base
    return None


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
