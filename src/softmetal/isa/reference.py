"""The reference page of an instruction set, in Markdown: all of it comes from the table."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

from softmetal.isa.syntax import syntax_of
from softmetal.isa.table import TOKEN, Insn, Isa

NO_BREAK = "\u00a0"


def reference(isa: Isa) -> str:
    """The page: per group a table of syntax, encoding and effect; then the meanings' source."""
    groups: dict[str, list[Insn]] = {}
    for insn in isa.insns:
        groups.setdefault(insn.group, []).append(insn)
    sources = Sources()
    lines = [f"# {isa.title or isa.name}", "", "Made from the instruction table; do not edit.", ""]
    bits = "from the most significant bit" if isa.order == "word" else "byte after byte, as they lie in memory"
    lines += [f"Encodings are written {bits}. {len(isa.insns)} instructions.", ""]
    for group, insns in groups.items():
        lines += [f"## {group or 'Instructions'}", "", "| syntax | encoding | what it does | meaning |"]
        lines += ["| --- | --- | --- | --- |"]
        for insn in insns:
            meaning = f"{insn.form_of}: " if insn.form_of else ""
            row = (
                code(syntax_of(isa, insn.syntax).readable),
                bit_row(isa, insn),
                cell(insn.doc),
                meaning + sources.name(insn, isa),
            )
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    if isa.pseudos:
        lines += ["## Pseudo-instructions", "", "| syntax | stands for |", "| --- | --- |"]
        for text, expansions in isa.pseudos:
            stands = "<br>".join(cell(inspect.getdoc(e) or "") if callable(e) else code(plain(e)) for e in expansions)
            lines.append(f"| {code(syntax_of(isa, text).readable)} | {stands} |")
        lines.append("")
    return "\n".join([*lines, *sources.section()])


def plain(text: str) -> str:
    """A pseudo-instruction's expansion, its placeholders as bare names."""
    return re.sub(r"\{(\w+)\}", r"\1", text)


def bit_row(isa: Isa, insn: Insn) -> str:
    """The pattern as a row of fields, and below it the bits where they lie (of a byte, where the code is bytes)."""
    fields = insn.pattern.split()
    widths = [width_of(insn, field) for field in fields]
    places, left = [], 0
    for width in widths:
        if isa.order == "word":
            high = 8 * insn.size - 1 - left
            places.append(f"{high}-{high - width + 1}" if width > 1 else f"{high}")
        else:
            places.append(f"byte {left // 8}")
        left += width
    wide = [max(len(f), len(p)) for f, p in zip(fields, places, strict=True)]
    rows = [" ¦ ".join(text.ljust(w) for text, w in zip(row, wide, strict=True)) for row in (fields, places)]
    return "<br>".join(code(row.replace(" ", NO_BREAK)) for row in rows)


def width_of(insn: Insn, field: str) -> int:
    """How many bits a field of the pattern has."""
    found = TOKEN.fullmatch(field)
    assert found
    if found["bits"]:
        return len(field)
    if found["seg"]:
        ends = [[int(end) for end in piece.split(":")] for piece in found["seg"].split("|")]
        return sum(end[0] - end[-1] + 1 for end in ends)
    operand = next(o for o in insn.operands if o.name == found["name"])
    return sum(s.width for s in operand.segments)


def code(text: str) -> str:
    """Text as code in a cell of a table."""
    return "`" + text.replace("|", "\\|") + "`"


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def number(value: int) -> str:
    """A bound number; a large one as its bits."""
    return str(value) if abs(value) < 0x10000 else hex(value)


class Sources:
    """The functions that the table's meanings consist of, each listed once."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionType] = {}

    def name(self, insn: Insn, isa: Isa) -> str:
        """An entry's meaning, as links to the functions it is made of."""
        bound = {p: v for p, v in insn.bound.items() if p != v}
        return self.text(insn.meaning, {p: v for p, v in bound.items() if not isa.fetching})

    def text(self, meaning: Any, bound: dict[str, Any]) -> str:
        """A function as a link to its source; a partial with what is bound."""
        given: dict[str, str] = {}
        if isinstance(meaning, partial):
            given = {k: self.text(v, {}) if callable(v) else number(v) for k, v in meaning.keywords.items()}
            meaning = meaning.func
        given |= {k: str(v) for k, v in bound.items()}
        label = self.link(meaning)
        return f"{label}({', '.join(f'{k}={v}' for k, v in given.items())})" if given else label

    def link(self, function: FunctionType) -> str:
        """A link to a function's source; functions of the same name in two modules are kept apart."""
        name = function.__name__
        number = 1
        while self.functions.setdefault(name, function) is not function:
            number += 1
            name = f"{function.__name__}-{number}"
        return f"[{function.__name__.rstrip('_')}](#source-{name.replace('_', '-')})"

    def section(self) -> Iterator[str]:
        """Every function's source, in the order of their names."""
        yield from ("## Source", "")
        for name in sorted(self.functions):
            source = inspect.getsource(self.functions[name])
            body = source[source.index("def ") :].rstrip()
            yield from (f'<a id="source-{name.replace("_", "-")}"></a>', "", "```python", body, "```", "")
