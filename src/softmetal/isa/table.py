"""Instruction tables: an instruction is written once, as pattern, syntax and meaning.

    isa = Isa("toy", core=Toy, parcel=16, registers={"r": ("r0", "r1")}, kinds={"rd": "r"})

    @isa.insn("imm[7:0] rd 0001", "li {rd}, {imm}")
    def li(cpu: Toy, rd: u4, imm: s8) -> None:
        cpu.r[rd] = imm

A *pattern* is the manual's own row: groups of 0 and 1, and operands. An operand without brackets is as wide as its
parameter; `imm[12|10:5]` says which of its bits lie there. The bits that no segment names are 0. Where the code is a
word, the row begins with the most significant bit; where it is a run of bytes (`order="bytes"`) the row is the bytes in
the order in which they lie in memory. `name'` is a three-bit register field that means registers 8 to 15, `name!=0`
(and every name that begins with `nz`) an operand that must not be 0.

A *meaning* is a hardware Python function. Its first parameter is the core, the others are operands; their types say how
wide they are and whether they are signed. A parameter named `code` gets the instruction's bits. Operands that the
meaning does not take may still stand in the pattern.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from types import FunctionType
from typing import Any

from softmetal.lang.golden import golden
from softmetal.lang.source import annotation, described
from softmetal.lang.types import IntType


@dataclass(frozen=True)
class Segment:
    """`width` bits of an operand, from its bit `at`, that lie in the code from bit `place`."""

    at: int
    place: int
    width: int


@dataclass(frozen=True)
class Operand:
    """A field of the code: where its bits lie and what they mean. `add` is added to the decoded bits."""

    name: str
    segments: tuple[Segment, ...]
    bits: int
    signed: bool
    add: int = 0
    nonzero: bool = False

    def decode(self, code: int) -> int:
        """The operand's value in an instruction's code."""
        value = 0
        for s in self.segments:
            value |= (code >> s.place & (1 << s.width) - 1) << s.at
        if self.signed and value >> (self.bits - 1):
            value -= 1 << self.bits
        return value + self.add

    def encode(self, value: int) -> int:
        """The code's bits for a value. Raises ValueError, saying why, where the field cannot hold it."""
        raw = value - self.add
        lo, hi = (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, (1 << self.bits) - 1)
        held = sum(((1 << s.width) - 1) << s.at for s in self.segments)
        step = held & -held
        if not lo <= raw <= hi:
            raise ValueError(f"{self.name} = {value} is outside {lo + self.add}..{hi + 1 - step + self.add}")
        if raw & (1 << self.bits) - 1 & ~held:
            raise ValueError(f"{self.name} = {value} is not a multiple of {step}")
        if self.nonzero and value == 0:
            raise ValueError(f"{self.name} must not be 0")
        code = 0
        for s in self.segments:
            code |= (raw >> s.at & (1 << s.width) - 1) << s.place
        return code


@dataclass(frozen=True, eq=False)
class Insn:
    """One entry of the table. `size` in bytes; `code & mask == match` recognises it.

    `bound` gives parameters of the meaning their values: the name of an operand, or a number (an instruction that is a
    short form of another has the other's meaning, and fills in its parameters). `when` names fields of the core and the values
    that they have where the code means this entry: a mode, in which codes have other sizes or other meanings.
    """

    name: str
    pattern: str
    syntax: str
    mask: int
    match: int
    size: int
    operands: tuple[Operand, ...]
    meaning: Any
    bound: Mapping[str, str | int]
    group: str = ""
    form_of: str = ""
    when: Mapping[str, int] = field(default_factory=dict)

    def matches(self, code: int) -> bool:
        """Does this entry recognise the code?"""
        return code & self.mask == self.match and all(o.decode(code) != 0 for o in self.operands if o.nonzero)

    def meant(self, modes: Mapping[str, int]) -> bool:
        """Is this entry meant while the core's fields have these values? A field that is not given excludes nothing."""
        return all(modes.get(name, value) == value for name, value in self.when.items())

    @cached_property
    def parameters(self) -> dict[str, IntType]:
        """The meaning's operand parameters and their types, in order."""
        return dict(list(parameters_of(self.meaning).items())[1:])

    @cached_property
    def fetched(self) -> int:
        """How many of its bytes an engine fetches before the meaning runs, where the table says `fetching`."""
        taken = {self.bound.get(p, p) for p in self.parameters}
        places = [s.place + s.width for o in self.operands if o.name in taken for s in o.segments]
        return -(-max([self.mask.bit_length(), *places]) // 8)

    def decode(self, code: int) -> dict[str, int]:
        """Every operand's value, by name."""
        return {o.name: o.decode(code) for o in self.operands}

    def arguments(self, code: int) -> list[int]:
        """What the meaning is called with, after the core; a parameter `code` gets the instruction's bits."""
        values = {"code": code, **self.decode(code)}
        bound = (self.bound.get(p, p) for p in self.parameters)
        return [values[b] if isinstance(b, str) else b for b in bound]

    @cached_property
    def golden(self) -> Callable[..., None]:
        """The meaning as the golden model runs it."""
        made: Callable[..., None] = golden(self.meaning)
        return made

    @property
    def doc(self) -> str:
        """What the instruction does, in its author's words: a partial's own, or those of the functions bound to it first."""
        parts = [self.meaning]
        if isinstance(self.meaning, partial) and "__doc__" not in vars(self.meaning):
            parts = [v for v in self.meaning.keywords.values() if callable(v)] + [self.meaning.func]
        return " ".join(" ".join((p.__doc__ or "").split()) for p in parts).strip()


def parameters_of(meaning: Any) -> dict[str, Any]:
    """A meaning's parameters and their types, without those that a `functools.partial` has filled."""
    filled: set[str] = set()
    if isinstance(meaning, partial):
        filled, meaning = set(meaning.keywords), meaning.func
    code = meaning.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {n: annotation(meaning, None, n) for n in names if n not in filled}


TOKEN = re.compile(r"(?P<bits>[01]+)|(?P<name>[a-z_]\w*)(?P<prime>')?(?P<nz>!=0)?(\[(?P<seg>[\d:|]+)\])?")


NO_MODES: Mapping[str, int] = {}
"""Without a core, the first entry of a code is meant."""


class TableError(ValueError):
    """An entry of an instruction table that contradicts itself or another entry."""


def parse_pattern(
    pattern: str, types: Mapping[str, IntType], order: str, signed: Iterable[str] = ()
) -> tuple[int, int, int, tuple[Operand, ...]]:
    """(mask, match, bits, operands) of a row. Raises TableError.

    `types` gives the operands' widths and signs; of those without a type, which are as wide as the row says, `signed` names the
    ones that have a sign.
    """
    parts: list[tuple[str, str | None, int, int]] = []  # bits or name, prime..., operand's low bit, width
    seen: dict[str, dict[str, Any]] = {}
    for word in pattern.split():
        found = TOKEN.fullmatch(word)
        if not found:
            raise TableError(f"{word!r} is neither bits nor an operand, in the pattern {pattern!r}")
        if found["bits"]:
            parts.append((found["bits"], None, 0, len(found["bits"])))
            continue
        name = found["name"]
        info = seen.setdefault(name, {"segments": [], "prime": False, "nz": name.startswith("nz")})
        info["prime"] |= bool(found["prime"])
        info["nz"] |= bool(found["nz"])
        if found["seg"]:
            for piece in found["seg"].split("|"):
                high, _, low = piece.partition(":")
                lowest = int(low or high)
                parts.append(("", name, lowest, int(high) - lowest + 1))
        else:
            if name not in types and not info["prime"]:
                raise TableError(f"operand {name!r} has no width: give it bits, as in {name}[4:0], in {pattern!r}")
            parts.append(("", name, 0, 3 if info["prime"] else types[name].bits))
    total = sum(p[3] for p in parts)
    if total % 8:
        raise TableError(f"{total} bits are not a whole number of bytes, in the pattern {pattern!r}")
    mask = match = 0
    at = 0  # bits from the row's left end
    for bits, owner, low, width in parts:
        for i in range(width):  # left to right; pieces may cross bytes, so bit by bit
            left = at + i
            place = total - 1 - left if order == "word" else left // 8 * 8 + 7 - left % 8
            if owner is None:
                mask |= 1 << place
                match |= int(bits[i]) << place
            else:
                seen[owner]["segments"].append((low + width - 1 - i, place))
        at += width
    operands = []
    for name, info in seen.items():
        bits_of = sorted(info["segments"])
        kind = types.get(name)
        width = max(kind.bits if kind and not info["prime"] else 0, bits_of[-1][0] + 1)
        negative = kind.signed if kind else name in signed
        if kind and width > kind.bits:
            raise TableError(f"operand {name!r} has {width} bits, its parameter is {kind}, in {pattern!r}")
        operands.append(Operand(name, _segments(bits_of), width, negative, 8 if info["prime"] else 0, bool(info["nz"])))
    return mask, match, total, tuple(operands)


def _segments(bits: list[tuple[int, int]]) -> tuple[Segment, ...]:
    """Join neighbouring (operand bit, code bit) pairs."""
    joined: list[list[int]] = []  # operand bit, code bit, width
    for at, place in bits:
        last = joined[-1] if joined else None
        if last and (last[0] + last[2], last[1] + last[2]) == (at, place):
            last[2] += 1
        else:
            joined.append([at, place, 1])
    return tuple(Segment(*part) for part in joined)


@dataclass
class Isa:
    """An instruction set: its core and its table.

    `parcel` is the number of bits in which code is fetched; `registers` maps a kind of register to its names, `kinds` an
    operand's name to the kind of register it names; `pc` and `next_pc` name the core's fields. `flow_bits`: code
    addresses are below 2**flow_bits. `zero` names the operand whose value 0 makes a different instruction of every
    entry that has it (the register that is always 0), so that engines decide it when they decode. `operands` gives
    types to operands by name, for those that no meaning's parameter of that name describes; `signed` names those without
    a type that have a sign. `destination` names the operand whose register an instruction writes (for `fusions`).

    `unit` is how many bits of code one address stands for: 8, or the width of a word where code is addressed by the word.

    `names` gives names to numbers (see `syntax`), `hex` says how the field writes hexadecimal ("0x" or "$"), `word` is
    what `.word` means in bits.

    `fetching` is for code that is a run of bytes whose fetches have a place in time: the core's `fetch()` gives the
    byte at `pc` and moves `pc`. The engine calls the core's `poll()`, fetches the opcode's bytes, then those of the
    operands that the meaning takes, in order; the meaning fetches the others. There is no `next_pc`.
    """

    name: str
    core: Any
    parcel: int
    registers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    order: str = "word"
    title: str = ""
    zero: str = ""
    operands: Mapping[str, IntType] = field(default_factory=dict)
    signed: tuple[str, ...] = ()
    destination: str = ""
    fetching: bool = False
    aliases: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    insns: list[Insn] = field(default_factory=list)
    pseudos: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    illegal: Any = None
    fusions: list[str] = field(default_factory=list)
    names: dict[str, Mapping[str, int]] = field(default_factory=dict)
    hex: str = "0x"
    word: int = 32
    group: str = ""
    unit: int = 8

    def insn(
        self, pattern: str, syntax: str, name: str = "", when: Mapping[str, int] | None = None, **bound: int
    ) -> Callable[[Any], Any]:
        """Enter an instruction whose meaning is the decorated function."""

        def decorate(meaning: Any) -> Any:
            self.add(pattern, syntax, meaning, name, when, **bound)
            return meaning

        return decorate

    def add(
        self, pattern: str, syntax: str, meaning: Any, name: str = "", when: Mapping[str, int] | None = None, **bound: str | int
    ) -> Insn:
        """Enter an instruction; `meaning` is a hardware function or a `functools.partial` of one."""
        types = dict(list(parameters_of(meaning).items())[1:])
        return self._enter(pattern, syntax, meaning, name, types, bound, "", when)

    def short(self, pattern: str, syntax: str, of: str, **bound: str | int) -> Insn:
        """Enter a short form of the instruction `of`: `bound` says what its parameters are here."""
        full = self.by_name[of]
        return self._enter(pattern, syntax, full.meaning, "", {}, bound, of)

    def _enter(
        self, pattern: str, syntax: str, meaning: Any, name: str, types: dict[str, IntType], bound: Any, of: str,
        when: Mapping[str, int] | None = None,
    ) -> Insn:  # fmt: skip
        mask, match, bits, operands = parse_pattern(pattern, {**self.operands, **types}, self.order, self.signed)
        name = name or syntax.split()[0]
        known = {"code", *(o.name for o in operands)}
        made = Insn(name, pattern, syntax, mask, match, bits // 8, operands, meaning, bound, self.group, of, when or {})
        for parameter in made.parameters:
            value = bound.get(parameter, parameter)
            if isinstance(value, str) and value not in known:
                raise TableError(f"{name}: the meaning's parameter {parameter!r} is not in the pattern {pattern!r}")
        self.insns.append(made)
        for derived in ("by_name", "digest", "step", "modes"):
            self.__dict__.pop(derived, None)
        return made

    def pseudo(self, syntax: str, *expansions: str | Callable[..., list[str]]) -> None:
        """Enter a pseudo-instruction: lines of assembly that one line stands for, or a function that gives them.

        The function gets the operands by name: registers as they were written, numbers as integers.
        """
        self.pseudos.append((syntax, expansions))

    @cached_property
    def by_name(self) -> dict[str, Insn]:
        """The table by name; where names recur, the first."""
        found: dict[str, Insn] = {}
        for entry in self.insns:
            found.setdefault(entry.name, entry)
        return found

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The core's fields by which entries of one code are distinguished."""
        return tuple(dict.fromkeys(name for i in self.insns for name in i.when))

    @cached_property
    def digest(self) -> str:
        """What distinguishes a table from others of its name: its rows, and the sequences that engines fuse."""
        rows = (f"{i.pattern}|{i.name}|{i.bound}|{i.when}|{described(i.meaning)}" for i in self.insns)
        other = (self.name, described(self.illegal), *self.fusions)
        return hashlib.sha256("\n".join((*rows, *other)).encode()).hexdigest()

    @cached_property
    def step(self) -> FunctionType:
        """The table as a function in hardware Python, `step(core)`: see `softmetal.isa.step`."""
        from softmetal.isa.step import step_of

        return step_of(self)

    @cached_property
    def _buckets(self) -> dict[int, list[Insn]]:
        """Entries by their first parcel's low byte, the most specific first."""
        ordered = self.by_specificity
        found: dict[int, list[Insn]] = {b: [] for b in range(256)}
        for byte, bucket in found.items():
            bucket.extend(i for i in ordered if (byte ^ i.match) & i.mask & 0xFF == 0)
        return found

    @cached_property
    def by_specificity(self) -> list[Insn]:
        """The table in the order in which entries are tried: the more fixed bits, the earlier."""
        return sorted(self.insns, key=lambda i: (-i.mask.bit_count(), -sum(o.nonzero for o in i.operands)))

    def size_of(self, first: int, modes: Mapping[str, int] = NO_MODES) -> int:
        """How many bytes the instruction has whose first parcel is given; a parcel's where no entry begins so."""
        low = (1 << self.parcel) - 1
        sizes = {i.size for i in self._buckets[first & 0xFF] if (first ^ i.match) & i.mask & low == 0 and i.meant(modes)}
        if not sizes:  # the bits that every entry fixes determine the size even of codes that no entry has
            sizes = {i.size for i in self.insns if (first ^ i.match) & self._always & low == 0}
        return max(sizes, default=self.parcel // 8)

    @cached_property
    def _always(self) -> int:
        """The bits of the code that every entry fixes."""
        mask = -1
        for entry in self.insns:
            mask &= entry.mask
        return mask

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - a table lives as long as the process
    def decode(self, code: int) -> Insn | None:
        """The entry that recognises a code, or None. `code` holds at least the instruction's bytes, little endian."""
        return self.decode_in(code, NO_MODES)

    def decode_in(self, code: int, modes: Mapping[str, int]) -> Insn | None:
        """The same while the core's fields have these values."""
        for entry in self._buckets[code & 0xFF]:
            if entry.matches(code & (1 << 8 * entry.size) - 1) and entry.meant(modes):
                return entry
        return None

    def recognise(self, code: int, have: int, modes: Mapping[str, int] = NO_MODES) -> Insn | None:
        """The entry that the first `have` bytes of code decide on; None while another byte is needed.

        Raises LookupError where no entry begins so.
        """
        low = (1 << 8 * have) - 1
        for entry in self.by_specificity:
            if (code ^ entry.match) & entry.mask & low == 0 and entry.meant(modes):
                return entry if entry.mask <= low else None
        raise LookupError(f"no instruction begins with {code:#x}")

    def __hash__(self) -> int:
        return id(self)
