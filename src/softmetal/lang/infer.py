"""The checker of expressions: finds each value's range, and says no where something could go wrong."""

from __future__ import annotations

import ast
import builtins
import enum
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from softmetal.lang import chip as chips
from softmetal.lang import ir, ops, ranges
from softmetal.lang.chip import chip_class, layout_of, method_of
from softmetal.lang.ranges import BIT, LIMIT_BITS, Range
from softmetal.lang.source import HardwareError, is_hardware_function
from softmetal.lang.types import SIGNED, UNSIGNED, ArrayType, FloatType, IntType, MemoryType

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.LShift: "<<", ast.RShift: ">>",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.Div: "/",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
WIDE = {f"{s}{b}": (UNSIGNED if s == "u" else SIGNED)[b] for s in "us" for b in (8, 16, 32, 64)}

Value = Any  # an ir.Expr, an ir.ChipRef, or one of the following

_MISSING = object()
ZERO = Range(0, 0)


def not_zero(name: str) -> str:
    """The key in a checker's state that says: this local is not 0, though its range holds 0."""
    return f"{name} != 0"


class Static:
    """A Python object that is known when compiling: a function, a class, a table..."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Method:
    """A method of a chip, not yet called."""

    def __init__(self, chip: ir.ChipRef, function: Any, owner: type) -> None:
        self.chip, self.function, self.owner = chip, function, owner


class Part:
    """An array field, a memory, or a memory seen as values of one type; not yet indexed."""

    def __init__(self, chip: ir.ChipRef, field: Any, name: str, kind: Any) -> None:
        self.chip, self.field, self.name, self.kind = chip, field, name, kind


class Bound:
    """A method of an integer (`bit_length`), not yet called."""

    def __init__(self, value: ir.Expr, name: str) -> None:
        self.value, self.name = value, name


def describe(value: Value) -> str:
    """What a value is, for an error."""
    if isinstance(value, ir.ChipRef):
        return f"the chip {value.cls.__name__}"
    if isinstance(value, Static):
        return f"{value.value!r}"
    if isinstance(value, Method):
        return f"the method {value.function.__name__}"
    if isinstance(value, Part):
        return f"{value.name}: {value.kind!r}"
    if isinstance(value, Bound):
        return f"the method {value.name}"
    return "a float" if value.range is None else "an integer"


class Expressions:
    """What the checker does with expressions. `state` maps the locals that are set to their ranges (None: a float)."""

    filename: str
    python: Any
    owner: type | None
    function: ir.Function
    state: dict[str, Range | None] | None
    bound: dict[str, Any]
    assigned: set[str]
    probing: int
    marks: set[int]
    """Numbers that locals are compared with, and their neighbours: where the ranges in a loop are likely to end."""

    def fail(self, node: ast.AST, message: str, instead: str) -> NoReturn:
        raise HardwareError(self.filename, node, message, instead)

    def instance(self, function: Any, owner: type | None, args: list[Value], names: Any, node: ast.AST) -> Any:
        raise NotImplementedError  # pragma: no cover - the checker's

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
        value = self.value(node)
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
            if found.single and not isinstance(value, ir.Const | ir.Call) and _pure(value):
                return ir.Const(found, found.lo)
        return value

    def static(self, name: str) -> Any:
        """A name of the module, or a builtin."""
        names = self.python.__globals__
        if name in names:
            self.used(names.get("__name__", ""), name, names[name])
            return names[name]
        return getattr(builtins, name, _MISSING)

    def used(self, home: Any, name: str, value: Any) -> None:
        """Remember that compiled code holds this constant of a module (by name) or class."""
        raise NotImplementedError  # pragma: no cover - the checker's

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
            return self._checked(node, ir.Local(found, name))
        value = self.static(name)
        if value is _MISSING:
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
            if chip_class(field.type):
                return self._sub_chip(chip, name, field.type, field.offset)
            if isinstance(field.type, ArrayType):
                return Part(chip, field, name, field.type)
            self.function.loads.add((chip.place if chip.place is not None else chip.cls, name))
            return ir.FieldLoad(type_range(field.type), chip, field, None)
        found = method_of(chip.cls, name)
        if found:
            return Method(chip, *found)
        constant = getattr(chip.cls, name, _MISSING)
        if isinstance(constant, int | tuple | bytes) and constant is not _MISSING:
            return self.attribute(chip.cls, name)
        methods = [n for base in chip.cls.__mro__ for n in base.__dict__.get("__hw_methods__", {})]
        near = close_to(name, [*layout.fields, *layout.memories, *methods])
        return self.fail(node, f"{chip.cls.__name__} has no field or method {name!r}", near or "a field the class annotates")

    def _sub_chip(self, chip: ir.ChipRef, name: str, cls: type, offset: int) -> ir.ChipRef:
        place = None if chip.place is None else chip.place + offset
        path = None if chip.path is None else f"{chip.path}{name}."
        return ir.ChipRef(cls, chip.parameter, place, path, chip, offset)

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
        if isinstance(node.slice, ast.Slice | ast.Tuple):
            self.fail(node, "a slice is not hardware Python", "a loop over single elements")

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
        index, found = self.integer(node.slice)
        kind = part.kind
        if isinstance(kind, MemoryType):
            kind = (UNSIGNED[8], kind)
        if isinstance(kind, tuple):
            wide, mem = kind
            if part.chip.path is None:
                self.fail(
                    node, f"{part.name} is a memory of one chip among several, chosen when running",
                    "a constant index for the chip, or the memory in the chip that holds them all",
                )  # fmt: skip
            self._inside(node.slice, found, mem.length - wide.size + 1, f"memory {part.name}", part.name)
            self.function.loads.add((part.chip.place if part.chip.place is not None else part.chip.cls, part.name))
            return ir.MemoryLoad(type_range(wide), part.chip, part.name, wide, index)
        self._inside(node.slice, found, kind.length, f"the array {part.name}", part.name)
        sub = chip_class(kind.element)
        if sub:
            step = layout_of(sub).size
            at = part.field.offset
            if found.single and _pure(index):
                return self._sub_chip(part.chip, f"{part.name}[{found.lo}]", sub, at + step * found.lo)
            return ir.ChipRef(sub, part.chip.parameter, None, None, part.chip, at, index, step)
        self.function.loads.add((part.chip.place if part.chip.place is not None else part.chip.cls, part.name))
        return ir.FieldLoad(type_range(kind.element), part.chip, part.field, index)

    # -- operators

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
            return ir.Const(Range(known, known), known) if known is not None and _pure(a) else ir.Not(BIT, a)
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
                if not _pure(self.expr(middle)):
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
            if known is not None and _pure(a) and _pure(b):
                return ir.Const(Range(known, known), known)
        return ir.Cmp(BIT, op, a, b)

    def on_BoolOp(self, node: ast.BoolOp) -> Value:
        op = "and" if isinstance(node.op, ast.And) else "or"
        first, rest = node.values[0], node.values[1:]
        second = rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), rest[0])
        a, found = self.integer(first)
        if found.single and _pure(a):
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
        if _pure(test) and ranges.compare("!=", found, Range(0, 0)) is not None:
            return self.expr(node.body if found.lo or found.hi else node.orelse)
        before = dict(self.state or {})
        self.assume(node.test, True)
        a = self.expr(node.body) if self.state is not None else None
        self.state = dict(before)
        self.assume(node.test, False)
        b = self.expr(node.orelse) if self.state is not None else None
        self.state = before
        if a is None or b is None:
            found_one = a or b
            assert found_one is not None
            return found_one if _pure(test) else ir.Select(found_one.range, test, found_one, found_one)
        if (a.range is None) != (b.range is None):
            self.fail(node, "one branch is a float, the other an integer", "f64(i) to convert the integer")
        both = None if a.range is None or b.range is None else a.range.join(b.range)
        return ir.Select(both, test, a, b)

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
        if found is not None:
            left = ranges.narrow(op, found, other)
            if op == "!=" and other == ZERO:
                self.state[not_zero(name)] = BIT
            if left is not None and not_zero(name) in self.state:
                left = ranges.narrow("!=", left, ZERO)
            if left is None:
                self.state = None
            else:
                self.state[name] = left

    # -- calls

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
            return self.call(node, callee.function, callee.owner, callee.chip)
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
        if isinstance(target, type) and issubclass(target, chips.Trap):
            self.fail(node, "a trap is raised, not called", f"raise {simple}(...)")
        return self.fail(
            node, f"{ast.unparse(node.func)} is no hardware function",
            "a method, a function whose parameters are all annotated, or a cast",
        )  # fmt: skip

    def _super(self, node: ast.Call, func: ast.Attribute) -> Value:
        chip = self.bound.get("self")
        assert self.owner is not None
        mro = chip.cls.__mro__ if isinstance(chip, ir.ChipRef) else ()
        for base in mro[mro.index(self.owner) + 1 :]:
            found = base.__dict__.get("__hw_methods__", {}).get(func.attr)
            if found:
                return self.call(node, found, base, chip)
        return self.fail(node, f"no base of {self.owner.__name__} has a method {func.attr!r}", "a method of a base class")

    def call(self, node: ast.Call, function: Any, owner: type | None, chip: ir.ChipRef | None) -> Value:
        """Check a call of a hardware function."""
        args = [chip] if chip is not None else []
        args += [self._argument(a) for a in node.args]
        named = {k.arg: self._argument(k.value) for k in node.keywords}
        self._in_order(node, function, [*args, *named.values()], [str(n) for n in named])
        made, chip_args, numbers = self.instance(function, owner, args, named, node)
        self.function.calls.append(made)
        results = made.results
        found = type_range(results[0]) if len(results) == 1 else None
        return ir.Call(found, made, chip_args, numbers)

    def _in_order(self, node: ast.Call, function: Any, values: list[Value], named: list[str]) -> None:
        """Refuse arguments that Python would evaluate in another order than compiled code does, where that matters."""
        effects = [i for i, v in enumerate(values) if isinstance(v, ir.Expr) and not _pure(v)]
        if not effects:
            return
        while isinstance(function, partial):
            function = function.func
        names = function.__code__.co_varnames
        places = [names.index(n) for n in named if n in names]
        if places != sorted(places):
            self.fail(node, "arguments with effects are not in the parameters' order", "them in that order, or variables")
        if any(isinstance(v, ir.ChipRef) and not _settled(v) for v in values[effects[0] :]):
            self.fail(node, "which chip is meant may change while the arguments are evaluated", "a variable for its index")

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


def source_text(node: Any) -> str:
    """An expression as errors show it."""
    return getattr(node, "text", "") or ast.unparse(node)


def type_range(kind: Any) -> Any:
    """The range of an integer type; None for a float type."""
    return Range(kind.lo, kind.hi) if isinstance(kind, IntType) else None


def close_to(name: str, names: list[str]) -> str:
    """A hint with the names most like one that was not found."""
    import difflib

    near = difflib.get_close_matches(name, names, 2)
    return " or ".join(near)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _pure(value: Any) -> bool:
    """Has evaluating this no effect?"""
    if isinstance(value, ir.Call):
        return False
    if isinstance(value, ir.Bin | ir.Cmp | ir.Logic):
        return _pure(value.a) and _pure(value.b)
    if isinstance(value, ir.Select):
        return _pure(value.condition) and _pure(value.a) and _pure(value.b)
    if isinstance(value, ir.Not | ir.Cut):
        return _pure(value.a)
    if isinstance(value, ir.Op):
        return all(map(_pure, value.args))
    if isinstance(value, ir.FieldLoad):
        return _pure(value.chip) and (value.index is None or _pure(value.index))
    if isinstance(value, ir.TableLoad):
        return _pure(value.index)
    if isinstance(value, ir.MemoryLoad):
        return _pure(value.chip) and _pure(value.address)
    if isinstance(value, ir.ChipRef):
        return (value.index is None or _pure(value.index)) and (value.base is None or _pure(value.base))
    return True


def _settled(chip: ir.ChipRef) -> bool:
    """Is it certain which chip this is, whatever runs meanwhile?"""
    fixed = chip.index is None or isinstance(chip.index, ir.Const | ir.Local)
    return fixed and (chip.base is None or _settled(chip.base))
