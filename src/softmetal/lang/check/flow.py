"""The flow of control: blocks, if, loops, match. Ranges of locals follow it; a loop's are sought by repetition, then proved."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir, ranges
from softmetal.lang.check.assignments import Assignments
from softmetal.lang.check.values import State, Static, chip_of
from softmetal.lang.chip import method_of
from softmetal.lang.ops import fence
from softmetal.lang.ranges import Range, type_range

EVERYTHING = Range(-ranges.HUGE, ranges.HUGE)


class Loop:
    """The states in which a loop is left, and gone on with, in its middle."""

    def __init__(self) -> None:
        self.breaks: list[State] = []
        self.continues: list[State] = []


def join(states: list[State]) -> State:
    """What holds where several ways meet: locals set on all of them, with the ranges that hold them all."""
    live = [s for s in states if s is not None]
    if not live:
        return None
    first, *rest = live
    made: dict[str, ir.Known] = {}
    for name, found in first.items():
        kept, everywhere = found, True
        for other in rest:
            if name not in other or isinstance(kept, ir.ChipRef) != isinstance(other[name], ir.ChipRef):
                everywhere = False
                break
            kept = either(name, kept, other[name])
        if everywhere:
            made[name] = kept
    return made


def either(name: str, a: ir.Known, b: ir.Known) -> ir.Known:
    """What is known of a local that is as one of these, both numbers or both chips."""
    if isinstance(a, Range) and isinstance(b, Range):
        return a.join(b)
    if isinstance(a, ir.ChipRef) and isinstance(b, ir.ChipRef):
        if a.place is not None and (a.place, a.path) == (b.place, b.path):
            return a
        return chip_of((*ir.classes_of(a), *ir.classes_of(b)), name)
    return None


class Flow(Assignments):
    """The checker of what decides which statement is next."""

    loops: list[Loop]

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
        if isinstance(node.value, ast.Call) and not node.value.args and ast.unparse(node.value.func).endswith("fence"):
            callee = self.value(node.value.func)
            if isinstance(callee, Static) and callee.value is fence:
                return [ir.Fence()]
        value = self.value(node.value)
        if not isinstance(value, ir.Call):
            self.fail(node, "this has no effect", "a call with (), or an assignment")
        return [ir.Do(value)]

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

    def _loop_body(self, node: ast.stmt, once: Any) -> Any:
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
                    if isinstance(found, Range) and isinstance(old, Range) and not old.holds(found):
                        new[name] = self._widened(name, old, found, turn)
                    if isinstance(found, ir.ChipRef) and found != old:
                        new[name] = chip_of(self.chosen_of[name], name)
            head = new
        self.probing -= 1
        loops = len(self.loops)
        end, made = once(dict(head or {}))
        del self.loops[loops:]
        back = join([entry, end]) or {}
        if not self.probing:
            for name, found in (head or {}).items():
                seen = back.get(name)
                if isinstance(found, ir.ChipRef) and isinstance(seen, ir.ChipRef) and either(name, found, seen) != found:
                    self.fail(node, f"which chip {name!r} is cannot be found: it changes in this loop", "an index for the chip")
                if isinstance(found, Range) and isinstance(seen, Range) and (not found.holds(seen) or found.bits > 4000):
                    self.fail(
                        node, f"the width of {name!r} cannot be found: it grows in this loop",
                        f"a type where {name} is first set: {name}: u64 = ...",
                    )  # fmt: skip
        return made

    def _widened(self, name: str, old: Range, found: Range, turn: int) -> Range:
        """A guess where the range of a local that grows in a loop ends: at a number it is compared with, or its type's end."""
        kind = self.types.get(name)
        wide = type_range(kind) or EVERYTHING
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
            loop = Loop()
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

        made = self._loop_body(node, once)
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
            loop = Loop()
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

        loop_made = self._loop_body(node, once)
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
