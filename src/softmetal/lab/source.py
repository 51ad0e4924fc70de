"""Where things are in a TOML file, to say so in errors.

Source: TOML v1.0.0. The text is one that a TOML parser has accepted, so that this one can be short.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from softmetal.lab.errors import LabError

BETWEEN = re.compile(r"(?:\s|#[^\n]*)*")
PART = re.compile(r"[ \t]*([\w-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')[ \t]*(\.?)")
STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL)
SCALAR = re.compile(r"[^,\]}#\n]+")


class Source:
    """A file's text, with the places of its tables and keys."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.places: dict[tuple[str, ...], int] = {}
        """Offsets of tables' heads and of keys."""
        self._scan()

    def error(self, text: str, *keys: str) -> LabError:
        """An error at a table ("machines", "web"), a key in one, or what is nearest to it."""
        line, column = self.place(*keys)
        return LabError(f"{self.path}:{line}:{column}: {text}")

    def place(self, *keys: str) -> tuple[int, int]:
        """Line and column of a table's head or of a key; of the innermost table around it that is found."""
        at = next((self.places[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.places), 0)
        return self.text.count("\n", 0, at) + 1, at - (self.text.rfind("\n", 0, at) + 1) + 1

    def _scan(self) -> None:
        table: tuple[str, ...] = ()
        at = self._between(0)
        while at < len(self.text):
            if self.text[at] == "[":
                keys, end = self._key(at + (2 if self.text[at + 1] == "[" else 1))
                table = tuple(name for name, _ in keys)
                for n in range(1, len(table) + 1):
                    self.places.setdefault(table[:n], at)
                at = self.text.index("]", end) + 1
                at += self.text[at : at + 1] == "]"
            else:
                at = self._pair(at, table)
            at = self._between(at)

    def _between(self, at: int) -> int:
        """Where white space and comments end."""
        found = BETWEEN.match(self.text, at)
        return found.end() if found else at

    def _key(self, at: int) -> tuple[list[tuple[str, int]], int]:
        """The parts of a key with their offsets, and where it ends."""
        parts = []
        while found := PART.match(self.text, at):
            word = found[1]
            parts.append((tomllib.loads(f"key = {word}")["key"] if word[0] in "\"'" else word, found.start(1)))
            at = found.end()
            if not found[2]:
                break
        return parts, at

    def _pair(self, at: int, table: tuple[str, ...]) -> int:
        """Enter a key, and what is in its value; where it ends."""
        keys, end = self._key(at)
        for name, place in keys:
            table = (*table, name)
            self.places.setdefault(table, place)
        return self._value(self._between(self.text.index("=", end) + 1), table)

    def _value(self, at: int, table: tuple[str, ...]) -> int:
        first = self.text[at]
        if first in "[{":
            at = self._between(at + 1)
            while self.text[at] not in "]}":
                at = self._between(self._pair(at, table) if first == "{" else self._value(at, (*table, "")))
                if self.text[at] == ",":
                    at = self._between(at + 1)
            return at + 1
        found = STRING.match(self.text, at) or SCALAR.match(self.text, at)
        return found.end() if found else len(self.text)
