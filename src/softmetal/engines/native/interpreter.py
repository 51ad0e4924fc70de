"""What the two kinds of native interpreter share: a table, a board, and the mailbox that passes results to Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from softmetal.isa.table import Isa, parameters_of
from softmetal.lang import ir
from softmetal.lang.check import Program
from softmetal.lang.chip import Board, Field, layout_of, method_of
from softmetal.lang.llvm import Unit, Writer
from softmetal.lang.llvm.unit import Typed
from softmetal.lang.native import method_instance
from softmetal.lang.ranges import type_range
from softmetal.lang.types import IntType

KEPT = ("pc", "next_pc", "count")
"""Fields that code which is decoded ahead keeps in registers, in these slots."""
FLOWED = 3
"""The slot after them is 1 if `next_pc` was assigned."""


class Interpreter:
    """A table's interpreter under construction, for a board whose class is the core's or derived from it.

    `kept`: KEPT, or nothing. `functions` are compiled already, and `traps` have their numbers.
    """

    def __init__(
        self, isa: Isa, board: Board, kept: tuple[str, ...] = (), functions: Mapping[str, ir.Outside] | None = None,
        traps: Sequence[type] = (),
    ) -> None:  # fmt: skip
        self.isa, self.board, self.kept = isa, board, kept
        self.fields: dict[str, Field] = layout_of(board.cls).fields
        self.unit = Unit(board, {self.fields[n].offset: i for i, n in enumerate(kept)}, traps)
        if kept:
            self.unit.marks[self.fields["next_pc"].offset] = FLOWED
        self.program = Program(functions)
        self.root = self.program.root(board.cls)

    def text(self) -> str:
        """The whole interpreter as LLVM IR; it exports `run(root, budget)`, which gives the reason for its end."""
        raise NotImplementedError

    def instance(self, meaning: Any) -> ir.Function:
        """A meaning, checked for this board."""
        kinds = dict(list(parameters_of(meaning).items())[1:])
        args = {n: ir.Local(type_range(k), n) for n, k in kinds.items() if isinstance(k, IntType)}
        found, _, _ = self.program.instance(meaning, None, [self.root], args)
        self.unit.inlined.add(found)
        return found

    def method(self, name: str) -> ir.Function:
        """A method of the core, checked for this board. Raises TypeError where it has none of that name."""
        found = method_of(self.board.cls, name)
        if found is None:
            raise TypeError(f"{self.board.cls.__name__} has no method {name!r}, which the engine needs")
        return method_instance(self.program, self.board.cls, found)

    def load(self, writer: Writer, name: str) -> str:
        """Write the load of a field of the core, as an i64."""
        field = self.fields[name]
        text, found = writer.load_as(writer.gep("%root", field.offset), field.type)
        assert found is not None
        return writer.resize(text, found, 64)

    def store(self, writer: Writer, name: str, value: str) -> None:
        """Write the store of an i64 to a field of the core, cut to its width."""
        field = self.fields[name]
        cut = writer.cut(value, 64, field.type)
        writer.store_as(writer.gep("%root", field.offset), field.type, (cut, type_range(field.type)))

    def called(self, writer: Writer, name: str, args: list[str], trapped: str = "") -> str:
        """Write a call of the core's method; its result as an i64, "" if it has none."""
        return self.first(writer, writer.invoke(self.method(name), [], args, trapped))

    def first(self, writer: Writer, results: Sequence[Typed]) -> str:
        """A call's first result as an i64, "" if there is none."""
        if not results:
            return ""
        value, had = results[0]
        assert had is not None
        return writer.resize(value, had, 64)

    def host_entry(self, name: str) -> str:
        """`call.NAME(root, arguments...)`: a method of the board that the host calls between runs; arguments have 64 bits."""
        writer = Writer(self.unit)
        function = self.method(name)
        if function.traps:
            raise TypeError(f"{self.board.cls.__name__}.{name} may trap: the host cannot call it")
        result = self.called(writer, name, [writer.cut(f"%a{i}", 64, kind) for i, (_, kind) in enumerate(function.params)])
        writer.end(f"ret i64 {result or 0}")
        params = ", ".join(["ptr align 4096 %root", *(f"i64 %a{i}" for i in range(len(function.params)))])
        return "\n".join([f'define i64 @"call.{name}"({params}) nounwind {{', "entry:", *writer.slots, *writer.lines, "}\n"])

    def mailbox(self, word: int) -> int:
        """Offset of a word of the mailbox in the state."""
        return self.board.mailbox + 8 * word
