"""The golden engine: CPython runs the instructions' meanings. Slow, obvious, the judge in every disagreement."""

from __future__ import annotations

from typing import Any

from softmetal.isa.table import Isa
from softmetal.lang.chip import Trap
from softmetal.lang.golden import golden


class GoldenEngine:
    """Runs the core of a golden board, one instruction at a time.

    The core's class gives `fetch(address)`, which returns a parcel or raises a trap. A core that does its own
    bookkeeping of the program counter (it has no `next_pc`) fetches at its `pc` through `fetch()` instead.
    """

    def __init__(self, isa: Isa, core: Any) -> None:
        self.isa, self.core = isa, core
        self._decoded: dict[int, tuple[Any, list[int], int]] = {}

    def fetch(self) -> int:
        """The code at the program counter, as many parcels as the instruction has."""
        core, isa = self.core, self.isa
        step = isa.parcel // 8
        code = first = core.fetch(core.pc)
        for at in range(step, isa.size_of(first), step):
            code |= core.fetch(core.pc + at) << 8 * at
        return code

    def step(self) -> None:
        """Run one instruction. Raises the Trap that it takes; then the core is as the trap left it, `pc` at it."""
        core = self.core
        code = self.fetch()
        entry = self._decoded.get(code)
        if entry is None:
            insn = self.isa.decode(code)
            if insn is None:
                return golden(self.isa.illegal)(core, code)
            entry = self._decoded[code] = (insn.golden, insn.arguments(code), insn.size)
        meaning, arguments, size = entry
        core.next_pc = core.pc + size
        meaning(core, *arguments)
        core.pc = core.next_pc
        core.count += 1

    def run(self, max_insns: int) -> Trap | None:
        """Run until `max_insns` instructions are done (None) or one traps (the trap)."""
        try:
            for _ in range(max_insns):
                self.step()
        except Trap as trap:
            return trap
        return None
