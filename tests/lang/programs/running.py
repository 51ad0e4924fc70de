"""Runs random programs on both back ends, and says what differs."""

from __future__ import annotations

import hashlib
import linecache
import math
import random
import sys
import types
from typing import Any

from softmetal.lang.chip import Board, Trap, layout
from softmetal.lang.native import Native, signature
from softmetal.lang.types import ArrayType, FloatType, IntType, MemoryType


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
    for entry in layout(cls):
        kind = entry.type
        *path, last = entry.path.replace("[", ".[").split(".")
        place = chip
        for step in path:
            place = place[int(step[1:-1])] if step[0] == "[" else getattr(place, step)
        if isinstance(kind, MemoryType):
            getattr(place, last)[0 : kind.length] = rng.randbytes(kind.length)
        elif isinstance(kind, ArrayType):
            whole = getattr(place, last)
            for part in whole if kind.columns else [whole]:
                part[:] = [some(kind.element, rng) for _ in part]
        else:
            assert isinstance(kind, FloatType) or kind.bits
            setattr(place, last, some(kind, rng))


def some(kind: Any, rng: random.Random) -> Any:
    """A random value of a type, mostly at its boundaries."""
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
    return next((e.path for e in layout(cls) if e.offset <= at < e.offset + e.type.size), "no field")
