"""Expressions in assembly: numbers, labels, `.` (this address), C's operators, and the functions that split addresses.

From weak to strong: `|`, `^`, `&`, `<< >>`, `+ -`, `* / %`, then `- ~` and, for byte-coded machines, `<` (low byte) and
`>` (high byte) in front of a value. Division rounds to 0. `%hi(x)`, `%lo(x)`, `%pcrel_hi(x)`, `%pcrel_lo(label)` are as
the RISC-V ELF psABI has them (chapter "Assembler relocations"): hi is rounded so that the signed lo completes it.
"""

from __future__ import annotations

import re
from typing import Protocol

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\$[0-9a-fA-F]+|\d[\d_]*(?![\w.]))
    | (?P<local>\d+[bf](?!\w))
    | '(?P<char>\\.|[^'\\])'
    | %(?P<function>\w+)\s*(?=\()
    | (?P<bits>%[01]+(?!\w))
    | (?P<name>[A-Za-z_.][\w.$]*)
    | (?P<operator><<|>>|[-+*/%&|^~()<>])
    )""",
    re.VERBOSE,
)
OPERATOR = re.compile(r"(?P<operator>%)(?P<number>)(?P<bits>)(?P<local>)(?P<char>)(?P<function>)(?P<name>)")
STRENGTH = {"|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "\\": 92, "'": 39, '"': 34, "b": 8, "f": 12, "v": 11, "a": 7, "e": 27}


class Unknown(Exception):
    """A value that is not known yet: a label further down."""


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value."""


class Scope(Protocol):
    """What names mean at the place of an expression."""

    @property
    def bytewise(self) -> bool:
        """Are `<` and `>` in front of a value its low and high byte, and `*` the address?"""
        ...

    def here(self) -> int:
        """The address of the statement."""
        ...

    def symbol(self, name: str) -> int:
        """A label's value. Raises Unknown or ExpressionError."""
        ...

    def local(self, number: int, forward: bool) -> int:
        """The nearest numeric label."""
        ...

    def target_of(self, address: int) -> int:
        """The address whose %pcrel_hi the instruction at `address` holds."""
        ...


def evaluate(text: str, scope: Scope) -> int:
    """The value of an expression. Raises Unknown or ExpressionError."""
    return Parser(text, scope).whole()


def sign(value: int, bits: int) -> int:
    """The low bits of a value, signed."""
    return (value & (1 << bits) - 1 ^ 1 << (bits - 1)) - (1 << (bits - 1))


def high(value: int, what: str) -> int:
    """The 20 upper bits that, with a signed 12-bit rest, make a value."""
    if not -(1 << 31) - 0x800 <= value < (1 << 31) - 0x800:
        raise ExpressionError(f"{what} cannot reach {value:#x}: it is outside -2**31..2**31")
    return (value + 0x800) >> 12 & 0xFFFFF


class Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text, self.scope = text.strip(), scope
        self.at = 0
        self.token: re.Match[str] | None = None
        self.advance()

    def advance(self) -> None:
        """Go to the next token."""
        if self.at >= len(self.text):
            self.token = None
            return
        self.token = TOKEN.match(self.text, self.at)
        if not self.token:
            raise ExpressionError(f"cannot read {self.text[self.at :].strip()!r} in {self.text!r}")
        self.at = self.token.end()

    def operator(self, *among: str) -> str:
        """The token, if it is one of these operators; then it is taken."""
        found = self.token["operator"] if self.token else None
        if found in among and found is not None:
            self.advance()
            return found
        return ""

    def whole(self) -> int:
        """The value of all the text."""
        if not self.text:
            raise ExpressionError("a value is missing")
        value = self.binary(1)
        if self.token:
            raise ExpressionError(f"cannot read {self.text!r} from {self.token[0].strip()!r} on")
        return value

    def binary(self, weakest: int) -> int:
        """A value and what operators of at least this strength make of it."""
        left = self.unary()
        while (strength := self.next_strength()) >= weakest:
            op = self.token["operator"] if self.token else ""
            self.advance()
            left = self.combine(op, left, self.binary(strength + 1))
        return left

    def next_strength(self) -> int:
        """The strength of the operator that comes next; 0 where none does."""
        if self.token and self.token["bits"]:  # a %10: after a value that is no binary number
            self.token = OPERATOR.match(self.text, self.token.start("bits"))
            self.at = self.token.end() if self.token else self.at
        return STRENGTH.get(self.token["operator"], 0) if self.token else 0

    def combine(self, op: str, a: int, b: int) -> int:
        """One operator's result."""
        if op in ("/", "%") and b == 0:
            raise ExpressionError(f"division by 0 in {self.text!r}")
        if op in ("<<", ">>") and not 0 <= b < 256:
            raise ExpressionError(f"a shift by {b} in {self.text!r}")
        if op == "/":
            return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        if op == "%":
            return abs(a) % abs(b) * (-1 if a < 0 else 1)
        results = {"|": a | b, "^": a ^ b, "&": a & b, "+": a + b, "-": a - b, "*": a * b}
        return results[op] if op in results else a << b if op == "<<" else a >> b

    def unary(self) -> int:
        """Signs in front of a value."""
        if self.operator("-"):
            return -self.unary()
        if self.operator("+"):
            return self.unary()
        if self.operator("~"):
            return ~self.unary()
        if self.scope.bytewise:
            if self.operator("<"):
                return self.unary() & 0xFF
            if self.operator(">"):
                return self.unary() >> 8 & 0xFF
            if self.operator("*"):
                return self.scope.here()
        return self.atom()

    def atom(self) -> int:
        """A number, a name, a function or something in parentheses."""
        token = self.token
        if token is None:
            raise ExpressionError(f"{self.text!r} ends too early")
        if self.operator("("):
            return self.closed(self.binary(1))
        if token["operator"]:
            raise ExpressionError(f"a value is missing before {token['operator']!r} in {self.text!r}")
        self.advance()
        if token["number"]:
            text = token["number"].replace("_", "")
            if text[0] == "$":
                return int(text[1:], 16)
            return int(text) if text.isdigit() else int(text, 0)
        if token["bits"]:
            return int(token["bits"][1:], 2)
        if token["char"]:
            return ESCAPES.get(token["char"][1], ord(token["char"][1])) if token["char"][1:] else ord(token["char"])
        if token["local"]:
            return self.scope.local(int(token["local"][:-1]), token["local"][-1] == "f")
        if token["function"]:
            return self.function(token["function"])
        return self.scope.here() if token["name"] == "." else self.scope.symbol(token["name"])

    def closed(self, value: int) -> int:
        """The value, after its closing parenthesis."""
        if not self.operator(")"):
            raise ExpressionError(f"a ')' is missing in {self.text!r}")
        return value

    def function(self, name: str) -> int:
        """`%name(...)`."""
        self.operator("(")
        value = self.closed(self.binary(1))
        if name == "hi":
            return high(value, "%hi")
        if name == "lo":
            return sign(value, 12)
        if name == "pcrel_hi":
            return high(value - self.scope.here(), "%pcrel_hi")
        if name == "pcrel_lo":
            return sign(self.scope.target_of(value) - value, 12)
        raise ExpressionError(f"no function %{name}; there are %hi %lo %pcrel_hi %pcrel_lo")
