"""Arrays of two dimensions, and slices. Each: a program and its message, as in `test_errors`."""

WRONG = {
    "slice": ("""\
    def f(self) -> u8:
        return self.a[1:3]
""", """\
chip.py:12:16: error: a slice is only copied to another
            return self.a[1:3]
                   ^~~~~~~~~~~
  write instead: self.b[0:4] = self.a[2:6], or a loop over single elements
"""),
    "slice store": ("""\
    def f(self) -> None:
        self.a[0:2] = 0
""", """\
chip.py:12:23: error: an integer is no array or memory of which elements are copied
            self.a[0:2] = 0
                          ^
  write instead: a slice of an array or a memory: self.a[2:6]
"""),
    "row index": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self, y: u3) -> u8:
        return self.cells[y, 0]
""", """\
chip.py:17:27: error: index y (0..7) can leave the rows of cells, 0..4
            return self.cells[y, 0]
                              ^
  write instead: if y < 5: around it
"""),
    "column index": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self, x: u4) -> u8:
        return self.cells[0][x]
""", """\
chip.py:17:30: error: index x (0..15) can leave a row of cells, 0..7
            return self.cells[0][x]
                                 ^
  write instead: x & 7
"""),
    "one index too many": ("""\
    def f(self) -> u8:
        return self.a[1, 2]
""", """\
chip.py:12:16: error: a has one dimension
            return self.a[1, 2]
                   ^~~~~~~~~~~~
  write instead: self.a[i]
"""),
    "three indexes": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> u8:
        return self.cells[1, 2, 3]
""", """\
chip.py:17:16: error: cells has two dimensions
            return self.cells[1, 2, 3]
                   ^~~~~~~~~~~~~~~~~~~
  write instead: self.cells[y, x]
"""),
    "an index of a memory too many": ("""\
    def f(self) -> u8:
        return self.ram[1, 2]
""", """\
chip.py:12:16: error: ram has one dimension
            return self.ram[1, 2]
                   ^~~~~~~~~~~~~~
  write instead: self.ram[i]
"""),
    "a slice of a table of rows": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> u8:
        return self.cells[1, 0:4]
""", """\
chip.py:17:30: error: a slice lies in one row
            return self.cells[1, 0:4]
                                 ^~~
  write instead: self.cells[y][a:b]
"""),
    "a row as a number": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> u8:
        return self.cells[1]
""", """\
chip.py:17:16: error: cells: u8[8] is used as a number
            return self.cells[1]
                   ^~~~~~~~~~~~~
  write instead: an element: self.cells[1][i]
"""),
    "a row assigned": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> None:
        self.cells[1] = 0
""", """\
chip.py:17:9: error: a row of cells cannot be assigned
            self.cells[1] = 0
            ^~~~~~~~~~~~~
  write instead: an element: self.cells[1][x]
"""),
    "an array of two dimensions copied whole": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> None:
        self.a[0:6] = self.cells
""", """\
chip.py:17:23: error: cells has two dimensions
            self.a[0:6] = self.cells
                          ^~~~~~~~~~
  write instead: a row at a time: self.cells[y][a:b]
"""),
    "a slice of rows": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> None:
        self.cells[0:2] = self.cells[2:4]
""", """\
chip.py:17:27: error: cells has two dimensions
            self.cells[0:2] = self.cells[2:4]
                              ^~~~~~~~~~~~~~~
  write instead: a row at a time: self.cells[y][a:b]
"""),
    "slices of different lengths": ("""\
    def f(self) -> None:
        self.a[0:2] = self.ram[0:3]
""", """\
chip.py:12:9: error: 3 elements are copied to 2
            self.a[0:2] = self.ram[0:3]
            ^~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: as many on both sides
"""),
    "slices of different types": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> None:
        self.words[0:2] = self.a[0:2]
""", """\
chip.py:17:9: error: u8 is copied to u16
            self.words[0:2] = self.a[0:2]
            ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: elements of one type, or a loop over single elements
"""),
    "a slice that leaves its array": ("""\
    def f(self, at: u6) -> None:
        self.a[0:4] = self.ram[at : at + 4]
""", """\
chip.py:12:23: error: 4 elements from 0..63 on can leave memory ram, 0..63
            self.a[0:4] = self.ram[at : at + 4]
                          ^~~~~~~~~~~~~~~~~~~~~
  write instead: if at <= 60: around it
"""),
    "a slice from a field on": ("""\
    def f(self) -> None:
        self.ram[self.n + 1 : self.n + 5] = self.a[0:4]
""", """\
chip.py:12:9: error: 4 elements from 1..256 on can leave memory ram, 0..63
            self.ram[self.n + 1 : self.n + 5] = self.a[0:4]
            ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: i = self.n + 1, and then if i <= 60: around it
"""),
    "a slice outside": ("""\
    def f(self) -> None:
        self.a[4:8] = self.ram[0:4]
""", """\
chip.py:12:9: error: 4 elements from 4 on can leave the array a, 0..5
            self.a[4:8] = self.ram[0:4]
            ^~~~~~~~~~~
  write instead: a slice inside
"""),
    "a slice from the end": ("""\
    def f(self) -> None:
        self.a[-2:6] = self.ram[0:8]
""", """\
chip.py:12:9: error: 8 elements from -2 on can leave the array a, 0..5
            self.a[-2:6] = self.ram[0:8]
            ^~~~~~~~~~~~
  write instead: a slice inside
"""),
    "a slice that leaves its row": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self, x: u3) -> None:
        self.cells[1][x : x + 2] = self.a[0:2]
""", """\
chip.py:17:9: error: 2 elements from 0..7 on can leave a row of cells, 0..7
            self.cells[1][x : x + 2] = self.a[0:2]
            ^~~~~~~~~~~~~~~~~~~~~~~~
  write instead: if x <= 6: around it
"""),
    "a slice of unknown length": ("""\
    def f(self, n: u3) -> None:
        self.ram[0:n] = self.ram[8 : 8 + n]
""", """\
chip.py:12:25: error: how long this slice is is known only when running
            self.ram[0:n] = self.ram[8 : 8 + n]
                            ^~~~~~~~~~~~~~~~~~~
  write instead: a constant length: self.ram[at : at + 8]
"""),
    "an empty slice": ("""\
    def f(self) -> None:
        self.a[4:4] = self.ram[0:0]
""", """\
chip.py:12:23: error: this slice is empty
            self.a[4:4] = self.ram[0:0]
                          ^~~~~~~~~~~~~
  write instead: an end behind its start
"""),
    "a slice with a step": ("""\
    def f(self) -> None:
        self.a[0:6:2] = self.ram[0:3]
""", """\
chip.py:12:9: error: a slice with a step is not hardware Python
            self.a[0:6:2] = self.ram[0:3]
            ^~~~~~~~~~~~~
  write instead: a loop over single elements
"""),
    "a slice whose start has effects": ("""\
    def g(self) -> u2:
        self.n += 1
        return self.n
    def f(self) -> None:
        self.a[0:4] = self.ram[self.g() : self.g() + 4]
""", """\
chip.py:15:32: error: the start of this slice has effects
            self.a[0:4] = self.ram[self.g() : self.g() + 4]
                                   ^~~~~~~~
  write instead: a variable for it, set before
"""),
    "a slice of a chip whose finding has effects": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def g(self) -> u1:
        self.n += 1
        return self.n
    def f(self) -> None:
        self.parts[self.g()].bytes[:] = self.a[0:4]
""", """\
chip.py:20:9: error: finding the array has effects
            self.parts[self.g()].bytes[:] = self.a[0:4]
            ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
  write instead: a variable for the chip or the index, set before
"""),
    "a slice of a wide view": ("""\
    def f(self) -> None:
        self.ram.u16[0:4] = self.ram[0:4]
""", """\
chip.py:12:9: error: ram.u16 is no array or memory of which elements are copied
            self.ram.u16[0:4] = self.ram[0:4]
            ^~~~~~~~~~~~~~~~~
  write instead: a slice of an array or a memory: self.a[2:6]
"""),
    "a slice of chips": ("""\
class Main2(Chip):
    bytes: u8[4]
====
    cells: u8[5, 8]
    words: u16[6]
    parts: Main2[2]
    def f(self) -> None:
        self.parts[0:1] = self.parts[1:2]
""", """\
chip.py:17:27: error: parts: Main2[2] is no array or memory of which elements are copied
            self.parts[0:1] = self.parts[1:2]
                              ^~~~~~~~~~~~~~~
  write instead: a slice of an array or a memory: self.a[2:6]
"""),
    "a slice to two": ("""\
    def f(self) -> None:
        self.a[0:2] = self.a[2:4] = self.ram[0:2]
""", """\
chip.py:12:37: error: a slice is only copied to another
            self.a[0:2] = self.a[2:4] = self.ram[0:2]
                                        ^~~~~~~~~~~~~
  write instead: self.b[0:4] = self.a[2:6], or a loop over single elements
"""),
}  # fmt: skip
