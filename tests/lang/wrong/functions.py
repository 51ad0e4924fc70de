"""Functions and calls. Each: a program and its message, as in `test_errors`."""

WRONG = {
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
    "print": ("""\
    def f(self) -> None:
        print(self.n)
""", """\
chip.py:12:9: error: hardware does not print
            print(self.n)
            ^~~~~~~~~~~~~
  write instead: a field that the host reads
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
  write instead: u1..u128, s1..s128, f64, tuple[u8, u8], a chip or None
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
    "wide param": ("""\
    def f(self, v: u100) -> None:
        self.n = v
""", """\
chip.py:11:17: error: v is a u100: Python cannot call f() with it
        def f(self, v: u100) -> None:
                    ^~~~~~~
  write instead: u64 or narrower, or _f for a method that only hardware calls
"""),
}  # fmt: skip
