"""What one instruction becomes when its operands are known: the piece from which a compiler of hot code builds.

It refers to the interpreter's code: functions that stand apart are called where they are, and not compiled again.
"""

from __future__ import annotations

import re
from typing import Any

from softmetal.engines.native.engine import NativeEngine, form, load
from softmetal.engines.native.interpreter import KEPT, Interpreter
from softmetal.isa.table import Insn, Isa
from softmetal.lang import ir
from softmetal.lang.chip import Board, trap_class
from softmetal.lang.llvm import Writer, emit
from softmetal.lang.llvm.target import compile_ir, optimised, target_machine
from softmetal.lang.loader import Library


class Single(Interpreter):
    """One instruction, for a board whose interpreter has been compiled."""

    def write(self, entry: Insn, code: int) -> str:
        """A function `insn` of the state that does the instruction; 1 if it trapped."""
        writer = Writer(self.unit)
        function = self.instance(entry.meaning)
        values = dict(zip(entry.parameters, entry.arguments(code), strict=True))
        slots = writer.slot(f"[{self.unit.places} x i64]", "kept") if self.kept else ""
        for i, name in enumerate(self.kept):
            writer.emit(f"store i64 {self.load(writer, name)}, ptr {writer.gep(slots, 8 * i)}")

        def end(trapped: str) -> None:
            for i, name in enumerate(self.kept):
                self.store(writer, name, writer.new(f"load i64, ptr {writer.gep(slots, 8 * i)}"))
            writer.end(f"ret i1 {trapped}")

        writer.invoke(function, [], [str(values[n]) for n, _ in function.params], "trapped", slots)
        end("false")
        if function.traps:
            writer.start("trapped")
            end("true")
        body = [*writer.slots, *writer.lines, "}\n"]
        self.unit.parts.append("\n".join(["define i1 @insn(ptr %root) nounwind {", "entry:", *body]))
        return emit(self.unit)


def single(isa: Isa, cls: type) -> Single:
    """The writer of single instructions for a board. Its interpreter is compiled first, if it is not in the cache."""
    kind = form(cls).kind
    facts = load(isa, cls, kind).facts
    functions = {symbol: ir.Outside(*outside) for symbol, outside in facts["functions"].items()}
    kept = () if kind == "Switched" else KEPT
    return Single(isa, Board.of(cls), kept, functions, [trap_class(*t) for t in facts["traps"]])


def specialised(isa: Isa, cls: type, entry: Insn, code: int) -> tuple[str, str]:
    """(LLVM IR, assembly of this host) of an instruction with its operands known. `root` is the state's start."""
    module: Any = optimised(single(isa, cls).write(entry, code))
    text = str(module.get_function("insn"))
    made = target_machine().emit_assembly(module)
    found = re.search(r"^insn:.*?(?=^\.Lfunc_end)", made, re.M | re.S)
    assembly = found.group(0) if found else made
    return text.strip(), "\n".join(line for line in assembly.splitlines() if not line.strip().startswith("."))


def linked(engine: NativeEngine, entry: Insn, code: int) -> Library:
    """The same as native code of this process, `insn(root)`, which calls what the engine's interpreter exports."""
    text = single(engine.isa, type(engine.core)).write(entry, code)
    return Library(compile_ir(text), ["insn"], engine.functions)
