"""What could go wrong when it runs: indexes, divisors, shifts, widths. Each: a program and its message, as in `test_errors`."""

WRONG = {
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
}  # fmt: skip
