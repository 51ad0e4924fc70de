"""Values that hardware Python has not, or not so. Each: a program and its message, as in `test_errors`."""

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
    "walrus": ("""\
    def f(self) -> u8:
        return (v := self.n) + v
""", """\
chip.py:12:17: error: an assignment inside an expression is not hardware Python
            return (v := self.n) + v
                    ^~~~~~~~~~~
  write instead: an assignment on the line before
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
    "power": ("""\
    def f(self) -> u8:
        return self.n ** 2
""", """\
chip.py:12:16: error: ** is not hardware Python
            return self.n ** 2
                   ^~~~~~~~~~~
  write instead: 1 << n for a power of two, or a product
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
}  # fmt: skip
