"""Codes for tests of what is derived from a table: every entry, with operands drawn at random."""

from __future__ import annotations

from softmetal.isa.syntax import Placeholder, syntax_of


def written(isa, insn):
    """Names of the operands that an entry's syntax writes."""
    syntax = syntax_of(isa, insn.syntax)
    parts = [*syntax.mnemonic, *(part for piece in syntax.pieces for part in piece.parts)]
    return {part.name for part in parts if isinstance(part, Placeholder)}


def code_of(isa, insn, bits):
    """The entry's code with `bits(n)` for each n bits of what it writes; None where that means another entry."""
    code, names = insn.match, written(isa, insn)
    for operand in insn.operands:
        for segment in operand.segments if operand.name in names else ():
            code |= bits(segment.width) << segment.place
    return code if isa.decode(code) is insn else None


def codes(isa, insn, draw, count):
    """Up to `count` codes of an entry."""
    drawn = (code_of(isa, insn, draw.getrandbits) for _ in range(50 * count))
    found = [code for code in drawn if code is not None]
    return list(dict.fromkeys(found))[:count]


def in_bytes(insn, code):
    return code.to_bytes(insn.size, "little")
