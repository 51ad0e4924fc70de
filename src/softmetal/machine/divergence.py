"""Where two runs diverge: the last position at which they are the same, found by bisection between checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from softmetal.isa.disassembler import disassemble
from softmetal.lang.state import load as load_state
from softmetal.machine import saving, virtual
from softmetal.machine.compare import differences
from softmetal.machine.computer import Computer, of_key
from softmetal.machine.errors import MachineError
from softmetal.machine.inputs import Input
from softmetal.machine.machine import Machine
from softmetal.machine.place import Place, reach
from softmetal.machine.record import MAGIC
from softmetal.machine.replay import Recording
from softmetal.machine.saving import MachineSnapshot


@dataclass
class Run:
    """A recording and its machine; or a saved state, which is a run of one moment."""

    path: str
    computer: Computer
    recording: Recording | None = None
    machine: Any = None
    state: Any = None
    place: Place = field(default_factory=lambda: Place(0, 0))
    """Of a saved state."""

    @property
    def position(self) -> int:
        """Of a saved state."""
        return self.place.position

    @property
    def first(self) -> int:
        """Where it begins."""
        return self.recording.checkpoints[0].position if self.recording else self.position

    @property
    def last(self) -> int:
        """Where it ends."""
        return self.recording.end.position if self.recording else self.position

    @property
    def hashes(self) -> dict[int, str]:
        """Hashes by position, except the end's, after which something may have entered."""
        if self.recording is None:
            return {}
        found = self.recording.checkpoints[: -1 if self.recording.whole else None]
        return {c.position: c.hash for c in found}

    def inputs_at(self, position: int) -> list[Input]:
        """What entered at a position."""
        return [i for i in self.recording.inputs if i.position == position] if self.recording else []


def open_run(
    path: str,
    open_disks: Callable[[Recording], Sequence[Any]],
    engine: str = "native",
    progress: Callable[[str], None] | None = None,
) -> Run:
    """A recording or a saved state. Raises RecordingError, StateError, OSError."""
    with open(path, "rb") as file:
        is_recording = file.read(len(MAGIC)) == MAGIC
    if not is_recording:
        saved = load_state(path)
        says = saving.about(saved, path)
        computer = of_key(says["computer"]).of_parts(says["parts"])
        return Run(path, computer, state=saved.snapshot, place=Place(says["position"], says["clock"]))
    recording = Recording(path)
    machine = recording.machine(open_disks(recording), engine=engine, progress=progress)
    return Run(path, machine.computer, recording, machine)


@dataclass
class Divergence:
    """Where two runs differ, and in what."""

    position: int
    differs: bool
    what: str
    lines: Iterator[str] = field(default_factory=lambda: iter(()))

    def text(self, most: int) -> Iterator[str]:
        """Lines for the user, with at most so many differences."""
        yield self.what
        shown = list(islice(self.lines, most + 1))
        yield from (f"  {line}" for line in shown[:most])
        if len(shown) > most:
            yield "  ..."


def find(one: Run, other: Run) -> Divergence:
    """Find where two runs diverge. Raises MachineError if they cannot be compared."""
    if type(one.computer) is not type(other.computer):
        raise MachineError(f"{one.path} is of a {one.computer.name}, {other.path} of a {other.computer.name}: nothing to compare")
    if one.recording is None and other.recording is None:
        lines = list(differences(one.computer, one.state, other.state))
        where = f"positions {one.position} and {other.position}"
        what = f"the states differ ({where}):" if lines else f"the states are the same ({where})"
        return Divergence(one.position, bool(lines), what, iter(lines))
    if one.recording is None or other.recording is None:
        return _moment(one, other)
    if one.first != other.first:
        raise MachineError(f"{one.path} begins at position {one.first}, {other.path} at {other.first}: nothing to compare")
    mine, theirs = one.hashes, other.hashes
    if mine[one.first] != theirs[other.first]:
        found = differences(one.computer, saving.snapshot(one.machine).state, saving.snapshot(other.machine).state)
        return Divergence(one.first, True, f"the runs differ from the beginning, at position {one.first}:", found)
    common = sorted(mine.keys() & theirs.keys())
    low = one.first
    high = min(one.last, other.last)
    for position in common:
        if mine[position] != theirs[position]:
            high = position
            break
        low = position
    return _halve((one, other), low, high)


def _moment(one: Run, other: Run) -> Divergence:
    """Compare a saved state with the recording's moment of that position."""
    state, run = (one, other) if one.recording is None else (other, one)
    if not run.first <= state.position <= run.last:
        raise MachineError(f"{state.path} is of position {state.position}; {run.path} goes from {run.first} to {run.last}")
    reach(run.machine, *state.place)
    mine = saving.snapshot(run.machine).state
    lines = list(differences(one.computer, *((state.state, mine) if one is state else (mine, state.state))))
    what = f"the states at position {state.position} {'differ:' if lines else 'are the same'}"
    return Divergence(state.position, bool(lines), what, iter(lines))


class _At:
    """A machine of a run that can be put back to a position that was reached before."""

    def __init__(self, run: Run, position: int) -> None:
        self.run, self.machine = run, run.machine
        self.inputs = run.recording.inputs if run.recording else []
        self.end = run.recording.end if run.recording else None
        reach(self.machine, position)
        self.kept: MachineSnapshot = saving.snapshot(self.machine)

    def go(self, position: int) -> str:
        """Go to a position after the kept one; the hash there."""
        if self.machine.position > position or self.machine.position < self.kept.position:
            saving.restore(self.machine, self.kept)
            self.machine.follow([i for i in self.inputs if i.position >= self.kept.position], bound=True)
        reach(self.machine, position)
        return str(self.machine.hash())

    def keep(self) -> None:
        """Begin here the next time."""
        self.kept = saving.snapshot(self.machine)


def _halve(runs: tuple[Run, Run], low: int, high: int) -> Divergence:
    a, b = (_At(run, low) for run in runs)
    if a.go(high) == b.go(high) and a.machine.position == b.machine.position:
        same = runs[0].last == runs[1].last
        what = f"the runs are the same up to position {high}" + ("" if same else ", where one of them ends")
        return Divergence(high, False, what)
    while high - low > 1:
        middle = (low + high) // 2
        if a.go(middle) == b.go(middle):
            low = middle
            a.keep()
            b.keep()
        else:
            high = middle
    a.go(low)
    b.go(low)
    entered = [run.inputs_at(low) for run in runs]
    cpu = a.machine.cpu
    what = f"the runs diverge at {a.machine.place}: CPU {cpu.number}, pc {cpu.pc:#x}: {_instruction(a.machine)}"
    if entered[0] != entered[1]:
        for run, items in zip(runs, entered, strict=True):
            names = ", ".join(f"{i.port} {i.data[:16]!r}" for i in items if not i.is_answer) or "nothing"
            what += f"\n{run.path}: {names} enters here"
    a.go(high)
    b.go(high)
    lines = differences(runs[0].computer, saving.snapshot(a.machine).state, saving.snapshot(b.machine).state)
    return Divergence(low, True, f"{what}\nafter it these differ (the first run's value, the second's):", lines)


def _instruction(machine: Machine) -> str:
    """The instruction that comes next, as text."""
    isa, cpu = machine.computer.isa, machine.cpu
    code = virtual.read(machine, cpu.number, cpu.pc, max(i.size for i in isa.insns))
    if len(code) < isa.parcel // 8:
        return "an instruction that cannot be fetched"
    return disassemble(isa, code[: isa.size_of(int.from_bytes(code, "little"))], cpu.pc)
