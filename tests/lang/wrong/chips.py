"""Chips, and what is in them. Each: a program and its message, as in `test_errors`."""

WRONG = {
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
}  # fmt: skip
