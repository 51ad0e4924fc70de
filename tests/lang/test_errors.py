"""Wrong programs, each with the whole message that its author gets: where, what, and what to write instead.

A program here is the body of a chip class (after ====, if something stands before the class) with the fields that
`FIELDS` names; the message's file is written `chip.py`.
"""

from __future__ import annotations

import pytest

from softmetal.lang import HardwareError
from softmetal.lang.native import Native
from tests.lang.programs import define

HEAD = "from __future__ import annotations\nfrom softmetal.lang import *\n"
FIELDS = """\
    n: u8
    s: s8
    x: f64
    a: u8[6]
    ram: memory[64]
"""

WRONG = {
    "lambda": ("""\
    def f(self) -> u8:
        g = lambda v: v + 1
        return g(1)
""", """\
chip.py:12:13: error: a lambda is not hardware Python
            g = lambda v: v + 1
                ^~~~~~~~~~~~~~~
  write instead: a function with def and annotated parameters
"""),
    "list": ("""\
    def f(self) -> u8:
        v = [1, 2]
        return v[0]
""", """\
chip.py:12:13: error: a list is not hardware Python
            v = [1, 2]
                ^~~~~~
  write instead: an array field, as in u8[4], or a module's tuple of integers
"""),
    "dict": ("""\
    def f(self) -> u8:
        return {1: 2}[self.n]
""", """\
chip.py:12:16: error: a dict is not hardware Python
            return {1: 2}[self.n]
                   ^~~~~~
  write instead: match, or a module's tuple of integers
"""),
    "string": ("""\
    def f(self) -> u8:
        v = "text"
        return 1
""", """\
chip.py:12:13: error: a string is not hardware
            v = "text"
                ^~~~~~
  write instead: an integer or an enum member
"""),
    "f-string": ("""\
    def f(self) -> u8:
        v = f"{self.n}"
        return 1
""", """\
chip.py:12:13: error: a string is not hardware Python
            v = f"{self.n}"
                ^~~~~~~~~~~
  write instead: an integer
"""),
    "comprehension": ("""\
    def f(self) -> u8:
        return sum(v for v in range(3))
""", """\
chip.py:12:16: error: sum is no hardware function
            return sum(v for v in range(3))
                   ^~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a method, a function whose parameters are all annotated, or a cast
"""),
    "list comprehension": ("""\
    def f(self) -> u8:
        v = [self.a[i] for i in range(3)]
        return 1
""", """\
chip.py:12:13: error: a comprehension is not hardware Python
            v = [self.a[i] for i in range(3)]
                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a for loop over range()
"""),
    "try": ("""\
    def f(self) -> u8:
        try:
            return 1
        except ValueError:
            return 2
""", """\
chip.py:12:9: error: try is not hardware Python
            try:
            ^~~~
  write instead: a trap, which leaves the instruction, or a test before
"""),
    "with": ("""\
    def f(self) -> u8:
        with self.n:
            return 1
""", """\
chip.py:12:9: error: with is not hardware Python
            with self.n:
            ^~~~~~~~~~~~
  write instead: statements one after the other
"""),
    "assert": ("""\
    def f(self) -> u8:
        assert self.n < 3
        return 1
""", """\
chip.py:12:9: error: assert is not hardware Python
            assert self.n < 3
            ^~~~~~~~~~~~~~~~~
  write instead: an if that raises a trap, or a test of the chip
"""),
    "recursion": ("""\
    def f(self, k: u8) -> u8:
        return self.f(k - 1) if k else 0
""", """\
chip.py:12:16: error: f() calls itself
            return self.f(k - 1) if k else 0
                   ^~~~~~~~~~~~~
  write instead: a loop: hardware has no recursion
"""),
    "closure": ("""\
    def f(self) -> u8:
        def g(v: u8) -> u8:
            return v + 1
        return g(1)
""", """\
chip.py:12:9: error: a function inside a function is not hardware Python
            def g(v: u8) -> u8:
            ^~~~~~~~~~~~~~~~~~~
  write instead: a method, or a function of the module
"""),
    "free variable": ("""\
def make(k):
    class Inner(Chip):
        def g(self) -> u8:
            return k
    return Inner
Inner = make(3)
====
    inner: Inner
    def f(self) -> u8:
        return self.inner.g()
""", """\
chip.py:6:20: error: 'k' is of the function around this one
                return k
                       ^
  write instead: a field, or a constant of the module
"""),
    "*args": ("""\
def g(*values: u8) -> u8:
    return 1
====
    def f(self) -> u8:
        return g(1, 2)
""", """\
chip.py:3:1: error: * and / in parameters are not hardware Python
    def g(*values: u8) -> u8:
    ^~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: plain parameters
"""),
    "star in call": ("""\
def g(v: u8) -> u8:
    return v
====
    def f(self) -> u8:
        return g(*self.a)
""", """\
chip.py:14:16: error: *args is not hardware Python
            return g(*self.a)
                   ^~~~~~~~~~
  write instead: each argument
"""),
    "unannotated parameter": ("""\
    def f(self, k) -> u8:
        return k
""", """\
chip.py:11:17: error: parameter 'k' has no type
        def f(self, k) -> u8:
                    ^
  write instead: k: u64, or another type
"""),
    "unannotated function": ("""\
def g(k):
    return k
====
    def f(self) -> u8:
        return g(1)
""", """\
chip.py:14:16: error: g is no hardware function
            return g(1)
                   ^~~~
  write instead: a method, a function whose parameters are all annotated, or a cast
"""),
    "unknown name": ("""\
    def f(self) -> u8:
        return limit
""", """\
chip.py:12:16: error: 'limit' is not defined
            return limit
                   ^~~~~
  write instead: a parameter, a variable set before, or a module's constant
"""),
    "unknown field": ("""\
    latch: u16
    def f(self) -> u8:
        return self.lacth
""", """\
chip.py:13:16: error: Main has no field or method 'lacth'
            return self.lacth
                   ^~~~~~~~~~
  write instead: latch
"""),
    "unknown field stored": ("""\
    latch: u16
    def f(self) -> None:
        self.lacth = 1
""", """\
chip.py:13:9: error: Main has no field or method 'lacth'
            self.lacth = 1
            ^~~~~~~~~~
  write instead: latch
"""),
    "unknown method": ("""\
    def tick(self) -> None:
        self.n += 1
    def f(self) -> None:
        self.tik()
""", """\
chip.py:14:9: error: Main has no field or method 'tik'
            self.tik()
            ^~~~~~~~
  write instead: tick
"""),
    "index": ("""\
    def f(self, i: u8) -> u8:
        return self.a[i]
""", """\
chip.py:12:23: error: index i (0..255) can leave the array a, 0..5
            return self.a[i]
                          ^
  write instead: if i < 6: around it
"""),
    "index field": ("""\
    def f(self) -> u8:
        return self.a[self.n & 7]
""", """\
chip.py:12:23: error: index self.n & 7 (0..7) can leave the array a, 0..5
            return self.a[self.n & 7]
                          ^~~~~~~~~~
  write instead: i = self.n & 7, and then if i < 6: around it
"""),
    "index negative": ("""\
    def f(self) -> u8:
        return self.a[-1]
""", """\
chip.py:12:23: error: index -1 is outside the array a, 0..5
            return self.a[-1]
                          ^~
  write instead: an index inside
"""),
    "memory index": ("""\
    def f(self, i: u6) -> u16:
        return self.ram.u16[i]
""", """\
chip.py:12:29: error: index i (0..63) can leave memory ram, 0..62
            return self.ram.u16[i]
                                ^
  write instead: if i < 63: around it
"""),
    "divisor": ("""\
    def f(self, d: u8) -> u8:
        return 100 // d
""", """\
chip.py:12:16: error: the divisor d may be 0
            return 100 // d
                   ^~~~~~~~
  write instead: if d != 0: around it
"""),
    "divisor field tested": ("""\
    def f(self) -> u8:
        if self.n != 0:
            return 100 % self.n
        return 0
""", """\
chip.py:13:20: error: the divisor self.n may be 0
                return 100 % self.n
                       ^~~~~~~~~~~~
  write instead: d = self.n, and then if d != 0: around it
"""),
    "aug divisor": ("""\
    def f(self, d: s8) -> None:
        self.n //= d
""", """\
chip.py:12:9: error: the divisor d may be 0
            self.n //= d
            ^~~~~~~~~~~~
  write instead: if d != 0: around it
"""),
    "negative shift": ("""\
    def f(self, k: s4) -> u8:
        return 1 << k
""", """\
chip.py:12:16: error: the shift amount k may be negative
            return 1 << k
                   ^~~~~~
  write instead: k & 63, or an unsigned type
"""),
    "wide shift": ("""\
    def f(self, k: u16) -> u8:
        return 1 << k
""", """\
chip.py:12:16: error: shifted by k (0..65535) this may need more than 256 bits
            return 1 << k
                   ^~~~~~
  write instead: k & 63
"""),
    "too wide": ("""\
    def f(self, k: u64) -> u8:
        k2 = k * k
        return k2 * k2 * k
""", """\
chip.py:13:16: error: this value may need 320 bits; 256 is the most
            return k2 * k2 * k
                   ^~~~~~~~~~~
  write instead: a cut, as in u64(x), a mask on the shift amount, or an annotated variable
"""),
    "loop width": ("""\
    def f(self, k: u8) -> u64:
        total = 1
        for i in range(k):
            total = total * 3
        return total
""", """\
chip.py:14:21: error: the width of 'total' cannot be found: it grows in a loop
                total = total * 3
                        ^~~~~
  write instead: a type where it is first set, as in total: u64 = ...
"""),
    "maybe unset": ("""\
    def f(self) -> u8:
        if self.n:
            v = 1
        return v
""", """\
chip.py:14:16: error: 'v' may not be set here
            return v
                   ^
  write instead: a value for v on every way that leads here
"""),
    "missing return": ("""\
    def f(self) -> u8:
        if self.n:
            return 1
""", """\
chip.py:11:5: error: f() can end without a result
        def f(self) -> u8:
        ^~~~~~~~~~~~~~~~~~
  write instead: a return on every way through it
"""),
    "results": ("""\
    def f(self) -> tuple[u8, u8]:
        return 1, 2, 3
""", """\
chip.py:12:9: error: 3 values are returned, the function has 2 results
            return 1, 2, 3
            ^~~~~~~~~~~~~~
  write instead: -> u8, or -> tuple[u8, u8], with a type for each
"""),
    "result of none": ("""\
    def f(self) -> None:
        return 1
""", """\
chip.py:12:9: error: 1 value is returned, the function has no result
            return 1
            ^~~~~~~~
  write instead: -> u8, or -> tuple[u8, u8], with a type for each
"""),
    "mixing": ("""\
    def f(self) -> f64:
        return self.x + 1
""", """\
chip.py:12:16: error: a float and an integer are mixed
            return self.x + 1
                   ^~~~~~~~~~
  write instead: f64(i) to convert the integer
"""),
    "compare mixing": ("""\
    def f(self) -> u8:
        return self.x < 1
""", """\
chip.py:12:16: error: a float and an integer are compared
            return self.x < 1
                   ^~~~~~~~~~
  write instead: f64(i) to convert the integer
"""),
    "float stored": ("""\
    def f(self) -> None:
        self.n = self.x
""", """\
chip.py:12:18: error: a float is stored as u8
            self.n = self.x
                     ^~~~~~
  write instead: bits64(x) or bits32(x) for its bits
"""),
    "float test": ("""\
    def f(self) -> u8:
        return 1 if self.x else 2
""", """\
chip.py:12:21: error: a float is no condition
            return 1 if self.x else 2
                        ^~~~~~
  write instead: self.x != 0.0
"""),
    "division of integers by slash": ("""\
    def f(self) -> u8:
        return self.n / 2
""", """\
chip.py:12:16: error: / of integers gives a float
            return self.n / 2
                   ^~~~~~~~~~
  write instead: // for integers
"""),
    "identity": ("""\
    def f(self) -> u8:
        return self.n is self.s
""", """\
chip.py:12:16: error: 'is' is not hardware Python
            return self.n is self.s
                   ^~~~~~~~~~~~~~~~
  write instead: == or comparisons with or
"""),
    "membership": ("""\
    def f(self) -> u8:
        return self.n in (1, 2)
""", """\
chip.py:12:16: error: 'in' is not hardware Python
            return self.n in (1, 2)
                   ^~~~~~~~~~~~~~~~
  write instead: == or comparisons with or
"""),
    "print": ("""\
    def f(self) -> None:
        print(self.n)
""", """\
chip.py:12:9: error: hardware does not print
            print(self.n)
            ^~~~~~~~~~~~~
  write instead: a field that the host reads
"""),
    "global": ("""\
count = 0
====
    def f(self) -> None:
        global count
        count += 1
""", """\
chip.py:13:9: error: global is not hardware Python
            global count
            ^~~~~~~~~~~~
  write instead: a field of the chip
"""),
    "table": ("""\
TABLE = [1, 2, 3]
====
    def f(self, i: u1) -> u8:
        return TABLE[i]
""", """\
chip.py:13:16: error: a list or dict may change; it is not hardware
            return TABLE[i]
                   ^~~~~~~~
  write instead: a tuple of integers
"""),
    "trap values": ("""\
class Bad(Trap):
    at: u8
    why: u8
====
    def f(self) -> None:
        raise Bad(1)
""", """\
chip.py:15:15: error: Bad takes 2 values
            raise Bad(1)
                  ^~~~~~
  write instead: Bad(at, why)
"""),
    "no trap": ("""\
    def f(self) -> None:
        raise ValueError(3)
""", """\
chip.py:12:9: error: only traps are raised
            raise ValueError(3)
            ^~~~~~~~~~~~~~~~~~~
  write instead: raise SomeTrap(values), a subclass of Trap
"""),
    "trap called": ("""\
class Bad(Trap):
    pass
====
    def f(self) -> None:
        Bad()
""", """\
chip.py:14:9: error: a trap is raised, not called
            Bad()
            ^~~~~
  write instead: raise Bad(...)
"""),
    "wide field": ("""\
    big: u65
    def f(self) -> u8:
        return self.big
""", """\
chip.py:11:5: error: u65 cannot be the type of a field
        big: u65
        ^~~~~~~~
  write instead: u1..u64, s1..s64, f32, f64, an array of them, memory[n] or a chip
"""),
    "field type": ("""\
    name: str
    def f(self) -> u8:
        return 1
""", """\
chip.py:11:5: error: str cannot be the type of a field
        name: str
        ^~~~~~~~~
  write instead: u1..u64, s1..s64, f32, f64, an array of them, memory[n] or a chip
"""),
    "wide array": ("""\
    big: u128[4]
    def f(self) -> u8:
        return 1
""", """\
chip.py:11:5: error: u128[4] cannot be the type of a field
        big: u128[4]
        ^~~~~~~~~~~~
  write instead: u1..u64, s1..s64, f32, f64, an array of them, memory[n] or a chip
"""),
    "slice": ("""\
    def f(self) -> u8:
        return self.a[1:3]
""", """\
chip.py:12:16: error: a slice is not hardware Python
            return self.a[1:3]
                   ^~~~~~~~~~~
  write instead: a loop over single elements
"""),
    "for else": ("""\
    def f(self) -> u8:
        for i in range(3):
            self.n += 1
        else:
            self.n = 0
        return 1
""", """\
chip.py:15:13: error: else of a loop is not hardware Python
                self.n = 0
                ^~~~~~~~~~
  write instead: a variable that remembers
"""),
    "while else": ("""\
    def f(self) -> u8:
        while self.n < 3:
            self.n += 1
        else:
            self.n = 0
        return 1
""", """\
chip.py:15:13: error: else of a loop is not hardware Python
                self.n = 0
                ^~~~~~~~~~
  write instead: a variable that remembers
"""),
    "guard": ("""\
    def f(self) -> u8:
        match self.n:
            case 1 if self.s:
                return 1
        return 2
""", """\
chip.py:13:23: error: this guard is not hardware Python
                case 1 if self.s:
                          ^~~~~~
  write instead: case n if LOW <= n < HIGH, or an if inside the case
"""),
    "a range whose end is no constant": ("""\
    def f(self) -> u8:
        match self.n:
            case n if 1 <= n < self.s:
                return 1
        return 2
""", """\
chip.py:13:23: error: this guard is not hardware Python
                case n if 1 <= n < self.s:
                          ^~~~~~~~~~~~~~~
  write instead: case n if LOW <= n < HIGH, or an if inside the case
"""),
    "a guard about another variable": ("""\
    def f(self, x: u8) -> u8:
        match self.n:
            case n if 1 <= x < 5:
                return 1
        return 2
""", """\
chip.py:13:23: error: this guard is not hardware Python
                case n if 1 <= x < 5:
                          ^~~~~~~~~~
  write instead: case n if LOW <= n < HIGH, or an if inside the case
"""),
    "a capture pattern": ("""\
    def f(self) -> u8:
        match self.n:
            case other:
                return other
""", """\
chip.py:13:18: error: this pattern is not hardware Python
                case other:
                     ^~~~~
  write instead: integers, enum members, | between them, or _
"""),
    "unpack": ("""\
def two() -> tuple[u8, u8]:
    return 1, 2
====
    def f(self) -> u8:
        a, b, c = two()
        return a
""", """\
chip.py:14:9: error: 2 values for 3 targets
            a, b, c = two()
            ^~~~~~~~~~~~~~~
  write instead: a call of a function with as many results
"""),
    "unpack one": ("""\
    def f(self) -> u8:
        a, b = self.n
        return a
""", """\
chip.py:12:9: error: 1 value for 2 targets
            a, b = self.n
            ^~~~~~~~~~~~~
  write instead: a call of a function with as many results
"""),
    "arguments": ("""\
def add(a: u8, b: u8) -> u16:
    return a + b
====
    def f(self) -> u16:
        return add(1, 2, 3)
""", """\
chip.py:14:16: error: add() takes 2 arguments, 3 are given
            return add(1, 2, 3)
                   ^~~~~~~~~~~~
  write instead: add(a, b)
"""),
    "missing argument": ("""\
def add(a: u8, b: u8) -> u16:
    return a + b
====
    def f(self) -> u16:
        return add(1)
""", """\
chip.py:14:16: error: add() needs an argument for 'b'
            return add(1)
                   ^~~~~~
  write instead: add(a, b)
"""),
    "wrong name of argument": ("""\
def add(a: u8, b: u8) -> u16:
    return a + b
====
    def f(self) -> u16:
        return add(1, c=2)
""", """\
chip.py:14:16: error: add() has no parameter 'c'
            return add(1, c=2)
                   ^~~~~~~~~~~
  write instead: add(a, b)
"""),
    "power": ("""\
    def f(self) -> u8:
        return self.n ** 2
""", """\
chip.py:12:16: error: ** is not hardware Python
            return self.n ** 2
                   ^~~~~~~~~~~
  write instead: 1 << n for a power of two, or a product
"""),
    "method not called": ("""\
    def g(self) -> u8:
        return 1
    def f(self) -> u8:
        return self.g
""", """\
chip.py:14:16: error: the method g is used as a number
            return self.g
                   ^~~~~~
  write instead: a call: self.g()
"""),
    "array as number": ("""\
    def f(self) -> u8:
        return self.a + 1
""", """\
chip.py:12:16: error: a: u8[6] is used as a number
            return self.a + 1
                   ^~~~~~
  write instead: an element: self.a[i]
"""),
    "array assigned": ("""\
    def f(self) -> None:
        self.a = 3
""", """\
chip.py:12:9: error: a is u8[6], not a number
            self.a = 3
            ^~~~~~
  write instead: a[i] or one of its fields
"""),
    "no effect": ("""\
    def f(self) -> None:
        self.n + 1
""", """\
chip.py:12:9: error: this has no effect
            self.n + 1
            ^~~~~~~~~~
  write instead: a call with (), or an assignment
"""),
    "missing call": ("""\
    def g(self) -> None:
        self.n = 1
    def f(self) -> None:
        self.g
""", """\
chip.py:14:9: error: this has no effect
            self.g
            ^~~~~~
  write instead: a call with (), or an assignment
"""),
    "local type": ("""\
    def f(self) -> u8:
        v: int = 3
        return v
""", """\
chip.py:12:12: error: int is no type of a variable
            v: int = 3
               ^~~
  write instead: u1..u128, s1..s128 or f64
"""),
    "two types": ("""\
    def f(self) -> u8:
        v: u8 = 3
        v: u16 = 4
        return v
""", """\
chip.py:13:9: error: 'v' has two types
            v: u16 = 4
            ^~~~~~~~~~
  write instead: one annotation, at its first assignment
"""),
    "float and int local": ("""\
    def f(self) -> u8:
        v = 3
        v = 1.5
        return 1
""", """\
chip.py:13:9: error: 'v' is a float here and an integer there
            v = 1.5
            ^
  write instead: two names
"""),
    "range step": ("""\
    def f(self, k: u8) -> u8:
        for i in range(0, 10, k):
            self.n += i
        return 1
""", """\
chip.py:12:31: error: the step is not a constant other than 0
            for i in range(0, 10, k):
                                  ^
  write instead: a constant step, or a while loop
"""),
    "for over array": ("""\
    def f(self) -> u8:
        for v in self.a:
            self.n += v
        return 1
""", """\
chip.py:12:18: error: a loop goes over range() only
            for v in self.a:
                     ^~~~~~
  write instead: for i in range(n): with elements by index
"""),
    "bit_length": ("""\
    def f(self) -> u8:
        return self.s.bit_length()
""", """\
chip.py:12:16: error: bit_length() of a value that may be negative
            return self.s.bit_length()
                   ^~~~~~~~~~~~~~~~~~~
  write instead: a cut to an unsigned type first
"""),
    "walrus": ("""\
    def f(self) -> u8:
        return (v := self.n) + v
""", """\
chip.py:12:17: error: an assignment inside an expression is not hardware Python
            return (v := self.n) + v
                    ^~~~~~~~~~~
  write instead: an assignment on the line before
"""),
    "sqrt of int": ("""\
    def f(self) -> f64:
        return sqrt(self.n)
""", """\
chip.py:12:16: error: sqrt() takes floats
            return sqrt(self.n)
                   ^~~~~~~~~~~~
  write instead: f64(i) to convert the integer
"""),
    "float64 range": ("""\
    def f(self) -> f64:
        return float64(self.s)
""", """\
chip.py:12:16: error: float64() takes a u64
            return float64(self.s)
                   ^~~~~~~~~~~~~~~
  write instead: float64(u64(x))
"""),
    "int of float": ("""\
    def f(self) -> u8:
        return int(self.x)
""", """\
chip.py:12:16: error: int() takes integers
            return int(self.x)
                   ^~~~~~~~~~~
  write instead: a comparison and an if for floats
"""),
    "f32 twice": ("""\
    def f(self, v: u64) -> f32:
        return f32(v)
""", """\
chip.py:12:20: error: an integer this wide would be rounded twice
            return f32(v)
                       ^
  write instead: f32(f64(x)) if that is meant
"""),
    "order": ("""\
def add(a: u8, b: u8) -> u16:
    return a + b
====
    def g(self) -> u8:
        self.n += 1
        return self.n
    def f(self) -> u16:
        return add(b=self.g(), a=self.n)
""", """\
chip.py:17:16: error: arguments with effects are not in the parameters' order
            return add(b=self.g(), a=self.n)
                   ^~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: them in that order, or variables
"""),
    "dynamic memory": ("""\
class Rom(Chip):
    bytes: memory[16]
====
    roms: Rom[2]
    def f(self, i: u1) -> u8:
        return self.roms[i].bytes[3]
""", """\
chip.py:15:16: error: bytes is a memory of one chip among several, chosen when running
            return self.roms[i].bytes[3]
                   ^~~~~~~~~~~~~~~~~~~~~
  write instead: a constant index for the chip, or the memory in the chip that holds them all
"""),
    "no result used": ("""\
    def g(self) -> None:
        self.n = 1
    def f(self) -> u8:
        return self.g()
""", """\
chip.py:14:16: error: g gives no result
            return self.g()
                   ^~~~~~~~
  write instead: a function with `-> T`, or unpack: a, b = f()
"""),
    "result type": ("""\
    def f(self) -> int:
        return 1
""", """\
chip.py:11:20: error: int is no result type
        def f(self) -> int:
                       ^~~
  write instead: u1..u128, s1..s128, f64, tuple[u8, u8] or None
"""),
    "async": ("""\
    async def f(self) -> u8:
        return 1
""", """\
chip.py:11:5: error: async is not hardware Python
        async def f(self) -> u8:
        ^~~~~~~~~~~~~~~~~~~~~~~~
  write instead: def f(...)
"""),
    "super": ("""\
    def f(self) -> u8:
        return super().f()
""", """\
chip.py:12:16: error: no base of Main has a method 'f'
            return super().f()
                   ^~~~~~~~~~~
  write instead: a method of a base class
"""),
    "host function": ("""\
import time
====
    def f(self) -> u8:
        return time.time()
""", """\
chip.py:13:16: error: time.time is no hardware function
            return time.time()
                   ^~~~~~~~~~~
  write instead: a method, a function whose parameters are all annotated, or a cast
"""),
    "slice store": ("""\
    def f(self) -> None:
        self.a[0:2] = 0
""", """\
chip.py:12:9: error: a slice is not hardware Python
            self.a[0:2] = 0
            ^~~~~~~~~~~
  write instead: a loop over single elements
"""),
    "negative loop var": ("""\
    def f(self) -> None:
        for i in range(7):
            self.a[i] = 1
""", """\
chip.py:13:20: error: index i (0..6) can leave the array a, 0..5
                self.a[i] = 1
                       ^
  write instead: if i < 6: around it
"""),
    "wide trap": ("""\
class Bad(Trap):
    at: u100
====
    def f(self) -> None:
        raise Bad(1)
""", """\
chip.py:14:15: error: Bad.at is a u100
            raise Bad(1)
                  ^~~~~~
  write instead: 64 bits or less in a field of a trap
"""),
    "raise bare": ("""\
class Bad(Trap):
    pass
====
    def f(self) -> None:
        raise Bad
""", """\
chip.py:14:9: error: only traps are raised
            raise Bad
            ^~~~~~~~~
  write instead: raise SomeTrap(values), a subclass of Trap
"""),
    "del": ("""\
    def f(self) -> None:
        del self.n
""", """\
chip.py:12:9: error: del is not hardware Python
            del self.n
            ^~~~~~~~~~
  write instead: an assignment of 0
"""),
    "annotated field store": ("""\
    def f(self) -> None:
        self.n: u8 = 3
""", """\
chip.py:12:9: error: a field gets its type in the class
            self.n: u8 = 3
            ^~~~~~~~~~~~~~
  write instead: an assignment without annotation
"""),
    "wide param": ("""\
    def f(self, v: u100) -> None:
        self.n = v
""", """\
chip.py:11:17: error: v is a u100: Python cannot call f() with it
        def f(self, v: u100) -> None:
                    ^~~~~~~
  write instead: u64 or narrower, or _f for a method that only hardware calls
"""),
    "unknown type": ("""\
    def f(self, v: u8) -> None:
        w: u200 = v
""", """\
chip.py:12:12: error: u200 is no type of a variable
            w: u200 = v
               ^~~~
  write instead: u1..u128, s1..s128 or f64
"""),
    "yield": ("""\
    def f(self) -> u8:
        yield 1
""", """\
chip.py:12:9: error: yield is not hardware Python
            yield 1
            ^~~~~~~
  write instead: a field that keeps the state
"""),
    "chained effect": ("""\
    def g(self) -> u8:
        self.n += 1
        return self.n
    def f(self) -> u8:
        return 1 < self.g() < 3
""", """\
chip.py:15:20: error: the middle of a chained comparison has effects
            return 1 < self.g() < 3
                       ^~~~~~~~
  write instead: a variable for it, set before
"""),
    "string compare": ("""\
    def f(self) -> u8:
        return self.n == "a"
""", """\
chip.py:12:26: error: a string is not hardware
            return self.n == "a"
                             ^~~
  write instead: an integer or an enum member
"""),
    "nested tuple": ("""\
    def f(self) -> u8:
        (a, b), c = (1, 2), 3
        return a
""", """\
chip.py:12:21: error: a tuple is not hardware Python
            (a, b), c = (1, 2), 3
                        ^~~~~~
  write instead: one value, or a, b = f() for several results
"""),
    "import": ("""\
    def f(self) -> u8:
        import math
        return 1
""", """\
chip.py:12:9: error: an import inside a function is not hardware Python
            import math
            ^~~~~~~~~~~
  write instead: an import at the top of the module
"""),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_message_says_where_what_and_what_to_write_instead(name):
    body, expected = WRONG[name]
    before, _, inside = body.rpartition("====\n")
    gap = "\n\n\n" if before else "\n\n"
    text = f"{HEAD}{before.strip()}{gap}class Main(Chip):\n{FIELDS}{inside}"
    made = define(text, "wrong_" + "".join(c if c.isalnum() else "_" for c in name))
    with pytest.raises(HardwareError) as caught:
        Native(made.Main)
    assert str(caught.value).replace(made.__file__, "chip.py") == expected.rstrip("\n")


def test_a_class_without_source_says_so():
    scope = {}
    exec("from softmetal.lang import Chip, u8\nclass Main(Chip):\n    def f(self) -> u8:\n        return 1\n", scope)
    with pytest.raises(TypeError, match=r"no source for Main\.f: hardware Python must come from a file"):
        Native(scope["Main"])
