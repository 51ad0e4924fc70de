"""The syntax strings of instruction tables: read once, used to print instructions and to recognise lines of assembly.

    "addi {rd}, {rs1}, {imm}"     an operand: a register where the table's `kinds` has its name, else a number
    "fadd.s {rd:f}, {rs1:f}"      a register of a kind that the syntax names
    "beq {rs1}, {rs2}, {pc+imm}"  an address, coded as its distance from the instruction
    "bne {next+rel}"              the same from the next instruction
    "csrr {rd}, {csr:csr}"        a number that has names: the table's `names["csr"]`; so has an operand of that name
    "lui {rd}, {imm:hi20}"        a number written without its 12 lowest bits, which are 0
    "amoadd.w{aqrl} {rd}, ..."    names may be part of the mnemonic

Where a number's names contain the empty one, that value is not written, and its comma neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from softmetal.isa.table import Insn, Isa, Operand, TableError
from softmetal.lang.chip import fields_of

PLACEHOLDER = re.compile(r"\{(?:(?P<base>pc|next)\+)?(?P<name>\w+)(?::(?P<form>\w+))?\}")
FIELDS = {"pc": 0, "next": 1}


class OperandError(ValueError):
    """An operand that cannot be written so, or that its field cannot hold."""


@dataclass(frozen=True)
class Placeholder:
    """`{base+name:form}`; `form` is resolved: a kind of register, a set of names, "hi20", or "" for a plain number."""

    name: str
    base: str
    form: str


Part = str | Placeholder


@dataclass(frozen=True)
class Piece:
    """What stands between two commas of a syntax."""

    parts: tuple[Part, ...]
    optional: bool
    shape: re.Pattern[str]

    @cached_property
    def placeholders(self) -> list[Placeholder]:
        """Its placeholders, in order."""
        return [p for p in self.parts if isinstance(p, Placeholder)]

    @cached_property
    def literals(self) -> int:
        """How many characters it fixes."""
        return sum(len(p.strip()) for p in self.parts if isinstance(p, str))


class Syntax:
    """A syntax string of a table, taken apart."""

    def __init__(self, isa: Isa, text: str) -> None:
        self.isa, self.text = isa, text
        mnemonic, _, operands = text.partition(" ")
        self.mnemonic = self._parts(mnemonic)
        self.pieces = [self._piece(p) for p in split(operands)]

    def _parts(self, text: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        at = 0
        for found in PLACEHOLDER.finditer(text):
            if found.start() > at:
                parts.append(text[at : found.start()])
            parts.append(Placeholder(found["name"], found["base"] or "", self._form(found)))
            at = found.end()
        if at < len(text):
            parts.append(text[at:])
        return tuple(parts)

    def _form(self, found: re.Match[str]) -> str:
        isa, form = self.isa, found["form"]
        if form and form not in isa.registers and form not in isa.names and form != "hi20":
            known = ", ".join([*isa.registers, *isa.names, "hi20"])
            raise TableError(f"{found[0]} in {self.text!r}: no form {form!r} in {isa.name}; there are {known}")
        if form:
            return str(form)
        return str(isa.kinds.get(found["name"]) or (found["name"] if found["name"] in isa.names else ""))

    def _piece(self, text: str) -> Piece:
        parts = self._parts(text)
        pattern = ""
        if text.strip().startswith("(") and any(isinstance(p, Placeholder) and p.form in self.isa.registers for p in parts):
            pattern = r"\s*0?"  # (a0) may be written 0(a0)
        for i, part in enumerate(parts):
            if isinstance(part, str):
                pattern += self._literal(part)
            else:
                before_parenthesis = i + 1 < len(parts) and str(parts[i + 1]).startswith("(")
                pattern += "(.*)" if before_parenthesis and not part.form else "(.+)"
        written = [p for p in parts if not (isinstance(p, str) and p.isspace())]
        only = written[0] if len(written) == 1 else None
        optional = isinstance(only, Placeholder) and "" in self.isa.names.get(only.form, ())
        return Piece(parts, optional, re.compile(pattern, re.IGNORECASE))

    def _literal(self, text: str) -> str:
        """A pattern for fixed text, with any white space, and any of a register's names."""
        pattern = ""
        for word in re.findall(r"\w+|\s+|[^\w\s]", text):
            if word.isspace():
                continue
            same = [word]
            for kind in self.isa.registers:
                names = register_names(self.isa, kind)
                same += [n for n, number in names.items() if word in names and number == names[word] and n != word]
            pattern += r"\s*(?:" + "|".join(map(re.escape, same)) + r")\s*"
        return pattern

    def mnemonics(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Every way to write the mnemonic, and the operands that it then gives."""
        ways: list[tuple[str, dict[str, int]]] = [("", {})]
        for part in self.mnemonic:
            if isinstance(part, str):
                ways = [(text + part, values) for text, values in ways]
            else:
                names = self.isa.names[part.form].items()
                ways = [(text + n, {**values, part.name: v}) for text, values in ways for n, v in names]
        yield from ways

    @property
    def literals(self) -> int:
        """How many characters of the operands are fixed; where two syntaxes fit, the one with more is meant."""
        return sum(p.literals for p in self.pieces)

    @property
    def readable(self) -> str:
        """The syntax as messages and pages show it: `fadd.s rd, rs1, rs2[, rm]`, `amoadd.w{aqrl} rd, rs2, (rs1)`."""

        def plain(part: Part) -> str:
            return part if isinstance(part, str) else "target" if part.base else part.name

        text = "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.mnemonic)
        for i, piece in enumerate(self.pieces):
            written = ("," if i else " ") + "".join(map(plain, piece.parts))
            text += f"[{written}]" if piece.optional else written
        return text

    def match(self, operands: list[str]) -> dict[Placeholder, str] | None:
        """The text of each placeholder in a line's operands, or None where they have another shape."""
        pieces = self.pieces
        if len(operands) < len(pieces):
            pieces = [p for p in pieces if not p.optional]
        if len(operands) != len(pieces):
            return None
        found: dict[Placeholder, str] = {}
        for piece, text in zip(pieces, operands, strict=True):
            fits = piece.shape.fullmatch(text)
            if not fits:
                return None
            for placeholder, value in zip(piece.placeholders, fits.groups(), strict=True):
                if found.setdefault(placeholder, value.strip()) != value.strip():
                    return None
        return found

    def render(self, insn: Insn, code: int, pc: int, symbols: Symbols | None = None) -> str:
        """An instruction's code as a line of assembly."""
        values = insn.decode(code)
        by_name = {o.name: o for o in insn.operands}

        def text(parts: tuple[Part, ...]) -> str:
            return "".join(
                p if isinstance(p, str) else show(self.isa, p, by_name[p.name], values[p.name], pc, insn.size, symbols)
                for p in parts
            )

        operands = [text(piece.parts) for piece in self.pieces]
        written = [t for t, piece in zip(operands, self.pieces, strict=True) if t.strip() or not piece.optional]
        return f"{text(self.mnemonic)} {','.join(written)}".strip()


def split(operands: str) -> list[str]:
    """A line's operands: apart at commas, but not inside parentheses, braces or quotes."""
    pieces, depth, start, quote = [], 0, 0, ""
    for at, letter in enumerate(operands):
        if quote:
            quote = "" if letter == quote and operands[at - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "({":
            depth += 1
        elif letter in ")}":
            depth -= 1
        elif letter == "," and depth == 0:
            pieces.append(operands[start:at])
            start = at + 1
    return [*pieces, operands[start:]] if operands.strip() else []


def syntax_of(isa: Isa, text: str) -> Syntax:
    """The syntax string `text` of a table, taken apart; kept."""
    kept: dict[str, Syntax] = isa.__dict__.setdefault("_syntaxes", {})
    if text not in kept:
        kept[text] = Syntax(isa, text)
    return kept[text]


def register_names(isa: Isa, kind: str) -> dict[str, int]:
    """Every name of the registers of a kind."""
    kept: dict[str, dict[str, int]] = isa.__dict__.setdefault("_register_names", {})
    if kind not in kept:
        kept[kind] = {**{n: i for i, n in enumerate(isa.registers[kind])}, **isa.aliases.get(kind, {})}
    return kept[kind]


def address_bits(isa: Isa) -> int:
    """How wide the core's program counter is."""
    if "_address_bits" not in isa.__dict__:
        isa.__dict__["_address_bits"] = fields_of(isa.core)["pc"].bits
    bits: int = isa.__dict__["_address_bits"]
    return bits


def number(isa: Isa, value: int, bits: int, signed: bool = False) -> str:
    """A number as the disassembler writes it: as many hexadecimal digits as it has where "$" is usual, else briefly."""
    if isa.hex == "$":
        return f"${value & (1 << bits) - 1:0{-(-bits // 4)}x}"
    return str(value) if signed or bits < 12 or value < 10 else f"{isa.hex}{value:x}"


class Symbols:
    """Names for addresses: `at(address)` is a symbol, or a symbol plus the distance from it, or None."""

    REACH = 0x1000

    def __init__(self, addresses: Mapping[str, int]) -> None:
        self.names = sorted((a, n) for n, a in addresses.items())

    def at(self, address: int) -> str | None:
        low, high = 0, len(self.names)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.names[middle][0] <= address else (low, middle)
        if low == 0 or address - self.names[low - 1][0] >= self.REACH:
            return None
        start = self.names[low - 1][0]
        while low > 1 and self.names[low - 2][0] == start:
            low -= 1
        name = self.names[low - 1][1]
        return name if start == address else f"{name}+{address - start:#x}"


def show(isa: Isa, p: Placeholder, operand: Operand, value: int, pc: int, size: int, symbols: Symbols | None) -> str:
    """An operand's value as it is written."""
    if p.base:
        bits = address_bits(isa)
        target = (pc + value + size * FIELDS[p.base]) & (1 << bits) - 1
        name = symbols.at(target) if symbols else None
        return name or (number(isa, target, bits) if isa.hex == "$" else f"{target:#x}")
    if p.form in isa.registers:
        names = isa.registers[p.form]
        return names[value] if value < len(names) else f"{p.form}{value}"
    if p.form == "hi20":
        return f"{value >> 12 & 0xFFFFF:#x}"
    if p.form:
        raw = value & (1 << operand.bits) - 1
        named = [n for n, v in isa.names[p.form].items() if v == raw]
        return named[0] if named else f"{raw:#x}"
    if symbols and not operand.signed and operand.bits == address_bits(isa):
        found = symbols.at(value)
        if found:
            return found
    return number(isa, value, operand.bits, operand.signed)


def encode(isa: Isa, insn: Insn, values: Mapping[str, int]) -> int:
    """The code of an instruction whose operands have these values; those that are not given are 0.

    Raises OperandError where a field cannot hold its value, or where the code would mean another instruction.
    """
    code = insn.match
    for operand in insn.operands:
        value = values.get(operand.name, operand.add)
        try:
            code |= operand.encode(value)
        except ValueError as error:
            raise OperandError(str(error)) from None
    meant = isa.decode(code)
    if meant is not insn:
        other = f"means {syntax_of(isa, meant.syntax).readable!r}" if meant else "is reserved"
        raise OperandError(f"with these operands the code {other}")
    return code
