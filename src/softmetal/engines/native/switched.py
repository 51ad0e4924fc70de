"""The switched interpreter, as LLVM IR: fetch, a tree of switches, the meaning, and again.

It decodes every instruction each time it runs, through the core's own `fetch`. So it suits any table and any memory:
code that changes, code behind banks, and chips on which each fetch has its moment. Its twin in Python is the golden engine.
"""

from __future__ import annotations

from softmetal.engines.native.decoder import DecodeTree, extract
from softmetal.engines.native.frame import LEFT, PAUSED, REASON, TRAPPED
from softmetal.engines.native.interpreter import Interpreter
from softmetal.isa.table import Insn
from softmetal.lang.infer import type_range
from softmetal.lang.llvm import Writer
from softmetal.lang.ranges import Range

U64 = Range(0, (1 << 64) - 1)


class Switched(Interpreter):
    """Writes the interpreter of a table."""

    def text(self) -> str:
        writer = Writer(self.unit)
        fields = self.fields
        left = writer.slot("i64", "left")
        writer.emit(f"store i64 %budget, ptr {left}")
        count_at = writer.gep("%root", fields["count"].offset)
        moving = self.isa.fetching
        fetch = self.method("fetch")
        writer.start("next")
        some = writer.new(f"icmp sgt i64 {writer.new(f'load i64, ptr {left}')}, 0")
        writer.branch(some, "do", "paused")
        writer.start("do")
        pc = writer.load_as(writer.gep("%root", fields["pc"].offset), fields["pc"].type)
        if moving:
            writer.invoke(self.method("poll"), [], [], "trapped")

        def parcel(at: int) -> str:
            args = []
            if not moving:
                assert pc[1] is not None
                whole = writer.resize(pc[0], pc[1], 64)
                place = (writer.new(f"add i64 {whole}, {at}"), U64)
                kind = fetch.params[0][1]
                args = [writer.cut(*(place[0], 64), kind)]
            text, found = writer.invoke(fetch, [], args, "trapped")[0]
            assert found is not None
            return writer.resize(text, found, 64)

        def next_pc(size: int) -> None:
            kind = fields["next_pc"].type
            assert pc[1] is not None
            after = writer.new(f"add i64 {writer.resize(pc[0], pc[1], 64)}, {size}")
            writer.store_as(writer.gep("%root", fields["next_pc"].offset), kind, (writer.cut(after, 64, kind), type_range(kind)))

        def found(entry: Insn, code: str) -> None:
            by_name = {o.name: o for o in entry.operands}
            values: dict[str, str] = {}
            for parameter, kind in entry.parameters.items():
                source = entry.bound.get(parameter, parameter)
                if isinstance(source, int):
                    values[parameter] = str(source)
                    continue
                value = code if source == "code" else extract(writer, by_name[source], code)
                values[parameter] = writer.resize(value, U64, type_range(kind).width)
            function = self.instance(entry.meaning)
            if not moving:
                next_pc(entry.size)
            writer.invoke(function, [], [values[n] for n, _ in function.params], "trapped")
            writer.jump("done")

        def unknown(size: int, code: str) -> None:
            function = self.instance(self.isa.illegal)
            kind = function.params[0][1]
            writer.invoke(function, [], [writer.cut(code, 64, kind)], "trapped")
            writer.jump("done")

        needed = (lambda e: e.fetched) if moving else (lambda e: e.size)
        DecodeTree(writer, self.isa, parcel, found, unknown, needed).write()
        writer.start("done")
        if not moving:
            kind = fields["next_pc"].type
            writer.store_as(
                writer.gep("%root", fields["pc"].offset), fields["pc"].type,
                writer.load_as(writer.gep("%root", fields["next_pc"].offset), kind),
            )  # fmt: skip
        count = writer.new(f"load i64, ptr {count_at}")
        writer.emit(f"store i64 {writer.new(f'add i64 {count}, 1')}, ptr {count_at}")
        rest = writer.new(f"load i64, ptr {left}")
        writer.emit(f"store i64 {writer.new(f'sub i64 {rest}, 1')}, ptr {left}")
        writer.jump("next")
        for label, reason in (("trapped", TRAPPED), ("paused", PAUSED)):
            writer.start(label)
            if not moving:
                kind = fields["pc"].type
                value = writer.load_as(writer.gep("%root", fields["pc"].offset), kind)
                writer.store_as(writer.gep("%root", fields["next_pc"].offset), kind, value)
            last = writer.new(f"load i64, ptr {left}")
            writer.emit(f"store i64 {last}, ptr {writer.gep('%root', self.mailbox(LEFT))}")
            writer.emit(f"store i64 {reason}, ptr {writer.gep('%root', self.mailbox(REASON))}")
            writer.end(f"ret i64 {reason}")
        body = [*writer.slots, *writer.lines, "}\n"]
        self.unit.parts.append("\n".join(["define i64 @run(ptr %root, i64 %budget) nounwind {", "entry:", *body]))
        return self.unit.text()
