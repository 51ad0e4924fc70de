"""The native engine: runs the threaded interpreter on a board's state."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

from softmetal.engines.golden import GoldenEngine
from softmetal.engines.native.threaded import ASTRAY, LEFT, PAUSED, REASON, TRAPPED, Places, Threaded
from softmetal.isa.table import Isa
from softmetal.lang.cache import Compiled, cached, sources_of
from softmetal.lang.chip import Board, Chip, Trap, trap_fields
from softmetal.lang.loader import Library
from softmetal.lang.native import compile_ir, trap_class


class NativeEngine:
    """Runs the core of a board, as `GoldenEngine` does, in native code.

    The board's state must have been made by `NativeEngine.new`, which leaves room behind it for decoded instructions.
    `progress`, if given, is called with a line of text when something has to be compiled first.
    """

    def __init__(self, isa: Isa, core: Any, progress: Callable[[str], None] | None = None) -> None:
        self.isa, self.core = isa, core
        cls = type(core)
        self.board = Board.of(cls)
        self.places = Places.of(self.board, isa)
        compiled = load(isa, cls, progress)
        self._library = Library(compiled.code, ["run"])
        self._traps = [trap_class(*t) for t in compiled.facts["traps"]]
        self._golden = GoldenEngine(isa, core)
        mapping = core.__mapping__
        if mapping.size < self.places.end:
            raise ValueError("this board's state has no room for the native engine: make it with NativeEngine.new()")
        self._mapping, self._root = mapping, mapping.address
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int64)(self._library.address("run"))
        box = self.board.mailbox
        self._words = mapping.view[box : box + 8 * 64].cast("Q")
        self._signed = mapping.view[box : box + 8 * 64].cast("q")
        self._marks = mapping.view[self.places.marks : self.places.run]

    @staticmethod
    def new(isa: Isa, cls: type[Chip]) -> Any:
        """A board at power-on whose state this engine can run."""
        board = Board.of(cls)
        return cls(room=Places.of(board, isa).end - board.size)

    def run(self, max_insns: int) -> Trap | None:
        """Run until `max_insns` instructions are done (None) or one traps (the trap)."""
        core, words = self.core, self._words
        left = max_insns
        while left > 0:
            if core.pc >> self.places.code_bits or core.pc & (self.isa.parcel // 8 - 1):
                trap = self._golden.run(1)
                if trap is not None:
                    return trap
                left -= 1
                continue
            reason = self._call(self._root, left)
            core.count += left - self._signed[LEFT]
            left = self._signed[LEFT]
            if reason == TRAPPED:
                core.next_pc = core.pc
                kind = self._traps[words[0] - 1]
                trap = kind(*words[1 : 1 + len(trap_fields(kind))])
                if type(trap).__name__ != "CodeWrite":
                    return trap
                self.settle()
            elif reason == PAUSED:
                continue
            elif reason == ASTRAY:
                core.next_pc = core.pc
                continue
            trap = self._golden.run(1)
            if trap is not None:
                return trap
            left -= 1
        core.next_pc = core.pc
        return None

    def settle(self) -> None:
        """Forget all decoded code, and leave in the state no trace of having decoded it."""
        places, mapping = self.places, self._mapping
        mapping.discard(places.code, places.run)
        count = int.from_bytes(mapping.view[places.watch : places.watch + 8], "little")
        if count:
            pages = mapping.view[places.watch + 8 : places.watch + 8 + 8 * min(count, 8191)].cast("Q")
            for page in pages:
                self.core.unwatch(page)
            mapping.view[places.watch : places.watch + 8] = bytes(8)

    def code_changed(self, start: int, end: int) -> None:
        """Guest code between two addresses is no longer what it was: forget what was decoded there."""
        first, last = start >> 12, (end + 4095) >> 12
        if any(self._marks[first:last]) if last - first < 1 << 16 else True:
            self.settle()


def load(isa: Isa, cls: type, progress: Callable[[str], None] | None = None) -> Compiled:
    """The interpreter for a board, compiled now if it is not in the cache."""

    def build() -> Compiled:
        started = time.perf_counter()
        if progress:
            progress(f"compiling the {isa.name} interpreter for this computer (once)...")
        threaded = Threaded(isa, Board.of(cls))
        text = threaded.text()
        if progress:
            progress(f"  {len(isa.insns)} instructions, {len(threaded.handlers)} handlers, {len(text) >> 10} KiB of LLVM IR")
        code = compile_ir(text)
        if progress:
            progress(f"  done in {time.perf_counter() - started:.1f} s, {len(code) >> 10} KiB of machine code")
        facts = {"traps": [[t.__module__, t.__qualname__] for t in threaded.unit.traps]}
        return Compiled(code, facts, sources_of(threaded.program))

    return cached(("threaded", isa.name, cls.__module__, cls.__qualname__), build)
