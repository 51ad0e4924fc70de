"""Directives: what begins with a dot, and constants."""

from __future__ import annotations

import re

from softmetal.isa.assembler.forms import forms_of
from softmetal.isa.assembler.layout import TEXT, Layout, Place
from softmetal.isa.assembler.text import NAME, near, string
from softmetal.isa.expressions import ExpressionError, Unknown, evaluate
from softmetal.isa.syntax import split

IGNORED = (
    ".globl", ".global", ".local", ".weak", ".hidden", ".type", ".size", ".option", ".attribute", ".file", ".ident",
)  # fmt: skip
DIRECTIVES = (
    ".ascii", ".asciz", ".string", ".align", ".p2align", ".balign", ".space", ".skip", ".zero", ".fill", ".equ", ".set",
    ".org", ".text", ".data", ".bss", ".rodata", ".section",
)  # fmt: skip


class Directives(Layout):
    """What reads directives."""

    def directive(self, name: str, text: str) -> None:
        """A line that begins with a dot."""
        arguments = [a.strip() for a in split(text)]
        sizes = {".byte": 1, ".2byte": 2, ".half": 2, ".short": 2, ".4byte": 4, ".word": self.isa.word // 8}
        sizes |= {".long": 4, ".8byte": 8, ".dword": 8, ".quad": 8}
        if name in sizes:
            for argument in arguments:
                self.datum(sizes[name], argument)
        elif name in (".ascii", ".asciz", ".string"):
            for argument in arguments:
                made = string(argument) + (b"" if name == ".ascii" else b"\0")
                self.emit(len(made), lambda place, made=made: made)  # type: ignore[misc]
        elif name in (".align", ".p2align", ".balign"):
            self.align(name, arguments)
        elif name in (".space", ".skip", ".zero", ".fill"):
            self.fill(name, arguments)
        elif name in (".equ", ".set", ".equiv"):
            self.constant(arguments)
        elif name == ".org":
            self.org(arguments)
        elif name in (TEXT, ".data", ".bss", ".rodata"):
            self.enter(name)
        elif name == ".section":
            self.enter(arguments[0] if arguments else "")
        elif name not in IGNORED and not name.startswith(".cfi_"):
            self.fail(f"no directive {name!r}{near(name, [*sizes, *DIRECTIVES])}")

    def datum(self, size: int, text: str) -> None:
        """One value of a data directive; text in quotes as its bytes."""
        if text.startswith('"') and size == 1:
            made = string(text)
            self.emit(len(made), lambda place: made)
            return

        def make(place: Place) -> bytes:
            value = evaluate(text, place)
            if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
                raise ExpressionError(f"{text} = {value} does not fit in {size} bytes")
            return (value & (1 << 8 * size) - 1).to_bytes(size, "little")

        self.emit(size, make)

    def align(self, name: str, arguments: list[str]) -> None:
        """Fill up to a multiple."""
        amount = self.known(arguments[0] if arguments else "", "an alignment")
        if name != ".balign":
            if not 0 <= amount <= 20:
                self.fail(f"{name} {amount}: the exponent of 2 is 0..20")
            amount = 1 << amount
        if amount < 1:
            self.fail(f"{name} {amount}: a multiple is 1 or more")
        self.alignments[self.section] = max(amount, self.alignments.get(self.section, 1))
        at = self.sizes[self.section] + (self.origin if self.section == TEXT else 0)
        pad = -at % amount
        if len(arguments) > 1 and arguments[1]:
            made = bytes([self.known(arguments[1], "what fills") & 0xFF]) * pad
        else:
            made = self.nops(pad) if self.section == TEXT else bytes(pad)
        self.emit(pad, lambda place: made)

    def nops(self, size: int) -> bytes:
        """`size` bytes that do nothing; zeros in front where instructions do not fit."""
        made = b""
        for name in ("nop", "c.nop"):
            if name in forms_of(self.isa):
                one = type(self)(self.isa, 0, self.filename).assemble(name).code
                made = one * ((size - len(made)) // len(one)) + made
        return bytes(size - len(made)) + made

    def fill(self, name: str, arguments: list[str]) -> None:
        """Repeated bytes."""
        count = self.known(arguments[0] if arguments else "", "a size")
        size = self.known(arguments[1], "a size") if name == ".fill" and len(arguments) > 1 else 1
        what = arguments[2:] if name == ".fill" else arguments[1:]
        if not (0 <= count <= 1 << 28 and 1 <= size <= 8):
            self.fail(f"{name}: a count is 0..2**28, a size 1..8")
        if not what or not what[0]:
            self.emit(count * size, lambda place: bytes(count * size))
            return
        text, mask = what[0], (1 << 8 * size) - 1
        self.emit(count * size, lambda place: (evaluate(text, place) & mask).to_bytes(size, "little") * count)

    def constant(self, arguments: list[str]) -> None:
        """Give a name a value."""
        if len(arguments) != 2 or not re.fullmatch(NAME, arguments[0]):
            self.fail("a constant is written `.equ name, value` or `name = value`")
        name, text = arguments[0], arguments[1]
        if name in self.labels:
            self.fail(f"{name!r} is already a label, on line {self.labels[name][2]}")

        def make(place: Place) -> bytes:
            self.constants[name] = evaluate(text, place)
            return b""

        item = self.emit(0, make)
        try:
            make(Place(self, item.section, item.offset, item.order))
        except Unknown:
            self.constants.pop(name, None)

    def org(self, arguments: list[str]) -> None:
        """Continue at an address."""
        address = self.known(arguments[0] if arguments else "", "an address") * self.unit
        if self.section != TEXT:
            self.fail(".org belongs in .text")
        if self.sizes[TEXT] == 0:
            self.origin = address
            return
        pad = address - self.origin - self.sizes[TEXT]
        if pad < 0 or pad > 1 << 28:
            reached = (self.origin + self.sizes[TEXT]) // self.unit
            self.fail(f".org {address // self.unit:#x} is not ahead of {reached:#x} (by at most 2**28)")
        self.emit(pad, lambda place: bytes(pad))

    def enter(self, section: str) -> None:
        """Continue in a section."""
        if not section:
            self.fail("a section has a name: `.section .rodata`")
        self.section = TEXT if section.split(".")[1:2] == ["text"] else section
        self.sizes.setdefault(self.section, 0)
