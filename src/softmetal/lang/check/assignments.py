"""Assignments: to locals, fields, elements, memories, whole chips; what is known of locals behind them."""

from __future__ import annotations

import ast
from typing import Any

from softmetal.lang import ir
from softmetal.lang.check.operators import OPERATORS, not_zero
from softmetal.lang.check.slices import Slices
from softmetal.lang.check.values import Part, chip_of, describe
from softmetal.lang.chip import chip_class, layout_of, shared_size
from softmetal.lang.ranges import Range, type_range
from softmetal.lang.types import FloatType, IntType


class Assignments(Slices):
    """The checker of assignments."""

    types: dict[str, Any]
    """The annotated locals and parameters."""
    widest: dict[str, ir.Known]
    """What each local may be anywhere in the function."""
    chosen_of: dict[str, tuple[type, ...]]
    """Of locals that stand for chips: the classes of all that were assigned."""

    def _copy(self, node: ast.Call, chip: ir.ChipRef) -> ir.CopyChip:
        """`chip.assign(other)`."""
        source = self.value(node.args[0]) if len(node.args) == 1 and not node.keywords else None
        if not isinstance(source, ir.ChipRef):
            self.fail(node, "assign() takes one chip", "chip.assign(other), with a chip of the same class")
        if chip.classes or source.classes:
            self.fail(node, "of which classes these chips are is known only when running", "chips of one class")
        try:
            size = shared_size(chip.cls, source.cls)
        except TypeError as error:
            self.fail(node, str(error), "chips of one class, without memories")
        base = chip.cls if issubclass(source.cls, chip.cls) else source.cls
        for name in layout_of(base).fields:
            self.function.stores.add((chip.home, name))
            self.function.loads.add((source.home, name))
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
        if isinstance(targets[0], ast.Subscript) and isinstance(targets[0].slice, ast.Slice) and len(targets) == 1:
            return [self.copy_slice(node, targets[0], source)]
        value = self.value(source)
        if not (isinstance(value, ir.ChipRef) and all(isinstance(t, ast.Name) for t in targets)):
            value = self.number(source, value)
        made: list[Any] = []
        if len(targets) > 1 and not isinstance(value, ir.Const | ir.Local):
            value = self.keep(node, f"assigned.{node.lineno}.{node.col_offset}", value, made)
        for target in targets:
            made.append(self.store(target, value, source))
        return made

    def _unpack(self, node: ast.stmt, target: ast.Tuple, source: ast.expr) -> list[Any]:
        if isinstance(source, ast.Tuple):
            if len(source.elts) != len(target.elts):
                self.fail(node, f"{len(source.elts)} values for {len(target.elts)} targets", "as many of each")
            made: list[Any] = []
            kept: list[Any] = []
            for i, each in enumerate(source.elts):
                value = self.value(each)
                if not (isinstance(value, ir.ChipRef) and isinstance(target.elts[i], ast.Name)):
                    value = self.number(each, value)
                kept.append(self.keep(node, f"unpacked.{node.lineno}.{node.col_offset}.{i}", value, made))
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

    def keep(self, node: ast.AST, name: str, value: Any, made: list[Any]) -> Any:
        """A number or a chip in a local of the checker's own, so that it is evaluated once; `made` gets the assignment."""
        if isinstance(value, ir.ChipRef):
            made.append(self.set_chip(node, name, value))
            assert self.state is not None
            return self.state[name]
        made.append(self.set_local(node, name, value))
        return ir.Local(value.range, name)

    def store(self, target: ast.expr, value: Any, source: ast.expr) -> Any:
        """Check an assignment of a value to a name, field, element or memory."""
        if isinstance(target, ast.Name):
            if target.id in self.bound:
                self.fail(target, f"{target.id!r} is a chip or a constant here", "another name")
            if isinstance(value, ir.ChipRef):
                return self.set_chip(target, target.id, value)
            kind = self.types.get(target.id)
            if (wanted := chip_class(kind)) is not None:
                text = f"{target.id} is a {wanted.__name__}, {describe(value)} is given"
                self.fail(source, text, f"a chip of class {wanted.__name__}")
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
            self.function.stores.add((chip.home, field.name))
            return ir.SetField(chip, field, None, self.cut(source, value, field.type))
        if isinstance(target, ast.Subscript):
            base = self.value(target.value)
            if not isinstance(base, Part):
                self.fail(target, f"{describe(base)} has no elements to assign", "an element of an array or a memory")
            place = self._element(target, base)
            if isinstance(place, ir.MemoryLoad):
                self.function.stores.add((base.chip.home, base.name))
                cut = self.cut(source, value, place.type)
                return ir.SetMemory(place.chip, place.memory, place.type, place.address, cut)
            if isinstance(place, ir.ChipRef):
                self.fail(target, "a chip cannot be assigned", "its fields")
            if isinstance(place, Part):
                self.fail(target, f"a row of {place.name} cannot be assigned", f"an element: {ast.unparse(target)}[x]")
            self.function.stores.add((base.chip.home, base.name))
            return ir.SetField(place.chip, place.field, place.index, self.cut(source, value, place.field.type.element))
        return self.fail(target, "this cannot be assigned", "a variable, a field, an element")

    def set_local(self, node: ast.AST, name: str, value: ir.Expr) -> ir.SetLocal:
        """Give a local a value, and remember what it may now be."""
        found = value.range
        kind = self.types.get(name)
        before = self.widest.get(name)
        if isinstance(before, ir.ChipRef):
            self.fail(node, f"{name!r} is a number here and a chip there", "two names")
        if kind is None and name in self.widest and (before is None) != (found is None):
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
        self.widest[name] = before.join(found) if isinstance(before, Range) and found is not None else found

    def set_chip(self, node: ast.AST, name: str, chip: ir.ChipRef) -> ir.SetChip:
        """Let a local stand for a chip, and remember which, or of which classes it may be."""
        assert self.state is not None
        kind = self.types.get(name)
        if kind is not None and not (chip_class(kind) and all(issubclass(c, kind) for c in ir.classes_of(chip))):
            given = kind.__name__ if chip_class(kind) else str(kind)
            wanted = f"a chip of class {kind.__name__}" if chip_class(kind) else "one of its fields"
            self.fail(node, f"{name} is a {given}, {describe(chip)} is given", wanted)
        if name in self.widest and not isinstance(self.widest[name], ir.ChipRef):
            self.fail(node, f"{name!r} is a number here and a chip there", "two names")
        self.chosen_of[name] = self.one_of(node, [chip], self.chosen_of.get(name, ()))
        self.state[name] = chip if chip.place is not None else chip_of(ir.classes_of(chip), name)
        if not self.probing:
            self.widest[name] = chip_of(self.chosen_of[name], name)
        return ir.SetChip(name, chip)

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
        among = isinstance(target, ast.Subscript) and isinstance(target.value, ast.Tuple)
        if among or isinstance(target, ast.Call | ast.IfExp):
            chip = self.value(target)
            if isinstance(chip, ir.ChipRef):
                name = f"chip.{target.lineno}.{target.col_offset}"
                self.assigned.add(name)
                self.keep(target, name, chip, made)
                found = ast.copy_location(ast.Name(name, ast.Load()), target)
                found.text = ast.unparse(target)  # type: ignore[attr-defined] # which errors show
                return found
        if not isinstance(target, ast.Subscript):
            return target
        inner, index = self._indexed_once(target.value, made), target.slice
        if isinstance(index, ast.Tuple):
            index = ast.copy_location(ast.Tuple([self._index_once(each, made) for each in index.elts], ast.Load()), index)
        else:
            index = self._index_once(index, made)
        return ast.copy_location(ast.Subscript(inner, index, target.ctx), target)

    def _index_once(self, index: ast.expr, made: list[Any]) -> ast.expr:
        """An index, in a local where it may take effort or have effects."""
        if isinstance(index, ast.Constant | ast.Name | ast.Slice):
            return index
        name = f"index.{index.lineno}.{index.col_offset}"
        made.append(self.set_local(index, name, self.integer(index)[0]))
        self.assigned.add(name)
        found = ast.copy_location(ast.Name(name, ast.Load()), index)
        found.text = ast.unparse(index)  # type: ignore[attr-defined] # which errors show
        return found


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    assert isinstance(target, ast.Subscript)
    return ast.Subscript(target.value, target.slice, ast.Load())
