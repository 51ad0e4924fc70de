"""A machine: a board with software in it, whose time goes on only while it is run.

    m = Machine(Virt(kernel="Image", append="console=ttyS0", memory=256 << 20))
    m.expect("login:")
    s = m.snapshot()
    ...
    m.restore(s)

A machine's position is how many instructions (and traps) its CPUs have executed since power-on. Everything from outside
enters between two positions, through `enter` or `post`; so a run can be repeated exactly.

It depends on no particular board: what it needs of one is `machine.computer.Computer`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine
from softmetal.lang import state as states
from softmetal.lang.chip import Board, layout_of
from softmetal.machine import inputs, saving
from softmetal.machine.computer import Computer, Region, check
from softmetal.machine.console import Console
from softmetal.machine.debugger import Debugger
from softmetal.machine.errors import Diverged, MachineError
from softmetal.machine.inputs import Input
from softmetal.machine.interrupts import Atomic, deliver, signals_held
from softmetal.machine.place import Place
from softmetal.machine.saving import Identity, MachineSnapshot
from softmetal.machine.script import Script
from softmetal.machine.sound import Sound
from softmetal.machine.stop import FOREVER, Stop
from softmetal.machine.symbols import Symbols
from softmetal.machine.unmodelled import Unmodelled, unmodelled
from softmetal.machine.views import Cpu, PhysicalMemory
from softmetal.machine.waiting import Waiting

CHUNKS = {"native": 10_000_000, "golden": 5_000}
"""Instructions that an engine runs at most between two looks at the outside world: some hundredths of a second."""
SHORT_CHUNK = 1_000_000
"""The same while `until` is given."""
MOST_LINES = 100
"""Warnings, and remarks, that are kept for the user."""


class Observer(Protocol):
    """Is notified of each input of a run, and when the position has reached `next`."""

    next: int
    follows_back: bool
    """May the machine go back while it observes?"""

    def entered(self, item: Input) -> None:
        """Something has come from outside."""

    def reached(self) -> None:
        """The position is `next` or later. Nothing has entered there yet."""


class Machine:
    """A computer that runs. `engine` is "native" or "golden"; `progress` is called with a line of text when something has to
    be compiled first. Without `board` (a state of the computer's board) it is at power-on. Raises MachineError, LoadError."""

    def __init__(
        self, computer: Computer, *, engine: str = "native", progress: Callable[[str], None] | None = None, board: Any = None
    ) -> None:
        if engine not in CHUNKS:
            raise MachineError(f"engine {engine}: choose {' or '.join(sorted(CHUNKS))}")
        check(type(computer))
        self.computer, self.engine_name, self.progress = computer, engine, progress
        self.consoles: dict[str, Console] = {name: Console() for name in computer.consoles}
        self.keyboard, self.pointer = computer.keyboard(self), computer.pointer(self)
        self.symbols = Symbols(computer.symbols())
        self.position = 0
        self._clock_before_reset = 0
        self.waited: int | None = None
        """Clock up to which all CPUs have waited, if they wait. The board's own clock still has the time when they began."""
        self.sent: list[bytes] = []
        """Records that the guest has sent to the network, which a `Link` or `Switch` takes. Beyond the computer's
        MOST_SENT they are dropped, as without a cable."""
        self.cable: Any = None
        """The `Link` or `Switch` that connects the machine with others."""
        self.warnings: list[str] = []
        """Errors of the host, for the user."""
        self.remarks: list[str] = []
        """Events of the guest that matter to the user."""
        self.observers: list[Observer] = []
        self.timeline: Any = None
        self.sound = Sound(*computer.sound) if computer.sound else None
        """What it plays; None where it has no sound."""
        self.waiting = Waiting(self.consoles)
        """Inputs that have not entered yet."""
        self.script = Script()
        """The log that is followed."""
        self._debugger: Debugger | None = None
        self.atomic_depth = 0
        """How many contexts of `atomic` are open."""
        self.pending_error: BaseException | None = None
        """The exception to raise when the last of them ends."""
        self._boot(computer.build() if board is None else board)

    def _boot(self, board: Any) -> None:
        if type(board) is not self.computer.board:
            raise MachineError(f"{type(self.computer).__name__}.build() made a {type(board).__name__}, not its board")
        self.board: Any = board
        """The board's state, to read: what is written there is in no recording and no timeline."""
        isa = self.computer.isa
        self.engine: Any = native_engine(isa, board, self.progress) if self.engine_name == "native" else golden_engine(isa, board)
        self.regions: Sequence[Region] = self.computer.regions()
        """Memory, by physical address."""
        self._memory = [(r.address, r.size, self._view(r)) for r in self.regions]
        self.ram: memoryview = self._memory[0][2].toreadonly()
        """The first region, to read without a copy; `memory` changes it."""

    @property
    def console(self) -> Console:
        """The main console. Raises MachineError where the computer has none."""
        for console in self.consoles.values():
            return console
        raise MachineError(f"{self.computer.name} has no console")

    # -- running

    @property
    def clock(self) -> int:
        """Machine time, in ticks of the computer's clock (`computer.hz` a second) since power-on."""
        return max(self._now, self.waited or 0)

    @property
    def _now(self) -> int:
        """The board's own clock."""
        return self.computer.clock(self.board)

    @property
    def total_clock(self) -> int:
        """Machine time, in ticks, since the first power-on: `clock` begins again at each reset, this does not."""
        return self._clock_before_reset + self.clock

    @property
    def place(self) -> Place:
        """Position and clock: what `goto` takes to return exactly to this moment."""
        return Place(self.position, self.clock)

    @property
    def seconds(self) -> float:
        """Machine time in seconds."""
        return self.clock / float(self.computer.hz)

    def run(
        self, *, insns: int | None = None, seconds: float | None = None, until: str | Callable[[], Any] | None = None,
        horizon: int | None = None,
    ) -> Stop:  # fmt: skip
        """Run until so many instructions are executed, so many seconds of machine time have passed, the console shows `until`
        (a regular expression) or `until()` is true, a hook is met, or the guest ends. `until` is evaluated every million
        instructions, and whenever a device has called the host.

        `horizon`: the clock up to which idle time may be skipped (by default as far as `seconds` says).
        """
        last = self.position + insns if insns is not None else None
        deadline = self.clock + round(seconds * self.computer.hz) if seconds is not None else None
        far = min(x for x in (deadline, horizon, FOREVER) if x is not None)

        def come() -> Any:
            return until is not None and (self.console.match(until) if isinstance(until, str) else until())

        with signals_held():
            while not come():
                if last is not None and self.position >= last:
                    return Stop.INSNS
                if deadline is not None and self.clock >= deadline:
                    return Stop.TIME
                most = FOREVER if until is None else SHORT_CHUNK
                most = most if last is None else min(most, last - self.position)
                if deadline is not None:
                    most = min(most, max(1, (deadline - self.clock) * self.computer.cpu_count))
                ended = self.advance(most, far)
                if ended is not None:
                    return Stop.UNTIL if come() else ended
                deliver()
        return Stop.UNTIL

    def atomic(self) -> Atomic:
        """A context for a change of the machine that must not be interrupted half-way.

        Signal handlers (Ctrl-C) are deferred to its end. So is the first exception of a user's code that `notify` has called (a
        hook, an observer, a callback for output): the machine is consistent when it is raised.
        """
        return Atomic(self)

    def notify(self, call: Callable[..., Any], *args: Any) -> None:
        """Call a user's callback inside `atomic`."""
        try:
            call(*args)
        except BaseException as error:
            self.raise_later(error)

    def raise_later(self, error: BaseException) -> None:
        """Raise this at the end of `atomic`, unless another exception is pending."""
        self.pending_error = self.pending_error or error

    def advance(self, most: int, horizon: int = FOREVER) -> Stop | None:
        """Let pending inputs enter, and run at most so many instructions. Stop.TIME: the guest waits, the clock is `horizon`."""
        with self.atomic():
            return self._advance(min(most, CHUNKS[self.engine_name]), horizon)

    def _advance(self, most: int, horizon: int) -> Stop | None:
        entered = self._feed()
        most, until, waits = self._limits(most, horizon)
        if self._debugger is not None:
            self._debugger.arm(most)
        late = until < FOREVER and self._now > until
        done = self.engine.advance(most, until) if most and not late else 0
        self.position += done
        if done and waits:
            raise Diverged(self.position, f"at position {self.position - done} the guest goes on, where it waited when recorded")
        board, computer = self.board, self.computer
        idle = done < most and not (late or board.debug.stop or board.needs_host) and computer.idle(board)
        if idle:
            self.waited = max(self.clock, until if until < FOREVER else 0)
        elif done:
            self.waited = None
        busy = computer.serve(self)
        hit = self._debugger is not None and self._debugger.take_events()
        for observer in tuple(self.observers):
            if self.position >= observer.next:
                self.notify(observer.reached)
        if self.script.at_end(self):
            return Stop.END
        ended = computer.ended(board)
        if ended is not None:
            return ended
        if hit:
            return Stop.HOOK
        if late and waits:
            raise Diverged(self.position, f"at position {self.position} the clock is ahead of the recording's")
        if done or busy or entered or until != horizon or not (idle or late):
            return None
        if self.script.bound and horizon >= FOREVER:
            raise Diverged(self.position, f"at position {self.position} the guest waits for ever, where it went on when recorded")
        return Stop.TIME if horizon < FOREVER else Stop.IDLE

    def step(self, insns: int = 1) -> Stop:
        """Run so many instructions."""
        return self.run(insns=insns)

    def expect(self, pattern: str, seconds: float = 300) -> str:
        """Run until the console shows a regular expression; the text up to its end. Raises MachineError where it does not
        within so many seconds of machine time."""
        start = self.console.dropped + self.console.seen
        stop = self.run(until=pattern, seconds=seconds)
        if stop is not Stop.UNTIL:
            tail = bytes(self.console.output[max(0, start - self.console.dropped) :][-300:]).decode(errors="replace")
            raise MachineError(f"the console never showed {pattern!r}: {stop.value}; it ends with {tail!r}")
        return self.console.since(start)

    def reset(self) -> None:
        """Power off and on again: the same software, memory as at the first power-on; disks keep what they hold."""
        self.enter("reset", b"")

    def power_cycle(self) -> None:
        """What `reset` does to the board."""
        self._clock_before_reset += self.clock
        self._boot(self.computer.build())
        self.waited = None

    # -- the outside world

    def send(self, text: str | bytes) -> None:
        """Type something at the console."""
        self.console.send(text)

    def post(self, port: str, data: bytes) -> bool:
        """Let a packet (a frame with its header, events of a key) in as soon as the guest's side has room for it. False:
        it is lost, for `waiting.MOST_POSTED` of the port wait already."""
        return self.waiting.post(port, data)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        self.enter("resize", columns.to_bytes(2, "little") + rows.to_bytes(2, "little"))

    def enter(self, port: str, data: bytes) -> None:
        """Let something in from outside here and now. Raises ValueError where there is no such port."""
        inputs.port(self, port)
        with self.atomic():
            if self.script:
                self._branch()
            self._enter(port, data)

    def _enter(self, port: str, data: bytes) -> None:
        item = Input(self.position, self.clock, self.waited is not None, port, data)
        if self.waited is not None:
            self.engine.call("wait_until", self.waited)
            self.waited = None
        for observer in tuple(self.observers):
            self.notify(observer.entered, item)
        inputs.put(self, port, data)

    def _feed(self) -> bool:
        """Let pending inputs enter, or those of the script. Did anything enter?"""
        if self.script:
            if not self.waiting:
                return self.script.feed(self, self._enter)
            self._branch()
        return bool(self.waiting) and self.waiting.feed(lambda port, count: inputs.room(self, port, count), self._enter)

    def log_answer(self, port: str, data: bytes) -> None:
        """Pass the host's answer to a device on to the observers."""
        for observer in tuple(self.observers):
            self.notify(observer.entered, Input(self.position, self.clock, False, port, data))

    def warn(self, text: str) -> None:
        """Keep an error of the host for the user: at most a hundred lines are kept."""
        _keep_line(self.warnings, text)

    def remark(self, text: str) -> None:
        """Keep an event of the guest for the user: at most a hundred lines are kept."""
        _keep_line(self.remarks, text)

    # -- following a log

    def follow(self, script: Iterable[Input], bound: bool = False) -> None:
        """From here on let the inputs of a log enter, until it ends. `bound`: nothing else may enter before; an input of the port
        "end" is the end of a recording, where `run` returns Stop.END."""
        self.script.follow(script, bound)

    @property
    def at_end(self) -> bool:
        """Does the recording that is followed end here?"""
        return self.script.at_end(self)

    def _branch(self) -> None:
        """Something enters that is not in the script: from here on the run is another one."""
        if self.timeline is not None and not self.script.bound:
            self.timeline.drop_future()
        self.script.drop()

    def _limits(self, most: int, horizon: int) -> tuple[int, int, bool]:
        """How far the machine may run before an observer is due; and whether all CPUs have to wait now, according to the log."""
        for observer in self.observers:
            if observer.next > self.position:
                most = min(most, observer.next - self.position)
        return self.script.limits(self, most, horizon)

    def answered(self, port: str, start: bytes = b"") -> bytes | None:
        """The answer to a device in the log that is followed, None where the host has to give it."""
        return self.script.answer(self, port, start)

    # -- snapshots, forks, going back

    @contextlib.contextmanager
    def canonical(self) -> Iterator[None]:
        """A context in which the board's state is canonical: it does not depend on the engine or on hooks."""
        self.engine.canonicalise()
        board = self.board
        field = layout_of(type(board)).fields["debug"]
        part = board.__mapping__.view[field.offset : field.offset + layout_of(field.type).size]
        kept = bytes(part)
        if kept == bytes(len(kept)):
            yield
            return
        part[:] = bytes(len(kept))
        self.engine.call("hooks_changed")
        try:
            yield
        finally:
            part[:] = kept
            self.engine.call("hooks_changed")

    def snapshot(self) -> MachineSnapshot:
        """The machine at this moment: board, disks, consoles. It goes on unchanged."""
        with signals_held():
            return saving.snapshot(self)

    def restore(self, snap: MachineSnapshot) -> None:
        """Go back to a snapshot of this machine, or forward to one. Raises MachineError while the machine is recorded."""
        if any(not o.follows_back for o in self.observers):
            raise MachineError("a machine that is being recorded cannot go back: end the recording first")
        with self.atomic():
            saving.restore(self, snap)
            self.script.follow(())
            if self.timeline is not None:
                self.timeline.restart()

    def hash(self) -> str:
        """A digest of the whole machine: equal for equal machines, on every engine and host, however the run was cut."""
        with signals_held(), self.canonical():
            parts = [states.state_hash(self.board), str(self.position), *(d.digest().hex() for d in self.computer.disks)]
        return hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()

    def save(self, path: str) -> None:
        """Save the machine in a file, from which `load` makes it again, on this host or another."""
        with signals_held():
            saving.save(self, path)

    @classmethod
    def load(
        cls, path: str, *, disks: Sequence[Any] = (), shares: Sequence[Any] = (), engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> Machine:  # fmt: skip
        """The machine in a file. `disks` and `shares` are those it had, in their order. Raises StateError, MachineError."""
        return saving.load(cls, path, disks, shares, engine, progress)

    def fork(self, identity: Identity | None = None) -> Machine:
        """A copy of the machine that runs independently from here on; memory and disks are copy-on-write.

        With an identity, the copy's guest is notified that it is one: see `Identity`.
        """
        with signals_held():
            made = saving.fork(self)
        if identity is not None:
            self.computer.identify(made, identity)
        return made

    def commit(self, disk: int = 0) -> int:
        """Write an overlay disk's contents into its image; returns how many bytes that were. The timeline restarts, and
        older snapshots cannot be restored. Raises MachineError, OSError."""
        if any(not o.follows_back for o in self.observers):
            raise MachineError("a machine that is being recorded cannot commit a disk: end the recording first")
        disks = self.computer.disks
        if not 0 <= disk < len(disks) or not disks[disk].overlaid:
            raise MachineError(f"disk {disk}: there is no overlay to commit; disks that have one are given as FILE,overlay")
        with self.atomic():
            written: int = disks[disk].commit()
            if self.timeline is not None:
                self.timeline.restart()
        return written

    def record(self, path: str, every: int = 100_000_000) -> Any:
        """Record inputs from here on, and a hash every so many instructions, in a file; `close()` of the result ends it."""
        from softmetal.machine.record import Recorder

        return Recorder(self, path, every)

    def keep_timeline(self, **options: Any) -> Any:
        """Keep snapshots while running, so that `rewind` and `goto` are fast: see `Timeline`."""
        from softmetal.machine.timeline import Timeline

        self.timeline = Timeline(self, **options)
        return self.timeline

    def _time(self) -> Any:
        if self.timeline is None:
            raise MachineError("no timeline is kept: call keep_timeline() before running")
        return self.timeline

    def goto(self, place: int | Place) -> None:
        """Go to another place, back or forward again. Raises MachineError where the timeline does not reach.

        While all CPUs wait, the clock goes on and the position does not: a position alone means the first moment at it (but the
        last position that was reached means the last moment), a `Place` means exactly that moment.
        """
        self._time().goto(place)

    def rewind(self, insns: int | None = None, seconds: float | None = None) -> None:
        """Go back by instructions (by default 1), or by seconds of machine time."""
        if seconds is not None:
            self._time().goto_clock(self.clock - round(seconds * self.computer.hz))
        else:
            back = 1 if insns is None else insns
            if self.position - back < self._time().first:
                raise MachineError(
                    f"there are no {back} instructions to go back: the timeline begins at position {self._time().first},"
                    f" {self.position - self._time().first} before this one"
                )
            self.goto(self.position - back)

    def last_write(self, address: int, length: int = 1, physical: bool = False) -> Place | None:
        """The place before the last instruction that wrote any of some bytes (virtual addresses: any store; physical
        ones: any change, by devices and the host too); None if the timeline has none. The machine stays at its place."""
        found: Place | None = self._time().last_write(address, length, physical)
        return found

    # -- inspecting

    @property
    def debug(self) -> Debugger:
        """Hooks on addresses, accesses, traps and registers."""
        if self._debugger is None:
            self._debugger = Debugger(self)
        return self._debugger

    @property
    def memory(self) -> PhysicalMemory:
        """Memory, by physical address: `m.memory[a:b]`, `m.memory[a:b] = bytes`."""
        return PhysicalMemory(self)

    def _view(self, region: Region) -> memoryview:
        start = Board.of(type(self.board)).memories[region.memory][0] + region.offset
        view: memoryview = self.board.__mapping__.view
        return view[start : start + region.size]

    def span(self, address: int, length: int) -> memoryview:
        """Memory at a physical address, for code that acts for a device: what is written there is in no recording and no
        timeline. Raises IndexError unless one region has all of it."""
        for start, size, view in self._memory:
            at = address - start
            if 0 <= at <= at + length <= size:
                return view[at : at + length]
        where = ", ".join(f"{r.address:#x} to {r.address + r.size:#x}" for r in self.regions)
        raise IndexError(f"{length} bytes at {address:#x} are not in memory, which is {where}")

    @property
    def cpu(self) -> Cpu:
        """The CPU whose turn it is."""
        return self.computer.cpu(self, self.computer.active(self.board))

    @property
    def cpus(self) -> list[Cpu]:
        """All CPUs."""
        return [self.computer.cpu(self, i) for i in range(self.computer.cpu_count)]

    @property
    def picture(self) -> tuple[int, int, bytes] | None:
        """The screen: width, height, and four bytes a pixel (red, green, blue, alpha); None where there is none."""
        return self.computer.picture(self.board)

    @property
    def unmodelled(self) -> list[Unmodelled]:
        """Accesses to what the board does not model, by address: the first 64 of them."""
        return unmodelled(self.computer, self.board)


def _keep_line(lines: list[str], text: str) -> None:
    if text not in lines and len(lines) <= MOST_LINES:
        lines.append(text if len(lines) < MOST_LINES else "...")


__all__ = ["FOREVER", "Diverged", "Identity", "Input", "Machine", "MachineError", "MachineSnapshot", "Place", "Stop"]
