"""Elements of arrays, memories and constant tables, by index: that it lies inside is shown here."""

from __future__ import annotations

import ast

from softmetal.lang import ir, ranges
from softmetal.lang.check.names import Names
from softmetal.lang.check.values import Part, Static, Value, describe, pure, source_text
from softmetal.lang.chip import chip_class, layout_of
from softmetal.lang.ranges import Range, type_range
from softmetal.lang.types import UNSIGNED, ArrayType, MemoryType


class Elements(Names):
    """The checker of elements."""

    def on_Subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        self._no_slice(node)
        if isinstance(base, Part):
            return self._element(node, base)
        if isinstance(base, Static) and isinstance(base.value, tuple | bytes):
            values = tuple(base.value)
            if not values or not all(isinstance(v, int) for v in values):
                self.fail(node, "a table must hold integers", "a tuple or bytes of integers")
            index, found = self.integer(node.slice)
            self._inside(node.slice, found, len(values), "the table", "")
            span = values[max(0, found.lo) : found.hi + 1] or values
            return self._checked(node, ir.TableLoad(Range(min(span), max(span)), tuple(map(int, values)), index))
        if isinstance(base, Static) and isinstance(base.value, list | dict):
            self.fail(node, "a list or dict may change; it is not hardware", "a tuple of integers")
        return self.fail(node, f"{describe(base)} has no elements", "an index into an array, a memory or a constant table")

    def _no_slice(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Slice):
            self.fail(node, "a slice is only copied to another", "self.b[0:4] = self.a[2:6], or a loop over single elements")

    def _indexes(self, node: ast.Subscript, part: Part) -> list[ast.expr]:
        """The index in each dimension."""
        found = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        two = isinstance(part.kind, ArrayType) and part.kind.columns
        if len(found) > 1 + bool(two) or not found:
            have = "two dimensions" if two else "one dimension"
            self.fail(node, f"{part.name} has {have}", f"{source_text(node.value)}[{'y, x' if two else 'i'}]")
        for each in found:
            if isinstance(each, ast.Slice):
                self.fail(each, "a slice lies in one row", f"{source_text(node.value)}[y][a:b]")
        return found

    def _inside(self, node: ast.AST, index: Range, length: int, what: str, name: str) -> None:
        if not self.probing and not (index.lo >= 0 and index.hi < length):
            text = source_text(node)
            if index.single:
                self.fail(node, f"index {index.lo} is outside {what}, 0..{length - 1}", "an index inside")
            seen = f"{index.lo}..{index.hi}" if index.bits <= 64 else "any value"
            variable = text if text.isidentifier() else "i"
            test = f"{variable} < {length}" if index.lo >= 0 else f"0 <= {variable} < {length}"
            if length & (length - 1) == 0:
                hint = f"{text} & {length - 1}" if text.isidentifier() else f"({text}) & {length - 1}"
            else:
                hint = f"if {test}: around it" if variable == text else f"i = {text}, and then if {test}: around it"
            self.fail(node, f"index {text} ({seen}) can leave {what}, 0..{length - 1}", hint)

    def _element(self, node: ast.Subscript, part: Part) -> Value:
        self._no_slice(node)
        first, *others = self._indexes(node, part)
        kind = part.kind
        if isinstance(kind, ArrayType) and kind.columns:
            row = self._row(first, part)
            return self._element(ast.copy_location(ast.Subscript(node.value, others[0]), node), row) if others else row
        index, found = self.integer(first)
        if isinstance(kind, MemoryType):
            kind = (UNSIGNED[8], kind)
        if isinstance(kind, tuple):
            wide, mem = kind
            self._inside(first, found, mem.length - wide.size + 1, f"memory {part.name}", part.name)
            self.function.loads.add((part.chip.home, part.name))
            return ir.MemoryLoad(type_range(wide), part.chip, part.name, wide, index)
        self._inside(first, found, kind.length, f"{'a row of' if part.start else 'the array'} {part.name}", part.name)
        sub = chip_class(kind.element)
        if sub:
            step = layout_of(sub).size
            at = part.field.offset
            if found.single and pure(index):
                return self._sub_chip(part.chip, f"{part.name}[{found.lo}]", sub, at + step * found.lo)
            return ir.ChipRef(sub, part.chip.parameter, None, None, part.chip, at, index, step)
        self.function.loads.add((part.chip.home, part.name))
        return ir.FieldLoad(type_range(kind.element), part.chip, part.field, self._behind(first, part.start, index))

    def _row(self, node: ast.expr, part: Part) -> Part:
        """A row of an array of two dimensions."""
        index, found = self.integer(node)
        kind = part.kind
        self._inside(node, found, kind.rows, f"the rows of {part.name}", part.name)
        columns = Range(kind.columns, kind.columns)
        start = self._checked(node, ir.Bin(ranges.mul(found, columns), "*", index, ir.Const(columns, kind.columns)))
        return Part(part.chip, part.field, part.name, kind.row, start)

    def _behind(self, node: ast.AST, start: ir.Expr | None, index: ir.Expr) -> ir.Expr:
        """The sum of two indexes; the first may be missing."""
        if start is None:
            return index
        assert start.range is not None
        assert index.range is not None
        return self._checked(node, ir.Bin(ranges.add(start.range, index.range), "+", start, index))
