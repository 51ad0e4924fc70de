"""Chips that are chosen when running: by an index, by a condition."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable

from softmetal.lang import ir
from softmetal.lang.check.elements import Elements
from softmetal.lang.check.values import Value, chip_of, common_base, describe, pure
from softmetal.lang.chip import Chip


class Choices(Elements):
    """The checker of what chooses a chip."""

    def on_Subscript(self, node: ast.Subscript) -> Value:
        if not isinstance(node.value, ast.Tuple):
            return super().on_Subscript(node)
        chips = [self.value(each) for each in node.value.elts]
        if not any(isinstance(c, ir.ChipRef) for c in chips):
            return super().on_Subscript(node)
        for each, chip in zip(node.value.elts, chips, strict=True):
            if not isinstance(chip, ir.ChipRef):
                self.fail(each, f"{describe(chip)} is among chips", "a chip")
        self._no_slice(node)
        index, found = self.integer(node.slice)
        self._inside(node.slice, found, len(chips), "these chips", "")
        if found.single and 0 <= found.lo < len(chips) and all(map(pure, [*chips, index])):
            return chips[found.lo]
        return self.chosen(node, chips, ir.ChipPick(chips, index))

    def chosen(self, node: ast.AST, chips: Iterable[ir.ChipRef], how: ir.ChipPick | ir.ChipSelect) -> ir.ChipRef:
        """One of these chips."""
        return chip_of(self.one_of(node, chips), chosen=how)

    def one_of(self, node: ast.AST, chips: Iterable[ir.ChipRef], before: tuple[type, ...] = ()) -> tuple[type, ...]:
        """The classes of which one of these chips may be, and those `before`. Refuses those that have nothing in common."""
        classes = before
        for chip in chips:
            if chip.path == "":
                self.fail(node, f"{chip.cls.__name__} is the board itself, which is not chosen when running", "a chip in it")
            classes += ir.classes_of(chip)
        if common_base(classes) is Chip:
            names = " and ".join(dict.fromkeys(c.__name__ for c in classes))
            self.fail(node, f"{names} have no class of chips in common", "chips of one class, or of classes derived from one")
        self.check_places(node, classes)
        return classes

    @abstractmethod
    def check_places(self, node: ast.AST, classes: tuple[type, ...]) -> None:
        """Refuse classes of which two chips begin at one place, one inside the other, for its place says what a chip is."""
