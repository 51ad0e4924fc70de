"""Statements that hardware Python has not, or not so. Each: a program and its message, as in `test_errors`."""

WRONG = {
    "fence value": ("""\
    def f(self) -> None:
        self.n = fence()
""", """\
chip.py:12:18: error: fence() takes nothing and gives nothing
            self.n = fence()
                     ^~~~~~~
  write instead: fence() on a line of its own
"""),
    "fence argument": ("""\
    def f(self) -> None:
        fence(self.n)
""", """\
chip.py:12:9: error: fence() takes nothing and gives nothing
            fence(self.n)
            ^~~~~~~~~~~~~
  write instead: fence() on a line of its own
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
  write instead: u1..u128, s1..s128, f64 or a chip
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
    "unknown type": ("""\
    def f(self, v: u8) -> None:
        w: u200 = v
""", """\
chip.py:12:12: error: u200 is no type of a variable
            w: u200 = v
               ^~~~
  write instead: u1..u128, s1..s128, f64 or a chip
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
    "yield": ("""\
    def f(self) -> u8:
        yield 1
""", """\
chip.py:12:9: error: yield is not hardware Python
            yield 1
            ^~~~~~~
  write instead: a field that keeps the state
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
}  # fmt: skip
