"""The switched interpreter, as LLVM IR: the table's `step`, in a loop.

It decodes every instruction each time it runs, through the core's own `fetch`. So it suits any table and any memory:
code that changes, code behind banks, and chips on which each fetch has its moment. Its twin in Python is the golden engine.
"""

from __future__ import annotations

from softmetal.engines.native.frame import LEFT, PAUSED, REASON, TRAPPED
from softmetal.engines.native.interpreter import Interpreter
from softmetal.lang.llvm import Writer, emit


class Switched(Interpreter):
    """Writes the interpreter of a table."""

    def text(self) -> str:
        writer = Writer(self.unit)
        step = self.instance(self.isa.step)
        self.unit.inlined.update(step.calls)
        left = writer.slot("i64", "left")
        writer.emit(f"store i64 %budget, ptr {left}")
        writer.start("next")
        rest = writer.new(f"load i64, ptr {left}")
        writer.branch(writer.new(f"icmp sgt i64 {rest}, 0"), "do", "paused")
        writer.start("do")
        writer.invoke(step, [], [], "trapped")
        writer.emit(f"store i64 {writer.new(f'sub i64 {rest}, 1')}, ptr {left}")
        writer.jump("next")
        for label, reason in (("trapped", TRAPPED), ("paused", PAUSED)):
            if label == "trapped" and not step.traps:
                continue
            writer.start(label)
            if not self.isa.fetching:  # the instruction that trapped has not gone on
                self.store(writer, "next_pc", self.load(writer, "pc"))
            last = writer.new(f"load i64, ptr {left}")
            writer.emit(f"store i64 {last}, ptr {writer.gep('%root', self.mailbox(LEFT))}")
            writer.emit(f"store i64 {reason}, ptr {writer.gep('%root', self.mailbox(REASON))}")
            writer.end(f"ret i64 {reason}")
        body = [*writer.slots, *writer.lines, "}\n"]
        self.unit.parts.append("\n".join(["define i64 @run(ptr %root, i64 %budget) nounwind {", "entry:", *body]))
        return emit(self.unit)
