"""Random statements and functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lang.programs.expressions import Expressions
from tests.lang.programs.world import PAIRS, Int, span_of


class Maker(Expressions):
    """Writes functions."""

    @contextmanager
    def inner(self, loop: bool = False) -> Iterator[None]:
        """A block: what it makes is gone behind it, what it changes may be either."""
        ints, floats, homes, chips = dict(self.ints), dict(self.floats), dict(self.homes), list(self.chips)
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
        self.ints, self.floats, self.homes, self.chips = ints, floats, homes, chips

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
        how = self.rng.randrange(38)
        if how >= 34:
            if how < 36:
                self.chip_local()
            else:
                self.copy()
            return True
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
        how = self.rng.randrange(11)
        if how == 10 and (at := self.chip(want=lambda w: w.grids, depth=2)):
            return self.cell(*at, 2)
        if how < 3 and (at := self.chip(want=lambda w: w.arrays, depth=2)):
            name = self.pick(list(at[1].arrays))
            kind, count = at[1].arrays[name]
            return f"{at[0]}.{name}[{self.below(count, 2)}]", kind
        if how < 5 and (at := self.chip(want=lambda w: w.memories, depth=2)):
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

    def copy(self) -> None:
        """A copy of some elements."""
        spans = [self.span(0) for _ in range(8)]
        pairs = [(a, b) for a in spans for b in spans if a and b and a[1] == b[1] and a is not b]
        if pairs:
            (to, _, have), (source, _, most) = self.pick(pairs)
            count = self.rng.randrange(1, min(have, most) + 1)
            starts = []
            for length in (have, most):
                inside = [n for n, (lo, hi) in self.ints.items() if lo >= 0 and hi <= length - count]
                starts.append(self.pick(inside) if inside else str(self.rng.randrange(length - count + 1)))
            ends = [f"{s} + {count}" if not s.isdigit() else str(int(s) + count) for s in starts]
            self.emit(f"{to}[{starts[0]}:{ends[0]}] = {source}[{starts[1]}:{ends[1]}]")

    def span(self, depth: int) -> tuple[str, str, int] | None:
        """(text, type, length) of something of which slices are copied."""
        how = self.rng.randrange(5)
        if how < 2 and (at := self.chip(want=lambda w: w.memories, depth=depth)):
            name = self.pick(list(at[1].memories))
            return f"{at[0]}.{name}", "u8", at[1].memories[name]
        if how == 2 and (at := self.chip(want=lambda w: w.grids, depth=depth)):
            name = self.pick(list(at[1].grids))
            kind, rows, columns = at[1].grids[name]
            return f"{at[0]}.{name}[{self.below(rows, depth)}]", kind, columns
        at = self.chip(want=lambda w: w.arrays, depth=depth)
        if at is None:
            return None
        name = self.pick(list(at[1].arrays))
        return f"{at[0]}.{name}", *at[1].arrays[name]

    def chip_local(self) -> None:
        """A new local that stands for a chip, or another chip for one."""
        names = [c for c in self.chips if c[0][0] == "d"]
        old = self.pick(names) if names and self.chance(50) else None
        at = self.chip(want=lambda w: w.name != "Main" and (old is None or w is old[1]))
        if at is None:
            return
        name = old[0] if old else self.new("d")
        note = f": {at[1].name}" if old is None and self.chance(30) else ""
        self.emit(f"{name}{note} = {at[0]}")
        if old is None:
            self.chips.append((name, at[1], False))

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
