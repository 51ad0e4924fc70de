"""The interpreter of a board that runs its CPUs itself: its own method `advance`, compiled, and what the host calls.

Its twin in Python is `WholeGoldenEngine`.
"""

from __future__ import annotations

from softmetal.engines.native.frame import LEFT, PAUSED, REASON, TRAPPED
from softmetal.engines.native.interpreter import Interpreter
from softmetal.lang.llvm import Writer, emit


class Whole(Interpreter):
    """Writes `run(root, budget, horizon)` for a board that is `Itself` (see `isa.decoding`)."""

    def text(self) -> str:
        writer = Writer(self.unit)
        left = writer.gep("%root", self.mailbox(LEFT))
        reason = writer.gep("%root", self.mailbox(REASON))
        writer.emit(f"store i64 %budget, ptr {left}")
        done = self.called(writer, "advance", ["%budget", "%horizon"], "trapped")
        writer.emit(f"store i64 {writer.new(f'sub i64 %budget, {done}')}, ptr {left}")
        writer.emit(f"store i64 {PAUSED}, ptr {reason}")
        writer.end(f"ret i64 {PAUSED}")
        if self.method("advance").traps:
            writer.start("trapped")
            writer.emit(f"store i64 {TRAPPED}, ptr {reason}")
            writer.end(f"ret i64 {TRAPPED}")
        head = "define i64 @run(ptr align 4096 %root, i64 %budget, i64 %horizon) nounwind {"
        self.unit.parts.append("\n".join([head, "entry:", *writer.slots, *writer.lines, "}\n"]))
        self.unit.parts += [self.host_entry(name) for name in self.board.cls.ENTRIES]  # type: ignore[attr-defined]
        return emit(self.unit)
