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

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from softmetal.isa.expressions import ESCAPES, ExpressionError, Unknown, evaluate, sign
from softmetal.isa.syntax import (
    FIELDS,
    OperandError,
    Placeholder,
    Syntax,
    address_bits,
    encode,
    register_names,
    split,
    syntax_of,
)
from softmetal.isa.table import Insn, Isa, Operand

NAME = r"[A-Za-z_.][\w.$]*"
LABEL = re.compile(rf"\s*({NAME}|\d+)\s*:(?!:)")
ASSIGNMENT = re.compile(rf"({NAME}|\*)\s*=(?!=)(.*)")
QUOTED = r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])'"
STRING_PART = re.compile(r"\\x([0-9a-fA-F]{1,2})|\\([0-7]{1,3})|\\(.)|([^\\]+)", re.DOTALL)
IGNORED = (
    ".globl", ".global", ".local", ".weak", ".hidden", ".type", ".size", ".option", ".attribute", ".file", ".ident",
)  # fmt: skip
DIRECTIVES = (
    ".ascii", ".asciz", ".string", ".align", ".p2align", ".balign", ".space", ".skip", ".zero", ".fill", ".equ", ".set",
    ".org", ".text", ".data", ".bss", ".rodata", ".section",
)  # fmt: skip
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
    """A program: `code` lies at `origin`; `sections` gives (address, size) of each."""

    code: bytes
    origin: int
    symbols: dict[str, int]
    lines: list[SourceLine]
    sections: dict[str, tuple[int, int]]


def assemble(isa: Isa, text: str, origin: int = 0, filename: str = "<assembly>") -> Assembly:
    """Translate a program. Raises AssemblyError."""
    return _Assembler(isa, origin, filename).assemble(text)


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

    assembler: _Assembler
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
class _Assembler:
    """Two passes: the first decides every size and so every address, the second makes the bytes."""

    isa: Isa
    origin: int
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
            address = self.address(item.section, item.offset)
            image[address - self.origin : address - self.origin + item.size] = made
            if item.size:
                lines.append(SourceLine(address, item.size, item.line))
        symbols = {n: self.address(s, o) for n, (s, o, _) in self.labels.items()} | self.constants
        sections = {n: (self.bases[n], s) for n, s in self.sizes.items() if s or n == TEXT}
        end = max(a + s for a, s in sections.values())
        return Assembly(bytes(image[: end - self.origin]), self.origin, symbols, lines, sections)

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

    def uncommented(self, text: str) -> str:
        """The text with comments blanked out, and SEPARATOR where a statement ends inside a line."""
        hash_is_code = any("#" in insn.syntax for insn in self.isa.insns)
        comment, between = (";", "(?!)") if hash_is_code else ("#", ";")
        pattern = re.compile(rf"({QUOTED})|({between})|/\*.*?\*/|(?:{comment}|//)[^\n]*", re.DOTALL)

        def without(found: re.Match[str]) -> str:
            return found[1] or (SEPARATOR if found[2] else "\n" * found[0].count("\n"))

        return pattern.sub(without, text.replace("\r\n", "\n"))

    # --- what names mean

    def place(self) -> Place:
        """The scope at the current point of the first pass."""
        return Place(self, self.section, self.sizes[self.section], self.order)

    def address(self, section: str, offset: int) -> int:
        """Where an offset in a section lies."""
        if self.final:
            return self.bases[section] + offset
        if section != TEXT:
            raise Unknown(f"an address in {section}")
        return self.origin + offset

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

    # --- statements

    def statement(self, line: str) -> None:
        """One statement of the source."""
        self.order += 1
        while found := LABEL.match(line):
            self.label(found[1])
            line = line[found.end() :]
        line = line.strip()
        if not line:
            return
        if found := ASSIGNMENT.fullmatch(line):
            if found[1] == "*":
                self.org([found[2]])
            else:
                self.constant([found[1], found[2]])
            return
        name, _, operands = re.sub(r"\s", " ", line).partition(" ")
        if name.startswith(".") and name.lower() not in forms_of(self.isa):
            self.directive(name.lower(), operands.strip())
        else:
            self.instruction(name, operands, 0)

    def label(self, name: str) -> None:
        """Define a label at this point."""
        if name.isdigit():
            self.numeric.setdefault(int(name), []).append((self.order, self.section, self.sizes[self.section]))
            return
        if name in self.labels:
            self.fail(f"label {name!r} is already defined on line {self.labels[name][2]}")
        if name in self.constants:
            self.fail(f"{name!r} is already a constant")
        self.labels[name] = (self.section, self.sizes[self.section], self.line)

    def emit(self, size: int, make: Callable[[Place], bytes]) -> Item:
        """Take room for `size` bytes that the second pass makes."""
        item = Item(self.line, self.order, self.section, self.sizes[self.section], size, make)
        self.items.append(item)
        self.sizes[self.section] += size
        return item

    # --- instructions

    def instruction(self, name: str, operands: str, depth: int) -> None:
        """One instruction or pseudo-instruction."""
        forms = forms_of(self.isa).get(name.lower())
        if not forms:
            self.fail(f"no instruction {name!r} in {self.isa.name}{near(name.lower(), forms_of(self.isa))}")
        pieces = [p.strip() for p in split(operands)]
        fits: list[tuple[Form, dict[Placeholder, str]]] = []
        reasons: list[str] = []
        for form in forms:
            if fits and form.insn is None:
                break
            texts = form.syntax.match(pieces)
            reason = self.misfit(texts) if texts is not None else ""
            if texts is not None and not reason:
                fits.append((form, texts))
            elif reason:
                reasons.append(reason)
        if not fits:
            shapes = " or ".join(dict.fromkeys(f"`{f.syntax.readable}`" for f in forms))
            line = f"{name} {operands.strip()}".strip()
            self.fail(reasons[0] if reasons else f"cannot read `{line}`; {name} is written {shapes}")
        form, texts = fits[0]
        if form.insn is None:
            self.expand(form, texts, depth)
            return
        same = [f for f in fits if f[0].insn and f[0].syntax.literals == form.syntax.literals]
        form, texts = self.choose(same)
        item = self.emit(form.insn.size, lambda place: self.encoded(form, texts, place))  # type: ignore[union-attr]
        for text in texts.values():
            if found := re.search(r"%pcrel_hi\s*\((.*)\)", text):
                self.upper.append((item, found[1]))

    def misfit(self, texts: dict[Placeholder, str]) -> str:
        """Why texts cannot be what their placeholders want, or nothing."""
        for p, text in texts.items():
            if p.form in self.isa.registers:
                names = register_names(self.isa, p.form)
                if text.lower() not in names:
                    hint = near(text.lower(), names, 0.5)
                    return f"{text!r} is no {p.form} register{hint}"
            elif self.isa.order == "bytes" and enclosed(text):
                return f"no form of this instruction takes {text!r}; parentheses around all of it mean a pointer"
        return ""

    def choose(self, fits: list[tuple[Form, dict[Placeholder, str]]]) -> tuple[Form, dict[Placeholder, str]]:
        """The first form that can hold its operands; where they are not known, the longest."""
        unknown, reasons = [], []
        for form, texts in fits:
            try:
                self.encoded(form, texts, self.place())
            except Unknown:
                unknown.append((form, texts))
            except OperandError as reason:
                reasons.append(reason)
            else:
                return form, texts
        if unknown:
            return max(unknown, key=lambda f: f[0].insn.size if f[0].insn else 0)
        raise reasons[-1]

    def encoded(self, form: Form, texts: dict[Placeholder, str], place: Place) -> bytes:
        """The bytes of an instruction."""
        insn = form.insn
        assert insn is not None
        operands = {o.name: o for o in insn.operands}
        values = dict(form.given)
        for p in form.syntax.pieces:
            for placeholder in p.placeholders:
                operand = operands[placeholder.name]
                if placeholder in texts:
                    value = self.value(placeholder, operand, texts[placeholder], place, insn)
                else:
                    value = self.isa.names[placeholder.form][""]
                values[placeholder.name] = value
        for name, value in values.items():  # names are given to bits, whatever their sign
            if operands[name].signed and value >> operands[name].bits - 1 == 1:
                values[name] = sign(value, operands[name].bits)
        try:
            return encode(self.isa, insn, values).to_bytes(insn.size, "little")
        except OperandError as error:
            raise OperandError(f"{insn.name}: {error}") from None

    def value(self, p: Placeholder, operand: Operand, text: str, place: Place, insn: Insn) -> int:
        """An operand's value. Raises OperandError where the text cannot be one."""
        isa = self.isa
        if p.form in isa.registers:
            return register_names(isa, p.form)[text.lower()]
        if p.form in isa.names and text.lower() in isa.names[p.form]:
            return isa.names[p.form][text.lower()]
        digits = re.fullmatch(r"(?:\$|0x)(0[0-9a-fA-F]+)", text) if isa.hex == "$" and not p.base else None
        if digits and 4 * len(digits[1]) > -(-operand.bits // 8) * 8:
            raise OperandError(f"{insn.name}: {text} has more digits than {p.name} can have")
        try:
            value = evaluate(text, place) if text else 0
        except ExpressionError as error:
            if p.form in isa.names and re.fullmatch(NAME, text):
                raise OperandError(f"{text!r} is none of {', '.join(filter(None, isa.names[p.form]))}") from None
            raise error from None
        if p.base:
            return self.distance(p, operand, value, place, insn)
        if p.form == "hi20":
            if not -(1 << 19) <= value < 1 << 20:
                raise OperandError(f"{insn.name}: {p.name} = {value:#x} is outside 0..0xfffff")
            return sign(value, 20) << 12
        return self.held(operand, value, insn) if not p.form else value

    def held(self, operand: Operand, value: int, insn: Insn) -> int:
        """A plain number; one too large must not slip in as a negative one."""
        try:
            operand.encode(value)
        except ValueError as error:
            raise OperandError(f"{insn.name}: {error}") from None
        return value

    def distance(self, p: Placeholder, operand: Operand, target: int, place: Place, insn: Insn) -> int:
        """From the instruction (or the next one) to a target."""
        value = sign(target - place.here() - insn.size * FIELDS[p.base], address_bits(self.isa))
        try:
            operand.encode(value)
        except ValueError as error:
            what = str(error).partition(" is ")[2]
            raise OperandError(f"{insn.name}: the target {target:#x} is {value:+d} bytes away, which is {what}") from None
        return value

    def expand(self, form: Form, texts: dict[Placeholder, str], depth: int) -> None:
        """What a pseudo-instruction stands for."""
        if depth > 8:
            self.fail(f"the pseudo-instruction {form.syntax.text!r} stands for itself")
        by_name = {p.name: text for p, text in texts.items()}
        lines: list[str] = []
        for expansion in form.expansions:
            if callable(expansion):
                numbers = {
                    p.name: self.known(text, f"{p.name} = {text}")
                    for p, text in texts.items()
                    if p.form not in self.isa.registers
                }
                lines += expansion(**{**by_name, **numbers})
            else:
                lines.append(re.sub(r"\{(\w+)\}", lambda m: by_name[m[1]], expansion))
        for line in lines:
            name, _, operands = line.partition(" ")
            self.instruction(name, operands, depth + 1)

    # --- directives

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
                one = assemble(self.isa, name).code
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
        address = self.known(arguments[0] if arguments else "", "an address")
        if self.section != TEXT:
            self.fail(".org belongs in .text")
        if self.sizes[TEXT] == 0:
            self.origin = address
            return
        pad = address - self.origin - self.sizes[TEXT]
        if pad < 0 or pad > 1 << 28:
            self.fail(f".org {address:#x} is not ahead of {self.origin + self.sizes[TEXT]:#x} (by at most 2**28)")
        self.emit(pad, lambda place: bytes(pad))

    def enter(self, section: str) -> None:
        """Continue in a section."""
        if not section:
            self.fail("a section has a name: `.section .rodata`")
        self.section = TEXT if section.split(".")[1:2] == ["text"] else section
        self.sizes.setdefault(self.section, 0)


def near(name: str, among: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at what may have been meant."""
    found = difflib.get_close_matches(name, list(among), 3, likeness)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def enclosed(text: str) -> bool:
    """Is all of a text inside one pair of parentheses?"""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and at == len(text) - 1
    return False


def string(text: str) -> bytes:
    """The bytes of a quoted string."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise ExpressionError(f'text stands in quotes: "...", not {text}')
    made = b""
    for hexadecimal, octal, escape, plain in STRING_PART.findall(text[1:-1]):
        if plain:
            made += plain.encode()
        elif escape:
            made += bytes([ESCAPES[escape]]) if escape in ESCAPES else escape.encode()
        else:
            made += bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF])
    return made
