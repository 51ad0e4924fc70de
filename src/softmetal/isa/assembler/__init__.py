"""The assembler: the syntax strings of an instruction table, read the other way round.

    assembly = assemble(isa, "start: addi a0, a0, 1\\n  j start", origin=0x1000)
    assembly.code, assembly.symbols["start"]

A line is `label: instruction operands` or `label: .directive`. Comments begin with `//` or `#` or stand between `/*`
and `*/`, and `;` stands between statements; but where a syntax of the table has a `#`, comments begin with `;`. Labels
that are numbers may recur: `1b` is the nearest 1 before, `1f` the nearest one after. Expressions are described in
`expressions`. Directives:

    .byte .2byte .half .4byte .word .8byte .dword   values; .word is what the table's field calls a word
    .ascii .asciz .string                           text, in UTF-8, with C's escapes; the last two end it with a 0
    .align n .p2align n, .balign n                  to a multiple of 2**n, of n bytes; in .text with nops where they fit
    .space n[, value] .zero n .fill n, size, value  repeated bytes
    .equ name, value .set name, value, name = value constants; a later one replaces it
    .org address (or * = address)                   continue there; at the beginning, start there
    .text .data .rodata .bss .section name          sections: laid one after the other, .text first

Of several forms of an instruction the shortest that can hold its operands is taken; one whose operand is a label
further down gets the longest form. In a table that writes `$`, zeros in front count: `$0012` is no address in page 0.
"""

from __future__ import annotations

from softmetal.isa.assembler.layout import Assembly, AssemblyError, SourceLine
from softmetal.isa.assembler.statements import Assembler
from softmetal.isa.table import Isa

__all__ = ["Assembly", "AssemblyError", "SourceLine", "assemble"]


def assemble(isa: Isa, text: str, origin: int = 0, filename: str = "<assembly>") -> Assembly:
    """Translate a program. Raises AssemblyError."""
    return Assembler(isa, origin * isa.unit // 8, filename).assemble(text)
