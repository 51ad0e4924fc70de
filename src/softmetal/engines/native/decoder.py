"""The decoder in native code: a tree of switches that is derived from the table's patterns."""

from __future__ import annotations

from collections.abc import Callable

from softmetal.isa.table import Insn, Isa, Operand
from softmetal.isa.tree import Node, Switch, Unknown, tree
from softmetal.lang.llvm import Writer


class DecodeTree:
    """Writes LLVM code that finds the table's entry for a code.

    `fetch(at)` writes the fetch of the parcel at byte `at` and gives it as an i64; `found(entry, code)` and
    `unknown(size, code)` write what is done with the result, and end the block.
    """

    def __init__(
        self, writer: Writer, isa: Isa, fetch: Callable[[int], str],
        found: Callable[[Insn, str], None], unknown: Callable[[int, str], None],
    ) -> None:  # fmt: skip
        self.writer, self.isa, self.fetch, self.found, self.unknown = writer, isa, fetch, found, unknown

    def write(self) -> None:
        """Write the whole tree from the current block on."""
        self._node(tree(self.isa), "", 0)

    def _node(self, node: Node, code: str, known: int) -> None:
        """`known` bits of the code are in `code`."""
        writer = self.writer
        for at in range(known, node.have, self.isa.parcel):
            more = self.fetch(at // 8)
            code = writer.new(f"or i64 {code}, {writer.new(f'shl i64 {more}, {at}')}") if at else more
        if isinstance(node, Unknown):
            self.unknown(node.have // 8, code)
        elif isinstance(node, Switch):
            self._switch(node, code)
        elif node.rest is None:
            self.found(node.insn, code)
        else:
            tests = []
            if node.fixed:
                masked = writer.new(f"and i64 {code}, {node.insn.mask}")
                tests.append(writer.new(f"icmp eq i64 {masked}, {node.insn.match}"))
            for operand in node.insn.operands:
                if operand.nonzero:
                    tests.append(writer.new(f"icmp ne i64 {extract(writer, operand, code)}, 0"))
            test = tests[0]
            for other in tests[1:]:
                test = writer.new(f"and i1 {test}, {other}")
            yes, no = writer.label("is"), writer.label("other")
            writer.branch(test, yes, no)
            writer.start(yes)
            self.found(node.insn, code)
            writer.start(no)
            self._node(node.rest, code, node.have)

    def _switch(self, node: Switch, code: str) -> None:
        writer = self.writer
        key = writer.new(f"and i64 {writer.new(f'lshr i64 {code}, {node.low}')}, {(1 << node.width) - 1}")
        labels = {v: writer.label("op") for v in node.arms}
        none = writer.label("unknown")
        arms = " ".join(f"i64 {v}, label %{label}" for v, label in labels.items())
        writer.end(f"switch i64 {key}, label %{none} [{arms}]")
        for value, inside in node.arms.items():
            writer.start(labels[value])
            self._node(inside, code, node.have)
        writer.start(none)
        if node.other:
            self._node(node.other, code, node.have)
        else:
            writer.end("unreachable")


def extract(writer: Writer, operand: Operand, code: str) -> str:
    """Write the operand's value in a code, as an i64."""
    value = ""
    for s in operand.segments:
        part = writer.new(f"and i64 {writer.new(f'lshr i64 {code}, {s.place}')}, {(1 << s.width) - 1}")
        if s.at:
            part = writer.new(f"shl i64 {part}, {s.at}")
        value = writer.new(f"or i64 {value}, {part}") if value else part
    if operand.signed:
        up = writer.new(f"shl i64 {value}, {64 - operand.bits}")
        value = writer.new(f"ashr i64 {up}, {64 - operand.bits}")
    if operand.add:
        value = writer.new(f"add i64 {value}, {operand.add}")
    return value
