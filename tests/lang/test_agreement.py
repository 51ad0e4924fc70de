"""Golden and native agree: on random programs, and on what random programs once found.

The default run takes PROGRAMS programs, always the same. `SOFTMETAL_PROGRAMS=50000 pytest tests/lang/test_agreement.py`
is the long form: as many programs as it says. `SOFTMETAL_SEED=n` starts from others. Programs are compiled many at a time
in a process of their own, for a mistake in generated code may end it; one that fails is cut down to what is needed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from softmetal.lang import HardwareError, native
from softmetal.lang.check import Program
from tests.lang.careless import careless_module
from tests.lang.programs import check, define, module, same, smallest

PROGRAMS = int(os.environ.get("SOFTMETAL_PROGRAMS", "600"))
SEED = int(os.environ.get("SOFTMETAL_SEED", "0"))
TOGETHER = 25
CARELESS = PROGRAMS // 100
HEADER = "from __future__ import annotations\n"
HEADER += "from collections.abc import Callable\nfrom functools import partial\nfrom softmetal.lang import *\n"


def apart(run: Callable[[], str]) -> str:
    """What `run()` gives, or how it failed, in a process of its own."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(120)
            try:
                text = run()
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            with os.fdopen(there, "w") as out:
                out.write(text)
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here) as out:
        text = out.read()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"the process ended by signal {status & 127}: {text}"


def kind_of(text: str) -> str:
    """Two failures of one kind have this in common."""
    if text.startswith("HardwareError"):
        return text.split("error: ", 1)[1].split("\n")[0][:16]
    return text.split(":")[0] if "Error:" in text or "signal" in text else "disagree" if text else ""


def report(source: str, found: str, seed: int) -> str:
    """The failure, with the program that failed cut down."""
    for name in (f"p{i}" for i in range(TOGETHER)):
        alone = apart(lambda name=name: check(source, [name], 30, seed))
        if alone:
            kind = kind_of(alone)
            small = smallest(source, name, lambda s, n=name, k=kind: kind_of(apart(lambda: check(s, [n], 30, seed))) == k)
            return f"{alone}\n\n{small}"
    return f"{found}\n(all programs together only)\n\n{source}"


@settings(
    max_examples=max(1, PROGRAMS // TOGETHER), derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(0, 2**40 - 1))
def test_random_programs_do_the_same_on_both_back_ends(seed):
    source = module([(SEED << 80) + (seed << 40) + i for i in range(TOGETHER)])
    found = apart(lambda: check(source, seed=seed))
    assert not found, report(source, found, seed)


@pytest.mark.parametrize("seed", range(CARELESS))
def test_what_the_compiler_accepts_never_goes_wrong(seed):
    """Programs that may be unsafe: CPython would raise IndexError, ZeroDivisionError or ValueError if one were."""

    def run() -> str:
        source = careless_module((SEED << 30) + seed, 60)
        main = define(source, "careless").Main
        accepted = []
        for name, method in main.__dict__["__hw_methods__"].items():
            try:
                native._entry_function(Program(), main, (method, main))
            except HardwareError:
                continue
            accepted.append(name)
        assert len(accepted) > 10
        found = check(source, accepted, 20, seed, "careless")
        return f"{found}\n\n{source}" if found else ""

    found = apart(run)
    assert not found, found


# What was found once. Each: a name, the body of a chip class (after ==== before it: what stands before the class), calls
# and what they give.
FOUND = {
    "a float result": ("""
    x: f64
    def f(self) -> f64:
        return self.x + 1.5
    """, ["f()"], [1.5]),
    "the index of a chip is evaluated once in an augmented assignment": ("""
class Cell(Chip):
    v: u8
    ====
    cells: Cell[4]
    k: u2
    def next(self) -> u2:
        self.k += 1
        return self.k
    def f(self) -> u8:
        self.cells[self.next()].v += 5
        self.cells[self.next()].v += self.next()
        return self.k
    def g(self) -> u32:
        return self.cells[0].v | self.cells[1].v << 8 | self.cells[2].v << 16 | self.cells[3].v << 24
    """, ["f()", "g()"], [3, 0x00030500]),
    "one target is cut before the next one's index uses it": ("""
    a: u8[4]
    def f(self) -> u32:
        x: u2 = 0
        x = self.a[x] = 6
        return self.a[2] << 8 | x
    def g(self) -> u32:
        y: u2 = 0
        y, self.a[y] = 5, 9
        return self.a[1] << 8 | y
    """, ["f()", "g()"], [0x602, 0x901]),
    "results handed on are cut": ("""
def wide() -> tuple[u16, s16]:
    return 0x1234, -300
    ====
    def f(self) -> tuple[u8, s8]:
        return wide()
    """, ["f()"], [(0x34, -44)]),
    "augmented division of floats by zero": ("""
    x: f64 = 1.0
    def f(self, y: f64) -> f64:
        z = -1.0
        z /= y
        self.x /= y
        return self.x + z
    def g(self) -> f64:
        return self.x
    """, ["f(0.0)", "g()"], [float("nan"), float("inf")]),
    "an integer bound by partial is cut": ("""
def add(x: u8, k: u4) -> u16:
    return x + k
add18 = partial(add, k=18)
    ====
    def f(self, x: u8) -> u16:
        return add18(x)
    """, ["f(255)"], [257]),
    "a default that is a bool or a function": ("""
def twice(x: u8) -> u16:
    return x * 2
def apply(x: u8, plus: u1 = True, f: Callable[[int], int] = twice) -> u16:
    return f(x) + plus
    ====
    def f(self, x: u8) -> u16:
        return apply(x)
    """, ["f(200)"], [401]),
    "a case that names a value twice": ("""
    def f(self, x: u8) -> u8:
        match x:
            case 1 | 1 | 2:
                return 5
            case 2 | 3:
                return 6
            case _:
                return 7
    """, ["f(1)", "f(2)", "f(3)", "f(4)"], [5, 5, 6, 7]),
    "functions apart of classes of one name": ("""
def made(step):
    class Part(Chip):
        STEP = step
        x: u16
        @noinline
        def go(self) -> u16:
            self.x += self.STEP
            return self.x
    return Part
First, Second = made(3), made(50)
    ====
    a: First[2]
    b: Second[2]
    def f(self) -> u32:
        total: u32 = 0
        for i in range(2):
            total = 1000 * total + self.a[i].go() + self.b[i].go()
        return total
    """, ["f()", "f()"], [53053, 106106]),
    "cases that are ranges": ("""
TOP = 16
    ====
    calls: u8
    table: u8[16]
    def next(self) -> u16:
        self.calls += 1
        return 0x1000 * self.calls + 5
    def f(self, x: u16) -> u16:
        match x:
            case 3 | 7:
                return 1
            case n if 0 <= n < TOP:
                return self.table[n] + 100
            case n if TOP <= n <= 0x1FF:
                return n - TOP
            case 0x200:
                return 2
            case _:
                return 3
    def g(self) -> u16:
        found: u16 = 9
        match self.next():
            case n if 0x1000 < n < 0x2000:
                found = n
            case n if 0x2000 <= n < 0x3000:
                found = 2 * n
        return found + self.calls
    """, ["f(3)", "f(7)", "f(2)", "f(15)", "f(16)", "f(511)", "f(512)", "f(513)", "g()", "g()", "g()"],
        [1, 1, 100, 100, 0, 495, 2, 3, 0x1006, 0x400C, 12]),
    "cases that leave nothing over, each with a return": ("""
    def f(self, x: u1) -> u8:
        match x:
            case 0:
                return 5
            case 1:
                return 6
    """, ["f(0)", "f(1)"], [5, 6]),
    "a loop that only a return ends": ("""
    n: u8
    def f(self) -> u8:
        while True:
            self.n += 1
            if self.n == 200:
                return self.n
    """, ["f()"], [200]),
    "the bounds of a counter in a loop without a test": ("""
    a: u8[5]
    def f(self) -> u8:
        i: s33 = 0
        while True:
            self.a[i] = i + 1
            i += 1
            if i >= 5:
                break
        return self.a[4] + i
    """, ["f()"], [10]),
    "a field in the middle of a chained comparison": ("""
    x: s8 = -3
    def f(self) -> u8:
        return (0 <= self.x < 5) | (-4 < self.x < 0) << 1
    """, ["f()"], [2]),
    "a divisor of either sign that a test shows not to be 0": ("""
    def div(self, a: s64, b: s64) -> s64:
        if b == 0:
            return -1
        return a // b
    def rem(self, a: s64, b: s64) -> s64:
        return a % b if b else a
    """, ["div(-7, 2)", "div(7, -2)", "div(-1 << 63, -1)", "div(5, 0)", "rem(-7, 2)", "rem(7, -2)", "rem(-1 << 63, -1)"],
        [-4, -4, -(1 << 63), -1, 1, -1, 0]),
    "the one quotient that needs a bit more": ("""
    def f(self, a: s64, b: s32) -> u128:
        return a // min(b, -1)
    def g(self, a: s8, b: s8) -> s16:
        return a // min(b, -1)
    """, ["f(-1 << 63, -1)", "f(-1 << 63, -2)", "g(-128, -1)", "g(127, -1)"], [1 << 63, 1 << 62, 128, -127]),
    "division of more than 64 bits": ("""
    def f(self, a: u64, b: u64) -> u64:
        return (a * a + 7) // (b * 3 + 1)
    def g(self, a: s64, b: u64) -> s64:
        return (a * 5 - 3) % (b + 1)
    """, ["f(12345678901234567890, 3)", "g(-1 << 63, (1 << 64) - 1)"],
        [(12345678901234567890**2 + 7) // 10 % 2**64, ((-5 << 63) - 3) % 2**64 - 2**64 * (((-5 << 63) - 3) % 2**64 >> 63)]),
    "every NaN at rest has the same bits": ("""
    x: f64
    y: f32
    def f(self, a: f64) -> u64:
        self.x = sqrt(a)
        self.y = sqrt(a)
        return bits64(self.x) ^ bits32(self.y)
    def g(self, a: f64) -> u32:
        return bits32(sqrt(a * 2.0))
    """, ["f(-1.0)", "g(-1.0)"], [0x7FF8000000000000 ^ 0x7FC00000, 0x7FC00000]),
    "a product that overflows, and an infinity, in one fused operation": ("""
    def f(self, a: f64, c: f64) -> f64:
        return fma(a, a, c)
    """, ["f(1e300, -INF)", "f(1e300, 1.0)"], [float("-inf"), float("inf")]),
    "the index of a chip is evaluated though only one is possible": ("""
class Cell(Chip):
    v: u8
    ====
    cells: Cell[4]
    n: u8
    def count(self) -> u8:
        self.n += 1
        return self.n
    def f(self) -> u8:
        self.cells[self.count() & 0].v = 9
        known = self.cells[self.count() & 0].v < 300
        return self.n + known
    """, ["f()"], [3]),
    "the index of a chip is evaluated though only its constants are used": ("""
class Cell(Chip):
    SIZE = 7
    v: u8
    ====
    cells: Cell[4]
    n: u8
    def count(self) -> u8:
        self.n += 1
        return self.n
    def f(self) -> u8:
        size = self.cells[self.count() & 3].SIZE
        return 10 * self.n + size
    """, ["f()"], [17]),
    "a test with effects whose answer is known": ("""
    n: u8
    def count(self) -> u8:
        self.n += 1
        return self.n
    def f(self, x: u8) -> u8:
        y = 3
        return (5 if not (self.count() and y < 2) or y < 2 else 6) + self.n
    """, ["f(0)"], [6]),
    "names of fields and methods that are letters of the struct module": ("""
    f: u8[3]
    h: f32 = 1.5
    q: u64
    def b(self) -> u8:
        self.f[1] = 7
        self.h += 1.0
        return self.f[1] + (self.h == 2.5)
    """, ["b()"], [8]),
    "constants of a class, by its name": ("""
class Cell(Chip):
    SIZE = 7
    TABLE = (1, 2, 3)
    ====
    def f(self) -> u8:
        return Cell.SIZE + Cell.TABLE[2]
    """, ["f()"], [10]),
    "the complement of a comparison": ("""
    def f(self, x: u8) -> s8:
        return ~(x > 3)
    """, ["f(9)", "f(0)"], [-2, -1]),
    "a trap leaves what was stored": ("""
class Bang(Trap):
    a: s8
    b: u64
    ====
    n: u8
    def f(self) -> u8:
        self.n = 5
        if self.n > 2:
            raise Bang(200, -1)
        return 1
    def g(self) -> u8:
        return self.n
    """, ["f()", "g()"], [("Bang", (-56, 2**64 - 1)), 5]),
}  # fmt: skip


@pytest.mark.parametrize("back_end", ["golden", "native"])
@pytest.mark.parametrize("name", FOUND)
def test_was_wrong_once(name, back_end):
    body, calls, wanted = FOUND[name]
    before, _, inside = body.rpartition("====")
    text = f"{HEADER}{before.rstrip()}\n\nclass Main(Chip):\n{inside}"
    made = define(text, "found_" + "".join(c if c.isalnum() else "_" for c in name))
    chip = made.Main() if back_end == "golden" else native.Native(made.Main)
    for call, result in zip(calls, wanted, strict=True):
        try:
            given = eval(f"chip.{call}", {"chip": chip, "INF": float("inf")})
        except Exception as trap:
            given = (type(trap).__name__, trap.values)
        assert same(given, result), f"{call} gives {given}, not {result}"
