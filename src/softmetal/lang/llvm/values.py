"""Expressions of the typed tree, as LLVM IR."""

from __future__ import annotations

import struct

from softmetal.lang import ir
from softmetal.lang.llvm.places import Places
from softmetal.lang.llvm.unit import Typed, Unit, type_of
from softmetal.lang.ranges import BIT, Range, type_range
from softmetal.lang.types import IntType

INT_COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
FLOAT_COMPARE = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}


class Values(Places):
    """Writes a function's expressions."""

    def __init__(self, unit: Unit, function: ir.Function) -> None:
        super().__init__(unit)
        self.function = function
        self.vars = {}
        self.trap_block = ""

    def _set(self, name: str, value: Typed) -> None:
        slot, found = self.vars[name]
        text, had = value
        if not isinstance(found, Range) or had is None:
            self.emit(f"store double {text}, ptr {slot}")
        else:
            self.emit(f"store i{found.width} {self.resize(text, had, found.width)}, ptr {slot}")

    def value(self, node: ir.Expr) -> Typed:
        """Emit an expression."""
        if isinstance(node, ir.Const):
            if node.range is None:
                return "0x" + struct.pack(">d", node.value).hex().upper(), None
            return str(node.value), node.range
        method = getattr(self, "on_" + type(node).__name__)
        made: Typed = method(node)
        return made

    def test(self, node: ir.Expr) -> str:
        """An expression as an i1: is it other than 0?"""
        text, found = self.value(node)
        assert found is not None
        if found == BIT or (found.width == 1):
            return text
        return self.new(f"icmp ne i{found.width} {text}, 0")

    def on_Local(self, node: ir.Local) -> Typed:
        slot, widest = self.vars[node.name]
        if not isinstance(widest, Range) or node.range is None:
            return self.new(f"load double, ptr {slot}"), None
        if node.range.single:
            return str(node.range.lo), node.range
        text = self.new(f"load i{widest.width}, ptr {slot}")
        return self.resize(text, widest, node.range.width), node.range

    def on_FieldLoad(self, node: ir.FieldLoad) -> Typed:
        return self.load_as(*self.place(node.chip, node.field, node.index))

    def on_MemoryLoad(self, node: ir.MemoryLoad) -> Typed:
        return self.load_as(self.memory(node.chip, node.memory, node.address), node.type, align=1)

    def on_ClassValue(self, node: ir.ClassValue) -> Typed:
        assert node.range is not None
        if node.range.single:
            self.pointer(node.chip)  # finding it has effects
            return str(node.range.lo), node.range
        pairs = sorted((at, value) for cls, value in node.values.items() for at, _ in self.unit.board.places(cls))
        value = self.new(f"call i64 {self.unit.lookup(tuple(pairs))}(i64 {self.place_of(node.chip)})")
        return self._narrow(value, 64, node.range), node.range

    def on_TableLoad(self, node: ir.TableLoad) -> Typed:
        name, found = self.unit.table(node.values)
        text, span = self.value(node.index)
        assert span is not None
        assert node.range is not None
        size = next(n for n in (8, 16, 32, 64, 128, 256) if n >= found.bits)
        at = self.new(f"getelementptr i{size}, ptr {name}, i64 {self.resize(text, span, 64)}")
        value = self.new(f"load i{size}, ptr {at}")
        whole = Range(0, (1 << size) - 1) if found.lo >= 0 else Range(-(1 << size - 1), (1 << size - 1) - 1)
        return self.resize(value, whole, node.range.width), node.range

    def on_Bin(self, node: ir.Bin) -> Typed:
        a, b = self.value(node.a), self.value(node.b)
        if node.range is None:
            op = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}[node.op]
            return self.new(f"{op} double {a[0]}, {b[0]}"), None
        if a[1] is None or b[1] is None:
            raise AssertionError("integers")
        if node.op in ("//", "%"):
            return self._divide(node.op, a, b, node.range)
        if node.op == ">>":
            return self._shift_right(a, b, node.range)
        bits = node.range.width
        op = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}[node.op]
        x, y = self.resize(a[0], a[1], bits), self.resize(b[0], b[1], bits)
        return self.new(f"{op} i{bits} {x}, {y}"), node.range

    def _shift_right(self, a: Typed, b: Typed, found: Range) -> Typed:
        had, amount = a[1], b[1]
        assert had is not None
        assert amount is not None
        bits = had.width
        op = "ashr" if had.signed else "lshr"
        if amount.hi < bits:
            shifted = self.new(f"{op} i{bits} {a[0]}, {self.resize(b[0], amount, bits)}")
            return self.resize(shifted, had, found.width), found
        wide = max(bits, amount.width, amount.hi.bit_length() + 1) + 1
        x, n = self.resize(a[0], had, wide), self.resize(b[0], amount, wide)
        over = self.new(f"icmp ugt i{wide} {n}, {wide - 1}") if amount.hi >= wide else "false"
        most = self.new(f"select i1 {over}, i{wide} {wide - 1}, i{wide} {n}")
        shifted = self.new(f"{op} i{wide} {x}, {most}")
        return self._narrow(shifted, wide, found), found

    def _narrow(self, text: str, bits: int, found: Range) -> str:
        """An integer of `bits` bits whose value lies in `found`, as a value of that range."""
        if bits == found.width:
            return text
        if bits < found.width:
            return self.new(f"{'sext' if found.signed else 'zext'} i{bits} {text} to i{found.width}")
        return self.new(f"trunc i{bits} {text} to i{found.width}")

    def _divide(self, op: str, a: Typed, b: Typed, found: Range) -> Typed:
        left, right = a[1], b[1]
        assert left is not None
        assert right is not None
        if left.lo >= 0 and right.lo >= 0:
            bits = _divisible(max(left.bits, right.bits))
            x, y = self.resize(a[0], left, bits), self.resize(b[0], right, bits)
            return self._narrow(self._machine("udiv" if op == "//" else "urem", bits, x, y), bits, found), found
        bits = _divisible(max(left.bits + (not left.signed), right.bits + (not right.signed)))
        leaves = left.lo == -(1 << bits - 1) and right.lo <= -1 <= right.hi  # the one quotient that needs a bit more
        if leaves and bits > 64:
            bits, leaves = bits + 1, False
        x, y = self.resize(a[0], left, bits), self.resize(b[0], right, bits)
        minus = ""
        if leaves:
            minus = self.new(f"icmp eq i{bits} {y}, -1")
            y = self.new(f"select i1 {minus}, i{bits} 1, i{bits} {y}")
        rest = self._machine("srem", bits, x, y)
        some = self.new(f"icmp ne i{bits} {rest}, 0")
        differ = self.new(f"icmp slt i{bits} {self.new(f'xor i{bits} {rest}, {y}')}, 0")
        adjust = self.new(f"and i1 {some}, {differ}")
        if op == "%":  # by -1 gives 0, as by 1
            more = self.new(f"select i1 {adjust}, i{bits} {y}, i{bits} 0")
            return self._narrow(self.new(f"add i{bits} {rest}, {more}"), bits, found), found
        quotient = self._machine("sdiv", bits, x, y)
        less = self.new(f"sext i1 {adjust} to i{bits}")
        whole = self.new(f"add i{bits} {quotient}, {less}")
        if not leaves:
            return self._narrow(whole, bits, found), found
        wide = max(found.width, bits + 1)
        negated = self.new(f"sub i{wide} 0, {self.new(f'sext i{bits} {x} to i{wide}')}")
        made = self.new(f"select i1 {minus}, i{wide} {negated}, i{wide} {self.new(f'sext i{bits} {whole} to i{wide}')}")
        return self._narrow(made, wide, found), found

    def _machine(self, op: str, bits: int, x: str, y: str) -> str:
        """A division. A wide one lies in a function that LLVM does not optimise, or it would make 128 bits of it."""
        if bits <= 64:
            return self.new(f"{op} i{bits} {x}, {y}")
        name = f"@{op}.i{bits}"
        text = f"define internal i{bits} {name}(i{bits} %x, i{bits} %y) nounwind noinline optnone {{\n"
        text += f"  %r = {op} i{bits} %x, %y\n  ret i{bits} %r\n}}\n"
        self.unit.declared.add(text)
        return self.new(f"call i{bits} {name}(i{bits} {x}, i{bits} {y})")

    def _compare(self, op: str, a: Typed, b: Typed) -> str:
        if a[1] is None or b[1] is None:
            return self.new(f"fcmp {FLOAT_COMPARE[op]} double {a[0]}, {b[0]}")
        both = a[1].join(b[1])
        x, y = self.resize(a[0], a[1], both.width), self.resize(b[0], b[1], both.width)
        sign = "" if op in ("==", "!=") else "s" if both.signed else "u"
        return self.new(f"icmp {sign}{INT_COMPARE[op]} i{both.width} {x}, {y}")

    def on_Cmp(self, node: ir.Cmp) -> Typed:
        a, b = self.value(node.a), self.value(node.b)
        return self._compare(node.op, a, b), BIT

    def on_Not(self, node: ir.Not) -> Typed:
        return self.new(f"xor i1 {self.test(node.a)}, true"), BIT

    def _meet(self, ways: list[tuple[str, Typed]], found: Range | None, after: str) -> Typed:
        """The value that came, where several blocks meet."""
        self.start(after)
        arms = ", ".join(f"[ {text}, %{block} ]" for block, (text, _) in ways)
        return self.new(f"phi {type_of(found)} {arms}"), found

    def on_Select(self, node: ir.Select) -> Typed:
        yes, no, after = self.label("yes"), self.label("no"), self.label("after")
        self.branch(self.test(node.condition), yes, no)
        ways = []
        for label, each in ((yes, node.a), (no, node.b)):
            self.start(label)
            text, had = self.value(each)
            if node.range is not None and had is not None:
                text = self.resize(text, had, node.range.width)
            ways.append((self.block_name, (text, node.range)))
            self.jump(after)
        return self._meet(ways, node.range, after)

    def on_Logic(self, node: ir.Logic) -> Typed:
        assert node.range is not None
        more, after = self.label("more"), self.label("after")
        text, found = self.value(node.a)
        assert found is not None
        bits = node.range.width
        test = text if found.width == 1 else self.new(f"icmp ne i{found.width} {text}, 0")
        kept = self.resize(text, found, bits)
        first = self.block_name
        self.branch(test, *((more, after) if node.op == "and" else (after, more)))
        self.start(more)
        text, found = self.value(node.b)
        assert found is not None
        other = self.resize(text, found, bits)
        second = self.block_name
        self.jump(after)
        return self._meet([(first, (kept, node.range)), (second, (other, node.range))], node.range, after)

    def on_Cut(self, node: ir.Cut) -> Typed:
        text, found = self.value(node.a)
        kind = node.type
        if isinstance(kind, IntType):
            assert found is not None
            full = type_range(kind)
            if found.width < full.width:
                return self.cut(self.resize(text, found, full.width), full.width, kind), full
            return self.cut(text, found.width, kind), full
        if kind.bits == 32:
            text = self.new(f"fpext float {self.new(f'fptrunc double {text} to float')} to double")
        return self.canonical(text), None

    def on_Op(self, node: ir.Op) -> Typed:
        values = [self.value(a) for a in node.args]
        text, found = values[0]
        unit = self.unit
        match node.name:
            case "fneg":
                return self.new(f"fneg double {text}"), None
            case "fabs" | "sqrt":
                name = unit.intrinsic(f"llvm.{node.name}.f64", "double", "double")
                return self.new(f"call double {name}(double {text})"), None
            case "fma":
                name = unit.intrinsic("llvm.fma.f64", "double", "double", "double", "double")
                args = ", ".join(f"double {v}" for v, _ in values)
                return self.new(f"call double {name}({args})"), None
            case "bits64":
                return self.bits64(text), node.range
            case "bits32":
                return self.bits32(text), node.range
        assert found is not None
        match node.name:
            case "float64":
                return self.canonical(self.new(f"bitcast i64 {self.resize(text, found, 64)} to double")), None
            case "float32":
                small = self.new(f"bitcast i32 {self.resize(text, found, 32)} to float")
                return self.canonical(self.new(f"fpext float {small} to double")), None
            case "float":
                return self.new(f"{'si' if found.signed else 'ui'}tofp i{found.width} {text} to double"), None
        assert node.range is not None
        bits = found.width
        match node.name:
            case "bit_length":
                name = unit.intrinsic(f"llvm.ctlz.i{bits}", f"i{bits}", f"i{bits}", "i1")
                zeros = self.new(f"call i{bits} {name}(i{bits} {text}, i1 false)")
                return self._narrow(self.new(f"sub i{bits} {bits}, {zeros}"), bits, node.range), node.range
            case "bit_count":
                name = unit.intrinsic(f"llvm.ctpop.i{bits}", f"i{bits}", f"i{bits}")
                return self._narrow(self.new(f"call i{bits} {name}(i{bits} {text})"), bits, node.range), node.range
            case "abs":
                wide = max(bits, node.range.width)
                x = self.resize(text, found, wide)
                minus = self.new(f"sub i{wide} 0, {x}")
                below = self.new(f"icmp slt i{wide} {x}, 0")
                made = self.new(f"select i1 {below}, i{wide} {minus}, i{wide} {x}")
                return self._narrow(made, wide, node.range), node.range
        test = self._compare("<" if node.name == "min" else ">", values[0], values[1])
        both = found.join(values[1][1] or found)
        x = self.resize(text, found, both.width)
        y = self.resize(values[1][0], values[1][1] or found, both.width)
        made = self.new(f"select i1 {test}, i{both.width} {x}, i{both.width} {y}")
        return self._narrow(made, both.width, node.range), node.range

    def on_Call(self, node: ir.Call) -> Typed:
        return self.called(node)[0]

    def called(self, node: ir.Call) -> list[Typed]:
        pairs = zip(node.chips, node.function.chips, strict=True)
        chips = [self.pointer(given) for given, (_, wanted) in pairs if wanted.place is None]
        args = []
        for value, (_, kind) in zip(node.args, node.function.params, strict=True):
            text, found = self.value(value)
            args.append(text if found is None else self.resize(text, found, type_range(kind).width))
        if node.function.traps and not self.trap_block:
            self.trap_block = self.label("trap")
        return self.invoke(node.function, chips, args, self.trap_block)


def _divisible(bits: int) -> int:
    """A width at which LLVM divides without a library: to 64 bits by the machine, above 128 bits by its own expansion."""
    return next((w for w in (8, 16, 32, 64) if w >= bits), max(bits, 129))
