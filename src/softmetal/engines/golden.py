"""The golden engine: CPython runs the instructions' meanings. Slow, obvious, the judge in every disagreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softmetal.isa.decoding import ByFrame, Itself, decoding_of
from softmetal.isa.table import NO_MODES, Insn, Isa
from softmetal.lang.chip import Trap
from softmetal.lang.golden import golden


class GoldenEngine:
    """Runs the core of a golden board, one instruction at a time.

    The core's class gives `fetch(address)`, which returns a parcel or raises a trap.
    """

    def __init__(self, isa: Isa, core: Any) -> None:
        self.isa, self.core = isa, core
        self.words: list[int] = []
        self._decoded: dict[Any, tuple[Any, list[int], int]] = {}
        self._recognised: dict[Any, Insn | None] = {}

    def modes(self) -> Mapping[str, int]:
        """The core's fields that decide what codes mean, as they are."""
        names = self.isa.modes
        return {name: getattr(self.core, name) for name in names} if names else NO_MODES

    def fetch(self) -> int:
        """The code at the program counter, as many parcels as the instruction has."""
        core, isa = self.core, self.isa
        first: int = core.fetch(core.pc)
        code = first
        for at in range(isa.parcel, 8 * isa.size_of(first, self.modes()), isa.parcel):
            code |= core.fetch(core.pc + at // isa.unit) << at
        return code

    def step(self) -> None:
        """Run one instruction. Raises the Trap that it takes; then the core is as the trap left it, `pc` at it."""
        core = self.core
        core.next_pc = core.pc  # so a fetch that traps leaves it, too
        code = self.fetch()
        known = (code, *self.modes().values()) if self.isa.modes else code
        entry = self._decoded.get(known)
        if entry is None:
            insn = self.isa.decode_in(code, self.modes())
            if insn is None:
                golden(self.isa.illegal)(core, code)
                raise AssertionError("the meaning of an illegal code must trap")
            entry = self._decoded[known] = (insn.golden, insn.arguments(code), insn.size * 8 // self.isa.unit)
        meaning, arguments, size = entry
        core.next_pc = core.pc + size
        try:
            meaning(core, *arguments)
        except Trap:
            core.next_pc = core.pc
            raise
        core.pc = core.next_pc
        core.count += 1

    def enter(self, max_insns: int) -> int:
        """Run as `run` does; 1 if it trapped, 0 if not. The trap's values are the words after the first of `words`."""
        trap = self.run(max_insns)
        if trap is None:
            return 0
        self.words[:] = [1, *trap.values]
        return 1

    def run(self, max_insns: int) -> Trap | None:
        """Run until `max_insns` instructions are done (None) or one traps (the trap)."""
        try:
            for _ in range(max_insns):
                self.step()
        except Trap as trap:
            return trap
        return None

    def code_changed(self, start: int, end: int) -> None:
        """Guest code between two addresses is no longer what it was: nothing to do, every fetch is a new one."""

    def drop_code(self) -> None:
        """Leave in the state no trace of how it was run: nothing to do."""

    def canonicalise(self) -> None:
        """Do the same, and keep what was decoded: nothing is."""
        self.drop_code()


class FetchingGoldenEngine(GoldenEngine):
    """Runs a core whose table has `fetching`: the core's own `poll()` and `fetch()` put each fetch in its place."""

    def step(self) -> None:
        """Run one instruction, and before it the interrupt that is due. A Trap leaves the core where it was raised."""
        core = self.core
        core.poll()
        code, have = core.fetch(), 1
        try:
            while (entry := self._recognise(code, have)) is None:
                code |= core.fetch() << 8 * have
                have += 1
        except LookupError:
            golden(self.isa.illegal)(core, code)
            return
        for at in range(have, entry.fetched):
            code |= core.fetch() << 8 * at
        entry.golden(core, *entry.arguments(code))
        core.count += 1

    def _recognise(self, code: int, have: int) -> Insn | None:
        modes = self.modes()
        key = (code, have, *modes.values()) if modes else code << 4 | have
        if key not in self._recognised:
            self._recognised[key] = self.isa.recognise(code, have, modes)
        return self._recognised[key]


class CallingGoldenEngine(GoldenEngine):
    """Runs a whole computer's board, whose methods the host calls between runs."""

    def call(self, name: str, *args: int) -> int:
        """Call a method of the board, between runs; its result, 0 if it has none."""
        return getattr(self.core, name)(*args) or 0


class PagedGoldenEngine(CallingGoldenEngine):
    """Runs a core that takes its own traps and has a clock: its `prepare` is called before every instruction."""

    def advance(self, max_insns: int, horizon: int = 1 << 60) -> int:
        """Run as the native engine's `advance` does."""
        core, done, says = self.core, 0, type(self.core).decoding
        while done < max_insns and core.prepare(1, horizon):
            if core.debug.breaks and self._broken():
                break
            try:
                self.step()
            except Trap as trap:
                if isinstance(trap, says.watched):
                    break
                if not isinstance(trap, says.taken):
                    raise
                core.take(*trap.values)
                core.count += 1
            core.code.changed_count = 0  # nothing is decoded ahead
            done += 1
        return done

    def _broken(self) -> bool:
        """Is there to be a stop before the instruction? Not where none can be fetched."""
        core = self.core
        try:
            core.locate(core.pc)
        except Trap:
            return False
        return bool(core.break_hit(core.pc))

    def drop_code(self) -> None:
        """Leave in the state no trace of how it was run."""
        self.core.code.forget()



class WholeGoldenEngine(CallingGoldenEngine):
    """Runs a board that runs its CPUs itself."""

    def advance(self, max_insns: int, horizon: int = 1 << 60) -> int:
        """Run as the native engine's `advance` does."""
        done: int = self.core.advance(max_insns, horizon)
        return done


def golden_engine(isa: Isa, core: Any) -> GoldenEngine:
    """The golden engine for a table."""
    says = decoding_of(type(core))
    if isinstance(says, ByFrame):
        return PagedGoldenEngine(isa, core)
    if isinstance(says, Itself):
        return WholeGoldenEngine(isa, core)
    return (FetchingGoldenEngine if isa.fetching else GoldenEngine)(isa, core)
