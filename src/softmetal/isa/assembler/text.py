"""Text in assembly: names, quotes, parentheses, and hints at what may have been meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from softmetal.isa.expressions import ESCAPES, ExpressionError

NAME = r"[A-Za-z_.][\w.$]*"
QUOTED = r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])'"
STRING_PART = re.compile(r"\\x([0-9a-fA-F]{1,2})|\\([0-7]{1,3})|\\(.)|([^\\]+)", re.DOTALL)


def near(name: str, among: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at what may have been meant."""
    found = difflib.get_close_matches(name, list(among), 3, likeness)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def enclosed(text: str) -> bool:
    """Is all of a text inside one pair of parentheses?"""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and at == len(text) - 1
    return False


def string(text: str) -> bytes:
    """The bytes of a quoted string."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise ExpressionError(f'text has to be in quotes: "...", not {text}')
    made = b""
    for hexadecimal, octal, escape, plain in STRING_PART.findall(text[1:-1]):
        if plain:
            made += plain.encode()
        elif escape:
            made += bytes([ESCAPES[escape]]) if escape in ESCAPES else escape.encode()
        else:
            made += bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF])
    return made
