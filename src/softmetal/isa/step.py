"""A table as one function in hardware Python: `step(core)` runs the instruction at the program counter.

A board calls it for a processor that is one of its chips (`isa.step`), as it calls any function; the switched engine compiles it
in a loop. It is written from the table's decision tree.

It does what the golden engine's `step` does: the core's `poll()`, where the table says `fetching`; the code, parcel by parcel,
through the core's `fetch`; the meaning with its operands; `pc` and `count`. A trap leaves it where it is raised.
"""

from __future__ import annotations

import hashlib
import linecache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from softmetal.isa.tree import Entry, Node, Switch, Unknown, tree
from softmetal.lang import types
from softmetal.lang.source import described

if TYPE_CHECKING:
    from softmetal.isa.table import Insn, Isa, Operand


def step_of(isa: Isa) -> FunctionType:
    """The function."""
    filename, text, names = _registered(isa)
    names["__name__"] = isa.core.__module__
    exec(compile(text, filename, "exec", dont_inherit=True), names)
    made: FunctionType = names["step"]
    return made


def register(isa: Isa) -> None:
    """Make the source available, as a file's is, so that the cache can compare it with what was compiled before."""
    _registered(isa)


def _registered(isa: Isa) -> tuple[str, str, dict[str, Any]]:
    text, names = _Writer(isa).text()
    filename = f"<step of {isa.name}, {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return filename, text, names


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
        self._node(1, tree(isa), 0)
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

    def _node(self, depth: int, node: Node, known: int) -> None:
        """`known` bits of the code are in the variable of that name."""
        isa, have = self.isa, node.have
        for at in range(known, have, isa.parcel):
            place = f"core.pc + {at // isa.unit}" if at else "core.pc"
            fetch = f"core.fetch({'' if isa.fetching else place})"
            code = f"code{at} | {fetch} << {at}" if at else fetch
            self._line(depth, f"code{at + isa.parcel}: {self._type(f'u{at + isa.parcel}')} = {code}")
        match node:
            case Unknown():
                self._line(depth, f"{self._meaning(isa.illegal)}(core, code{have})")
            case Switch(low=low, width=width):
                shifted = f"code{have} >> {low}" if low else f"code{have}"
                self._line(depth, f"match {shifted} & {(1 << width) - 1:#x}:")
                for value, inside in node.arms.items():
                    self._line(depth + 1, f"case {value:#x}:")
                    self._node(depth + 2, inside, have)
                if node.other:
                    self._line(depth + 1, "case _:")
                    self._node(depth + 2, node.other, have)
            case Entry(insn=insn):
                if node.rest is None:
                    self._found(depth, insn, have)
                    return
                tests = [f"code{have} & {insn.mask:#x} == {insn.match:#x}"] if node.fixed else []
                tests += [f"{self._operand(o, have)} != 0" for o in insn.operands if o.nonzero]
                tests += [f"core.{field} == {value}" for field, value in insn.when.items()]
                self._line(depth, f"if {' and '.join(tests)}:")
                self._found(depth + 1, insn, have)
                self._line(depth, "else:")
                self._node(depth + 1, node.rest, have)

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
