"""A function, checked for one set of argument chips and compile-time constants."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir
from softmetal.lang.check.flow import Flow
from softmetal.lang.check.values import State, Static, describe
from softmetal.lang.chip import Trap, chip_class, trap_fields
from softmetal.lang.ranges import type_range
from softmetal.lang.source import annotation, evaluate, tree_of
from softmetal.lang.types import FloatType, IntType


class Checker(Flow):
    """The checker of one function. Which others it calls is decided where all of them are known: see `program`."""

    def __init__(self, function: ir.Function, python: Any, owner: type | None, bound: dict[str, Any], known: Any) -> None:
        self.function, self.python, self.owner = function, python, owner
        self.tree, self.filename = tree_of(python)
        self.bound = dict(bound)
        for name, chip in function.chips:
            self.bound[name] = ir.ChipRef(chip.cls, name, chip.place, chip.path, classes=chip.classes)
        self.types = dict(function.params)
        self.state: State = {n: known.get(n, type_range(k)) for n, k in function.params}
        self.widest = {n: type_range(k) for n, k in function.params}
        self.assigned = set(self.types)
        self.chosen_of = {}
        self.loops = []
        self.probing = 0
        self.marks = set()

    def run(self) -> None:
        function, tree = self.function, self.tree
        self._find_locals(tree)
        function.results = self.results()
        function.body = self.block(tree.body)
        if self.state is not None and function.results:
            self.fail(tree, f"{tree.name}() can end without a result", "a return on every way through it")
        if function.results and chip_class(function.results[0]):
            function.found = function.found or (function.results[0],)
        function.locals = self.widest
        function.returns |= self.state is not None
        function.traps = function.traps or any(c.traps for c in function.calls)

    def results(self) -> list[Any]:
        """The types of the results."""
        kind = annotation(self.python, self.owner, "return")
        kinds = [] if kind is None else list(getattr(kind, "__args__", (kind,)))
        if len(kinds) == 1 and chip_class(kinds[0]):
            if self.function.apart:
                where = self.tree.returns or self.tree
                self.fail(where, "a function that gives a chip is not compiled apart", "no @cold, no @noinline")
            return kinds
        for each in kinds:
            if not isinstance(each, IntType | FloatType):
                where = self.tree.returns or self.tree
                wanted = "u1..u128, s1..s128, f64, tuple[u8, u8], a chip or None"
                self.fail(where, f"{named_type(each)} is no result type", wanted)
        return kinds

    def _find_locals(self, tree: ast.FunctionDef) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.assigned.add(node.id)
            if isinstance(node, ast.MatchAs) and node.name:
                self.assigned.add(node.name)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                try:
                    kind = evaluate(ast.unparse(node.annotation), self.python, self.owner)
                except Exception:
                    kind = None
                if not isinstance(kind, IntType | FloatType) and not chip_class(kind):
                    text = ast.unparse(node.annotation)
                    self.fail(node.annotation, f"{text} is no type of a variable", "u1..u128, s1..s128, f64 or a chip")
                if self.types.get(node.target.id, kind) is not kind:
                    self.fail(node, f"{node.target.id!r} has two types", "one annotation, at its first assignment")
                self.types[node.target.id] = kind

    def do_Return(self, node: ast.Return) -> list[Any]:
        kinds = self.function.results
        self.function.returns = True
        given = [] if node.value is None else node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        if isinstance(node.value, ast.Constant) and node.value.value is None:
            given = []
        if len(kinds) > 1 and len(given) == 1:
            value = self.value(given[0])
            if isinstance(value, ir.Call) and len(value.function.results) == len(kinds):
                names = [f"returned.{node.lineno}.{node.col_offset}.{i}" for i in range(len(kinds))]
                parts: list[ir.Expr] = []
                for name, had, kind in zip(names, value.function.results, kinds, strict=True):
                    self._note(name, type_range(had))
                    parts.append(self.cut(node, ir.Local(type_range(had), name), kind))
                self.state = None
                return [ir.Unpack(names, value), ir.Return(parts)]
        if len(given) != len(kinds):
            have = "no result" if not kinds else "1 result" if len(kinds) == 1 else f"{len(kinds)} results"
            plural = "1 value is" if len(given) == 1 else f"{len(given)} values are"
            self.fail(node, f"{plural} returned, the function has {have}", "-> u8, or -> tuple[u8, u8], with a type for each")
        if kinds and chip_class(kinds[0]):
            return self._return_chip(given[0], kinds[0])
        values = [self.cut(v, self.expr(v), k) for v, k in zip(given, kinds, strict=True)]
        self.state = None
        return [ir.Return(values)]

    def _return_chip(self, node: ast.expr, kind: type) -> list[Any]:
        chip = self.value(node)
        if not isinstance(chip, ir.ChipRef) or not all(issubclass(c, kind) for c in ir.classes_of(chip)):
            self.fail(node, f"{describe(chip)} is returned, the result is a {kind.__name__}", f"a chip of class {kind.__name__}")
        self.function.found = self.one_of(node, [chip], self.function.found)
        self.state = None
        return [ir.Return([chip])]

    def do_Raise(self, node: ast.Raise) -> list[Any]:
        call = node.exc
        target = None
        if isinstance(call, ast.Call):
            found = self.value(call.func)
            target = found.value if isinstance(found, Static) else None
        if not (isinstance(target, type) and issubclass(target, Trap)) or not isinstance(call, ast.Call):
            self.fail(node, "only traps are raised", "raise SomeTrap(values), a subclass of Trap")
        if "<locals>" in target.__qualname__:
            self.fail(call, f"the trap {target.__name__} is defined inside a function", "a class of the module")
        fields = trap_fields(target)
        if len(call.args) != len(fields) or call.keywords:
            count = "1 value" if len(fields) == 1 else f"{len(fields)} values"
            self.fail(call, f"{target.__name__} takes {count}", f"{target.__name__}({', '.join(fields)})")
        for name, kind in fields.items():
            if kind.bits > 64:
                self.fail(call, f"{target.__name__}.{name} is a {kind}", "64 bits or less in a field of a trap")
        args = [self.cut(a, self.expr(a), k) for a, k in zip(call.args, fields.values(), strict=True)]
        self.function.traps = True
        if target not in self.function.raises:
            self.function.raises.append(target)
        self.state = None
        return [ir.Raise(target, args)]


def named_type(kind: Any) -> str:
    """A type as it is written."""
    return kind.__name__ if isinstance(kind, type) else repr(kind)
