"""A table as one function in hardware Python: `step(core)` runs the instruction at the program counter.

A board calls it for a processor that is one of its chips (`isa.step`), as it calls any function; the switched engine compiles it
in a loop. It is written from the patterns: `match` on the bits that tell the entries apart, the longest run of them first.

It does what the golden engine's `step` does: the core's `poll()`, where the table says `fetching`; the code, parcel by parcel,
through the core's `fetch`; the meaning with its operands; `pc` and `count`. A trap leaves it where it is raised.
"""

from __future__ import annotations

import hashlib
import linecache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from softmetal.lang import types
from softmetal.lang.source import described

if TYPE_CHECKING:
    from softmetal.isa.table import Insn, Isa, Operand

SWITCH_BITS = 10
"""The most bits that one `match` looks at."""


def step_of(isa: Isa) -> FunctionType:
    """The function."""
    filename, text, names = _registered(isa)
    names["__name__"] = isa.core.__module__
    exec(compile(text, filename, "exec", dont_inherit=True), names)
    made: FunctionType = names["step"]
    return made


def register(isa: Isa) -> None:
    """Let the source be at hand, as a file's is, for whoever compares it with what was compiled before."""
    _registered(isa)


def _registered(isa: Isa) -> tuple[str, str, dict[str, Any]]:
    text, names = _Writer(isa).text()
    filename = f"<step of {isa.name}, {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return filename, text, names


def longest_run(bits: int) -> tuple[int, int]:
    """(lowest bit, width) of the longest run of ones, SWITCH_BITS wide at the most."""
    best = (0, 0)
    at = 0
    while bits >> at:
        if bits >> at & 1:
            width = 0
            while bits >> (at + width) & 1 and width < SWITCH_BITS:
                width += 1
            if width > best[1]:
                best = (at, width)
            at += width
        else:
            at += 1
    return best


class _Writer:
    def __init__(self, isa: Isa) -> None:
        self.isa = isa
        self.lines: list[str] = []
        self.meanings: dict[Any, str] = {}
        self.names: dict[str, Any] = {"Core": isa.core}

    def text(self) -> tuple[str, dict[str, Any]]:
        """The source, and the names that it uses."""
        isa = self.isa
        self._line(1, "core.poll()" if isa.fetching else "core.next_pc = core.pc")
        self._node(1, isa.by_specificity, 0, 0)
        if not isa.fetching:
            self._line(1, "core.pc = core.next_pc")
        self._line(1, "core.count += 1")
        known = [f"# {name} is {described(meaning)}" for meaning, name in self.meanings.items()]
        return "\n".join([*known, "", "def step(core: Core) -> None:", *self.lines, ""]), self.names

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def _type(self, name: str) -> str:
        self.names[name] = getattr(types, name)
        return name

    def _meaning(self, meaning: Any) -> str:
        if meaning not in self.meanings:
            name = self.meanings[meaning] = f"meaning{len(self.meanings)}"
            self.names[name] = meaning
        return self.meanings[meaning]

    def _needed(self, entry: Insn) -> int:
        return entry.fetched if self.isa.fetching else entry.size

    def _node(self, depth: int, entries: list[Insn], have: int, tested: int) -> None:
        """`have` bits of the code are known, in the variable of that name; those of `tested` were looked at."""
        isa = self.isa
        if not entries:
            self._line(depth, f"{self._meaning(isa.illegal)}(core, code{have})")
            return
        while not have or min(map(self._needed, entries)) * 8 > have:
            place = f"core.pc + {have // isa.unit}" if have else "core.pc"
            fetch = f"core.fetch({'' if isa.fetching else place})"
            code = f"code{have} | {fetch} << {have}" if have else fetch
            have += isa.parcel
            self._line(depth, f"code{have}: {self._type(f'u{have}')} = {code}")
        common = (1 << have) - 1 & ~tested
        for entry in entries:
            common &= entry.mask
        if len(entries) > 1 and common:
            self._match(depth, entries, have, tested, *longest_run(common))
            return
        first, rest = entries[0], entries[1:]
        tests = [f"code{have} & {first.mask:#x} == {first.match:#x}"] if first.mask & ~tested else []
        tests += [f"{self._operand(o, have)} != 0" for o in first.operands if o.nonzero]
        tests += [f"core.{field} == {value}" for field, value in first.when.items()]
        if not tests:
            self._found(depth, first, have)
            return
        self._line(depth, f"if {' and '.join(tests)}:")
        self._found(depth + 1, first, have)
        self._line(depth, "else:")
        self._node(depth + 1, rest, have, tested)

    def _match(self, depth: int, entries: list[Insn], have: int, tested: int, low: int, width: int) -> None:
        mask = (1 << width) - 1
        shifted = f"code{have} >> {low}" if low else f"code{have}"
        self._line(depth, f"match {shifted} & {mask:#x}:")
        values = sorted({e.match >> low & mask for e in entries})
        for value in values:
            self._line(depth + 1, f"case {value:#x}:")
            self._node(depth + 2, [e for e in entries if e.match >> low & mask == value], have, tested | mask << low)
        if len(values) <= mask:
            self._line(depth + 1, "case _:")
            self._node(depth + 2, [], have, tested)

    def _found(self, depth: int, entry: Insn, have: int) -> None:
        by_name = {o.name: o for o in entry.operands}
        arguments = ["core"]
        for parameter in entry.parameters:
            source = entry.bound.get(parameter, parameter)
            if isinstance(source, int):
                arguments.append(str(source))
            else:
                arguments.append(f"code{have}" if source == "code" else self._operand(by_name[source], have))
        if not self.isa.fetching:
            self._line(depth, f"core.next_pc = core.pc + {entry.size * 8 // self.isa.unit}")
        self._line(depth, f"{self._meaning(entry.meaning)}({', '.join(arguments)})")

    def _operand(self, operand: Operand, have: int) -> str:
        """The operand's value, as an expression of the code."""
        parts = []
        for s in operand.segments:
            part = f"code{have} >> {s.place}" if s.place else f"code{have}"
            part = f"{part} & {(1 << s.width) - 1:#x}" if s.place + s.width < have else part
            parts.append(f"({part}) << {s.at}" if s.at else f"({part})" if s.place + s.width < have or s.place else part)
        value = " | ".join(parts)
        if operand.signed:
            value = f"{self._type(f's{operand.bits}')}({value})"
        elif len(parts) > 1:
            value = f"({value})"
        return f"{value} + {operand.add}" if operand.add else value
