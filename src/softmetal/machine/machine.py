"""A machine: a board with software in it, its time in our hands.

    m = Machine(kernel="Image", append="console=ttyS0", memory=256 << 20)
    m.expect("login:")
    s = m.snapshot()
    ...
    m.restore(s)

A machine's position is how many instructions (and traps) its harts have executed since power-on. Everything from outside
enters between two positions, through `enter` or `post`; so a run can be repeated exactly.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from softmetal.boards.riscv_virt import CLOCK_HZ
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine
from softmetal.isa.riscv import isa
from softmetal.lang import state as states
from softmetal.lang.chip import Board, layout_of
from softmetal.machine import devices, inputs, keys, saving
from softmetal.machine.console import Console
from softmetal.machine.debugger import Debugger
from softmetal.machine.errors import MachineError, Parted
from softmetal.machine.inputs import Input
from softmetal.machine.interrupts import Whole, deliver, held
from softmetal.machine.look import Cpu, PhysicalMemory
from softmetal.machine.place import Place
from softmetal.machine.saving import Identity, MachineSnapshot
from softmetal.machine.stop import FOREVER, Stop
from softmetal.machine.symbols import Symbols
from softmetal.machine.unmodelled import Unmodelled, storm, unmodelled
from softmetal.machine.virt import Virt

CHUNKS = {"native": 10_000_000, "golden": 5_000}
"""Instructions that an engine runs at most between two looks at the outside world: some hundredths of a second."""
SHORT_CHUNK = 1_000_000
"""The same where something is waited for."""
MOST_POSTED = 1024
"""Packets for one port that wait until the guest takes them."""
MOST_LINES = 100
"""Of what is kept for the user."""
PASSED, FAILED, RESET = 1, 2, 3  # of the test finisher


class Observer(Protocol):
    """Who follows a run: hears of each input, and of the moment when the position is `next`."""

    next: int

    def entered(self, item: Input) -> None:
        """Something has come from outside."""

    def reached(self) -> None:
        """The position is `next`, or behind it. Nothing has entered there yet."""


class Machine:
    """A riscv64 `virt` computer. The arguments are those of `machine.virt.Virt`; `engine` is "native" or "golden"."""

    def __init__(
        self, virt: Virt | None = None, *, engine: str = "native", progress: Callable[[str], None] | None = None, **parts: Any
    ) -> None:
        self._begin(virt or Virt(**parts), engine, progress)
        self._boot(self.virt.build(isa))

    def _begin(self, virt: Virt, engine: str, progress: Callable[[str], None] | None) -> None:
        if engine not in CHUNKS:
            raise MachineError(f"engine {engine}: choose {' or '.join(sorted(CHUNKS))}")
        self.virt, self.engine_name, self._progress = virt, engine, progress
        self.console, self.hvc = Console(), Console()
        self.keyboard, self.tablet = keys.Keyboard(self), keys.Tablet(self)
        self.symbols = Symbols(virt.kernel)
        self.position = 0
        self._lived = 0
        self.waited: int | None = None
        """Where all harts wait: the clock up to which they have. The board's own clock still stands where they began."""
        self.sent: list[bytes] = []
        """Records that the guest has sent to the network; whoever links machines takes them. What is more than
        `devices.MOST_SENT` goes nowhere, as where no cable is."""
        self.cable: Any = None
        """What links the machine with others."""
        self.warnings: list[str] = []
        """What has gone wrong on the host, for the user,"""
        self.remarks: list[str] = []
        """and what the user will want to know of the guest."""
        self.observers: list[Observer] = []
        self.timeline: Any = None
        self._posted: dict[str, deque[bytes]] = {}
        self._script: deque[Input] | None = None
        self._bound = False  # to the script: nothing else may enter
        self._debugger: Debugger | None = None
        self.inside = 0
        """How deep in contexts of `whole`,"""
        self.raised: BaseException | None = None
        """and what is to come out of them."""

    def _boot(self, board: Any) -> None:
        self.board: Any = board
        """The board's state, to look at: of what is written there neither a recording nor a timeline knows."""
        self.engine: Any = (
            native_engine(isa, board, self._progress) if self.engine_name == "native" else golden_engine(isa, board)
        )
        view = board.__mapping__.view
        start = Board.of(type(board)).memories["ram"][0]
        self._ram: memoryview = view[start : start + board.ram_size]
        self.ram: memoryview = self._ram.toreadonly()
        """The board's memory, to look at without a copy; `memory` changes it."""

    # -- running

    @property
    def clock(self) -> int:
        """Machine time, in ticks (nanoseconds) since power-on."""
        return max(self._now, self.waited or 0)

    @property
    def _now(self) -> int:
        """The board's own clock."""
        b = self.board
        return int(b.turn_start + b.count - b.turn_count)

    @property
    def lived(self) -> int:
        """Machine time, in ticks, of all the times between power-on and reset."""
        return self._lived + self.clock

    @property
    def place(self) -> Place:
        """Position and clock: what `goto` takes to come back to this very moment."""
        return Place(self.position, self.clock)

    @property
    def seconds(self) -> float:
        """Machine time in seconds."""
        return self.clock / float(CLOCK_HZ)

    def run(
        self, *, insns: int | None = None, seconds: float | None = None, until: str | Callable[[], Any] | None = None,
        horizon: int | None = None,
    ) -> Stop:  # fmt: skip
        """Run until so many instructions are done, so many seconds of machine time have passed, the console shows `until`
        (a regular expression) or `until()` is true, a hook is met, or the guest ends. `until` is looked at every million
        instructions, and whenever a device has called the host.

        `horizon`: the clock up to which idle time may be skipped (by default as far as `seconds` says).
        """
        last = self.position + insns if insns is not None else None
        deadline = self.clock + round(seconds * CLOCK_HZ) if seconds is not None else None
        far = min(x for x in (deadline, horizon, FOREVER) if x is not None)

        def come() -> Any:
            return until is not None and (self.console.match(until) if isinstance(until, str) else until())

        with held():
            while not come():
                if last is not None and self.position >= last:
                    return Stop.INSNS
                if deadline is not None and self.clock >= deadline:
                    return Stop.TIME
                most = FOREVER if until is None else SHORT_CHUNK
                most = most if last is None else min(most, last - self.position)
                if deadline is not None:
                    most = min(most, max(1, (deadline - self.clock) * self.virt.cpus))
                ended = self.advance(most, far)
                if ended is not None:
                    return Stop.UNTIL if come() else ended
                deliver()
        return Stop.UNTIL

    def whole(self) -> Whole:
        """A context in which a thing is done to the machine that must not be left half done.

        Signal handlers (Ctrl-C) wait for its end. So does the first exception that a user's code raised in `heard` (a hook, an
        observer, what hears of output): the machine is whole when it comes out.
        """
        return Whole(self)

    def heard(self, call: Callable[..., Any], *args: Any) -> None:
        """Call a user's code inside `whole`."""
        try:
            call(*args)
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Raise this when the machine is whole, unless something else is raised before."""
        self.raised = self.raised or error

    def advance(self, most: int, horizon: int = FOREVER) -> Stop | None:
        """Let in what waits outside, and run at most so many instructions. Stop.TIME: the guest waits, the clock is `horizon`."""
        with self.whole():
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
            raise Parted(self.position, f"at position {self.position - done} the guest goes on, where it waited when recorded")
        board = self.board
        idle = done < most and not (late or board.debug.stop or board.wanted or board.ran)
        if idle:
            self.waited = max(self.clock, until if until < FOREVER else 0)
        elif done:
            self.waited = None
        busy = devices.serve(self)
        if board.storms:
            self.remark(storm(board))
            board.storms = 0
        hit = self._debugger is not None and self._debugger.look()
        for observer in tuple(self.observers):
            if self.position >= observer.next:
                self.heard(observer.reached)
        if self.at_end:
            return Stop.END
        if board.finisher.finished:
            return {PASSED: Stop.OFF, FAILED: Stop.FAILED, RESET: Stop.RESET}[board.finisher.finished]
        if hit:
            return Stop.HOOK
        if late and waits:
            raise Parted(self.position, f"at position {self.position} the clock is ahead of the recording's")
        if done or busy or entered or until != horizon or not (idle or late):
            return None
        if self._bound and horizon >= FOREVER:
            raise Parted(self.position, f"at position {self.position} the guest waits for ever, where it went on when recorded")
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
        self._lived += self.clock
        self._boot(self.virt.build(isa))
        self.waited = None

    # -- the outside world

    def send(self, text: str | bytes) -> None:
        """Type something at the console."""
        self.console.send(text)

    def post(self, port: str, data: bytes) -> bool:
        """Let a packet (a frame with its header, events of a key) in as soon as the guest's side has room for it. False:
        it is lost, for MOST_POSTED of the port wait already."""
        queue = self._posted.setdefault(port, deque())
        if len(queue) >= MOST_POSTED:
            return False
        queue.append(data)
        return True

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        self.enter("resize", columns.to_bytes(2, "little") + rows.to_bytes(2, "little"))

    def enter(self, port: str, data: bytes) -> None:
        """Let something in from outside here and now."""
        with self.whole():
            if self._script is not None:
                self._branch()
            self._enter(port, data)

    def _enter(self, port: str, data: bytes) -> None:
        item = Input(self.position, self.clock, self.waited is not None, port, data)
        if self.waited is not None:
            self.engine.call("wait_until", self.waited)
            self.waited = None
        for observer in tuple(self.observers):
            self.heard(observer.entered, item)
        inputs.put(self, port, data)

    def _feed(self) -> bool:
        """Let in what waits outside, or what the script says. Did anything enter?"""
        typed = self.console.pending or self.hvc.pending or self._posted
        if self._script is not None:
            if not typed:
                return self._follow()
            self._branch()
        if not typed:
            return False
        entered = False
        for port, console in (("uart", self.console), ("hvc", self.hvc)):
            count = inputs.room(self.board, port, bytes(console.pending))
            if count:
                taken = bytes(console.pending[:count])
                del console.pending[:count]
                self._enter(port, taken)
                entered = True
        for port, queue in self._posted.items():
            while queue and inputs.room(self.board, port, queue[0]):
                self._enter(port, queue.popleft())
                entered = True
        self._posted = {port: queue for port, queue in self._posted.items() if queue}
        return entered

    def note(self, port: str, data: bytes) -> None:
        """Tell observers what the host has answered to a device."""
        for observer in tuple(self.observers):
            self.heard(observer.entered, Input(self.position, self.clock, False, port, data))

    def warn(self, text: str) -> None:
        """Keep what has gone wrong on the host, for the user: a hundred lines of it."""
        _keep_line(self.warnings, text)

    def remark(self, text: str) -> None:
        """Keep what the user will want to know of the guest: a hundred lines of it."""
        _keep_line(self.remarks, text)

    # -- following a log

    def follow(self, script: Iterable[Input], bound: bool = False) -> None:
        """From here on let in what a log says, until it ends. `bound`: nothing else may enter before; an input of the port
        "end" is the end of a recording, where `run` returns Stop.END."""
        self._script, self._bound = deque(script), bound
        if not self._script:
            self._script = None

    @property
    def at_end(self) -> bool:
        """Does the recording that is followed end here?"""
        if not self._script or self._script[0].port != "end":
            return False
        item = self._script[0]
        return item.position <= self.position and (not item.waited or self.clock >= item.clock)

    def _branch(self) -> None:
        """Something enters that the script does not know: from here on the machine goes another way."""
        if self._bound:
            raise MachineError("a recording is replayed: nothing else can enter the machine")
        if self.timeline is not None:
            self.timeline.forget_future()
        self._script = None

    def _follow(self) -> bool:
        """Let in what the log says for here."""
        script, entered = self._script, False
        assert script is not None
        while script and script[0].position <= self.position and not script[0].is_answer and script[0].port != "end":
            item = script[0]
            if item.waited and (self.waited is None or self.waited < item.clock):
                break
            if item.position < self.position:
                raise Parted(self.position, f"{item.port!r} came at position {item.position}; here that is over")
            script.popleft()
            self._enter(item.port, item.data)
            entered = True
        if not script:
            self._script = None
        return entered

    def _limits(self, most: int, horizon: int) -> tuple[int, int, bool]:
        """How far the machine may run before someone wants to see it; and whether all harts are to wait now, as the log says."""
        for observer in self.observers:
            if observer.next > self.position:
                most = min(most, observer.next - self.position)
        if not self._script:
            return most, horizon, False
        item = self._script[0]
        if item.position > self.position:
            return min(most, item.position - self.position), horizon, False
        if item.is_answer:
            if self.board.owing:  # the device is served, and its answer comes, once the clock has come there
                return 1, horizon, False
            if not self.board.wanted:
                raise Parted(self.position, f"{item.port!r} answered at position {item.position}, where nothing asks it")
            return 0, horizon, False
        if item.waited and (self.waited is None or self.waited < item.clock):
            return 1, min(horizon, item.clock), True
        return 0, horizon, False

    def answered(self, port: str, start: bytes = b"") -> bytes | None:
        """The answer to a device in the log that is followed, None where the host has to give it."""
        if not self._script:
            return None
        item = self._script[0]
        if item.port == port and item.position == self.position and item.data.startswith(start):
            self._script.popleft()
            self.note(port, item.data)
            return item.data
        if port.startswith("share") and self._bound:
            raise Parted(self.position, f"the guest asks {port!r}, which it did not when it was recorded")
        return None

    # -- time in our hands

    @contextlib.contextmanager
    def bare(self) -> Iterator[None]:
        """The board without a trace of how it was run: of its engine, and of hooks."""
        self.engine.canonicalise()
        board = self.board
        field = layout_of(type(board)).fields["debug"]
        part = board.__mapping__.view[field.offset : field.offset + layout_of(field.type).size]
        kept = bytes(part)
        if kept == bytes(len(kept)):
            yield
            return
        part[:] = bytes(len(kept))
        self.engine.call("rekey")
        try:
            yield
        finally:
            part[:] = kept
            self.engine.call("rekey")

    def snapshot(self) -> MachineSnapshot:
        """The machine at this moment: board, disks, consoles. It goes on unchanged."""
        with held():
            return saving.snapshot(self)

    def restore(self, snap: MachineSnapshot) -> None:
        """Go back to a snapshot of this machine, or forward to one. Raises MachineError while a recording is written."""
        if any(not getattr(o, "follows_back", False) for o in self.observers):
            raise MachineError("a recording is written, which cannot go back: end it first")
        with self.whole():
            saving.restore(self, snap)
            self._script = None
            if self.timeline is not None:
                self.timeline.restart()

    def hash(self) -> str:
        """A digest of the whole machine: equal for equal machines, on every engine and host, however the run was cut."""
        with held(), self.bare():
            parts = [states.state_hash(self.board), str(self.position), *(d.digest().hex() for d in self.virt.disks)]
        return hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()

    def save(self, path: str) -> None:
        """Put the machine into a file, from which `load` makes it again, here or elsewhere."""
        with held():
            saving.save(self, path)

    @classmethod
    def load(
        cls, path: str, *, disks: Sequence[Any] = (), shares: Sequence[Any] = (), engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> Machine:  # fmt: skip
        """The machine in a file. `disks` and `shares` are those it had, in their order. Raises StateError, MachineError."""
        made = cls.__new__(cls)
        saving.load(made, path, disks, shares, engine, progress)
        return made

    def fork(self, identity: Identity | None = None) -> Machine:
        """A twin of the machine that goes its own way from here; memory and disks are copied where either writes.

        With an identity, the twin's guest is told that it is a copy: see `Identity`.
        """
        made = Machine.__new__(Machine)
        with held():
            saving.fork(self, made)
        if identity is not None:
            identity.give(made)
        return made

    def commit(self, disk: int = 0) -> int:
        """Write what an overlay disk holds into its image; how many bytes that were. What the timeline and snapshots know of
        the time before is lost. Raises MachineError, OSError."""
        if any(not getattr(o, "follows_back", False) for o in self.observers):
            raise MachineError("a recording is written, whose disks must stay as they are: end it first")
        disks = self.virt.disks
        if not 0 <= disk < len(disks) or not hasattr(disks[disk], "commit"):
            raise MachineError(f"disk {disk}: there is no overlay to commit; disks that have one are given as FILE,overlay")
        with self.whole():
            written: int = disks[disk].commit()
            if self.timeline is not None:
                self.timeline.restart()
        return written

    def record(self, path: str, every: int = 100_000_000) -> Any:
        """Write what enters from here on, and a hash every so many instructions, to a file; `close()` of the result ends it."""
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

        While all harts wait, the clock goes on and the position does not: a position alone means the first moment at it (the
        last one that the machine has come to means that moment), a `Place` the very moment.
        """
        self._time().goto(place)

    def rewind(self, insns: int | None = None, seconds: float | None = None) -> None:
        """Go back by instructions (1, where nothing is said), or by seconds of machine time."""
        if seconds is not None:
            self._time().goto_clock(self.clock - round(seconds * CLOCK_HZ))
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
        ones: any change, by devices and the host too); None where the timeline knows of none. The machine stays here."""
        found: Place | None = self._time().last_write(address, length, physical)
        return found

    # -- looking

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

    @property
    def cpu(self) -> Cpu:
        """The hart whose turn it is."""
        return Cpu(self, self.board.active)

    @property
    def cpus(self) -> list[Cpu]:
        """All harts."""
        return [Cpu(self, i) for i in range(self.virt.cpus)]

    @property
    def unmodelled(self) -> list[Unmodelled]:
        """What the guest touched and the board does not model, by address: the first 64 of them."""
        return unmodelled(self.board)


def _keep_line(lines: list[str], text: str) -> None:
    if text not in lines and len(lines) <= MOST_LINES:
        lines.append(text if len(lines) < MOST_LINES else "...")


__all__ = ["FOREVER", "Identity", "Input", "Machine", "MachineError", "MachineSnapshot", "Parted", "Place", "Stop"]
