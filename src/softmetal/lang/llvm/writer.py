"""Writes LLVM instructions: values, blocks, loads and stores, calls."""

from __future__ import annotations

from typing import Any

from softmetal.lang import ir
from softmetal.lang.llvm.unit import Typed, Unit, llvm_type
from softmetal.lang.ranges import Range, type_range
from softmetal.lang.types import FloatType, IntType

NAN_BITS = "0x7FF8000000000000"


def result_type(function: ir.Function) -> str:
    """What a compiled function returns: an i1 that says whether it trapped (if it can), and its results.

    Where that is more than one value, it is a struct for a function that is never inlined; for others only the
    i1 is returned and the results go to places that the caller gives, for LLVM sees through those and not through structs.
    """
    parts = ["i1"] * function.traps + [llvm_type(k) for k in function.results]
    if len(parts) > 1 and function.apart:
        return "{" + ", ".join(parts) + "}"
    return "i1" if function.traps else parts[0] if len(parts) == 1 else "void"


def results_by_pointer(function: ir.Function) -> bool:
    """Does the caller give places for the results?"""
    return len(function.results) + function.traps > 1 and bool(function.results) and not function.apart


class Writer:
    """Writes LLVM instructions: values, blocks, loads and stores. Bodies of functions and engines build on it."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.lines: list[str] = []
        self.slots: list[str] = []
        self.count = 0
        self.done = False
        self.block_name = "entry"

    def emit(self, line: str) -> None:
        if not self.done:
            self.lines.append("  " + line)

    def new(self, line: str) -> str:
        """Write an instruction and give its result a name."""
        self.count += 1
        name = f'%"v{self.count}"'
        self.emit(f"{name} = {line}")
        return name

    def label(self, hint: str) -> str:
        self.count += 1
        return f"{hint}{self.count}"

    def start(self, label: str) -> None:
        """Begin a block; one that is still open goes on into it."""
        if not self.done:
            self.emit(f"br label %{label}")
        self.done = False
        self.lines.append(f"{label}:")
        self.block_name = label

    def end(self, line: str) -> None:
        """End the block with a terminator."""
        self.emit(line)
        self.done = True

    def jump(self, label: str) -> None:
        self.end(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        self.end(f"br i1 {condition}, label %{yes}, label %{no}")

    def slot(self, kind: str, hint: str = "slot") -> str:
        """A place on the stack, in the entry block."""
        self.count += 1
        name = f'%"{hint}.{self.count}"'
        self.slots.append(f"  {name} = alloca {kind}")
        return name

    def resize(self, value: str, found: Range, bits: int) -> str:
        """An integer value, as `bits` bits: extended by its sign if it has one, or cut."""
        if found.width == bits:
            return value
        if _is_number(value):
            return str(int(value) & (1 << bits) - 1) if found.width > bits or found.lo >= 0 else value
        how = "trunc" if found.width > bits else "sext" if found.signed else "zext"
        return self.new(f"{how} i{found.width} {value} to i{bits}")

    def gep(self, base: str, offset: int) -> str:
        if offset == 0:
            return base
        return self.new(f"getelementptr i8, ptr {base}, i64 {offset}")

    def canonical(self, value: str) -> str:
        """A double whose NaN is the one that rests."""
        nan = self.new(f"fcmp uno double {value}, {value}")
        return self.new(f"select i1 {nan}, double {NAN_BITS}, double {value}")

    def bits64(self, value: str) -> str:
        """The bits of a double, those of every NaN the same. LLVM keeps track of a NaN's bits in integers only."""
        nan = self.new(f"fcmp uno double {value}, {value}")
        return self.new(f"select i1 {nan}, i64 {int(NAN_BITS, 16)}, i64 {self.new(f'bitcast double {value} to i64')}")

    def bits32(self, value: str) -> str:
        """The bits of a double rounded to single, those of every NaN the same."""
        small = self.new(f"fptrunc double {value} to float")
        nan = self.new(f"fcmp uno float {small}, {small}")
        return self.new(f"select i1 {nan}, i32 {0x7FC00000}, i32 {self.new(f'bitcast float {small} to i32')}")

    def load_as(self, pointer: str, kind: Any, align: int = 0) -> Typed:
        """Load a value at rest."""
        aligned = f", align {align}" if align else ""
        if isinstance(kind, FloatType):
            if kind.bits == 64:
                return self.new(f"load double, ptr {pointer}{aligned}"), None
            value = self.new(f"load float, ptr {pointer}{aligned}")
            return self.new(f"fpext float {value} to double"), None
        size = kind.size * 8
        value = self.new(f"load i{size}, ptr {pointer}{aligned}")
        return self.cut(value, size, kind), type_range(kind)

    def cut(self, value: str, bits: int, kind: IntType) -> str:
        """The low bits of an integer of `bits` bits, as a value of an integer type."""
        width = type_range(kind).width
        if width == kind.bits and bits >= width:
            return value if bits == width else self.new(f"trunc i{bits} {value} to i{width}")
        if bits > kind.bits:
            value = self.new(f"trunc i{bits} {value} to i{kind.bits}")
        return self.new(f"{'sext' if kind.signed else 'zext'} i{kind.bits} {value} to i{width}")

    def store_as(self, pointer: str, kind: Any, value: Typed, align: int = 0) -> None:
        """Put a value, already cut, to rest."""
        aligned = f", align {align}" if align else ""
        text, found = value
        if isinstance(kind, FloatType):
            if kind.bits == 32:
                self.emit(f"store i32 {self.bits32(text)}, ptr {pointer}{aligned}")
            else:
                self.emit(f"store i64 {self.bits64(text)}, ptr {pointer}{aligned}")
            return
        assert found is not None
        size = kind.size * 8
        self.emit(f"store i{size} {self.resize(text, found, size)}, ptr {pointer}{aligned}")

    def _copied(self, source: str, to: str) -> str:
        """Write the copying of the kept fields; the place they are at then."""
        for i in range(self.unit.places):
            value = self.new(f"load i64, ptr {self.gep(source, 8 * i)}")
            self.emit(f"store i64 {value}, ptr {self.gep(to, 8 * i)}")
        return to

    def invoke(
        self, function: ir.Function, chips: list[str], args: list[str], trapped: str = "", kept: str = "%kept"
    ) -> list[Typed]:
        """Call a compiled function; its results. `args` are of its parameters' types; a trap goes to block `trapped`."""
        name = self.unit.add(function)
        given = ["ptr %root"]
        back = ""
        if self.unit.touches(function):
            if function.apart:
                # The kept fields stay in registers on the hot way: only here do they have to be somewhere.
                back, kept = kept, self._copied(kept, self.slot(f"[{self.unit.places} x i64]", "kept"))
            given.append(f"ptr {kept}")
        given += [f"ptr {c}" for c in chips]
        given += [f"{llvm_type(k)} {a}" for (_, k), a in zip(function.params, args, strict=True)]
        places: list[str] = []
        if results_by_pointer(function):
            places = [self.slot(llvm_type(k), "result") for k in function.results]
            given += [f"ptr {p}" for p in places]
        kind = result_type(function)
        line = f"call {kind} {name}({', '.join(given)})"
        if kind == "void":
            self.emit(line)
            value = ""
        else:
            value = self.new(line)
        if back and self.unit.changes(function):
            self._copied(kept, back)
        struct = kind.startswith("{")
        if function.traps:
            after = self.label("untrapped")
            self.branch(self.new(f"extractvalue {kind} {value}, 0") if struct else value, trapped, after)
            self.start(after)
        if struct:
            values = [self.new(f"extractvalue {kind} {value}, {i + function.traps}") for i in range(len(function.results))]
        elif places:
            values = [self.new(f"load {llvm_type(k)}, ptr {p}") for p, k in zip(places, function.results, strict=True)]
        else:
            values = [value] * len(function.results)
        return [(v, type_range(k)) for v, k in zip(values, function.results, strict=True)]


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()
