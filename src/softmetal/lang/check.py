"""The checker: hardware Python in, typed tree (`ir`) out, or an error that says what to write instead.

A function is checked once for each set of argument chips and compile-time constants that it is called with. Ranges of
locals follow the flow of control; a loop's are sought by repetition and then proved by one more pass.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from typing import Any

from softmetal.lang import ir, ranges
from softmetal.lang.chip import Trap, layout_of, method_of, shared_size, trap_fields
from softmetal.lang.infer import OPERATORS, Expressions, Part, Static, describe, not_zero, type_range
from softmetal.lang.ranges import Range
from softmetal.lang.source import HardwareError, annotation, evaluate, tree_of
from softmetal.lang.types import FloatType, IntType

State = dict[str, Range | None] | None

EVERYTHING = Range(-ranges.HUGE, ranges.HUGE)


class Program:
    """The function instances that a board's entry points need."""

    def __init__(self, outside: Mapping[str, ir.Outside] | None = None) -> None:
        self.functions: dict[Any, ir.Function] = {}
        self.outside = outside or {}
        """Functions that are compiled already, by their symbols: their bodies are not looked at."""
        self.busy: list[Any] = []
        self.names: dict[str, int] = {}
        self.constants: dict[tuple[str, str], Any] = {}
        """Constants by module and name: what they were when their values went into the code."""

    def root(self, cls: type) -> ir.ChipRef:
        """The board itself, as an argument."""
        return ir.ChipRef(cls, "self", 0, "")

    def instance(
        self, function: Any, owner: type | None, args: list[Any], named: dict[str, Any], where: _Checker | None = None,
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
                if kind is not None and isinstance(kind, type) and not issubclass(value.cls, kind):
                    fail(f"{name} is a {kind.__name__}, {value.cls.__name__} is given", f"a chip of class {kind.__name__}")
                if isinstance(kind, IntType | FloatType):
                    fail(f"{name} is a {kind}, a chip is given", "one of its fields")
                chips.append((name, value))
                chip_args.append(value)
                key.append((name, value.cls, value.place, value.path))
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


def named_type(kind: Any) -> str:
    """A type as it is written."""
    return kind.__name__ if isinstance(kind, type) else repr(kind)


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


class _Loop:
    def __init__(self) -> None:
        self.breaks: list[State] = []
        self.continues: list[State] = []


def join(states: list[State]) -> State:
    """What holds where several ways meet: locals set on all of them, with the ranges that hold them all."""
    live = [s for s in states if s is not None]
    if not live:
        return None
    first, *rest = live
    made: dict[str, Range | None] = {}
    for name, found in first.items():
        kept, everywhere = found, True
        for other in rest:
            if name not in other:
                everywhere = False
                break
            more = other[name]
            kept = kept.join(more) if kept is not None and more is not None else None
        if everywhere:
            made[name] = kept
    return made


class _Checker(Expressions):
    def __init__(
        self, program: Program, function: ir.Function, python: Any, owner: type | None, bound: dict[str, Any], known: Any
    ) -> None:
        self.program, self.function, self.python, self.owner = program, function, python, owner
        self.tree, self.filename = tree_of(python)
        self.bound = dict(bound)
        for name, chip in function.chips:
            self.bound[name] = ir.ChipRef(chip.cls, name, chip.place, chip.path)
        self.types: dict[str, Any] = dict(function.params)
        self.state: State = {n: known.get(n, type_range(k)) for n, k in function.params}
        self.widest: dict[str, Range | None] = {n: type_range(k) for n, k in function.params}
        self.assigned: set[str] = set(self.types)
        self.loops: list[_Loop] = []
        self.probing = 0
        self.marks: set[int] = set()

    def instance(self, function: Any, owner: type | None, args: list[Any], names: Any, node: ast.AST) -> Any:
        return self.program.instance(function, owner, args, names, self, node)

    def used(self, home: Any, name: str, value: Any) -> None:
        if isinstance(value, int | float | tuple | bytes):
            place = (home, name) if isinstance(home, str) else (home.__module__, f"{home.__qualname__}.{name}")
            self.program.constants[place] = value

    def run(self) -> None:
        function, tree = self.function, self.tree
        self._find_locals(tree)
        function.results = self.results()
        function.body = self.block(tree.body)
        if self.state is not None and function.results:
            self.fail(tree, f"{tree.name}() can end without a result", "a return on every way through it")
        function.locals = self.widest
        function.returns |= self.state is not None
        function.traps = function.traps or any(c.traps for c in function.calls)

    def results(self) -> list[Any]:
        """The types of the results."""
        kind = annotation(self.python, self.owner, "return")
        kinds = [] if kind is None else list(getattr(kind, "__args__", (kind,)))
        for each in kinds:
            if not isinstance(each, IntType | FloatType):
                where = self.tree.returns or self.tree
                self.fail(where, f"{named_type(each)} is no result type", "u1..u128, s1..s128, f64, tuple[u8, u8] or None")
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
                if not isinstance(kind, IntType | FloatType):
                    text = ast.unparse(node.annotation)
                    self.fail(node.annotation, f"{text} is no type of a variable", "u1..u128, s1..s128 or f64")
                if self.types.get(node.target.id, kind) is not kind:
                    self.fail(node, f"{node.target.id!r} has two types", "one annotation, at its first assignment")
                self.types[node.target.id] = kind

    # -- statements

    def block(self, nodes: list[ast.stmt]) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            if self.state is None:
                break  # what cannot be reached is not compiled
            method = getattr(self, "do_" + type(node).__name__, None)
            if method is None:
                what = STATEMENTS.get(type(node).__name__, (type(node).__name__, "assignments, if, while, for, match"))
                self.fail(node, f"{what[0]} is not hardware Python", what[1])
            made += method(node)
        return made

    def do_Pass(self, node: ast.Pass) -> list[Any]:
        return []

    def do_Expr(self, node: ast.Expr) -> list[Any]:
        if isinstance(node.value, ast.Constant):  # a docstring
            return []
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "assign":
            chip = self.value(node.value.func.value)
            if isinstance(chip, ir.ChipRef) and method_of(chip.cls, "assign") is None:
                return [self._copy(node.value, chip)]
        value = self.value(node.value)
        if not isinstance(value, ir.Call):
            self.fail(node, "this has no effect", "a call with (), or an assignment")
        return [ir.Do(value)]

    def _copy(self, node: ast.Call, chip: ir.ChipRef) -> ir.CopyChip:
        """`chip.assign(other)`."""
        source = self.value(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(source, ir.ChipRef):
            self.fail(node, "assign() takes one chip", "chip.assign(other), with a chip of the same class")
        try:
            size = shared_size(chip.cls, source.cls)
        except TypeError as error:
            self.fail(node, str(error), "chips of one class, without memories")
        base = chip.cls if issubclass(source.cls, chip.cls) else source.cls
        for name in layout_of(base).fields:
            self.function.stores.add((chip.place if chip.place is not None else chip.cls, name))
            self.function.loads.add((source.place if source.place is not None else source.cls, name))
        return ir.CopyChip(chip, source, size)

    def do_AnnAssign(self, node: ast.AnnAssign) -> list[Any]:
        if not isinstance(node.target, ast.Name):
            self.fail(node, "a field gets its type in the class", "an assignment without annotation")
        return [] if node.value is None else self._assign(node, [node.target], node.value)

    def do_Assign(self, node: ast.Assign) -> list[Any]:
        return self._assign(node, node.targets, node.value)

    def _assign(self, node: ast.stmt, targets: list[Any], source: ast.expr) -> list[Any]:
        if len(targets) == 1 and isinstance(targets[0], ast.Tuple):
            return self._unpack(node, targets[0], source)
        value = self.expr(source)
        made: list[Any] = []
        if len(targets) > 1 and not isinstance(value, ir.Const | ir.Local):
            name = f"assigned.{node.lineno}.{node.col_offset}"
            made.append(self.set_local(node, name, value))
            value = ir.Local(value.range, name)
        for target in targets:
            made.append(self.store(target, value, source))
        return made

    def _unpack(self, node: ast.stmt, target: ast.Tuple, source: ast.expr) -> list[Any]:
        if isinstance(source, ast.Tuple):
            if len(source.elts) != len(target.elts):
                self.fail(node, f"{len(source.elts)} values for {len(target.elts)} targets", "as many of each")
            made, kept = [], []
            for i, each in enumerate(source.elts):
                value = self.expr(each)
                name = f"unpacked.{node.lineno}.{node.col_offset}.{i}"
                made.append(self.set_local(node, name, value))
                kept.append(ir.Local(value.range, name))
            return made + [self.store(t, v, source) for t, v in zip(target.elts, kept, strict=True)]
        value = self.value(source)
        if not isinstance(value, ir.Call) or len(value.function.results) != len(target.elts):
            count = len(value.function.results) if isinstance(value, ir.Call) else 1
            have = "1 value" if count == 1 else f"{count} values"
            self.fail(node, f"{have} for {len(target.elts)} targets", "a call of a function with as many results")
        names = [f"unpacked.{node.lineno}.{node.col_offset}.{i}" for i in range(len(target.elts))]
        for name, kind in zip(names, value.function.results, strict=True):
            self._note(name, type_range(kind))
        stores = [
            self.store(t, ir.Local(type_range(kind), name), source)
            for t, name, kind in zip(target.elts, names, value.function.results, strict=True)
        ]
        return [ir.Unpack(names, value), *stores]

    def store(self, target: ast.expr, value: ir.Expr, source: ast.expr) -> Any:
        """Check an assignment of a value to a name, field, element or memory."""
        if isinstance(target, ast.Name):
            if target.id in self.bound:
                self.fail(target, f"{target.id!r} is a chip or a constant here", "another name")
            kind = self.types.get(target.id)
            return self.set_local(target, target.id, self.cut(source, value, kind) if kind else value)
        if isinstance(target, ast.Starred | ast.Tuple | ast.List):
            self.fail(target, "nested targets are not hardware Python", "an assignment for each")
        if isinstance(target, ast.Attribute):
            chip = self.value(target.value)
            if not isinstance(chip, ir.ChipRef):
                self.fail(target, f"{describe(chip)} has no fields to assign", "a field of a chip")
            field = layout_of(chip.cls).fields.get(target.attr)
            if field is None:
                self._of_chip(target, chip, target.attr)
                self.fail(target, f"{target.attr!r} cannot be assigned", "one of its elements: name[i] = value")
            if not isinstance(field.type, IntType | FloatType):
                self.fail(target, f"{target.attr} is {field.type!r}, not a number", f"{target.attr}[i] or one of its fields")
            self.function.stores.add((chip.place if chip.place is not None else chip.cls, field.name))
            return ir.SetField(chip, field, None, self.cut(source, value, field.type))
        if isinstance(target, ast.Subscript):
            base = self.value(target.value)
            if not isinstance(base, Part):
                self.fail(target, f"{describe(base)} has no elements to assign", "an element of an array or a memory")
            place = self._element(target, base)
            if isinstance(place, ir.MemoryLoad):
                self.function.stores.add((base.chip.place if base.chip.place is not None else base.chip.cls, base.name))
                cut = self.cut(source, value, place.type)
                return ir.SetMemory(place.chip, place.memory, place.type, place.address, cut)
            if isinstance(place, ir.ChipRef):
                self.fail(target, "a chip cannot be assigned", "its fields")
            self.function.stores.add((base.chip.place if base.chip.place is not None else base.chip.cls, base.name))
            return ir.SetField(place.chip, place.field, place.index, self.cut(source, value, place.field.type.element))
        return self.fail(target, "this cannot be assigned", "a variable, a field, an element")

    def set_local(self, node: ast.AST, name: str, value: ir.Expr) -> ir.SetLocal:
        """Give a local a value, and remember what it may now be."""
        found = value.range
        kind = self.types.get(name)
        if kind is None and name in self.widest and (self.widest[name] is None) != (found is None):
            self.fail(node, f"{name!r} is a float here and an integer there", "two names")
        self._note(name, found)
        return ir.SetLocal(name, value)

    def _note(self, name: str, found: Range | None) -> None:
        assert self.state is not None
        self.state[name] = found
        self.state.pop(not_zero(name), None)
        if self.probing:
            return
        before = self.widest.get(name)
        self.widest[name] = found if before is None or found is None else before.join(found)

    def do_AugAssign(self, node: ast.AugAssign) -> list[Any]:
        made: list[Any] = []
        target = node.target
        if not isinstance(target, ast.Name):
            target = self._indexed_once(target, made)

        read = ast.copy_location(_as_load(target), target)
        old = self.expr(read)
        name = f"old.{node.lineno}.{node.col_offset}"
        if not isinstance(target, ast.Name) or not isinstance(old, ir.Local):
            made.append(self.set_local(target, name, old))
            old = ir.Local(old.range, name)
        value = self.binary(node, OPERATORS.get(type(node.op), "?"), old, self.expr(node.value))
        return [*made, self.store(target, value, node.value)]

    def _indexed_once(self, target: Any, made: list[Any]) -> Any:
        """The target of an augmented assignment, its indexes in locals: they are evaluated once, before the value."""
        if isinstance(target, ast.Attribute):
            inner = self._indexed_once(target.value, made)
            return ast.copy_location(ast.Attribute(inner, target.attr, target.ctx), target)
        if not isinstance(target, ast.Subscript):
            return target
        inner, index = self._indexed_once(target.value, made), target.slice
        if not isinstance(index, ast.Constant | ast.Name | ast.Slice):
            name = f"index.{index.lineno}.{index.col_offset}"
            made.append(self.set_local(index, name, self.integer(index)[0]))
            self.assigned.add(name)
            index = ast.copy_location(ast.Name(name, ast.Load()), index)
            index.text = ast.unparse(target.slice)  # type: ignore[attr-defined] # which errors show
        return ast.copy_location(ast.Subscript(inner, index, target.ctx), target)

    def do_If(self, node: ast.If) -> list[Any]:
        test = self.condition(node.test)
        if isinstance(test, ir.Const):
            return self.block(node.body if test.value else node.orelse)
        before = dict(self.state or {})
        self.assume(node.test, True)
        then = self.block(node.body)
        after = self.state
        self.state = before
        self.assume(node.test, False)
        other = self.block(node.orelse)
        self.state = join([after, self.state])
        return [ir.If(test, then, other)]

    def _settle(self, node: ast.stmt, once: Any) -> Any:
        """Check a loop's body: seek ranges that hold at its head on every turn, then prove them.

        `once(state)` checks one turn from a state and returns (the state at the end of the turn, what it made).
        """
        entry = dict(self.state or {})
        head: State = dict(entry)
        self.probing += 1
        for turn in range(16):
            new = join([entry, once(dict(head or {}))[0]]) or {}
            new = {k: v for k, v in new.items() if k in (head or {})}
            if new == head:
                break
            if 2 <= turn < 12:
                for name, found in new.items():
                    old = (head or {}).get(name)
                    if found is not None and old is not None and not old.holds(found):
                        new[name] = self._widened(name, old, found, turn)
            head = new
        self.probing -= 1
        loops = len(self.loops)
        end, made = once(dict(head or {}))
        del self.loops[loops:]
        back = join([entry, end]) or {}
        if not self.probing:
            for name, found in (head or {}).items():
                seen = back.get(name)
                if found is not None and seen is not None and (not found.holds(seen) or found.bits > 4000):
                    self.fail(
                        node, f"the width of {name!r} cannot be found: it grows in this loop",
                        f"a type where {name} is first set: {name}: u64 = ...",
                    )  # fmt: skip
        return made

    def _widened(self, name: str, old: Range, found: Range, turn: int) -> Range:
        """A guess where the range of a local that grows in a loop ends: at a number it is compared with, or its type's end."""
        kind = self.types.get(name)
        wide = type_range(kind) if kind else EVERYTHING
        lo, hi = found
        if lo < old.lo:
            lo = max((m for m in self.marks if wide.lo <= m <= lo), default=wide.lo) if turn < 7 else wide.lo
        if hi > old.hi:
            hi = min((m for m in self.marks if hi <= m <= wide.hi), default=wide.hi) if turn < 7 else wide.hi
        return Range(lo, hi)

    def do_While(self, node: ast.While) -> list[Any]:
        if node.orelse:
            self.fail(node.orelse[0], "else of a loop is not hardware Python", "a variable that remembers")
        out: list[State] = []

        def once(state: State) -> tuple[State, Any]:
            self.state = state
            test = self.condition(node.test)
            loop = _Loop()
            self.loops.append(loop)
            leaving = dict(self.state or {})
            body: list[Any] = []
            after: State = None
            if not (isinstance(test, ir.Const) and not test.value):
                self.assume(node.test, True)
                if self.state is not None:
                    body = self.block(node.body)
                    after = self.state
            self.loops.pop()
            self.state = leaving
            if isinstance(test, ir.Const) and test.value:
                self.state = None
            else:
                self.assume(node.test, False)
            out[:] = [self.state, *loop.breaks]
            return join([after, *loop.continues]), ir.While(test, body)

        made = self._settle(node, once)
        self.state = join(out)
        return [made]

    def do_For(self, node: ast.For) -> list[Any]:
        if node.orelse:
            self.fail(node.orelse[0], "else of a loop is not hardware Python", "a variable that remembers")
        call = node.iter
        if not isinstance(node.target, ast.Name):
            self.fail(node.target, "a loop has one variable", "for i in range(n):")
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
            self.fail(node.iter, "a loop goes over range() only", "for i in range(n): with elements by index")
        if not 1 <= len(call.args) <= 3 or call.keywords:
            self.fail(call, "range() takes one to three values", "range(start, stop, step)")
        terms = [self.integer(a)[0] for a in call.args]
        start = terms[0] if len(terms) > 1 else ir.Const(Range(0, 0), 0)
        stop = terms[1] if len(terms) > 1 else terms[0]
        step = terms[2].value if len(terms) > 2 and isinstance(terms[2], ir.Const) else 1 if len(terms) < 3 else 0
        if step == 0:
            self.fail(call.args[2], "the step is not a constant other than 0", "a constant step, or a while loop")
        assert start.range is not None
        assert stop.range is not None
        made: list[Any] = []
        for label, term in (("start", start), ("stop", stop)):
            name = f"{label}.{node.lineno}.{node.col_offset}"
            made.append(self.set_local(node, name, term))
        first, last = start.range, stop.range
        start = ir.Local(first, f"start.{node.lineno}.{node.col_offset}")
        stop = ir.Local(last, f"stop.{node.lineno}.{node.col_offset}")
        lo, hi = (first.lo, last.hi - 1) if step > 0 else (last.lo + 1, first.hi)
        if lo > hi:
            return made
        inside = Range(lo, hi)
        counter = Range(min(lo, first.lo, lo + step), max(hi, first.hi, hi + step))
        target = node.target
        out: list[State] = []
        entry = dict(self.state or {})

        def once(state: State) -> tuple[State, Any]:
            self.state = dict(state or {})
            loop = _Loop()
            self.loops.append(loop)
            leaving = dict(self.state)
            self.store(target, ir.Local(inside, target.id), target)
            kind = self.types.get(target.id)
            if kind and not type_range(kind).holds(inside) and not self.probing:
                self.fail(target, f"{target.id} is a {kind}; the range goes from {lo} to {hi}", "a wider type")
            body = self.block(node.body)
            self.loops.pop()
            end = join([self.state, *loop.continues])
            out[:] = [leaving, end, *loop.breaks]
            return end, ir.For(target.id, start, stop, step, counter, body)

        loop_made = self._settle(node, once)
        self.state = join([entry, *out])
        return [*made, loop_made]

    def do_Break(self, node: ast.Break) -> list[Any]:
        self.loops[-1].breaks.append(self.state)
        self.state = None
        return [ir.Break()]

    def do_Continue(self, node: ast.Continue) -> list[Any]:
        self.loops[-1].continues.append(self.state)
        self.state = None
        return [ir.Continue()]

    def do_Match(self, node: ast.Match) -> list[Any]:
        if any(case.guard for case in node.cases):
            return self.block(self._as_ifs(node))
        value, found = self.integer(node.subject)
        made: list[Any] = []
        name = node.subject.id if isinstance(node.subject, ast.Name) and node.subject.id in self.assigned else None
        before = dict(self.state or {})
        ends: list[State] = []
        cases: list[tuple[list[int], list[Any]]] = []
        seen: set[int] = set()
        default: list[Any] | None = None
        for case in node.cases:
            values = self._case(case.pattern)
            self.state = dict(before)
            if values is None:
                default = self.block(case.body)
                ends.append(self.state)
                break
            fresh = [v for v in dict.fromkeys(values) if v not in seen and found.lo <= v <= found.hi]
            seen.update(values)
            if not fresh:
                continue
            if name and self.state is not None:
                self.state[name] = Range(min(fresh), max(fresh))
            body = self.block(case.body)
            ends.append(self.state)
            cases.append((fresh, body))
        if default is None:
            default = []
            covered = found.hi - found.lo < 1 << 16 and all(v in seen for v in range(found.lo, found.hi + 1))
            if not covered:
                ends.append(before)
        self.state = join(ends)
        return [*made, ir.Switch(value, cases, default)]

    def _as_ifs(self, node: ast.Match) -> list[ast.stmt]:
        """A `match` with ranges, as a chain of `if`."""
        made: list[ast.stmt] = []
        name = node.subject.id if isinstance(node.subject, ast.Name) and node.subject.id in self.assigned else ""
        if not name:
            name = f"match.{node.lineno}.{node.col_offset}"
            self.assigned.add(name)
            made.append(ast.Assign([ast.Name(name, ast.Store())], node.subject))
        rest: list[ast.stmt] = []
        for case in reversed(node.cases):
            body = case.body
            if case.guard:
                test: ast.expr = self._range(case, name)
                assert isinstance(case.pattern, ast.MatchAs)
                body = [ast.Assign([ast.Name(str(case.pattern.name), ast.Store())], ast.Name(name, ast.Load())), *body]
            else:
                values = self._case(case.pattern)
                if values is None:
                    rest = body
                    continue
                tests: list[ast.expr] = [
                    ast.Compare(ast.Name(name, ast.Load()), [ast.Eq()], [ast.Constant(v)]) for v in dict.fromkeys(values)
                ]
                test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests)
            rest = [ast.copy_location(ast.If(test, body, rest), case.pattern)]
        return [ast.fix_missing_locations(ast.copy_location(part, node)) for part in made] + [
            ast.fix_missing_locations(part) for part in rest
        ]

    def _range(self, case: ast.match_case, name: str) -> ast.expr:
        """The test that the guard of `case n if LOW <= n < HIGH` makes of a local."""
        guard, pattern = case.guard, case.pattern
        assert guard is not None
        if isinstance(guard, ast.Compare) and isinstance(pattern, ast.MatchAs) and pattern.pattern is None and pattern.name:
            middle, ends = guard.comparators[0], [guard.left, guard.comparators[-1]]
            ordered = len(guard.ops) == 2 and all(isinstance(op, ast.Lt | ast.LtE) for op in guard.ops)
            if ordered and isinstance(middle, ast.Name) and middle.id == pattern.name:
                if all(isinstance(self.expr(e), ir.Const) for e in ends):
                    return ast.copy_location(ast.Compare(ends[0], guard.ops, [ast.Name(name, ast.Load()), ends[1]]), guard)
        return self.fail(guard, "this guard is not hardware Python", "case n if LOW <= n < HIGH, or an if inside the case")

    def _case(self, pattern: ast.pattern) -> list[int] | None:
        """The integers that a case names; None for `_`."""
        if isinstance(pattern, ast.MatchAs) and pattern.pattern is None and pattern.name is None:
            return None
        if isinstance(pattern, ast.MatchOr):
            values: list[int] = []
            for part in pattern.patterns:
                found = self._case(part)
                if found is None:
                    return None
                values += found
            return values
        if isinstance(pattern, ast.MatchValue):
            value = self.expr(pattern.value)
            if isinstance(value, ir.Const) and isinstance(value.value, int):
                return [value.value]
        return self.fail(pattern, "this pattern is not hardware Python", "integers, enum members, | between them, or _")

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
        values = [self.cut(v, self.expr(v), k) for v, k in zip(given, kinds, strict=True)]
        self.state = None
        return [ir.Return(values)]

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


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    assert isinstance(target, ast.Subscript)
    return ast.Subscript(target.value, target.slice, ast.Load())


STATEMENTS = {
    "Try": ("try", "a trap, which leaves the instruction, or a test before"),
    "TryStar": ("try", "a trap, which leaves the instruction, or a test before"),
    "With": ("with", "statements one after the other"),
    "Assert": ("assert", "an if that raises a trap, or a test of the chip"),
    "Delete": ("del", "an assignment of 0"),
    "Import": ("an import inside a function", "an import at the top of the module"),
    "ImportFrom": ("an import inside a function", "an import at the top of the module"),
    "Global": ("global", "a field of the chip"),
    "Nonlocal": ("nonlocal", "a field of the chip"),
    "FunctionDef": ("a function inside a function", "a method, or a function of the module"),
    "AsyncFunctionDef": ("a function inside a function", "a method, or a function of the module"),
    "ClassDef": ("a class inside a function", "a class of the module"),
}
