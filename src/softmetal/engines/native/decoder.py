"""The decoder in native code: a tree of switches that is derived from the table's patterns."""

from __future__ import annotations

from collections.abc import Callable

from softmetal.isa.step import longest_run
from softmetal.isa.table import Insn, Isa, Operand
from softmetal.lang.llvm import Writer


class DecodeTree:
    """Writes LLVM code that finds the table's entry for a code.

    `fetch(at)` writes the fetch of the parcel at byte `at` and gives it as an i64; `found(entry, code)` and
    `unknown(size, code)` write what is done with the result, and end the block. `needed(entry)` is how many bytes of an
    instruction have to be fetched.
    """

    def __init__(
        self, writer: Writer, isa: Isa, fetch: Callable[[int], str],
        found: Callable[[Insn, str], None], unknown: Callable[[int, str], None], needed: Callable[[Insn], int],
    ) -> None:  # fmt: skip
        self.writer, self.isa, self.fetch, self.found, self.unknown = writer, isa, fetch, found, unknown
        self.needed = needed

    def write(self) -> None:
        """Write the whole tree from the current block on."""
        self._node(self.isa.by_specificity, self.fetch(0), self.isa.parcel, 0)

    def _node(self, entries: list[Insn], code: str, have: int, tested: int) -> None:
        """`have` bits of the code are known; those of `tested` were looked at."""
        writer = self.writer
        if not entries:
            self.unknown(have // 8, code)
            return
        while min(self.needed(e) for e in entries) * 8 > have:
            more = self.fetch(have // 8)
            code = writer.new(f"or i64 {code}, {writer.new(f'shl i64 {more}, {have}')}")
            have += self.isa.parcel
        common = (1 << have) - 1 & ~tested
        for entry in entries:
            common &= entry.mask
        if len(entries) > 1 and common:
            low, width = longest_run(common)
            mask = (1 << width) - 1
            key = writer.new(f"and i64 {writer.new(f'lshr i64 {code}, {low}')}, {mask}")
            values = sorted({e.match >> low & mask for e in entries})
            labels = {v: writer.label("op") for v in values}
            none = writer.label("unknown")
            arms = " ".join(f"i64 {v}, label %{labels[v]}" for v in values)
            writer.end(f"switch i64 {key}, label %{none} [{arms}]")
            for value in values:
                writer.start(labels[value])
                inside = [e for e in entries if e.match >> low & mask == value]
                self._node(inside, code, have, tested | mask << low)
            writer.start(none)
            if len(values) <= mask:
                self.unknown(have // 8, code)
            else:
                writer.end("unreachable")
            return
        first, rest = entries[0], entries[1:]
        tests = []
        if first.mask & ~tested:
            masked = writer.new(f"and i64 {code}, {first.mask}")
            tests.append(writer.new(f"icmp eq i64 {masked}, {first.match}"))
        for operand in first.operands:
            if operand.nonzero:
                tests.append(writer.new(f"icmp ne i64 {extract(writer, operand, code)}, 0"))
        if not tests:
            self.found(first, code)
            return
        test = tests[0]
        for other in tests[1:]:
            test = writer.new(f"and i1 {test}, {other}")
        yes, no = writer.label("is"), writer.label("other")
        writer.branch(test, yes, no)
        writer.start(yes)
        self.found(first, code)
        writer.start(no)
        self._node(rest, code, have, tested)


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
