"""A function's body: statements of the typed tree, as LLVM IR."""

from __future__ import annotations

from typing import Any

from softmetal.lang import ir
from softmetal.lang.chip import layout_of
from softmetal.lang.llvm.unit import Typed, Unit, llvm_type, type_of
from softmetal.lang.llvm.values import Values
from softmetal.lang.llvm.writer import result_type, results_by_pointer
from softmetal.lang.ranges import type_range


class Body(Values):
    """One function."""

    def __init__(self, unit: Unit, function: ir.Function) -> None:
        super().__init__(unit, function)
        self.loops: list[tuple[str, str]] = []

    def _head(self, linkage: str) -> str:
        function = self.function
        params = ["ptr %root"]
        if self.unit.touches(function):
            params.append("ptr %kept")
        params += [f'ptr %"chip.{n}"' for n, c in function.chips if c.place is None]
        params += [f'{llvm_type(k)} %"arg.{n}"' for n, k in function.params]
        if results_by_pointer(function):
            params += [f"ptr %result.{i}" for i in range(len(function.results))]
        return f"{linkage} {result_type(function)} {self.unit.names[function]}({', '.join(params)}) nounwind"

    def declaration(self) -> str:
        """The function, compiled elsewhere."""
        return self._head("declare hidden") + "\n"

    def text(self, linkage: str, attributes: str) -> str:
        """The function."""
        function = self.function
        self.vars = {n: (self.slot(type_of(r), n), r) for n, r in function.locals.items()}
        for name, kind in function.params:
            self._set(name, (f'%"arg.{name}"', type_range(kind)))
        self.block(function.body)
        if not self.done:
            if function.results:
                self.end("unreachable")  # the checker saw a return or a trap on every way
            else:
                self._return([])
        if self.trap_block:
            self.start(self.trap_block)
            kind = result_type(function)
            self.end(f"ret {kind} {self._struct(kind, ['true']) if kind.startswith('{') else 'true'}")
        head = f"{self._head(f'define {linkage}')} {attributes} {{"
        return "\n".join([head, "entry:", *self.slots, *self.lines, "}\n"])

    def _return(self, values: list[Typed]) -> None:
        texts = []
        for (text, found), want in zip(values, self.function.results, strict=True):
            texts.append(text if found is None else self.resize(text, found, type_range(want).width))
        result = result_type(self.function)
        if result.startswith("{"):
            self.end(f"ret {result} {self._struct(result, ['false'] * self.function.traps + texts)}")
            return
        if results_by_pointer(self.function):
            for i, (text, kind) in enumerate(zip(texts, self.function.results, strict=True)):
                self.emit(f"store {llvm_type(kind)} {text}, ptr %result.{i}")
        if self.function.traps:
            self.end("ret i1 false")
        elif len(texts) == 1:
            self.end(f"ret {result} {texts[0]}")
        else:
            self.end("ret void")

    def _struct(self, kind: str, values: list[str]) -> str:
        """A struct of which the first fields have these values."""
        made = "poison"
        for i, (value, part) in enumerate(zip(values, kind.strip("{}").split(", "), strict=False)):
            made = self.new(f"insertvalue {kind} {made}, {part} {value}, {i}")
        return made

    # -- statements

    def block(self, body: list[Any]) -> None:
        for statement in body:
            getattr(self, "do_" + type(statement).__name__)(statement)

    def do_SetLocal(self, node: ir.SetLocal) -> None:
        self._set(node.name, self.value(node.value))

    def do_SetChip(self, node: ir.SetChip) -> None:
        self.emit(f"store ptr {self.pointer(node.chip)}, ptr {self.vars[node.name][0]}")

    def do_SetField(self, node: ir.SetField) -> None:
        value = self.value(node.value)
        pointer, kind = self.place(node.chip, node.field, node.index)
        self.store_as(pointer, kind, value)
        mark = self.unit.marks.get((node.chip.place or 0) + node.field.offset) if self.unit.marks else None
        if mark is not None and node.chip.place is not None and node.index is None:
            self.emit(f"store i64 1, ptr {self.gep('%kept', 8 * mark)}")

    def do_CopyChip(self, node: ir.CopyChip) -> None:
        (to, to_offset), (source, source_offset) = self.chip(node.chip), self.chip(node.source)
        self._kept_in(node.source, node.size, to_memory=True)
        copy = self.unit.intrinsic("llvm.memmove.p0.p0.i64", "void", "ptr", "ptr", "i64", "i1")
        to, source = self.gep(to, to_offset), self.gep(source, source_offset)
        self.emit(f"call void {copy}(ptr {to}, ptr {source}, i64 {node.size}, i1 false)")
        self._kept_in(node.chip, node.size, to_memory=False)

    def do_CopySpan(self, node: ir.CopySpan) -> None:
        copy = self.unit.intrinsic("llvm.memmove.p0.p0.i64", "void", "ptr", "ptr", "i64", "i1")
        source, to = self.span(node.source), self.span(node.to)
        self.emit(f"call void {copy}(ptr {to}, ptr {source}, i64 {node.to.count * node.to.element.size}, i1 false)")

    def _kept_in(self, ref: ir.ChipRef, size: int, to_memory: bool) -> None:
        """Bring kept fields of a chip to where they rest, or back."""
        if ref.place is None:
            return
        kinds = {f.offset: f.type for f in layout_of(self.unit.board.cls).fields.values()}
        for offset, slot in self.unit.kept.items():
            if ref.place <= offset < ref.place + size:
                here, there = self.gep("%kept", 8 * slot), self.gep("%root", offset)
                source, to = (here, there) if to_memory else (there, here)
                self.store_as(to, kinds[offset], self.load_as(source, kinds[offset]))

    def do_SetMemory(self, node: ir.SetMemory) -> None:
        value = self.value(node.value)
        self.store_as(self.memory(node.chip, node.memory, node.address), node.type, value, align=1)

    def do_Unpack(self, node: ir.Unpack) -> None:
        results = self.called(node.call)
        for name, value in zip(node.names, results, strict=True):
            self._set(name, value)

    def do_Fence(self, node: ir.Fence) -> None:
        self.emit("fence seq_cst")

    def do_Do(self, node: ir.Do) -> None:
        if isinstance(node.value, ir.Call):
            self.called(node.value)
        else:
            self.value(node.value)

    def do_If(self, node: ir.If) -> None:
        then, other = self.label("then"), self.label("else")
        self.branch(self.test(node.condition), then, other)
        self._ways([(then, node.then), (other, node.other)])

    def do_While(self, node: ir.While) -> None:
        head, body, after = self.label("while"), self.label("body"), self.label("after")
        self.start(head)
        self.branch(self.test(node.condition), body, after)
        self.start(body)
        self.loops.append((head, after))
        self.block(node.body)
        self.loops.pop()
        if not self.done:
            self.jump(head)
        self.start(after)

    def do_For(self, node: ir.For) -> None:
        bits = node.counter.width
        counter = self.slot(f"i{bits}", "counter")
        start, start_range = self.value(node.start)
        stop, stop_range = self.value(node.stop)
        assert start_range is not None
        assert stop_range is not None
        self.emit(f"store i{bits} {self.resize(start, start_range, bits)}, ptr {counter}")
        head, body, more, after = (self.label(n) for n in ("for", "body", "next", "after"))
        self.start(head)
        now = self.new(f"load i{bits}, ptr {counter}")
        test = self._compare("<" if node.step > 0 else ">", (now, node.counter), (stop, stop_range))
        self.branch(test, body, after)
        self.start(body)
        self._set(node.name, (now, node.counter))
        self.loops.append((more, after))
        self.block(node.body)
        self.loops.pop()
        self.start(more)
        old = self.new(f"load i{bits}, ptr {counter}")
        self.emit(f"store i{bits} {self.new(f'add i{bits} {old}, {node.step}')}, ptr {counter}")
        self.jump(head)
        self.start(after)

    def do_Switch(self, node: ir.Switch) -> None:
        text, found = self.value(node.value)
        assert found is not None
        default = self.label("default")
        labels = [self.label("case") for _ in node.cases]
        arms = " ".join(
            f"i{found.width} {v}, label %{label}" for (vs, _), label in zip(node.cases, labels, strict=True) for v in vs
        )
        self.end(f"switch i{found.width} {text}, label %{default} [{arms}]")
        bodies = [(label, body) for label, (_, body) in zip(labels, node.cases, strict=True)]
        self._ways([*bodies, (default, node.default)])

    def do_ChipSwitch(self, node: ir.ChipSwitch) -> None:
        """A chip's place says of which class it is."""
        groups = [[place for cls in classes for place, _ in self.unit.board.places(cls)] for classes, _ in node.ways]
        labels = [self.label("class") for _ in node.ways]
        most = max(range(len(groups)), key=lambda i: len(groups[i]))
        arms = " ".join(f"i64 {at}, label %{labels[i]}" for i, group in enumerate(groups) if i != most for at in group)
        self.end(f"switch i64 {self.place_of(node.chip)}, label %{labels[most]} [{arms}]")
        self._ways([(label, body) for label, (_, body) in zip(labels, node.ways, strict=True)])

    def _ways(self, bodies: list[tuple[str, list[Any]]]) -> None:
        """Blocks of which one runs, and the block where those that come to their end meet."""
        after = self.label("after")
        live = False
        for label, body in bodies:
            self.start(label)
            self.block(body)
            live |= not self.done
            if not self.done:
                self.jump(after)
        if live:
            self.start(after)

    def do_Return(self, node: ir.Return) -> None:
        self._return([(self.pointer(v), None) if isinstance(v, ir.ChipRef) else self.value(v) for v in node.values])

    def do_Raise(self, node: ir.Raise) -> None:
        values = [self.value(a) for a in node.args]
        box = self.unit.board.mailbox
        for i, (text, found) in enumerate(values):
            assert found is not None
            self.emit(f"store i64 {self.resize(text, found, 64)}, ptr {self.gep('%root', box + 8 + 8 * i)}")
        self.emit(f"store i64 {self.unit.trap_number(node.trap)}, ptr {self.gep('%root', box)}")
        self._to_trap()

    def _to_trap(self) -> None:
        if not self.trap_block:
            self.trap_block = self.label("trap")
        self.jump(self.trap_block)

    def do_Break(self, node: ir.Break) -> None:
        self.jump(self.loops[-1][1])

    def do_Continue(self, node: ir.Continue) -> None:
        self.jump(self.loops[-1][0])
