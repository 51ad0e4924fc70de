"""Random expressions, with ranges that hold their values."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.lang.programs.world import CHIP_HELPERS, HELPERS, MOST, WIDE, WIDTHS, Int, World, span_of


class Expressions:
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
            found += [(f"{text}.{name}", sub, known) for name, sub in world.alike.items()]
            for name, (sub, count) in world.sub_arrays.items():
                if static or self.chance(40):
                    found.append((f"{text}.{name}[{self.rng.randrange(count)}]", sub, known))
                else:
                    found.append((f"{text}.{name}[{self.below(count, depth)}]", sub, False))
        found = [f for f in found if want(f[1]) and (f[2] or not static)]
        if not found:
            return None
        text, world, _ = self.pick(found)
        if static or depth <= 0 or self.chance(75):
            return text, world
        return self.choice(depth, [f for f in found if f[1] is world and (f[0], world.name) != ("self", "Main")]) or (text, world)

    def choice(self, depth: int, among: list[tuple[str, World, bool]]) -> tuple[str, World] | None:
        """The text of a chip that is chosen among some of one class."""
        if not among:
            return None
        world = among[0][1]
        texts = [self.pick(among)[0] for _ in range(self.rng.randrange(2, 5))]
        how = self.rng.randrange(3)
        if how == 0:
            return f"({texts[0]} if {self.test(depth - 1)} else {texts[1]})", world
        if how == 1 and world.name == "Leaf" and self.calls and self.world.name == "Main":
            plain = [text for text, _, known in among if known]
            if plain:
                return f"some_leaf({texts[0]}, {self.pick(plain)}, {self.int(depth - 1).text})", world
        return f"({', '.join(texts)})[{self.below(len(texts), depth - 1)}]", world

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
        if how == 12 and self.chance(30) and (at := self.chip(want=lambda w: w.grids, depth=depth)):
            text, kind = self.cell(*at, depth)
            return Int(text, *span_of(kind))
        if how == 7 and (at := self.chip(want=lambda w: w.memories, depth=depth)):
            text, kind = self.place(*at, depth)
            return Int(text, *span_of(kind))
        if how == 8:
            name, values = self.pick((("TABLE", (3, -1, 0, 70000, -(1 << 40), 255, 1 << 63)), ("SMALL", (1, 2, 4, 8)),
                                      ("BYTES", (0, 1, 127, 128, 255)), ("self.STEPS", (5, -7, 300))))  # fmt: skip
            return Int(f"{name}[{self.below(len(values), depth)}]", min(values), max(values))
        if how == 9 and self.chance(30) and (at := self.chip(want=lambda w: w.name == "Leaf", depth=depth)):
            return Int(f"{at[0]}.SIZE", 6, 9)
        if how == 9:
            name, value = self.pick((("BIG", (1 << 64) - 1), ("MINUS", -(1 << 31)), ("Color.BLUE", 255), ("Color.DARK", -3),
                                     ("self.SIZE", 6), ("self.NEGATIVE", -129), ("FLAG", 1), ("Main.SIZE", 6)))  # fmt: skip
            return Int(name, value, value)
        value = self.number()
        return Int(str(value) if value >= 0 else f"({value})", value, value)

    def cell(self, chip: str, world: World, depth: int) -> tuple[str, str]:
        """(text, type) of an element of an array of two dimensions."""
        name = self.pick(list(world.grids))
        kind, rows, columns = world.grids[name]
        form = self.pick(("{}.{}[{}, {}]", "{}.{}[{}][{}]"))
        return form.format(chip, name, self.below(rows, depth), self.below(columns, depth)), kind

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
