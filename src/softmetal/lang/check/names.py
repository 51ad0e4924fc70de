"""Names, fields, elements and constants: the checker's part of expressions that says what is meant."""

from __future__ import annotations

import ast
import builtins
import enum
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, NoReturn

from softmetal.lang import ir
from softmetal.lang.check.values import (
    Bound,
    Method,
    Part,
    State,
    Static,
    Value,
    close_to,
    describe,
    pure,
    source_text,
)
from softmetal.lang.chip import chip_class, layout_of, method_of
from softmetal.lang.ranges import LIMIT_BITS, Range, type_range
from softmetal.lang.source import HardwareError
from softmetal.lang.types import SIGNED, UNSIGNED, ArrayType, MemoryType

WIDE = {f"{s}{b}": (UNSIGNED if s == "u" else SIGNED)[b] for s in "us" for b in (8, 16, 32, 64)}
MISSING = object()


class Names(ABC):
    """The checker of names. `state` is what is known of the locals, `bound` what parameters stand for that are no numbers."""

    filename: str
    python: Any
    owner: type | None
    function: ir.Function
    state: State
    bound: dict[str, Any]
    assigned: set[str]
    probing: int
    marks: set[int]
    """Numbers that locals are compared with, and their neighbours: where the ranges in a loop are likely to end."""

    def fail(self, node: ast.AST, message: str, instead: str) -> NoReturn:
        raise HardwareError(self.filename, node, message, instead)

    @abstractmethod
    def instance(self, function: Any, owner: type | None, args: list[Value], names: Any, node: ast.AST) -> Any:
        """A function, checked for these arguments: it, and what it is called with."""

    # -- names and values known when compiling

    def value(self, node: ast.expr) -> Value:
        """Check an expression of any kind."""
        method = getattr(self, "on_" + type(node).__name__, None)
        if method is None:
            what = UNSUPPORTED.get(type(node).__name__, (type(node).__name__, "integer expressions and calls"))
            self.fail(node, f"{what[0]} is not hardware Python", what[1])
        return method(node)

    def expr(self, node: ast.expr) -> ir.Expr:
        """Check an expression that must be a number."""
        return self.number(node, self.value(node))

    def number(self, node: ast.expr, value: Value) -> ir.Expr:
        """What an expression has given, which must be a number."""
        if isinstance(value, Static):
            return self._constant(node, value.value)
        if not isinstance(value, ir.Expr):
            self.fail(node, f"{describe(value)} is used as a number", self._number_hint(node, value))
        if isinstance(value, ir.Call) and len(value.function.results) != 1:
            given = "no result" if not value.function.results else f"{len(value.function.results)} results"
            self.fail(node, f"{value.function.name} gives {given}", "a function with `-> T`, or unpack: a, b = f()")
        return value

    def _number_hint(self, node: ast.expr, value: Value) -> str:
        if isinstance(value, Part):
            return f"an element: {source_text(node)}[i]"
        if isinstance(value, Method | Bound):
            return f"a call: {source_text(node)}()"
        return "one of the chip's fields"

    def integer(self, node: ast.expr) -> tuple[ir.Expr, Range]:
        """Check an expression that must be an integer."""
        value = self.expr(node)
        if value.range is None:
            self.fail(node, "a float is used where an integer is needed", "bits64(x) or bits32(x) for its bits")
        return value, value.range

    def condition(self, node: ast.expr) -> ir.Expr:
        """Check a test: any integer, true where not 0."""
        value = self.expr(node)
        if value.range is None:
            self.fail(node, "a float is no condition", f"{source_text(node)} != 0.0")
        return value

    def _constant(self, node: ast.expr, value: Any) -> ir.Expr:
        if isinstance(value, int):  # bool and IntEnum too
            return self._checked(node, ir.Const(Range(int(value), int(value)), int(value)))
        if isinstance(value, float):
            return ir.Const(None, value)
        if isinstance(value, str):
            self.fail(node, "a string is not hardware", "an integer or an enum member")
        return self.fail(node, f"{value!r} is no number", "an integer constant")

    def _checked(self, node: ast.AST, value: ir.Expr) -> ir.Expr:
        """Refuse a value that is too wide; fold one that is known."""
        found = value.range
        if found is not None:
            if found.bits > LIMIT_BITS and not self.probing:
                if isinstance(value, ir.Local) and found.bits > 4000:
                    self.fail(
                        node, f"the width of {value.name!r} cannot be found: it grows in a loop",
                        f"a type where it is first set, as in {value.name}: u64 = ...",
                    )  # fmt: skip
                need = "an unknown number of" if found.bits > 4000 else str(found.bits)
                self.fail(
                    node, f"this value may need {need} bits; {LIMIT_BITS} is the most",
                    "a cut, as in u64(x), a mask on the shift amount, or an annotated variable",
                )  # fmt: skip
            if found.single and not isinstance(value, ir.Const | ir.Call) and pure(value):
                return ir.Const(found, found.lo)
        return value

    def static(self, name: str) -> Any:
        """A name of the module, or a builtin."""
        names = self.python.__globals__
        if name in names:
            self.used(names.get("__name__", ""), name, names[name])
            return names[name]
        return getattr(builtins, name, MISSING)

    @abstractmethod
    def used(self, home: Any, name: str, value: Any) -> None:
        """Remember that compiled code holds this constant of a module (by name) or class."""

    def attribute(self, home: Any, name: str) -> Static:
        """A constant, function or class of a module or class."""
        value = getattr(home, name)
        self.used(home.__name__ if isinstance(home, ModuleType) else home, name, value)
        return Static(value)

    def on_Name(self, node: ast.Name) -> Value:
        name = node.id
        if name in self.bound:
            known = self.bound[name]
            return known if isinstance(known, ir.ChipRef) else Static(known)
        if name in self.assigned:
            assert self.state is not None
            if name not in self.state:
                self.fail(node, f"{name!r} may not be set here", f"a value for {name} on every way that leads here")
            found = self.state[name]
            if isinstance(found, ir.ChipRef):
                return found
            return self._checked(node, ir.Local(found, name))
        value = self.static(name)
        if value is MISSING:
            if name in self.python.__code__.co_freevars:
                self.fail(node, f"{name!r} is of the function around this one", "a field, or a constant of the module")
            near = close_to(name, [*self.assigned, *self.bound, *self.python.__globals__])
            self.fail(node, f"{name!r} is not defined", near or "a parameter, a variable set before, or a module's constant")
        return Static(value)

    def on_Constant(self, node: ast.Constant) -> Value:
        return self._constant(node, node.value)

    def on_Attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        name = node.attr
        if isinstance(base, ir.ChipRef):
            return self._of_chip(node, base, name)
        if isinstance(base, Part) and isinstance(base.kind, MemoryType):
            if name not in WIDE:
                self.fail(node, f"a memory has no {name!r}", "u8, u16, u32, u64 or s8..s64, then an index")
            return Part(base.chip, None, base.name, (WIDE[name], base.kind))
        if isinstance(base, Static):
            value = base.value
            if isinstance(value, ModuleType | enum.EnumType) and hasattr(value, name):
                return self.attribute(value, name)
            if chip_class(value) and isinstance(getattr(value, name, None), int | tuple | bytes):
                return self.attribute(value, name)
            if isinstance(value, int):
                base = self._constant(node, value)
        if isinstance(base, ir.Expr) and base.range is not None and name in ("bit_length", "bit_count"):
            return Bound(base, name)
        return self.fail(node, f"{describe(base)} has no {name!r} in hardware Python", "a field or method of a chip")

    def _of_chip(self, node: ast.AST, chip: ir.ChipRef, name: str) -> Value:
        layout = layout_of(chip.cls)
        if name in layout.memories:
            return Part(chip, None, name, layout.memories[name])
        if name in layout.fields:
            field = layout.fields[name]
            self._same_in_all(node, chip, field)
            if chip_class(field.type):
                return self._sub_chip(chip, name, field.type, field.offset)
            if isinstance(field.type, ArrayType):
                return Part(chip, field, name, field.type)
            self.function.loads.add((chip.home, name))
            return ir.FieldLoad(type_range(field.type), chip, field, None)
        found = method_of(chip.cls, name)
        if found:
            return Method(chip, *found)
        constant = getattr(chip.cls, name, MISSING)
        if isinstance(constant, int | tuple | bytes) and constant is not MISSING:
            if not pure(chip) or any(getattr(c, name) != constant for c in chip.classes):
                return self._class_value(node, chip, name)
            return self.attribute(chip.cls, name)
        methods = [n for base in chip.cls.__mro__ for n in base.__dict__.get("__hw_methods__", {})]
        near = close_to(name, [*layout.fields, *layout.memories, *methods])
        what = f"{chip.cls.__name__}{', which is all that is known of this chip,' if chip.classes else ''}"
        return self.fail(node, f"{what} has no field or method {name!r}", near or "a field the class annotates")

    def _class_value(self, node: ast.AST, chip: ir.ChipRef, name: str) -> ir.Expr:
        """A constant that differs by the class of a chip, or of a chip that has to be found all the same."""
        values = {cls: self.attribute(cls, name).value for cls in ir.classes_of(chip)}
        if not all(isinstance(value, int) for value in values.values()):
            if not pure(chip):
                self.fail(node, "finding this chip has effects", f"{chip.cls.__name__}.{name}, or a variable for the chip")
            self.fail(node, f"{name} is a table that differs by the class of this chip", "a method that reads it")
        found = Range(min(values.values()), max(values.values()))
        if found.bits > 64:
            text = f"{name} differs by the class of this chip, and needs {found.bits} bits; 64 is the most"
            self.fail(node, text, f"a method that gives {name}")
        return ir.ClassValue(found, chip, values)

    def _same_in_all(self, node: ast.AST, chip: ir.ChipRef, field: Any) -> None:
        """Refuse a field that does not lie in one place in all classes that a chip may be of."""
        for cls in chip.classes:
            if layout_of(cls).fields[field.name] != field:
                self.fail(
                    node, f"{field.name} lies elsewhere in {cls.__name__} than in {chip.cls.__name__}",
                    f"one field {field.name}, in {chip.cls.__name__}",
                )  # fmt: skip

    def _sub_chip(self, chip: ir.ChipRef, name: str, cls: type, offset: int) -> ir.ChipRef:
        place = None if chip.place is None else chip.place + offset
        path = None if chip.path is None else f"{chip.path}{name}."
        return ir.ChipRef(cls, chip.parameter, place, path, chip, offset)


UNSUPPORTED = {
    "Lambda": ("a lambda", "a function with def and annotated parameters"),
    "ListComp": ("a comprehension", "a for loop over range()"),
    "SetComp": ("a comprehension", "a for loop over range()"),
    "DictComp": ("a comprehension", "a for loop over range()"),
    "GeneratorExp": ("a generator", "a for loop over range()"),
    "List": ("a list", "an array field, as in u8[4], or a module's tuple of integers"),
    "Dict": ("a dict", "match, or a module's tuple of integers"),
    "Set": ("a set", "comparisons joined with or"),
    "Tuple": ("a tuple", "one value, or a, b = f() for several results"),
    "JoinedStr": ("a string", "an integer"),
    "Await": ("await", "a method call"),
    "Yield": ("yield", "a field that keeps the state"),
    "YieldFrom": ("yield", "a field that keeps the state"),
    "NamedExpr": ("an assignment inside an expression", "an assignment on the line before"),
    "Starred": ("*", "each value by itself"),
}
