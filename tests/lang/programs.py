"""Random programs in hardware Python, as source text.

`module(seeds)` writes a module with one board, `Main`, that has a method ("program") for each seed. Every program is valid
by docs/language.md: widths stay below 256 bits, indexes inside, divisors are not 0. So the compiler must take each of
them, and both back ends must give the same results, traps and states. What is likely to go wrong is likely to be
written: boundaries of widths, values beyond 64 and 128 bits, negative operands, calls with effects inside expressions.

`define(source, name)` turns such text into a module that `inspect` and the compiler find the source of.
`check(source, ...)` runs one on both back ends; `smallest(...)` cuts a failing program down.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import linecache
import math
import random
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WIDTHS = (1, 1, 2, 3, 5, 7, 8, 8, 9, 12, 15, 16, 17, 24, 31, 32, 32, 33, 40, 47, 48, 63, 64, 64)
WIDE = (*WIDTHS, 65, 72, 80, 96, 100, 127, 128)
MOST = 250  # bits in a value; the language has 256
HEAD = """\
from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import partial

from softmetal.lang import *


class Color(IntEnum):
    RED = 0
    GREEN = 5
    BLUE = 255
    DARK = -3


class Oops(Trap):
    code: u8
    value: s40


class Bang(Trap):
    pass


TABLE = (3, -1, 0, 70000, -(1 << 40), 255, 1 << 63)
SMALL = (1, 2, 4, 8)
BYTES = bytes([0, 1, 127, 128, 255])
BIG = (1 << 64) - 1
MINUS = -(1 << 31)
FLAG = True
PI = 3.141592653589793
INF = float("inf")
NOT_A_NUMBER = float("nan")


def addk(x: u32, k: s12) -> s64:
    return x * k + (k >> 1)


def twice(x: u16) -> u20:
    return x * 2 + 1


def less(x: u16) -> u20:
    x -= 1
    return x


def through(x: u64, f: Callable[[int], int], k: u8) -> u40:
    return f(x) + f(x >> k % 61)


def both(a: u33, b: s33) -> tuple[u1, s65]:
    return a > b, a - b


def narrowed(a: s64) -> tuple[u4, s7]:
    return both(a, a >> 3)


def defaults(a: u8, b: u8 = 300 % 256, c: s9 = -1, flag: u1 = True) -> s20:
    return a * b + c - flag


def safe_div(a: s64, b: u64) -> s64:
    return a // b if b != 0 else -1


def looped(n: u5, x: u64) -> u64:
    for i in range(n):
        x = x * 3 + i
        if x % 7 == 3:
            return x
    return x ^ n


def floaty(a: f64, b: f32) -> f64:
    return a * b - b


add300 = partial(addk, k=300)
add5000 = partial(addk, k=5000)
via_twice = partial(through, f=twice, k=3)
via_less = partial(through, f=less)
"""
AFTER_SUB = """\
def bump(chip: Sub, by: u9) -> u16:
    chip.sub_n0 += by
    return chip.sub_n0 if by & 1 else chip.leaf.leaf_n0


@cold
def risky(chip: Leaf, by: s12, *, more: u5 = 3) -> tuple[s20, u8]:
    chip.leaf_n1 = by
    if by > 1000:
        raise Oops(by, more)
    return by * 2 + more, chip.leaf_n1


@cold
def seldom(by: u7) -> u9:
    return by * 3


"""
HELPERS = (  # name, parameters' kinds, result
    ("addk", ("u32", "s12"), "s64"), ("twice", ("u16",), "u20"), ("less", ("u16",), "u20"), ("add300", ("u32",), "s64"),
    ("add5000", ("u32",), "s64"), ("via_twice", ("u64",), "u40"), ("safe_div", ("s64", "u64"), "s64"),
    ("looped", ("u5", "u64"), "u64"), ("floaty", ("f64", "f32"), "f64"), ("defaults", ("u8",), "s20"),
    ("defaults", ("u8", "u8", "s9"), "s20"),
)  # fmt: skip
CHIP_HELPERS = ("bump", "Sub", "u9", "u16"), ("seldom", "", "u7", "u9")
PAIRS = ("both", ("u33", "s33"), ("u1", "s65")), ("narrowed", ("s64",), ("u4", "s7"))


def bits_of(lo: int, hi: int) -> int:
    """How many bits a value between these may need."""
    if lo >= 0:
        return max(1, hi.bit_length())
    return max((-lo - 1).bit_length(), hi.bit_length() if hi > 0 else 0) + 1


def span_of(kind: str) -> tuple[int, int]:
    bits = int(kind[1:])
    return (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


@dataclass
class Int:
    """The text of an integer expression, and a range that holds its values."""

    text: str
    lo: int
    hi: int

    @property
    def bits(self) -> int:
        return bits_of(self.lo, self.hi)


@dataclass
class World:
    """The fields and methods of a chip class."""

    name: str
    ints: dict[str, str] = field(default_factory=dict)
    floats: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, tuple[str, int]] = field(default_factory=dict)
    float_arrays: dict[str, tuple[str, int]] = field(default_factory=dict)
    memories: dict[str, int] = field(default_factory=dict)
    subs: dict[str, World] = field(default_factory=dict)
    sub_arrays: dict[str, tuple[World, int]] = field(default_factory=dict)
    methods: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    traps: list[str] = field(default_factory=list)  # methods that may trap, too: () -> u8

    def text(self, bases: str = "Chip") -> list[str]:
        lines = [f"class {self.name}({bases}):", "    SIZE = 6", "    NEGATIVE = -129", "    STEPS = (5, -7, 300)"]
        lines += [f"    {n}: {k}" for n, k in {**self.ints, **self.floats}.items()]
        lines += [f"    {n}: {k}[{c}]" for n, (k, c) in {**self.arrays, **self.float_arrays}.items()]
        lines += [f"    {n}: memory[{c}]" for n, c in self.memories.items()]
        lines += [f"    {n}: {w.name}" for n, w in self.subs.items()]
        lines += [f"    {n}: {w.name}[{c}]" for n, (w, c) in self.sub_arrays.items()]
        return [*lines, ""]


class Maker:
    """Writes programs; every decision comes from `rng`."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng, self.world = rng, world
        self.lines: list[str] = []
        self.indent = 2
        self.ints: dict[str, tuple[int, int]] = {}
        self.homes: dict[str, tuple[str | None, int]] = {}  # a local's annotation, the depth of loops where it began
        self.floats: dict[str, str | None] = {}
        self.chips: list[tuple[str, World, bool]] = []  # text, class, is its place known when compiling?
        self.count = 0
        self.loop = 0
        self.results: tuple[str, ...] = ()
        self.budget, self.deepest = 14, 2
        self.calls = True

    # -- small decisions

    def chance(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent

    def pick(self, options: Any) -> Any:
        return options[self.rng.randrange(len(options))]

    def new(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def kind(self, wide: bool = False) -> str:
        return f"{self.pick('us')}{self.pick(WIDE if wide else WIDTHS)}"

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def number(self) -> int:
        how = self.rng.randrange(8)
        if how < 2:
            return self.pick((0, 1, 2, -1, -2, 3, 7, 10, 255, 256))
        if how < 6:
            power = 1 << self.pick(WIDE)
            return self.pick((1, -1)) * (power + self.pick((-1, 0, 1)))
        return self.rng.randrange(-(1 << 20), 1 << 20)

    # -- integer expressions

    def cap(self, value: Int, bits: int, unsigned: bool = False) -> Int:
        """The value, cut where it could need more bits."""
        if value.bits <= bits and not (unsigned and value.lo < 0):
            return value
        how = self.rng.randrange(4)
        if how == 0 or (how < 2 and unsigned):
            mask = (1 << self.rng.randrange(1, bits + 1)) - 1
            return Int(f"({value.text} & {mask:#x})", 0, mask)
        if how == 1:
            most = self.pick((2, 3, 10, 1 << bits - 1, (1 << bits - 1) - 1)) if bits > 3 else 2
            return Int(f"({value.text} % {most})", 0, most - 1)
        kind = f"{'u' if unsigned else self.pick('us')}{self.pick([w for w in WIDE if w <= bits])}"
        return Int(f"{kind}({value.text})", *span_of(kind))

    def below(self, count: int, depth: int) -> str:
        """An expression that is an index below `count`."""
        inside = [n for n, (lo, hi) in self.ints.items() if lo >= 0 and hi < count]
        if inside and self.chance(40):
            return self.pick(inside)
        if depth <= 0 or self.chance(30):
            return str(self.rng.randrange(count))
        value = self.int(depth - 1)
        if count & count - 1 == 0 and self.chance(50):
            return f"{value.text} & {count - 1}"
        if self.chance(25):
            return f"max(0, min({value.text}, {count - 1}))"
        return f"{value.text} % {count}"

    def chip(
        self, static: bool = False, want: Callable[[World], Any] = lambda w: True, depth: int = 1
    ) -> tuple[str, World] | None:
        """The text of some chip with what is wanted."""
        found: list[tuple[str, World, bool]] = []
        for text, world, known in self.chips:
            found.append((text, world, known))
            for name, sub in world.subs.items():
                found.append((f"{text}.{name}", sub, known))
                found += [(f"{text}.{name}.{n}", s, known) for n, s in sub.subs.items()]
            for name, (sub, count) in world.sub_arrays.items():
                if static or self.chance(40):
                    found.append((f"{text}.{name}[{self.rng.randrange(count)}]", sub, known))
                else:
                    found.append((f"{text}.{name}[{self.below(count, depth)}]", sub, False))
        found = [f for f in found if want(f[1]) and (f[2] or not static)]
        return self.pick(found)[:2] if found else None

    def leaf(self, depth: int) -> Int:
        how = self.rng.randrange(13)
        if how < 4 and self.ints:
            name = self.pick(list(self.ints))
            return Int(name, *self.ints[name])
        if how < 6 and (at := self.chip(want=lambda w: w.ints, depth=depth)):
            name = self.pick(list(at[1].ints))
            return Int(f"{at[0]}.{name}", *span_of(at[1].ints[name]))
        if how == 6 and (at := self.chip(want=lambda w: w.arrays, depth=depth)):
            name = self.pick(list(at[1].arrays))
            kind, count = at[1].arrays[name]
            return Int(f"{at[0]}.{name}[{self.below(count, depth)}]", *span_of(kind))
        if how == 7 and (at := self.chip(static=True, want=lambda w: w.memories)):
            text, kind = self.place(*at, depth)
            return Int(text, *span_of(kind))
        if how == 8:
            name, values = self.pick((("TABLE", (3, -1, 0, 70000, -(1 << 40), 255, 1 << 63)), ("SMALL", (1, 2, 4, 8)),
                                      ("BYTES", (0, 1, 127, 128, 255)), ("self.STEPS", (5, -7, 300))))  # fmt: skip
            return Int(f"{name}[{self.below(len(values), depth)}]", min(values), max(values))
        if how == 9:
            name, value = self.pick((("BIG", (1 << 64) - 1), ("MINUS", -(1 << 31)), ("Color.BLUE", 255), ("Color.DARK", -3),
                                     ("self.SIZE", 6), ("self.NEGATIVE", -129), ("FLAG", 1), ("Main.SIZE", 6)))  # fmt: skip
            return Int(name, value, value)
        value = self.number()
        return Int(str(value) if value >= 0 else f"({value})", value, value)

    def place(self, chip: str, world: World, depth: int) -> tuple[str, str]:
        """(text, type) of a value in a memory."""
        name = self.pick(list(world.memories))
        count = world.memories[name]
        if self.chance(30):
            return f"{chip}.{name}[{self.below(count, depth)}]", "u8"
        size = self.pick([s for s in (1, 2, 4, 8) if s <= count])
        kind = f"{self.pick('us')}{8 * size}"
        return f"{chip}.{name}.{kind}[{self.below(count - size + 1, depth)}]", kind

    def int(self, depth: int) -> Int:
        """An integer expression."""
        if depth <= 0:
            return self.leaf(0)
        how = self.rng.randrange(30)
        if how < 3:
            return self.leaf(depth)
        if how < 13:
            return self.arithmetic(depth)
        if how < 15:
            kind = self.kind(wide=True)
            return Int(f"{kind}({self.int(depth - 1).text})", *span_of(kind))
        if how < 17:
            return self.shift(depth)
        if how < 18:
            return Int(f"({self.compare(depth - 1)})", 0, 1)
        if how < 20:
            a, b = self.int(depth - 1), self.int(depth - 1)
            name = self.pick(("and", "or"))
            more = f" {self.pick(('and', 'or'))} {(c := self.int(depth - 2)).text}" if self.chance(30) else ""
            ends = [a, b, c] if more else [a, b]
            return Int(f"({a.text} {name} {b.text}{more})", min(0, *(e.lo for e in ends)), max(0, *(e.hi for e in ends)))
        if how < 22:
            a, b = self.int(depth - 1), self.int(depth - 1)
            return Int(f"({a.text} if {self.test(depth - 1)} else {b.text})", min(a.lo, b.lo), max(a.hi, b.hi))
        if how < 23:
            values = [self.int(depth - 1) for _ in range(self.pick((2, 2, 3)))]
            name = self.pick(("min", "max"))
            pick = min if name == "min" else max
            return Int(f"{name}({', '.join(v.text for v in values)})", pick(v.lo for v in values), pick(v.hi for v in values))
        if how < 24:
            a = self.cap(self.int(depth - 1), MOST)
            return Int(f"abs({a.text})", 0, max(-a.lo, a.hi))
        if how < 25:
            a = self.cap(self.int(depth - 1), MOST, unsigned=True)
            return Int(f"({a.text}).{self.pick(('bit_length', 'bit_count'))}()", 0, a.bits)
        if how < 26:
            a = self.int(depth - 1)
            if self.chance(40):
                return Int(f"bool({a.text})", 0, 1)
            if self.chance(50):
                return Int(f"int({a.text})", a.lo, a.hi)
            return Int(f"(not {a.text})", 0, 1)
        if how < 27:
            a = self.cap(self.int(depth - 1), MOST)
            return Int(f"(-{a.text})", -a.hi, -a.lo) if self.chance(50) else Int(f"(~{a.text})", ~a.hi, ~a.lo)
        if how < 28:
            a = self.float(depth - 1)
            return Int(f"bits64({a})", 0, (1 << 64) - 1) if self.chance(50) else Int(f"bits32({a})", 0, (1 << 32) - 1)
        return self.call(depth)

    def arithmetic(self, depth: int) -> Int:
        a, b = self.int(depth - 1), self.int(depth - 1)
        op = self.pick("+-*&|^/%+-")
        if op == "*":
            if a.bits + b.bits > MOST:
                a, b = self.cap(a, 120), self.cap(b, 120)
            ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
            return Int(f"({a.text} * {b.text})", min(ends), max(ends))
        a, b = self.cap(a, MOST - 2), self.cap(b, MOST - 2)
        if op == "+":
            return Int(f"({a.text} + {b.text})", a.lo + b.lo, a.hi + b.hi)
        if op == "-":
            return Int(f"({a.text} - {b.text})", a.lo - b.hi, a.hi - b.lo)
        if op in "/%":
            return self.divide(a, b, "//" if op == "/" else "%")
        top = max(a.hi, b.hi, -a.lo - 1, -b.lo - 1)
        top = (1 << top.bit_length()) - 1
        if op == "&" and (a.lo >= 0 or b.lo >= 0):
            return Int(f"({a.text} & {b.text})", 0, min(e.hi for e in (a, b) if e.lo >= 0))
        return Int(f"({a.text} {op} {b.text})", 0 if a.lo >= 0 and b.lo >= 0 else -top - 1, top)

    def divide(self, a: Int, b: Int, op: str) -> Int:
        if b.lo <= 0 <= b.hi:
            how = self.rng.randrange(4)
            if how == 0:
                b = Int(f"({b.text} | 1)", 1, b.hi | 1) if b.lo == 0 else Int("(-7)", -7, -7)
                if b.hi > 1:
                    b = Int(b.text, 1, (1 << b.hi.bit_length()) - 1)
            elif how == 1:
                b = Int(f"max({b.text}, 1)", 1, max(1, b.hi))
            elif how == 2:
                b = Int(f"min({b.text}, -1)", min(-1, b.lo), -1)
            else:
                value = self.number() or 5
                b = Int(f"({value})", value, value)
        if op == "//":
            ends = [x // y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
            return Int(f"({a.text} // {b.text})", min(ends), max(ends))
        return Int(f"({a.text} % {b.text})", *((0, b.hi - 1) if b.lo > 0 else (b.lo + 1, 0)))

    def shift(self, depth: int) -> Int:
        a, n = self.int(depth - 1), self.int(depth - 1)
        if self.chance(50):
            n = self.cap(n, self.pick((3, 6, 8, 64, 100)), unsigned=True)
            ends = [x >> min(y, 600) for x in (a.lo, a.hi) for y in (n.lo, n.hi)]
            return Int(f"({a.text} >> {n.text})", min(ends), max(ends))
        a = self.cap(a, 128)
        room = MOST - a.bits
        n = self.cap(n, self.pick((2, 4, 5, 6)), unsigned=True)
        if n.hi > room:
            n = Int(f"({n.text} & 15)", 0, 15)
        ends = [x << y for x in (a.lo, a.hi) for y in (n.lo, n.hi)]
        return Int(f"({a.text} << {n.text})", min(ends), max(ends))

    def compare(self, depth: int) -> str:
        op = lambda: self.pick(("==", "!=", "<", "<=", ">", ">="))  # noqa: E731
        if self.chance(15):
            return f"{self.float(depth)} {op()} {self.float(depth)}"
        a, b = self.int(depth), self.int(depth)
        if self.chance(25):
            middle = self.leaf(0)
            return f"{a.text} {op()} {middle.text} {op()} {b.text}"
        return f"{a.text} {op()} {b.text}"

    def test(self, depth: int) -> str:
        """A condition; often one that tells something about a local."""
        if self.ints and self.chance(50):
            name = self.pick(list(self.ints))
            lo, hi = self.ints[name]
            near = self.pick((0, 1, -1, lo, hi, lo + 1, hi - 1, (lo + hi) // 2, 5))
            test = f"{name} {self.pick(('==', '!=', '<', '<=', '>', '>='))} {near}"
            if self.chance(20):
                test = f"not ({test})"
            if self.chance(30):
                return f"{test} {self.pick(('and', 'or'))} {self.compare(depth)}"
            return test
        return self.int(depth).text if self.chance(40) else self.compare(depth)

    def call(self, depth: int) -> Int:
        if not self.calls:
            return self.leaf(depth)
        if self.chance(40) and (at := self.chip(want=lambda w: w.methods)):
            name, kinds, result = self.pick(at[1].methods)
            if result[0] != "f":
                return Int(f"{at[0]}.{name}({self.arguments(kinds, depth)})", *span_of(result))
        if self.chance(15) and self.world.name == "Main":
            return Int(f"super().{self.pick(('tick', 'tock'))}({self.int(depth - 1).text})", *span_of("s30"))
        if self.chance(20) and self.world.name == "Main":
            name, wanted, _, result = self.pick(CHIP_HELPERS)
            chip = self.chip(want=lambda w: w.name == wanted) if wanted else None
            text = f"{chip[0]}, " if chip else ""
            return Int(f"{name}({text}{self.int(depth - 1).text})", *span_of(result))
        name, kinds, result = self.pick([h for h in HELPERS if h[2][0] != "f"])
        text = f"{name}({self.arguments(kinds, depth)}"
        if name == "defaults" and self.chance(50):
            text += f", flag={self.int(depth - 2).text}"
        return Int(text + ")", *span_of(result))

    def arguments(self, kinds: tuple[str, ...], depth: int) -> str:
        return ", ".join(self.float(depth - 2) if k[0] == "f" else self.int(depth - 2).text for k in kinds)

    # -- floats

    def float(self, depth: int) -> str:
        how = self.rng.randrange(18)
        if depth <= 0 or how < 5:
            if how < 2 and self.floats:
                return self.pick(list(self.floats))
            if how < 7 and (at := self.chip(want=lambda w: w.floats, depth=0)):
                return f"{at[0]}.{self.pick(list(at[1].floats))}"
            if how < 9 and (at := self.chip(want=lambda w: w.float_arrays, depth=0)):
                name = self.pick(list(at[1].float_arrays))
                return f"{at[0]}.{name}[{self.below(at[1].float_arrays[name][1], 0)}]"
            return self.pick(("0.0", "(-0.0)", "1.0", "1.5", "(-2.0)", "0.1", "1e308", "1e-308", "5e-324", "1e39", "1e-46",
                              "3.4028235677973366e38", "PI", "INF", "(-INF)", "NOT_A_NUMBER", "16777217.0"))  # fmt: skip
        if how < 11:
            return f"({self.float(depth - 1)} {self.pick('+-*/')} {self.float(depth - 1)})"
        if how == 11:
            form = self.pick(("(-{})", "abs({})", "sqrt({})", "sqrt(abs({}))", "f32({})", "f64({})"))
            return form.format(self.float(depth - 1))
        if how == 12:
            return f"fma({self.float(depth - 1)}, {self.float(depth - 1)}, {self.float(depth - 1)})"
        if how == 13:
            return f"f64({self.cap(self.int(depth - 1), 64).text})"
        if how == 14:
            return f"f32({self.cap(self.int(depth - 1), 53).text})"
        if how == 15:
            return f"float64(u64({self.int(depth - 1).text}))" if self.chance(50) else f"float32(u32({self.int(depth - 1).text}))"
        if how == 16:
            return f"({self.float(depth - 1)} if {self.test(depth - 1)} else {self.float(depth - 1)})"
        return f"floaty({self.float(depth - 1)}, {self.float(depth - 1)})" if self.calls else "2.5"

    # -- statements

    @contextmanager
    def inner(self, loop: bool = False) -> Iterator[None]:
        """A block: what it makes is gone behind it, what it changes may be either."""
        ints, floats, homes = dict(self.ints), dict(self.floats), dict(self.homes)
        self.indent += 1
        self.loop += loop
        at = len(self.lines)
        yield
        if len(self.lines) == at:
            self.emit("pass")
        self.indent -= 1
        self.loop -= loop
        for name, (lo, hi) in ints.items():
            new = self.ints.get(name, (lo, hi))
            ints[name] = (min(lo, new[0]), max(hi, new[1]))
        self.ints, self.floats, self.homes = ints, floats, homes

    def block(self, count: int) -> bool:
        """Some statements. Can what follows be reached?"""
        for _ in range(count):
            if self.budget <= 0:
                return True
            self.budget -= 1
            if not self.statement():
                return False
        return True

    def statement(self) -> bool:
        how = self.rng.randrange(34)
        if how < 6:
            self.local()
        elif how < 13:
            self.store()
        elif how < 17:
            self.augmented()
        elif how < 19:
            self.several()
        elif how < 23:
            self.branch()
        elif how < 25 and self.loop < self.deepest:
            self.for_loop()
        elif how < 27 and self.loop < self.deepest:
            self.while_loop()
        elif how < 28:
            self.match()
        elif how < 30:
            self.guarded()
        elif how < 31:
            self.emit(f"if {self.test(1)}:")
            self.indent += 1
            if self.chance(60):
                self.leave()
            else:
                self.emit(f"raise Oops({self.int(1).text}, {self.int(1).text})" if self.chance(70) else "raise Bang()")
            self.indent -= 1
        elif how < 32 and self.loop:
            self.emit(f"if {self.test(1)}:")
            self.emit("    " + self.pick(("break", "continue")))
        elif how < 33 and self.calls and (at := self.chip(want=lambda w: w.methods)):
            name, kinds, _ = self.pick(at[1].methods)
            self.emit(f"{at[0]}.{name}({self.arguments(kinds, 2)})")
        elif self.calls and (at := self.chip(want=lambda w: w.traps)):
            self.emit(f"{at[0]}.{self.pick(at[1].traps)}()")
        else:
            self.local()
        return True

    def target(self) -> tuple[str, str]:
        """(text, type) of something to assign that is no local."""
        how = self.rng.randrange(10)
        if how < 3 and (at := self.chip(want=lambda w: w.arrays, depth=2)):
            name = self.pick(list(at[1].arrays))
            kind, count = at[1].arrays[name]
            return f"{at[0]}.{name}[{self.below(count, 2)}]", kind
        if how < 5 and (at := self.chip(static=True, want=lambda w: w.memories)):
            return self.place(*at, 2)
        if how == 5 and (at := self.chip(want=lambda w: w.float_arrays, depth=2)):
            name = self.pick(list(at[1].float_arrays))
            kind, count = at[1].float_arrays[name]
            return f"{at[0]}.{name}[{self.below(count, 1)}]", kind
        if how == 6 and (at := self.chip(want=lambda w: w.floats)):
            name = self.pick(list(at[1].floats))
            return f"{at[0]}.{name}", at[1].floats[name]
        at = self.chip(want=lambda w: w.ints, depth=2)
        assert at is not None
        name = self.pick(list(at[1].ints))
        return f"{at[0]}.{name}", at[1].ints[name]

    def for_kind(self, kind: str, depth: int) -> str:
        """An expression that may be stored as this type."""
        if kind[0] != "f":
            return self.int(depth).text
        if self.chance(15):
            return self.cap(self.int(depth - 1), 53).text
        return self.float(depth)

    def store(self) -> None:
        text, kind = self.target()
        self.emit(f"{text} = {self.for_kind(kind, 3)}")

    def local(self) -> None:
        """A new local, or a new value for one."""
        known = [n for n, (kind, depth) in self.homes.items() if kind or depth == self.loop]
        if known and self.chance(40):
            name = self.pick(known)
            kind, depth = self.homes[name]
            value = self.int(3)
            if kind and depth < 0:  # without annotation, but always of this type
                self.emit(f"{name} = {kind}({value.text})")
            elif kind:
                self.emit(f"{name} = {value.text}")
            else:
                self.emit(f"{name} = {value.text}")
                self.ints[name] = (value.lo, value.hi)
            return
        if self.chance(20):
            if self.floats and self.chance(40):
                name = self.pick(list(self.floats))
                self.emit(f"{name} = {self.float(2)}")
                return
            name = self.new("f")
            kind = self.pick((None, "f64", "f32"))
            value = self.float(3)
            self.emit(f"{name}: {kind} = {value}" if kind else f"{name} = {value}")
            self.floats[name] = kind
            return
        value, name = self.int(3), self.new("v")
        how = self.rng.randrange(3)
        if how == 0:
            kind = self.kind(wide=True)
            self.emit(f"{name}: {kind} = {value.text}")
            self.ints[name], self.homes[name] = span_of(kind), (kind, self.loop)
        elif how == 1:
            kind = self.kind(wide=True)
            self.emit(f"{name} = {kind}({value.text})")
            self.ints[name], self.homes[name] = span_of(kind), (kind, -1)
        else:
            self.emit(f"{name} = {value.text}")
            self.ints[name], self.homes[name] = (value.lo, value.hi), (None, self.loop)

    def augmented(self) -> None:
        mine = [n for n, (kind, depth) in self.homes.items() if kind and depth >= 0]
        if mine and self.chance(40):
            text = self.pick(mine)
            kind = self.homes[text][0]
            assert kind is not None
        else:
            text, kind = self.target()
        if kind[0] == "f":
            self.emit(f"{text} {self.pick('+-*/')}= {self.float(2)}")
            return
        old = Int(text, *span_of(kind))
        op = self.pick(("+", "-", "*", "&", "|", "^", "//", "%", "<<", ">>"))
        value = self.cap(self.int(2), 100)
        if op in ("//", "%"):
            value = Int("max(" + value.text + ", 1)", 1, 2) if value.lo <= 0 <= value.hi else value
        elif op in ("<<", ">>"):
            value = self.cap(value, 5 if old.bits > 64 or op == "<<" else 70, unsigned=True)
        self.emit(f"{text} {op}= {value.text}")

    def several(self) -> None:
        how = self.rng.randrange(4)
        mine = [n for n, (kind, depth) in self.homes.items() if kind and depth >= 0]
        if how == 0:
            targets = [t for t, kind in (self.target(), self.target()) if kind[0] != "f"]
            targets = targets or [f"self.{next(iter(self.world.ints))}"]
            if mine and self.chance(60):
                targets.insert(self.rng.randrange(len(targets) + 1), self.pick(mine))
            self.emit(f"{' = '.join(targets)} = {self.int(3).text}")
        elif how == 1 and len(mine) >= 2:
            a, b = self.rng.sample(mine, 2)
            self.emit(f"{a}, {b} = {b}, {a}")
        elif how == 2:
            (a, x), (b, y) = self.target(), self.target()
            self.emit(f"{a}, {b} = {self.for_kind(x, 2)}, {self.for_kind(y, 2)}")
        elif self.calls:
            name, kinds, results = self.pick(PAIRS)
            text = f"{name}({self.arguments(kinds, 3)})"
            if self.chance(30) and self.world.name == "Main" and (at := self.chip(want=lambda w: w.name == "Leaf")):
                text, results = f"risky({at[0]}, {self.int(1).text}", ("s20", "u8")
                text += f", more={self.int(1).text})" if self.chance(50) else ")"
            if self.chance(50) or not mine:
                a, b = self.new("v"), self.new("v")
                for each, kind in zip((a, b), results, strict=True):
                    self.ints[each], self.homes[each] = span_of(kind), (None, self.loop)
                self.emit(f"{a}, {b} = {text}")
            else:
                self.emit(f"{self.pick(mine)}, {self.pick(mine)} = {text}")

    def branch(self) -> None:
        ways = self.rng.randrange(1, 4)
        before = dict(self.ints)
        seen = dict(self.ints)
        for i in range(ways):
            word = "if" if i == 0 else "elif" if i < ways - 1 or self.chance(40) else "else"
            self.emit(f"{word}{'' if word == 'else' else ' ' + self.test(2)}:")
            self.ints = dict(before)
            with self.inner():
                self.block(self.rng.randrange(1, 3))
                if self.chance(8):
                    self.leave()
            seen = {n: (min(a, self.ints[n][0]), max(b, self.ints[n][1])) for n, (a, b) in seen.items()}
        self.ints = seen

    def leave(self) -> None:
        if not self.results:
            self.emit("return")
        elif len(self.results) == 2 and "f64" not in self.results and self.chance(30):
            self.emit(f"return {(p := self.pick(PAIRS))[0]}({self.arguments(p[1], 2)})")
        else:
            self.emit(f"return {', '.join(self.for_kind(k, 3) for k in self.results)}")

    def for_loop(self) -> None:
        name = self.new("i")
        how = self.rng.randrange(5)
        bound = self.pick([n for n, (lo, hi) in self.ints.items() if lo >= 0 and hi <= 7] or ["3"])
        if how == 0:
            stop = self.rng.randrange(1, 9)
            lo, hi = 0, stop - 1
            text = str(stop)
        elif how == 1:
            start, stop = self.rng.randrange(-5, 3), self.rng.randrange(3, 7)
            text, lo, hi = f"{start}, {stop}", start, stop - 1
        elif how == 2:
            start, stop, step = self.rng.randrange(2, 9), self.rng.randrange(-4, 2), self.rng.randrange(1, 4)
            text, lo, hi = f"{start}, {stop}, -{step}", stop + 1, start
        elif how == 3:
            base, step = self.number(), self.pick((1, 2, 255, 1 << 32))
            text, lo, hi = f"{base}, {base + 4 * step}, {step}", base, base + 4 * step - 1
        else:
            text, lo, hi = f"{bound}", 0, 6 if bound != "3" else 2
            if self.chance(40):
                text, lo, hi = f"{bound} - 1, -1, -1", 0, hi
        del how
        self.emit(f"for {name} in range({text}):")
        with self.inner(loop=True):
            self.ints[name] = (lo, hi)
            self.block(self.rng.randrange(1, 4))
            if self.chance(15):
                self.emit(f"{name} = {self.int(1).text}")
                del self.ints[name]

    def while_loop(self) -> None:
        name, most = self.new("w"), self.rng.randrange(2, 7)
        how = self.rng.randrange(4)
        start = self.rng.randrange(0, most)
        note = self.pick(("", ": u8", ": s33"))
        self.emit(f"{name}{note} = {start}")
        if how == 0:
            self.emit(f"while {name} < {most}:")
        elif how == 1:
            self.emit(f"while {name} < {most} and ({self.test(1)}):")
        else:
            self.emit("while True:")
        with self.inner(loop=True):
            self.ints[name] = (0, most)
            self.emit(f"{name} += 1")
            if how >= 2:
                self.emit(f"if {name} >= {most}:")
                self.indent += 1
                if how == 2 and self.loop == 1 and self.chance(30):
                    self.leave()
                else:
                    self.emit("break")
                self.indent -= 1
            self.block(self.rng.randrange(1, 4))
        if how == 2 and "return" in self.lines[-1]:
            return

    def match(self) -> None:
        value = self.int(2)
        if self.ints and self.chance(60):
            name = self.pick(list(self.ints))
            value = Int(name, *self.ints[name])
        elif self.chance(40):
            kind = self.pick(("u1", "u2", "s2"))
            value = Int(f"{kind}({value.text})", *span_of(kind))
        self.emit(f"match {value.text}:")
        self.indent += 1
        before, seen = dict(self.ints), dict(self.ints)
        values = [value.lo, value.hi, value.lo + 1, value.lo + 2, 0, 1, 2, -1, 5, 255, self.number()]
        full = value.hi - value.lo < 4 and self.chance(60)
        cases = [str(v) for v in range(value.lo, value.hi + 1)] if full else []
        for _ in range(0 if full else self.rng.randrange(1, 4)):
            parts = [str(self.pick(values)) for _ in range(self.rng.randrange(1, 4))]
            cases.append(" | ".join([*parts, *(["Color.DARK"] if self.chance(20) else [])]))
        ranges: dict[str, tuple[str, int, int]] = {}
        if not full and self.chance(30):
            low, high = sorted((self.pick(values), self.pick(values)))
            ends = max(low, value.lo), min(high, value.hi)
            name = self.new("c")
            ranges[case := f"{name} if {low} <= {name} <= {high}"] = (name, *ends)
            cases.insert(self.rng.randrange(len(cases) + 1), case)
        if self.chance(60) and not full:
            cases.append("_")
        for case in cases:
            self.emit(f"case {case}:")
            self.ints = dict(before)
            if case in ranges and ranges[case][1] <= ranges[case][2]:
                self.ints[ranges[case][0]] = ranges[case][1:]
            with self.inner():
                self.block(self.rng.randrange(1, 3))
                if self.chance(10):
                    self.leave()
            seen = {n: (min(a, self.ints[n][0]), max(b, self.ints[n][1])) for n, (a, b) in seen.items()}
        self.ints = seen
        self.indent -= 1

    def guarded(self) -> None:
        """A use that is safe because of a test of a variable."""
        name = self.new("g")
        kind = self.kind()
        self.emit(f"{name}: {kind} = {self.int(2).text}")
        lo, hi = span_of(kind)
        text, stored = self.target()
        if stored[0] == "f":
            text, stored = f"self.{next(iter(self.world.ints))}", "u8"
        if self.chance(50):
            test = self.pick((f"{name} != 0", name, f"not {name} == 0", f"{name} > 0"))
            self.emit(f"if {test}:")
            self.emit(f"    {text} = {self.cap(self.int(2), 200).text} {self.pick(('//', '%'))} {name}")
            return
        at = self.chip(want=lambda w: w.arrays)
        if at is None:
            return
        array = self.pick(list(at[1].arrays))
        count = at[1].arrays[array][1]
        place = f"{at[0]}.{array}[{name}]"
        if lo >= 0 and hi >= count and self.chance(50):
            self.emit(f"if {name} >= {count}:")
            if self.chance(50):
                self.emit(f"    {name} = {self.rng.randrange(count)}")
            else:
                self.indent += 1
                self.leave()
                self.indent -= 1
            self.emit(f"{place} = {self.int(2).text}")
            return
        self.emit(f"if {self.pick((f'0 <= {name} < {count}', f'{name} >= 0 and {name} < {count}', f'{count} > {name} >= 0'))}:")
        self.emit(f"    {text} = {place}" if self.chance(50) else f"    {place} += {self.cap(self.int(1), 100).text}")

    # -- functions

    def function(self, name: str, params: dict[str, str], results: tuple[str, ...], size: int, loop_ok: bool = True) -> list[str]:
        self.results, self.budget = results, size
        self.loop, self.deepest = 0, 2 if loop_ok else 0
        for each, kind in params.items():
            if kind[0] == "f":
                self.floats[each] = kind
            elif kind[0] in "us":
                self.ints[each], self.homes[each] = span_of(kind), (kind, 0)
        result = "None" if not results else results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
        head = ", ".join(["self", *(f"{n}: {k}" for n, k in params.items())])
        self.block(size)
        if results or self.chance(20):
            self.leave()
        if not self.lines:
            self.emit("pass")
        return [f"    def {name}({head}) -> {result}:", *self.lines, ""]


def make_world(rng: random.Random, name: str, size: int) -> World:
    """A chip class with random fields."""
    kinds = [f"{rng.choice('us')}{w}" for w in WIDTHS]
    world = World(name)
    for i in range(2 * size):
        world.ints[f"{name.lower()}_n{i}"] = rng.choice(kinds)
    for i in range(size):
        world.floats[f"x{i}"] = rng.choice(("f64", "f32", "f64"))
        world.arrays[f"a{i}"] = rng.choice(kinds), rng.choice((1, 2, 3, 4, 7, 8, 16))
    world.float_arrays["xs"] = rng.choice(("f64", "f32")), rng.choice((1, 2, 3))
    if rng.randrange(100) < 70:
        world.memories["ram"] = rng.choice((1, 3, 8, 16, 33, 64, 5000))
    return world


def module(seeds: list[int]) -> str:
    """A module whose `Main` has a program for each seed, `p0`, `p1`..."""
    rng = random.Random(seeds[0])
    leaf, sub = make_world(rng, "Leaf", 1), make_world(rng, "Sub", 1)
    main = make_world(rng, "Main", 3)
    sub.subs["leaf"] = leaf
    main.subs["sub"] = sub
    main.sub_arrays["subs"] = (sub, rng.choice((1, 2, 3, 4)))
    main.sub_arrays["leaves"] = (leaf, rng.choice((2, 5)))
    lines = [HEAD, ""]
    for world in (leaf, sub):
        lines += world.text()
        for i in range(2):
            maker = Maker(rng, world)
            maker.chips, maker.calls = [("self", world, False)], world is sub
            kinds = tuple(maker.kind() for _ in range(rng.randrange(3)))
            result = maker.kind()
            params = {f"p{j}": k for j, k in enumerate(kinds)}
            name = f"{world.name.lower()}_m{i}"
            lines += maker.function(name, params, (result,), 3, loop_ok=i == 0)
            if "raise" not in "".join(maker.lines):
                world.methods.append((name, kinds, result))
        lines += ["    def trouble(self) -> u8:"]
        lines += [f"        if self.{next(iter(world.ints))} & 1:", "            raise Oops(7, -1)"]
        lines += [f"        self.{next(iter(world.ints))} -= 1", "        return 1", ""]
        world.traps.append("trouble")
        lines.append("")
    lines += [AFTER_SUB, "class Base(Chip):", "    based: s30", "    def tick(self, by: u8) -> s30:", "        self.based += by"]
    lines += ["        return self.based", "", "    def tock(self, by: s7) -> s30:", "        return self.tick(by) ^ by", "", ""]
    lines += main.text("Base")
    main.ints["based"] = "s30"
    lines += ["    def tick(self, by: u8) -> s30:", "        return super().tick(by + 1) - 1", ""]
    for i, seed in enumerate(seeds):
        maker = Maker(random.Random(seed), main)
        maker.chips = [("self", main, True)]
        params = {f"p{j}": maker.kind() for j in range(maker.rng.randrange(4))}
        if maker.chance(20):
            params["x"] = maker.pick(("f64", "f32"))
        results = tuple(maker.pick((maker.kind(wide=True), "f64", maker.kind())) for _ in range(maker.pick((0, 1, 1, 2))))
        lines += maker.function(f"p{i}", params, results, maker.pick((3, 6, 10, 14)))
    return "\n".join(lines)


def define(source: str, name: str) -> types.ModuleType:
    """Run source text as a module of this name, registered so that its source is found."""
    filename = f"<{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    made = types.ModuleType(name)
    made.__file__ = filename
    sys.modules[name] = made
    exec(compile(source, filename, "exec"), vars(made))
    return made


# -- running


def scramble(chip: Any, cls: type, rng: random.Random) -> None:
    """Give every field and memory of a golden chip a random value."""
    from softmetal.lang.chip import layout
    from softmetal.lang.types import ArrayType, FloatType, MemoryType

    for entry in layout(cls):
        kind = entry.type
        *path, last = entry.path.replace("[", ".[").split(".")
        place = chip
        for step in path:
            place = place[int(step[1:-1])] if step[0] == "[" else getattr(place, step)
        if isinstance(kind, MemoryType):
            getattr(place, last)[0 : kind.length] = rng.randbytes(kind.length)
        elif isinstance(kind, ArrayType):
            for i in range(kind.length):
                getattr(place, last)[i] = some(kind.element, rng)
        else:
            assert isinstance(kind, FloatType) or kind.bits
            setattr(place, last, some(kind, rng))


def some(kind: Any, rng: random.Random) -> Any:
    """A random value of a type, mostly at its boundaries."""
    from softmetal.lang.types import IntType

    if isinstance(kind, IntType):
        how = rng.randrange(4)
        if how == 0:
            return rng.choice((kind.lo, kind.hi, 0, kind(1), kind(-1)))
        if how == 1:
            return kind((1 << rng.randrange(kind.bits)) + rng.randrange(-1, 2))
        if how == 2:
            return kind(rng.randrange(8))
        return rng.randrange(kind.lo, kind.hi + 1)
    special = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, 1e-310, 1.7e308, 3.4e38, 1e-45, 0.1, 1 + 2**-52)
    return kind(rng.choice(special) if rng.randrange(2) else rng.uniform(-1000, 1000))


def same(a: Any, b: Any) -> bool:
    """Are two results the same, to the bit?"""
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return isinstance(b, float) and a.hex() == b.hex()
    return type(a) is type(b) and bool(a == b)


def check(source: str, names: list[str] | None = None, rounds: int = 3, seed: int = 0, name: str = "generated") -> str:
    """Run a module's programs on both back ends; what differs, or "" where nothing does."""
    from softmetal.lang.chip import Board, Trap
    from softmetal.lang.native import Native, signature

    made = define(source, name)
    cls = made.Main
    methods = cls.__dict__["__hw_methods__"]
    names = names or [n for n in methods if n[0] == "p"]
    golden, native = cls(), Native(cls, names)
    board = Board.of(cls)
    one, two = golden.__mapping__.view, native.state.__mapping__.view
    parts = [(0, board.block_size), *((at, at + k.length) for at, k in board.memories.values())]
    rng = random.Random(seed)
    scramble(golden, cls, rng)
    for each in names:
        params, _ = signature(methods[each], cls)
        for _ in range(rounds):
            if rng.randrange(6) == 0:
                scramble(golden, cls, rng)
            for a, b in parts:
                two[a:b] = one[a:b]
            given = [some(k, rng) for k in params]
            ends = []
            for chip in (golden, native):
                try:
                    ends.append(getattr(chip, each)(*given))
                except Trap as trap:
                    ends.append((type(trap).__name__, trap.values))
            if not same(*ends):
                return f"{each}{tuple(given)}: golden gives {ends[0]}, native {ends[1]}"
            for a, b in parts:
                if one[a:b] != two[a:b]:
                    at = next(i for i in range(a, b) if one[i] != two[i])
                    return f"{each}{tuple(given)}: the states differ at byte {at} ({field_at(cls, at)}): {one[at]} and {two[at]}"
    return ""


def field_at(cls: type, at: int) -> str:
    """The field that a byte of the state belongs to."""
    from softmetal.lang.chip import layout

    return next((e.path for e in layout(cls) if e.offset <= at < e.offset + e.type.size), "no field")


def only(source: str, name: str) -> str:
    """The module with this one program, and no other."""
    tree = ast.parse(source)
    main = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Main")
    main.body = [n for n in main.body if not (isinstance(n, ast.FunctionDef) and n.name[0] == "p" and n.name != name)]
    return ast.unparse(tree)


def smallest(source: str, name: str, fails: Callable[[str], bool], seconds: float = 30) -> str:
    """The program `name` with all statements and parts of expressions left out that are not needed for it to fail."""
    source, end = only(source, name), time.monotonic() + seconds
    at = 0
    while time.monotonic() < end:
        smaller = next(itertools.islice(smaller_ones(source, name), at, None), None)
        if smaller is None:
            break
        if fails(smaller):
            source = smaller
        else:
            at += 1
    return source


def smaller_ones(source: str, name: str) -> Iterator[str]:
    def method(tree: ast.AST) -> ast.FunctionDef:
        return next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)

    def blocks(tree: ast.AST) -> list[list[ast.stmt]]:
        return [b for n in ast.walk(tree) for a in ("body", "orelse") if isinstance(b := getattr(n, a, None), list) and b]

    here = method(ast.parse(source))
    for i, block in enumerate(blocks(here)):
        for j in range(len(block)):
            tree = ast.parse(source)
            mine = blocks(method(tree))[i]
            inner = getattr(mine[j], "body", [])
            for instead in ([], inner) if inner else ([],):
                tree = ast.parse(source)
                mine = blocks(method(tree))[i]
                mine[j : j + 1] = [] if not instead else mine[j].body  # type: ignore[attr-defined]
                if not mine:
                    mine.append(ast.Pass())
                yield ast.unparse(tree)
    parts = [n for n in ast.walk(here) if isinstance(n, ast.expr)]
    for i, part in enumerate(parts):
        children = [c for c in ast.iter_child_nodes(part) if isinstance(c, ast.expr)]
        if isinstance(part, ast.Constant | ast.Name | ast.Attribute) or isinstance(getattr(part, "ctx", None), ast.Store):
            continue
        for child in [*children, ast.Constant(1)]:
            tree = ast.parse(source)
            old = [n for n in ast.walk(method(tree)) if isinstance(n, ast.expr)][i]
            new = child

            class Replace(ast.NodeTransformer):
                def generic_visit(self, node: ast.AST, old: ast.AST = old, new: ast.AST = new) -> ast.AST:
                    return new if node is old else super().generic_visit(node)

            yield ast.unparse(ast.fix_missing_locations(Replace().visit(tree)))
