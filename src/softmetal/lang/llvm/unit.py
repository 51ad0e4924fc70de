"""A piece of LLVM IR under construction."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from softmetal.lang import ir
from softmetal.lang.chip import Board, chip_class, layout_of
from softmetal.lang.ranges import Range, type_range
from softmetal.lang.types import FloatType

Typed = tuple[str, Range | None]
"""A value's text in LLVM IR, and its range; None for a double."""


def llvm_type(kind: Any) -> str:
    """The LLVM type of a value of a hardware type in an expression; a chip is a pointer."""
    if chip_class(kind):
        return "ptr"
    return "double" if isinstance(kind, FloatType) else f"i{type_range(kind).width}"


def type_of(found: ir.Known) -> str:
    """The LLVM type of a value of which this is known."""
    if isinstance(found, ir.ChipRef):
        return "ptr"
    return "double" if found is None else f"i{found.width}"


class Unit:
    """A piece of LLVM IR under construction: functions, tables, declarations, for one board."""

    def __init__(self, board: Board, kept: dict[int, int] | None = None, traps: Sequence[type] = ()) -> None:
        """`traps`: those that have numbers already."""
        self.board = board
        self.kept = kept or {}
        self.inlined: set[ir.Function] = set()
        """Functions that are always inlined, beside those that use kept fields. For the others it is LLVM's choice."""
        self.marks: dict[int, int] = {}
        self.parts: list[str] = []
        self.names: dict[ir.Function, str] = {}
        self.added: deque[ir.Function] = deque()
        """Functions that have a name, whose bodies are not written yet: see `emit`."""
        self.declared: set[str] = set()
        self.tables: dict[tuple[int, ...], str] = {}
        self.traps: list[type] = [*traps]
        self.exported: dict[str, ir.Outside] = {}
        """Functions of this unit that others may call, by their symbols."""
        self._symbols: set[str] = set()
        self._lookups: dict[tuple[tuple[int, int], ...], str] = {}
        self._numbered: set[ir.Function] = set()
        self._touching: dict[ir.Function, bool] = {}
        self._changing: dict[ir.Function, bool] = {}

    @property
    def places(self) -> int:
        """How many words kept fields and marks take."""
        return 1 + max([*self.kept.values(), *self.marks.values()], default=-1)

    def _kept_names(self) -> set[tuple[Any, str]]:
        """The kept fields, as functions name what they load and store: cores whose fields are kept are the board itself."""
        return {(0, name) for name, f in layout_of(self.board.cls).fields.items() if f.offset in self.kept}

    def changes(self, function: ir.Function) -> bool:
        """Does a call of the function change a kept field?"""
        if function.outside is not None:
            return function.outside.changes
        if function not in self._changing:
            mine = bool(self._kept_names() & function.stores)
            self._changing[function] = mine or any(self.changes(c) for c in function.calls)
        return self._changing[function]

    def touches(self, function: ir.Function) -> bool:
        """Does a call of the function use a kept field?"""
        if function.outside is not None:
            return function.outside.touches
        if function not in self._touching:
            mine = bool(self._kept_names() & (function.loads | function.stores))
            self._touching[function] = mine or any(self.touches(c) for c in function.calls)
        return self._touching[function]

    def add(self, function: ir.Function) -> str:
        """Give a function's name; its body is written later."""
        if function in self.names:
            return self.names[function]
        name = f"{function.name}#{len(self.names)}"
        if function.apart:
            if function.symbol not in self._symbols:
                name = function.symbol
                self._symbols.add(name)
                if function.outside is None:
                    self.exported[name] = ir.Outside(
                        function.traps, function.returns, self.touches(function), self.changes(function)
                    )
            else:  # classes of one name, each with a function of one name: nobody could tell which is meant
                self.exported.pop(function.symbol, None)
        self.names[function] = f'@"{name}"'
        self._number_traps(function)
        self.added.append(function)
        return self.names[function]

    def _number_traps(self, function: ir.Function) -> None:
        if function not in self._numbered:
            self._numbered.add(function)
            for trap in function.raises:
                self.trap_number(trap)
            for called in function.calls:
                self._number_traps(called)

    def attributes(self, function: ir.Function) -> str:
        """What is said to LLVM about inlining a function."""
        if function.apart:
            return "noinline cold" if function.cold else "noinline"
        return "alwaysinline" if function in self.inlined or self.touches(function) else ""

    def trap_number(self, trap: type) -> int:
        """The number by which compiled code names a trap class, 1 or more."""
        if trap not in self.traps:
            self.traps.append(trap)
        return self.traps.index(trap) + 1

    def intrinsic(self, name: str, result: str, *args: str) -> str:
        """Declare an LLVM intrinsic and give its name."""
        line = f"declare {result} @{name}({', '.join(args)})"
        if line not in self.declared:
            self.declared.add(line)
        return f"@{name}"

    def lookup(self, pairs: tuple[tuple[int, int], ...]) -> str:
        """A function from the first number of each pair to the second, both i64; it is asked for no other. Its name."""
        if pairs not in self._lookups:
            name = self._lookups[pairs] = f"@lookup.{len(self._lookups)}"
            arms = " ".join(f"i64 {key}, label %to{i}" for i, (key, _) in enumerate(pairs[1:]))
            lines = [
                f"define internal i64 {name}(i64 %key) nounwind memory(none) {{",
                f"  switch i64 %key, label %first [{arms}]",
            ]
            lines += ["first:", f"  ret i64 {pairs[0][1]}"]
            for i, (_, value) in enumerate(pairs[1:]):
                lines += [f"to{i}:", f"  ret i64 {value}"]
            self.parts.append("\n".join([*lines, "}\n"]))
        return self._lookups[pairs]

    def table(self, values: tuple[int, ...]) -> tuple[str, Range]:
        """A constant table; its name and the range of its values."""
        found = Range(min(values), max(values))
        if values not in self.tables:
            name = self.tables[values] = f"@table.{len(self.tables)}"
            size = next(n for n in (8, 16, 32, 64, 128, 256) if n >= found.bits)
            items = ", ".join(f"i{size} {v & (1 << size) - 1}" for v in values)
            self.parts.append(f"{name} = internal constant [{len(values)} x i{size}] [{items}]\n")
        return self.tables[values], found
