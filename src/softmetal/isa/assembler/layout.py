"""Where everything lies: sections, labels and constants, and the two passes over what takes room in them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from softmetal.isa.assembler.text import QUOTED, near
from softmetal.isa.expressions import ExpressionError, Unknown, evaluate
from softmetal.isa.table import Isa

TEXT = ".text"
SEPARATOR = "\0"


class AssemblyError(ValueError):
    """What is wrong with a program, in one line: file, line, what, and what is accepted."""


@dataclass(frozen=True)
class SourceLine:
    """`size` bytes at `address` come from line `line` of the source."""

    address: int
    size: int
    line: int


@dataclass(frozen=True)
class Assembly:
    """A program: `code` lies at the address `origin`; `sections` gives (address, size in bytes) of each."""

    code: bytes
    origin: int
    symbols: dict[str, int]
    lines: list[SourceLine]
    sections: dict[str, tuple[int, int]]


@dataclass
class Item:
    """Something that takes room, or (size 0) a constant that is set here."""

    line: int
    order: int
    section: str
    offset: int
    size: int
    make: Callable[[Place], bytes]


@dataclass
class Place:
    """The scope of an expression (see `expressions.Scope`): where its statement stands."""

    assembler: Layout
    section: str
    offset: int
    order: int

    @property
    def bytewise(self) -> bool:
        return self.assembler.isa.order == "bytes"

    def here(self) -> int:
        return self.assembler.address(self.section, self.offset)

    def symbol(self, name: str) -> int:
        return self.assembler.symbol(name)

    def local(self, number: int, forward: bool) -> int:
        return self.assembler.local(number, forward, self.order)

    def target_of(self, address: int) -> int:
        return self.assembler.target_of(address)


@dataclass
class Layout(ABC):
    """Two passes: the first decides every size and so every address, the second makes the bytes.

    `statement`, which reads one, belongs to who derives from this.
    """

    isa: Isa
    origin: int  # and all other places, in bytes, whatever an address stands for
    filename: str
    line: int = 0
    order: int = 0
    section: str = TEXT
    final: bool = False
    sizes: dict[str, int] = field(default_factory=lambda: {TEXT: 0})
    alignments: dict[str, int] = field(default_factory=dict)
    bases: dict[str, int] = field(default_factory=dict)
    labels: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    numeric: dict[int, list[tuple[int, str, int]]] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    upper: list[tuple[Item, str]] = field(default_factory=list)  # what has a %pcrel_hi, and of what
    upper_at: dict[int, tuple[Item, str]] = field(default_factory=dict)

    # --- the passes

    def assemble(self, text: str) -> Assembly:
        """Both passes."""
        for number, line in enumerate(self.uncommented(text).split("\n"), 1):
            self.line = number
            for statement in line.split(SEPARATOR):
                self.guarded(self.statement, statement)
        return self.second_pass()

    def second_pass(self) -> Assembly:
        """Place the sections, then make every byte."""
        at = self.origin
        for name, size in self.sizes.items():
            align = max(16 if name != TEXT else 1, self.alignments.get(name, 1))
            at = -(-at // align) * align if name != TEXT else at
            self.bases[name] = at
            at += size
        self.final = True
        for item in self.items:
            if not item.size:  # constants that hang on labels, before anything uses them
                self.guarded(self.bytes_of, item)
        image = bytearray(max(self.bases[n] + s for n, s in self.sizes.items()) - self.origin)
        lines = []
        for item in self.items:
            made = self.guarded(self.bytes_of, item)
            start = self.bases[item.section] + item.offset - self.origin
            image[start : start + item.size] = made
            if item.size:
                lines.append(SourceLine((self.origin + start) // self.unit, item.size, item.line))
        symbols = {n: self.address(s, o) for n, (s, o, _) in self.labels.items()} | self.constants
        sections = {n: (self.bases[n] // self.unit, s) for n, s in self.sizes.items() if s or n == TEXT}
        end = max(self.bases[n] + s for n, (_, s) in sections.items())
        return Assembly(bytes(image[: end - self.origin]), self.origin // self.unit, symbols, lines, sections)

    def bytes_of(self, item: Item) -> bytes:
        """What an item is made of, in the second pass."""
        self.line = item.line
        return item.make(Place(self, item.section, item.offset, item.order))

    def guarded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call, and give errors their file and line."""
        try:
            return function(*arguments)
        except Unknown as unknown:
            self.fail(f"{unknown} is not known yet here; move its definition up")
        except AssemblyError:
            raise
        except ValueError as error:
            self.fail(str(error))

    def fail(self, what: str) -> NoReturn:
        """Raise the error for the current line."""
        raise AssemblyError(f"{self.filename}:{self.line}: {what}") from None

    @abstractmethod
    def statement(self, line: str) -> None:
        """One statement of the source."""

    def uncommented(self, text: str) -> str:
        """The text with comments blanked out, and SEPARATOR where a statement ends inside a line."""
        hash_is_code = any("#" in insn.syntax for insn in self.isa.insns)
        comment, between = (";", "(?!)") if hash_is_code else ("#", ";")
        pattern = re.compile(rf"({QUOTED})|({between})|/\*.*?\*/|(?:{comment}|//)[^\n]*", re.DOTALL)

        def without(found: re.Match[str]) -> str:
            return found[1] or (SEPARATOR if found[2] else "\n" * found[0].count("\n"))

        return pattern.sub(without, text.replace("\r\n", "\n"))

    def emit(self, size: int, make: Callable[[Place], bytes]) -> Item:
        """Take room for `size` bytes that the second pass makes."""
        item = Item(self.line, self.order, self.section, self.sizes[self.section], size, make)
        self.items.append(item)
        self.sizes[self.section] += size
        return item

    # --- what names mean

    def place(self) -> Place:
        """The scope at the current point of the first pass."""
        return Place(self, self.section, self.sizes[self.section], self.order)

    @property
    def unit(self) -> int:
        """Bytes that an address stands for."""
        return self.isa.unit // 8

    def address(self, section: str, offset: int) -> int:
        """Where an offset in a section lies."""
        if section != TEXT and not self.final:
            raise Unknown(f"an address in {section}")
        place = (self.bases[section] if self.final else self.origin) + offset
        if place % self.unit:
            raise ExpressionError(f"an address stands for {self.unit} bytes here, and this lies in the middle of them; align it")
        return place // self.unit

    def symbol(self, name: str) -> int:
        """A label's address or a constant's value."""
        if name in self.labels:
            section, offset, _ = self.labels[name]
            return self.address(section, offset)
        if name in self.constants:
            return self.constants[name]
        if not self.final:
            raise Unknown(repr(name))
        raise ExpressionError(f"undefined label {name!r}{near(name, [*self.labels, *self.constants])}")

    def local(self, number: int, forward: bool, order: int) -> int:
        """The nearest numeric label before or after a statement."""
        among = self.numeric.get(number, [])
        if forward:
            after = [n for n in among if n[0] > order]
            if not after and not self.final:
                raise Unknown(f"'{number}f'")
            if after:
                return self.address(*after[0][1:])
        else:
            before = [n for n in among if n[0] <= order]
            if before:
                return self.address(*before[-1][1:])
        raise ExpressionError(f"there is no label {number} {'below' if forward else 'above'}")

    def target_of(self, address: int) -> int:
        """What the %pcrel_hi of the instruction at an address leads to."""
        if not self.final:
            raise Unknown("%pcrel_lo")
        if not self.upper_at:
            self.upper_at = {self.address(item.section, item.offset): (item, text) for item, text in self.upper}
        if address in self.upper_at:
            item, text = self.upper_at[address]
            return evaluate(text, Place(self, item.section, item.offset, item.order))
        raise ExpressionError(f"%pcrel_lo takes the label of an instruction with %pcrel_hi; there is none at {address:#x}")

    def known(self, text: str, what: str) -> int:
        """A value that the first pass needs."""
        try:
            return evaluate(text, self.place())
        except Unknown as unknown:
            raise ExpressionError(f"{what} must be known here, and {unknown} is not yet") from None
