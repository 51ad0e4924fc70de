"""Random programs that may be unsafe: an index that may leave its array, a divisor that may be 0, a negative shift.

Whether one is safe, the compiler has to find out; what it accepts must never go wrong.
"""

from __future__ import annotations

import random

from tests.lang.programs import Int, Maker, World

KINDS = ("u1", "u2", "u3", "u4", "s2", "s3", "s4", "s5", "u8", "s8")
USES = (
    "self.a0[{}] += 1", "self.n += self.a0[{}]", "self.n += 100 // {}", "self.n ^= 77 % {}", "self.n += 9 << {}",
    "self.n = 900 >> {}",
)  # fmt: skip


FORMS = (
    "{0}", "{0} + {1}", "{0} - {1}", "{0} & {1}", "{0} | {1}", "{0} ^ {1}", "{0} % 7", "{0} // 3", "{0} >> 1", "-{0}", "~{0}",
    "min({0}, {1})", "max({0}, {1})", "abs({0})", "{0} * {1}", "({0} and {1})", "({0} or {1})", "({0} if {0} < {1} else {1})",
    "u3({0})", "s4({0} + {1})", "max(0, min({0}, 5))", "({0} != 0) + {1}", "{0} % max({1}, 1)",
)  # fmt: skip


class Careless(Maker):
    """Writes uses of locals under random tests."""

    def kind(self, wide: bool = False) -> str:
        return self.pick(KINDS)

    def number(self) -> int:
        return self.rng.randrange(-9, 17)

    def leaf(self, depth: int) -> Int:
        if self.ints and self.chance(70):
            name = self.pick(list(self.ints))
            return Int(name, *self.ints[name])
        value = self.number()
        return Int(f"({value})", value, value)

    def int(self, depth: int) -> Int:
        a, b = self.leaf(0), self.leaf(0)
        form = self.pick(FORMS)
        return Int(form.format(a.text, b.text), -(10**6), 10**6)

    def test(self, depth: int) -> str:
        a, b = self.leaf(0).text, self.leaf(0).text
        op = lambda: self.pick(("==", "!=", "<", "<=", ">", ">="))  # noqa: E731
        chain = f"{self.number()} {op()} {a} {op()} {b}"
        test = self.pick((f"{a} {op()} {b}", f"{a} {op()} {self.number()}", chain, a, f"not {a}"))
        if self.chance(15):
            test = f"not ({test})"
        if self.chance(20):
            return f"({test} {self.pick(('and', 'or'))} {self.test(0)})"
        return test

    def use(self) -> None:
        name = self.leaf(0).text
        use = self.pick(USES).format(name)
        how = self.rng.randrange(8)
        test = self.test(0)
        if self.chance(40):
            test = f"{self.pick(('', 'not '))}({test} {self.pick(('and', 'or'))} {self.test(0)})"
        if how < 4:
            self.emit(f"if {test}:")
            self.emit(f"    {use}")
        elif how == 4:
            self.emit(f"if {test}:")
            ways = ["return 1", f"self.n = {self.number()}", *(["break", "continue"] if self.loop else [])]
            self.emit(f"    {self.pick(ways)}")
            self.emit(use)
        elif how == 5 and name in self.homes:
            self.emit(f"while {test}:")
            self.emit(f"    {use}")
            self.emit(f"    {name} {self.pick('+-')}= {self.pick((1, 2, 3))}")
            self.emit("    self.left -= 1")
            self.emit("    if self.left == 0:")
            self.emit(f"        {self.pick(('break', 'return 2'))}")
        else:
            self.emit(use)

    def statement(self) -> bool:
        if self.chance(15):
            name = self.new("v")
            value = self.int(1)
            kind = self.pick(("", *(f": {k}" for k in KINDS)))
            self.emit(f"{name}{kind} = {value.text}")
            self.ints[name], self.homes[name] = (-(10**6), 10**6), (kind[2:] or None, self.loop)
        elif self.chance(15) and self.homes:
            self.emit(f"{self.pick(list(self.homes))} = {self.int(1).text}")
        elif self.chance(15) and self.loop < 2:
            name = self.new("i")
            low, high, step = self.number(), self.number(), self.pick((1, 2, -1, -3))
            bound = self.leaf(0).text if self.chance(50) else str(high)
            self.emit(f"for {name} in range({low}, {bound}, {step}):")
            with self.inner(loop=True):
                self.ints[name] = (-20, 300)
                self.block(2)
        elif self.chance(15):
            self.emit(f"if {self.test(0)}:")
            with self.inner():
                self.block(2)
            self.emit("else:")
            with self.inner():
                self.block(1)
        elif self.chance(10):
            self.emit(f"match {self.leaf(0).text}:")
            self.indent += 1
            for case in (f"{self.number()} | {self.number()}", str(self.number()), "_"):
                self.emit(f"case {case}:")
                with self.inner():
                    self.use()
            self.indent -= 1
        else:
            self.use()
        return True


def careless_module(seed: int, count: int) -> str:
    """A module whose `Main` has `count` such programs, `p0`, `p1`..."""
    lines = ["from __future__ import annotations", "from softmetal.lang import *", "", "", "class Main(Chip):"]
    lines += ["    n: u32", "    left: u8", "    a0: u8[6]", ""]
    for i in range(count):
        maker = Careless(random.Random((seed << 20) + i), World("Main"))
        maker.calls = False
        params = {f"p{j}": maker.kind() for j in range(maker.rng.randrange(1, 4))}
        lines += maker.function(f"p{i}", params, ("u8",), 3)
    return "\n".join(lines)
