"""What random programs are about: the module around them, chip classes with random fields, ranges of expressions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

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


def some_leaf(a: Leaf, b: Leaf, n: u1) -> Leaf:
    a.leaf_n0 += 1
    return a if n else b


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
    grids: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    memories: dict[str, int] = field(default_factory=dict)
    subs: dict[str, World] = field(default_factory=dict)
    sub_arrays: dict[str, tuple[World, int]] = field(default_factory=dict)
    alike: dict[str, World] = field(default_factory=dict)  # chips of classes derived from these
    methods: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    traps: list[str] = field(default_factory=list)  # methods that may trap, too: () -> u8

    def text(self, bases: str = "Chip") -> list[str]:
        lines = [f"class {self.name}({bases}):", "    SIZE = 6", "    NEGATIVE = -129", "    STEPS = (5, -7, 300)"]
        lines += [f"    {n}: {k}" for n, k in {**self.ints, **self.floats}.items()]
        lines += [f"    {n}: {k}[{c}]" for n, (k, c) in {**self.arrays, **self.float_arrays}.items()]
        lines += [f"    {n}: {k}[{y}, {x}]" for n, (k, y, x) in self.grids.items()]
        lines += [f"    {n}: memory[{c}]" for n, c in self.memories.items()]
        lines += [f"    {n}: {w.name}" for n, w in self.subs.items()]
        lines += [f"    {n}: {w.name}[{c}]" for n, (w, c) in self.sub_arrays.items()]
        lines += [f"    {n}: Twig" for n in self.alike]
        return [*lines, ""]


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
    if rng.randrange(100) < 50:
        world.grids["cells"] = rng.choice(("u8", rng.choice(kinds))), rng.choice((1, 2, 3, 5)), rng.choice((1, 4, 7))
    world.arrays["bytes"] = "u8", rng.choice((4, 9, 16))
    if rng.randrange(100) < 70:
        world.memories["ram"] = rng.choice((1, 3, 8, 16, 33, 64, 5000))
    return world
