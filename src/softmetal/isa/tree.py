"""The decision tree of a table: what to look at, in which order, to find the entry that recognises a code.

It is data. `isa.step` writes it as hardware Python, the threaded engine's decoder as LLVM IR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from softmetal.isa.table import Insn, Isa

SWITCH_BITS = 10
"""The most bits that one switch looks at."""


@dataclass(frozen=True)
class Unknown:
    """No entry recognises the code. In every node, `have` bits of the code have to be known there."""

    have: int


@dataclass(frozen=True)
class Switch:
    """Go by the `width` bits from bit `low` on; values that are not in `arms` are `other`, None where there are none."""

    have: int
    low: int
    width: int
    arms: dict[int, Node]
    other: Unknown | None


@dataclass(frozen=True)
class Entry:
    """Is it this entry? Its fixed bits need a look only if `fixed`, its other conditions always; without any, `rest` is None."""

    have: int
    insn: Insn
    fixed: bool
    rest: Node | None


Node: TypeAlias = Unknown | Switch | Entry


def tree(isa: Isa) -> Node:
    """The whole tree of a table, from the most specific entries on, its switches on the longest runs of distinguishing bits."""
    return _node(isa, isa.by_specificity, 0, 0)


def _node(isa: Isa, entries: list[Insn], have: int, tested: int) -> Node:
    if not entries:
        return Unknown(have)
    needed = 8 * min(e.fetched if isa.fetching else e.size for e in entries)
    while have < max(needed, isa.parcel):
        have += isa.parcel
    common = (1 << have) - 1 & ~tested
    for entry in entries:
        common &= entry.mask
    if len(entries) > 1 and common:
        low, width = longest_run(common)
        mask = (1 << width) - 1
        groups: dict[int, list[Insn]] = {v: [] for v in sorted({e.match >> low & mask for e in entries})}
        for entry in entries:
            groups[entry.match >> low & mask].append(entry)
        arms = {v: _node(isa, inside, have, tested | mask << low) for v, inside in groups.items()}
        return Switch(have, low, width, arms, Unknown(have) if len(arms) <= mask else None)
    first, rest = entries[0], entries[1:]
    fixed = bool(first.mask & ~tested)
    asks = fixed or first.when or any(o.nonzero for o in first.operands)
    return Entry(have, first, fixed, _node(isa, rest, have, tested) if asks else None)


def longest_run(bits: int) -> tuple[int, int]:
    """(lowest bit, width) of the longest run of ones, SWITCH_BITS wide at the most."""
    best = (0, 0)
    at = 0
    while bits >> at:
        if bits >> at & 1:
            width = 0
            while bits >> (at + width) & 1 and width < SWITCH_BITS:
                width += 1
            if width > best[1]:
                best = (at, width)
            at += width
        else:
            at += 1
    return best
