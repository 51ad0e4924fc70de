"""The ways to write an instruction, by mnemonic: the syntax strings of a table and its pseudo-instructions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.isa.syntax import Syntax, syntax_of
from softmetal.isa.table import Insn, Isa


@dataclass(frozen=True)
class Form:
    """A way to write an instruction: an entry of the table, or a pseudo-instruction and what it stands for."""

    syntax: Syntax
    insn: Insn | None
    given: dict[str, int]
    expansions: tuple[Any, ...] = ()


def forms_of(isa: Isa) -> dict[str, list[Form]]:
    """Every mnemonic's forms: entries before pseudo-instructions, the more fixed text the earlier, then the shorter."""
    key = (len(isa.insns), len(isa.pseudos))
    kept = isa.__dict__.get("_forms")
    if kept and kept[0] == key:
        known: dict[str, list[Form]] = kept[1]
        return known
    found: dict[str, list[Form]] = {}
    for insn in isa.insns:
        for name, given in syntax_of(isa, insn.syntax).mnemonics():
            found.setdefault(name, []).append(Form(syntax_of(isa, insn.syntax), insn, given))
    for text, expansions in isa.pseudos:
        for name, given in syntax_of(isa, text).mnemonics():
            found.setdefault(name, []).append(Form(syntax_of(isa, text), None, given, expansions))
    for forms in found.values():
        forms.sort(key=lambda f: (f.insn is None, -f.syntax.literals, f.insn.size if f.insn else 0))
    isa.__dict__["_forms"] = (key, found)
    return found
