"""Slices of arrays and memories: they are copied, one to another."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir
from softmetal.lang.check.calls import Calls
from softmetal.lang.check.values import Part, Static, describe, pure, source_text
from softmetal.lang.chip import chip_class
from softmetal.lang.ranges import Range
from softmetal.lang.types import UNSIGNED, ArrayType, MemoryType

LENGTH = "a constant length: self.ram[at : at + 8]"


class Slices(Calls):
    """The checker of copies of slices."""

    def copy_slice(self, node: ast.stmt, target: ast.Subscript, source: ast.expr) -> ir.CopySpan:
        """`to[a:b] = source[c:d]`, or a whole array: as many elements, of one type, on both sides."""
        given, wanted = self._span(source), self._span(target)
        if given.element is not wanted.element:
            text = f"{given.element!r} is copied to {wanted.element!r}"
            self.fail(node, text, "elements of one type, or a loop over single elements")
        if given.count != wanted.count:
            self.fail(node, f"{given.count} elements are copied to {wanted.count}", "as many on both sides")
        self.function.loads.add(_place(given))
        self.function.stores.add(_place(wanted))
        return ir.CopySpan(wanted, given)

    def _span(self, node: ast.expr) -> ir.Span:
        """What a slice, or the name of an array, stands for."""
        base = node.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) else node
        part = self.value(base)
        if not isinstance(part, Part) or not isinstance(part.kind, ArrayType | MemoryType) or chip_class(self._element_of(part)):
            text = f"{describe(part)} is no array or memory of which elements are copied"
            self.fail(node, text, "a slice of an array or a memory: self.a[2:6]")
        if not pure(part.chip) or (part.start is not None and not pure(part.start)):
            self.fail(node, "finding the array has effects", "a variable for the chip or the index, set before")
        if isinstance(part.kind, ArrayType) and part.kind.columns:
            self.fail(node, f"{part.name} has two dimensions", f"a row at a time: {source_text(base)}[y][a:b]")
        length = part.kind.length
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
            start: ir.Expr = ir.Const(Range(0, 0), 0)
            count = length
        else:
            start, count = self._bounds(node, node.slice, length, part)
        memory = part.name if isinstance(part.kind, MemoryType) else ""
        return ir.Span(part.chip, part.field, memory, self._behind(node, part.start, start), count, self._element_of(part))

    def _element_of(self, part: Part) -> Any:
        return part.kind.element if isinstance(part.kind, ArrayType) else UNSIGNED[8]

    def _bounds(self, node: ast.expr, found: ast.Slice, length: int, part: Part) -> tuple[ir.Expr, int]:
        """Where a slice starts, and how many elements it has; all lie inside."""
        if found.step is not None:
            self.fail(node, "a slice with a step is not hardware Python", "a loop over single elements")
        lower = found.lower or ast.copy_location(ast.Constant(0), found)
        upper = found.upper or ast.copy_location(ast.Constant(length), found)
        (base, first), (other, last) = self._apart(lower), self._apart(upper)
        if base != other:
            self.fail(node, "how long this slice is is known only when running", LENGTH)
        start, span = self.integer(lower)
        if not pure(start):
            self.fail(lower, "the start of this slice has effects", "a variable for it, set before")
        if last <= first:
            self.fail(node, "this slice is empty", "an end behind its start")
        count = last - first
        if not self.probing and (span.lo < 0 or span.hi + count > length):
            text, most = source_text(lower), length - count
            variable = text if text.isidentifier() else "i"
            test = f"if {variable} <= {most}: around it" if span.lo >= 0 else f"if 0 <= {variable} <= {most}: around it"
            hint = "a slice inside" if span.single else test if variable == text else f"i = {text}, and then {test}"
            seen = str(span.lo) if span.single else f"{span.lo}..{span.hi}"
            what = f"a row of {part.name}" if part.start else f"the array {part.name}" if part.field else f"memory {part.name}"
            self.fail(node, f"{count} elements from {seen} on can leave {what}, 0..{length - 1}", hint)
        return start, count

    def _apart(self, node: ast.expr) -> tuple[str, int]:
        """An index as a sum of something ("" for nothing) and a constant."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            (left, a), (right, b) = self._apart(node.left), self._apart(node.right)
            if not right:
                return left, a + b if isinstance(node.op, ast.Add) else a - b
            if not left and isinstance(node.op, ast.Add):
                return right, a + b
        if isinstance(node, ast.Constant | ast.Name | ast.Attribute | ast.UnaryOp):
            value = self.value(node)
            known = value.value if isinstance(value, Static | ir.Const) else None
            if isinstance(known, int):
                return "", int(known)
        return ast.dump(node), 0


def _place(span: ir.Span) -> tuple[Any, str]:
    """What is loaded or stored, as functions name it."""
    return span.chip.home, span.field.name if span.field else span.memory
