"""What one instruction becomes when its operands are known: the piece from which a JIT would build."""

from __future__ import annotations

import re
from typing import Any

from softmetal.engines.native.interpreter import Interpreter
from softmetal.isa.table import Insn, Isa
from softmetal.lang.chip import Board
from softmetal.lang.llvm import Writer
from softmetal.lang.native import optimised, target_machine


class _Single(Interpreter):
    def write(self, entry: Insn, code: int) -> str:
        """A function of the state that does the instruction; 1 if it trapped."""
        writer = Writer(self.unit)
        function = self.instance(entry.meaning)
        values = dict(zip(entry.parameters, entry.arguments(code), strict=True))
        writer.invoke(function, [], [str(values[n]) for n, _ in function.params], "trapped")
        writer.end("ret i1 false")
        if function.traps:
            writer.start("trapped")
            writer.end("ret i1 true")
        body = [*writer.slots, *writer.lines, "}\n"]
        self.unit.parts.append("\n".join(["define i1 @insn(ptr %root) nounwind {", "entry:", *body]))
        return self.unit.text()


def specialised(isa: Isa, board: type, entry: Insn, code: int) -> tuple[str, str]:
    """(LLVM IR, assembly of this host) of an instruction with its operands known. `root` is the state's start."""
    single = _Single(isa, Board.of(board))
    module: Any = optimised(single.write(entry, code))
    ir = str(module.get_function("insn"))
    text = target_machine().emit_assembly(module)
    found = re.search(r"^insn:.*?(?=^\.Lfunc_end)", text, re.M | re.S)
    assembly = found.group(0) if found else text
    return ir.strip(), "\n".join(line for line in assembly.splitlines() if not line.strip().startswith("."))
