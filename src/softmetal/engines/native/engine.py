"""The native engine: runs an interpreter that was compiled from a table on a board's state."""

from __future__ import annotations

import ctypes
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any

from softmetal.engines.golden import golden_engine
from softmetal.engines.native.frame import LEFT, PAUSED, STUCK, TRANSLATIONS, TRAPPED, WALL, WATCHES, PagedPlaces, Places
from softmetal.isa.decoding import Ahead, ByFrame, Itself, decoding_of
from softmetal.isa.step import register
from softmetal.isa.table import Isa
from softmetal.lang.cache import Compiled, cached, identity, sources_of
from softmetal.lang.chip import Board, Chip, Trap, trap_class, trap_fields
from softmetal.lang.loader import Library, bundle

Progress = Callable[[str], None]
FOREVER = 1 << 60
"""A moment of a board's clock that never comes."""
MOST = 1 << 62
"""The largest budget that is handed to native code: more than a century's instructions."""


class NativeEngine:
    """Runs the core of a board, as the golden engine does, in native code. This form suits every core."""

    kind = "Switched"

    def __init__(self, isa: Isa, core: Any, progress: Progress | None = None) -> None:
        self.isa, self.core = isa, core
        self.board = Board.of(type(core))
        self._library, traps = library(isa, type(core), self.kind, progress)
        self._traps = [*traps]
        self._mapping = core.__mapping__
        self._root = self._mapping.address
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int64)(self._library.address("run"))
        box = self.board.mailbox
        self._words: memoryview[int] = self._mapping.view[box : box + 8 * 64].cast("Q")
        self._signed: memoryview[int] = self._mapping.view[box : box + 8 * 64].cast("q")

    def enter(self, max_insns: int) -> int:
        """Run as `run` does; the number of the trap (0: none), whose values are the words after the first of `words`."""
        if max_insns <= 0:
            return 0
        return self._words[0] if self._call(self._root, min(max_insns, MOST)) == TRAPPED else 0

    @property
    def functions(self) -> Mapping[str, int]:
        """Addresses of what the interpreter exports, for code that is compiled later and calls it."""
        return self._library.addresses

    @property
    def words(self) -> memoryview:
        """The mailbox, as unsigned 64-bit words."""
        return self._words

    def run(self, max_insns: int) -> Trap | None:
        """Run until `max_insns` instructions are done (None) or one traps (the trap)."""
        return self._trap() if self.enter(max_insns) else None

    def step(self) -> None:
        """Run one instruction. Raises the Trap that it takes; then the core is as the trap left it, `pc` at it."""
        trap = self.run(1)
        if trap is not None:
            raise trap

    def _trap(self) -> Trap:
        kind = self._traps[self._words[0] - 1]
        return kind(*self._words[1 : 1 + len(trap_fields(kind))])

    def drop_code(self) -> None:
        """Leave in the state no trace of how it was run."""

    def canonicalise(self) -> None:
        """Do the same, and keep what was decoded, where that can be."""
        self.drop_code()

    def code_changed(self, start: int, end: int) -> None:
        """Guest code between two addresses is no longer what it was."""


class ThreadedEngine(NativeEngine):
    """The form for cores whose code can be decoded ahead: it keeps decoded instructions behind the board's state."""

    kind = "Threaded"

    def __init__(self, isa: Isa, core: Any, progress: Progress | None = None) -> None:
        super().__init__(isa, core, progress)
        self.places = Places.of(self.board, isa)
        if self._mapping.size < self.places.end:
            raise ValueError("this board's state has no room for decoded instructions: make it with new_board()")
        self._golden = golden_engine(isa, core)
        code_write = type(core).decoding.code_write
        self._code_write = self._traps.index(code_write) + 1 if code_write in self._traps else -1
        self._marks = self._mapping.view[self.places.marks : self.places.run]

    def enter(self, max_insns: int) -> int:
        left = min(max_insns, MOST)
        while left > 0:
            reason = self._call(self._root, left)
            if reason == PAUSED:
                return 0
            if reason == TRAPPED and self._words[0] != self._code_write:
                return self._words[0]
            left = self._signed[LEFT]
            if reason == TRAPPED:
                self.drop_code()
            elif left <= 0:
                return 0
            # What cannot be decoded ahead, the golden model does: a store that changes code, a fetch that traps...
            number = self._by_golden()
            if number == self._code_write:
                self.drop_code()
                number = self._by_golden()
            if number:
                return number
            if reason == WALL:  # what could not be fetched when it was decoded now can
                self.drop_code()
            left -= 1
        return 0

    def _by_golden(self) -> int:
        """Run one instruction in the golden model; the number of its trap, 0 if there is none."""
        found = self._golden.run(1)
        return 0 if found is None else self._note(found)

    def _note(self, trap: Trap) -> int:
        """Leave a trap of the golden model's where those of the interpreter are left; its number."""
        if type(trap) not in self._traps:
            self._traps.append(type(trap))
        for i, value in enumerate(trap.values, 1):
            self._words[i] = value & (1 << 64) - 1
        number = self._words[0] = self._traps.index(type(trap)) + 1
        return number

    @property
    def translations(self) -> int:
        """How many runs of instructions have been decoded."""
        count: int = self._words[TRANSLATIONS]
        return count

    def drop_code(self) -> None:
        """Forget all decoded code, and leave in the state no trace of having decoded it."""
        places, mapping = self.places, self._mapping
        count = int.from_bytes(mapping.view[places.watch : places.watch + 8], "little")
        decoded = self._decoded_pages() if count >= WATCHES else []
        mapping.discard(places.code, places.run)
        if count:
            listed = mapping.view[places.watch + 8 : places.watch + 8 + 8 * count].cast("Q")
            for page in listed if count < WATCHES else decoded:
                self.core.unwatch(page)
            mapping.view[places.watch : places.watch + 8] = bytes(8)

    def _decoded_pages(self) -> list[int]:
        """The pages in which anything is decoded: what the list of watched ones would hold, had it room for all."""
        found, step = [], 1 << 20
        for base in range(0, len(self._marks), step):
            part = bytes(self._marks[base : base + step])
            at = part.find(1)
            while at >= 0:
                found.append(base + at)
                at = part.find(1, at + 1)
        return found

    def code_changed(self, start: int, end: int) -> None:
        first, last = start >> 12, (end + 4095) >> 12
        if last - first > 1 << 16 or 1 in bytes(self._marks[first:last]):
            self.drop_code()


class ComputerEngine(NativeEngine):
    """What the forms for whole computers share: they have a clock (`advance`), and the host calls the board's methods."""

    def __init__(self, isa: Isa, core: Any, progress: Progress | None = None) -> None:
        super().__init__(isa, core, progress)
        address = self._library.address("run")
        self._calls: dict[str, Any] = {}
        self._go = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64)(address)

    def advance(self, max_insns: int, horizon: int = FOREVER) -> int:
        """Run until so many instructions are done, or nothing may run before the board's clock is `horizon`.

        How many instructions (and traps, which count as one) that was. Raises the Trap that the core does not take itself.
        """
        budget = left = min(max_insns, MOST)
        while left > 0:
            reason = self._go(self._root, left, horizon)
            if reason == TRAPPED:
                raise self._trap()
            left = self._signed[LEFT]
            if reason == STUCK:
                self.drop_code()
            else:
                break
        return budget - left

    def enter(self, max_insns: int) -> int:
        self.advance(max_insns)
        return 0

    def call(self, name: str, *args: int) -> int:
        """Call one of the board's ENTRIES, between runs; its result, 0 if it has none."""
        if name not in self._calls:
            kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * len(args))
            self._calls[name] = kind(self._library.address(f"call.{name}"))
        found: int = self._calls[name](self._root, *args)
        return found


class WholeEngine(ComputerEngine):
    """The form for boards that run their CPUs themselves."""

    kind = "Whole"


class PagedEngine(ComputerEngine):
    """The form for cores that translate addresses, take their own traps and have a clock (`prepare`, `take`, `locate`)."""

    kind = "Paged"

    def __init__(self, isa: Isa, core: Any, progress: Progress | None = None) -> None:
        super().__init__(isa, core, progress)
        self.places = PagedPlaces.of(self.board, isa)
        if self._mapping.size < self.places.end:
            raise ValueError("this board's state has no room for decoded instructions: make it with new_board()")

    def drop_code(self) -> None:
        """Forget all decoded code."""
        self._mapping.discard(self.places.code, self.places.end)
        self.core.code.forget()

    def canonicalise(self) -> None:
        """Leave in the state no trace of how it was run: what was decoded stays, but for what has changed since."""
        if self._go(self._root, 0, 0) == STUCK:
            self.drop_code()
        self.core.code.forget()


def new_board(isa: Isa, cls: type[Chip]) -> Any:
    """A board at power-on whose state the native engine can run; a whole computer's, so that snapshots of it are cheap."""
    says = decoding_of(cls)
    if isinstance(says, ByFrame):
        return cls(room=PagedPlaces.of(Board.of(cls), isa).end - Board.of(cls).size, in_file=True)
    if isinstance(says, Itself):
        return cls(in_file=True)
    if isinstance(says, Ahead):
        return cls(room=Places.of(Board.of(cls), isa).end - Board.of(cls).size)
    return cls()


def native_engine(isa: Isa, core: Any, progress: Progress | None = None) -> NativeEngine:
    """The native engine for a board from `new_board`.

    `progress`, if given, is called with a line of text when something has to be compiled first. Without it a terminal shows it.
    """
    return form(type(core))(isa, core, progress)


def form(cls: type) -> type[NativeEngine]:
    """The form of the engine that suits a core."""
    match decoding_of(cls):
        case Itself():
            return WholeEngine
        case ByFrame():
            return PagedEngine
        case Ahead():
            return ThreadedEngine
    return NativeEngine


_LIBRARIES: weakref.WeakKeyDictionary[type, dict[tuple[str, str], tuple[Library, list[type[Trap]]]]] = weakref.WeakKeyDictionary()


def library(isa: Isa, cls: type, kind: str, progress: Progress | None = None) -> tuple[Library, list[type[Trap]]]:
    """The interpreter for a board, in this process, for all its engines; and the traps that it can raise."""
    loaded = _LIBRARIES.setdefault(cls, {})
    if (isa.digest, kind) not in loaded:
        compiled = load(isa, cls, kind, progress)
        entries = getattr(cls, "ENTRIES", ()) if issubclass(form(cls), ComputerEngine) else ()
        code = Library(compiled.code, ["run", *(f"call.{name}" for name in entries), *compiled.facts["functions"]])
        loaded[isa.digest, kind] = code, [trap_class(*t) for t in compiled.facts["traps"]]
    return loaded[isa.digest, kind]


def load(isa: Isa, cls: type, kind: str, progress: Progress | None = None) -> Compiled:
    """The interpreter for a board, compiled now if it is not in the cache."""
    doing = f"compiling the {isa.name} interpreter for this computer (once)"

    def build() -> Compiled:
        started = time.perf_counter()
        if progress:
            progress(f"{doing}...")
        # The compiler is loaded only where there is something to compile.
        from softmetal.engines.native.paged import Paged
        from softmetal.engines.native.switched import Switched
        from softmetal.engines.native.threaded import Threaded
        from softmetal.engines.native.whole import Whole
        from softmetal.lang.llvm.parts import compile_parts

        interpreter = {"Switched": Switched, "Threaded": Threaded, "Paged": Paged, "Whole": Whole}[kind](isa, Board.of(cls))
        text = interpreter.text()
        if progress:
            progress(f"  {len(isa.insns)} instructions, {len(text) >> 10} KiB of LLVM IR")
        code = bundle(compile_parts(text))
        if progress:
            progress(f"  {len(code) >> 10} KiB of machine code after {time.perf_counter() - started:.1f} s")
        facts = {
            "traps": [[t.__module__, t.__qualname__] for t in interpreter.unit.traps],
            "functions": {symbol: astuple(outside) for symbol, outside in interpreter.unit.exported.items()},
        }
        return Compiled(code, facts, sources_of(interpreter.program))

    if kind == "Switched":
        register(isa)
    return cached((kind, isa.digest, identity(cls)), build, "" if progress else doing)
