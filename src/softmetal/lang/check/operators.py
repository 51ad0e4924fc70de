"""Operators, comparisons and conditions: their ranges, and what a test tells of the locals in it."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir, ranges
from softmetal.lang.check.choices import Choices
from softmetal.lang.check.values import Static, Value, pure, source_text
from softmetal.lang.ranges import BIT, LIMIT_BITS, Range

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.LShift: "<<", ast.RShift: ">>",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.Div: "/",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
ZERO = Range(0, 0)


def not_zero(name: str) -> str:
    """The key in a checker's state that says: this local is not 0, though its range holds 0."""
    return f"{name} != 0"


class Operators(Choices):
    """The checker of operators."""

    def on_BinOp(self, node: ast.BinOp) -> Value:
        return self.binary(node, OPERATORS.get(type(node.op), "?"), self.expr(node.left), self.expr(node.right))

    def binary(self, node: Any, op: str, a: ir.Expr, b: ir.Expr) -> ir.Expr:
        """Check `a op b`."""
        if op == "?":
            name = {"Pow": "**", "MatMult": "@"}[type(node.op).__name__]
            self.fail(node, f"{name} is not hardware Python", "1 << n for a power of two, or a product")
        if a.range is None or b.range is None:
            if a.range is not None or b.range is not None:
                self.fail(node, "a float and an integer are mixed", "f64(i) to convert the integer")
            if op not in "+-*/":
                self.fail(node, f"{op} is not for floats", "+ - * /, or bits64(x) and integers")
            return ir.Bin(None, op, a, b)
        if op == "/":
            self.fail(node, "/ of integers gives a float", "// for integers")
        if op in ("//", "%") and b.range.lo < 0 < b.range.hi and isinstance(b, ir.Local) and self.state:
            if not_zero(b.name) in self.state:
                below, above = (ranges.BINARY[op](a.range, r) for r in (Range(b.range.lo, -1), Range(1, b.range.hi)))
                return self._checked(node, ir.Bin(below.join(above), op, a, b))
        if op in ("//", "%") and b.range.lo <= 0 <= b.range.hi:
            if self.probing:
                return ir.Bin(Range(-ranges.HUGE, ranges.HUGE), op, a, b)
            text = source_text(node.right if isinstance(node, ast.BinOp) else node.value)
            hint = f"if {text} != 0: around it" if text.isidentifier() else f"d = {text}, and then if d != 0: around it"
            self.fail(node, f"the divisor {text} may be 0", hint)
        if op in ("<<", ">>") and b.range.lo < 0:
            if self.probing:
                return ir.Bin(Range(-ranges.HUGE, ranges.HUGE), op, a, b)
            text = source_text(node.right if isinstance(node, ast.BinOp) else node.value)
            self.fail(node, f"the shift amount {text} may be negative", f"{text} & 63, or an unsigned type")
        made = ranges.BINARY[op](a.range, b.range)
        if op == "<<" and made.bits > LIMIT_BITS >= a.range.bits and not b.range.single and not self.probing:
            text = source_text(node.right if isinstance(node, ast.BinOp) else node.value)
            seen = f"{b.range.lo}..{b.range.hi}" if b.range.bits <= 64 else "any number"
            hint = f"{text} & 63" if text.isidentifier() else f"({text}) & 63"
            self.fail(node, f"shifted by {text} ({seen}) this may need more than {LIMIT_BITS} bits", hint)
        return self._checked(node, ir.Bin(made, op, a, b))

    def on_UnaryOp(self, node: ast.UnaryOp) -> Value:
        a = self.expr(node.operand)
        if isinstance(node.op, ast.Not):
            _, found = self.integer(node.operand) if a.range is None else (a, a.range)
            known = ranges.compare("==", found, Range(0, 0))
            return ir.Const(Range(known, known), known) if known is not None and pure(a) else ir.Not(BIT, a)
        if isinstance(node.op, ast.UAdd):
            return a
        if a.range is None:
            if isinstance(node.op, ast.USub):
                return ir.Op(None, "fneg", [a])
            self.fail(node, "~ is not for floats", "bits64(x) and integers")
        if isinstance(node.op, ast.USub):
            return self.binary(node, "-", ir.Const(Range(0, 0), 0), a)
        return self._checked(node, ir.Bin(Range(-a.range.hi - 1, -a.range.lo - 1), "^", a, ir.Const(Range(-1, -1), -1)))

    def on_Compare(self, node: ast.Compare) -> Value:
        terms = [node.left, *node.comparators]
        if len(terms) > 2:
            for middle in terms[1:-1]:
                if not pure(self.expr(middle)):
                    self.fail(middle, "the middle of a chained comparison has effects", "a variable for it, set before")
            parts: list[ast.expr] = [
                ast.copy_location(ast.Compare(a, [op], [b]), node) for a, op, b in zip(terms, node.ops, terms[1:], strict=False)
            ]
            return self.value(ast.copy_location(ast.BoolOp(ast.And(), parts), node))
        op = OPERATORS.get(type(node.ops[0]))
        if op is None:
            names = {"Is": "is", "IsNot": "is not", "In": "in", "NotIn": "not in"}
            self.fail(node, f"{names[type(node.ops[0]).__name__]!r} is not hardware Python", "== or comparisons with or")
        a, b = self.expr(terms[0]), self.expr(terms[1])
        if (a.range is None) != (b.range is None):
            self.fail(node, "a float and an integer are compared", "f64(i) to convert the integer")
        if a.range is not None and b.range is not None and not self.probing:
            known = ranges.compare(op, a.range, b.range)
            if known is not None and pure(a) and pure(b):
                return ir.Const(Range(known, known), known)
        return ir.Cmp(BIT, op, a, b)

    def on_BoolOp(self, node: ast.BoolOp) -> Value:
        op = "and" if isinstance(node.op, ast.And) else "or"
        first, rest = node.values[0], node.values[1:]
        second = rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), rest[0])
        a, found = self.integer(first)
        if found.single and pure(a):
            return self.integer(second)[0] if bool(found.lo) == (op == "and") else a
        before = dict(self.state or {})
        self.assume(first, op == "and")
        if self.state is None:
            self.state = before
            return a
        b, other = self.integer(second)
        self.state = before
        kept = ranges.narrow("==", found, Range(0, 0)) if op == "and" else ranges.narrow("!=", found, Range(0, 0))
        return ir.Logic(kept.join(other) if kept else other, op, a, b)

    def on_IfExp(self, node: ast.IfExp) -> Value:
        test = self.condition(node.test)
        found = test.range
        assert found is not None
        if pure(test) and ranges.compare("!=", found, Range(0, 0)) is not None:
            return self._way(node.body if found.lo or found.hi else node.orelse)
        before = dict(self.state or {})
        self.assume(node.test, True)
        a = self._way(node.body) if self.state is not None else None
        self.state = dict(before)
        self.assume(node.test, False)
        b = self._way(node.orelse) if self.state is not None else None
        self.state = before
        if a is None or b is None:
            found_one = a or b
            assert found_one is not None
            if isinstance(found_one, ir.ChipRef):
                how = ir.ChipSelect(test, found_one, found_one)
                return found_one if pure(test) else self.chosen(node, [found_one], how)
            return found_one if pure(test) else ir.Select(found_one.range, test, found_one, found_one)
        if isinstance(a, ir.ChipRef) and isinstance(b, ir.ChipRef):
            return self.chosen(node, [a, b], ir.ChipSelect(test, a, b))
        a, b = self.number(node.body, a), self.number(node.orelse, b)
        if (a.range is None) != (b.range is None):
            self.fail(node, "one branch is a float, the other an integer", "f64(i) to convert the integer")
        both = None if a.range is None or b.range is None else a.range.join(b.range)
        return ir.Select(both, test, a, b)

    def _way(self, node: ast.expr) -> Any:
        """One of two expressions: a number or a chip."""
        value = self.value(node)
        return value if isinstance(value, ir.ChipRef) else self.number(node, value)

    def assume(self, test: ast.expr, truth: bool) -> None:
        """Narrow the locals by a test that is known to be true (or false). `state` is None where it cannot be."""
        if self.state is None:
            return
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.assume(test.operand, not truth)
        elif isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.And) == truth:
                for part in test.values:
                    self.assume(part, truth)
        elif isinstance(test, ast.Name):
            self._narrow(test.id, "!=" if truth else "==", Range(0, 0))
        elif isinstance(test, ast.Compare):
            terms = [test.left, *test.comparators]
            if len(terms) > 2 and not truth:
                return
            for a, op, b in zip(terms, test.ops, terms[1:], strict=False):
                sign = OPERATORS.get(type(op))
                if sign is None:
                    continue
                if self.state is None:
                    return
                sign = sign if truth else ranges.NEGATED[sign]
                left, right = self._known(a), self._known(b)
                if left is not None and right is not None:
                    for each in (left, right):
                        if each.single:
                            self.marks.update((each.lo - 1, each.lo, each.lo + 1))
                    if isinstance(a, ast.Name):
                        self._narrow(a.id, sign, right)
                    if isinstance(b, ast.Name):
                        self._narrow(b.id, ranges.MIRRORED[sign], left)

    def _known(self, node: ast.expr) -> Range | None:
        """The range of a side of a comparison (its effects were checked before)."""
        self.probing += 1
        try:
            value = self.value(node)
            if isinstance(value, Static):
                value = self._constant(node, value.value)
        finally:
            self.probing -= 1
        return value.range if isinstance(value, ir.Expr) else None

    def _narrow(self, name: str, op: str, other: Range) -> None:
        if self.state is None or name not in self.state:
            return
        found = self.state[name]
        if isinstance(found, Range):
            left = ranges.narrow(op, found, other)
            if op == "!=" and other == ZERO:
                self.state[not_zero(name)] = BIT
            if left is not None and not_zero(name) in self.state:
                left = ranges.narrow("!=", left, ZERO)
            if left is None:
                self.state = None
            else:
                self.state[name] = left
