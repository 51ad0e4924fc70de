"""Where things lie: chips, fields, elements and memories as pointers.

Most places are at a distance from the start of the state that is known when compiling. A chip that is chosen when running is a
pointer; its memories lie elsewhere, at a place that follows from the chip's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from softmetal.lang import ir
from softmetal.lang.llvm.unit import Typed
from softmetal.lang.llvm.writer import Writer
from softmetal.lang.ranges import Range


class Places(Writer, ABC):
    """Writes the places of a function's chips."""

    vars: dict[str, tuple[str, ir.Known]]
    """Each local's slot, and what it may be anywhere in the function."""

    @abstractmethod
    def value(self, node: ir.Expr) -> Typed:
        """Emit an expression."""

    @abstractmethod
    def test(self, node: ir.Expr) -> str:
        """Emit an expression as an i1: is it other than 0?"""

    @abstractmethod
    def called(self, node: ir.Call) -> list[Typed]:
        """Emit a call; its results."""

    def chip(self, ref: ir.ChipRef) -> tuple[str, int]:
        """(pointer, bytes to add) of a chip."""
        if ref.place is not None:
            return "%root", ref.place
        if ref.chosen is not None:
            return self._chosen(ref.chosen), 0
        if ref.base is None:
            local = self.vars.get(ref.parameter)
            return (self.new(f"load ptr, ptr {local[0]}") if local else f'%"chip.{ref.parameter}"'), 0
        pointer, offset = self.chip(ref.base)
        if ref.index is None:
            return pointer, offset + ref.offset
        text, found = self.value(ref.index)
        assert found is not None
        at = self.new(f"mul i64 {self.resize(text, found, 64)}, {ref.step}")
        whole = self.gep(pointer, offset + ref.offset)
        return self.new(f"getelementptr i8, ptr {whole}, i64 {at}"), 0

    def place(self, ref: ir.ChipRef, field: Any, index: ir.Expr | None) -> tuple[str, Any]:
        """(pointer, type) of a field or an array's element."""
        kind = field.type
        if ref.place is not None and index is None and ref.place + field.offset in self.unit.kept:
            return self.gep("%kept", 8 * self.unit.kept[ref.place + field.offset]), kind
        pointer, offset = self.chip(ref)
        if index is None:
            return self.gep(pointer, offset + field.offset), kind
        element = kind.element
        if isinstance(index, ir.Const):
            return self.gep(pointer, offset + field.offset + element.size * index.value), element
        text, found = self.value(index)
        assert found is not None
        base = self.gep(pointer, offset + field.offset)
        at = self.resize(text, found, 64)
        return self.new(f"getelementptr i{element.size * 8}, ptr {base}, i64 {at}"), element

    def memory(self, ref: ir.ChipRef, name: str, address: ir.Expr) -> str:
        """Pointer to a byte of a memory."""
        if ref.path is None:
            base = self._memory_of(ref, name)
            text, found = self.value(address)
        else:
            offset, _ = self.unit.board.memories[ref.path + name]
            text, found = self.value(address)
            base = self.gep("%root", offset)
        assert found is not None
        return self.new(f"getelementptr i8, ptr {base}, i64 {self.resize(text, found, 64)}")

    def span(self, span: ir.Span) -> str:
        """Pointer to the first of some elements."""
        if span.field is None:
            return self.memory(span.chip, span.memory, span.start)
        return self.place(span.chip, span.field, span.start)[0]

    def pointer(self, ref: ir.ChipRef) -> str:
        """Pointer to a chip."""
        return self.gep(*self.chip(ref))

    def _chosen(self, how: ir.ChipSelect | ir.ChipPick | ir.Call) -> str:
        """Pointer to a chip that is chosen here."""
        if isinstance(how, ir.Call):
            return self.called(how)[0][0]
        if isinstance(how, ir.ChipSelect):
            yes, no, after = self.label("yes"), self.label("no"), self.label("after")
            self.branch(self.test(how.condition), yes, no)
            arms = []
            for label, each in ((yes, how.a), (no, how.b)):
                self.start(label)
                pointer = self.pointer(each)
                arms.append(f"[ {pointer}, %{self.block_name} ]")
                self.jump(after)
            self.start(after)
            return self.new(f"phi ptr {', '.join(arms)}")
        places = tuple(chip.place for chip in how.chips if chip.place is not None)
        if len(places) == len(how.chips):
            text, found = self.value(ir.TableLoad(Range(min(places), max(places)), places, how.index))
            assert found is not None
            return self.new(f"getelementptr i8, ptr %root, i64 {self.resize(text, found, 64)}")
        pointers = [self.pointer(chip) for chip in how.chips]
        text, found = self.value(how.index)
        assert found is not None
        picked = pointers[0]
        for number, pointer in enumerate(pointers[1 : found.hi + 1], 1):
            here = self.new(f"icmp eq i64 {self.resize(text, found, 64)}, {number}")
            picked = self.new(f"select i1 {here}, ptr {pointer}, ptr {picked}")
        return picked

    def place_of(self, ref: ir.ChipRef) -> str:
        """The distance of a chip from the start of the state, as an i64."""
        pointer = self.new(f"ptrtoint ptr {self.pointer(ref)} to i64")
        return self.new(f"sub i64 {pointer}, {self.new('ptrtoint ptr %root to i64')}")

    def _memory_of(self, ref: ir.ChipRef, name: str) -> str:
        """Pointer to a memory of a chip that is chosen when running: it follows from the chip's place."""
        board, place = self.unit.board, self.place_of(ref)
        places = [place for cls in ir.classes_of(ref) for place in board.places(cls)]
        pairs = sorted((at, board.memories[path + name][0]) for at, path in places)
        (first, start), (last, end) = pairs[0], pairs[-1]
        steps = len(pairs) - 1
        chip_step, step = (last - first) // max(steps, 1), (end - start) // max(steps, 1)
        if pairs == [(first + i * chip_step, start + i * step) for i in range(steps + 1)]:  # as in an array
            index = self.new(f"udiv exact i64 {self.new(f'sub i64 {place}, {first}')}, {max(chip_step, 1)}")
            at = self.new(f"add i64 {self.new(f'mul i64 {index}, {step}')}, {start}")
        else:
            at = self.new(f"call i64 {self.unit.lookup(tuple(pairs))}(i64 {place})")
        return self.new(f"getelementptr i8, ptr %root, i64 {at}")
