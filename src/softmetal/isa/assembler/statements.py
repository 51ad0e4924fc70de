"""Statements: labels, and which of instruction, directive or constant a line is."""

from __future__ import annotations

import re

from softmetal.isa.assembler.directives import Directives
from softmetal.isa.assembler.forms import forms_of
from softmetal.isa.assembler.instructions import Instructions
from softmetal.isa.assembler.text import NAME

LABEL = re.compile(rf"\s*({NAME}|\d+)\s*:(?!:)")
ASSIGNMENT = re.compile(rf"({NAME}|\*)\s*=(?!=)(.*)")


class Assembler(Instructions, Directives):
    """What reads a program."""

    def statement(self, line: str) -> None:
        """One statement of the source."""
        self.order += 1
        while found := LABEL.match(line):
            self.label(found[1])
            line = line[found.end() :]
        line = line.strip()
        if not line:
            return
        if found := ASSIGNMENT.fullmatch(line):
            if found[1] == "*":
                self.org([found[2]])
            else:
                self.constant([found[1], found[2]])
            return
        name, _, operands = re.sub(r"\s", " ", line).partition(" ")
        if name.startswith(".") and name.lower() not in forms_of(self.isa):
            self.directive(name.lower(), operands.strip())
        else:
            self.instruction(name, operands, 0)

    def label(self, name: str) -> None:
        """Define a label at this point."""
        if name.isdigit():
            self.numeric.setdefault(int(name), []).append((self.order, self.section, self.sizes[self.section]))
            return
        if name in self.labels:
            self.fail(f"label {name!r} is already defined on line {self.labels[name][2]}")
        if name in self.constants:
            self.fail(f"{name!r} is already a constant")
        self.labels[name] = (self.section, self.sizes[self.section], self.line)
