"""A machine: a board with software in it, its time in our hands.

    m = Machine(kernel="Image", append="console=ttyS0", memory=256 << 20)
    m.expect("login:")
    s = m.snapshot()
    ...
    m.restore(s)

A machine's position is how many instructions (and traps) its harts have executed since power-on. Everything from outside
enters between two positions and is noted with the position and the clock; so a run can be repeated exactly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from softmetal.boards.riscv_virt import CLOCK_HZ, RiscvVirt
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.hart import ABI
from softmetal.lang import state as states
from softmetal.machine.console import Console
from softmetal.machine.loading import RAM_BASE
from softmetal.machine.virt import Virt

CHUNK = 10_000_000
"""Instructions between two looks at the outside world."""
FOREVER = 1 << 60
SAVED = ("append", "bios", "memory", "cpus", "network", "display", "seed", "mac", "kernel", "initrd")
"""What a state file keeps of how the machine was made."""
PASSED, FAILED, RESET = 1, 2, 3  # of the test finisher


class Stop(Enum):
    """Why a run came back."""

    INSNS = "the instructions are used up"
    TIME = "the time is used up"
    UNTIL = "what was waited for has come"
    OFF = "the guest has powered off"
    FAILED = "the guest has powered off with an error"
    RESET = "the guest wants to be reset"
    IDLE = "the guest waits, and nothing will ever come"


class MachineError(RuntimeError):
    """What a machine cannot do, told in one line."""


@dataclass(frozen=True)
class Input:
    """Something from outside: where, and when it came, by position and clock."""

    position: int
    clock: int
    port: str
    data: bytes


@dataclass(frozen=True)
class MachineSnapshot:
    """A machine at one moment: its state, and what lies outside it."""

    state: Any
    position: int
    disks: tuple[Any, ...]
    output: int


class Machine:
    """A riscv64 `virt` computer. The arguments are those of `machine.virt.Virt`; `engine` is "native" or "golden"."""

    def __init__(
        self, virt: Virt | None = None, *, engine: str = "native", progress: Callable[[str], None] | None = None, **parts: Any
    ) -> None:
        self._begin(virt or Virt(**parts), engine, progress)
        self._boot(self.virt.build(isa))

    def _begin(self, virt: Virt, engine: str, progress: Callable[[str], None] | None) -> None:
        self.virt, self.engine_name, self._progress = virt, engine, progress
        self.console = Console()
        self.position = 0
        self.inputs: list[Input] = []
        self.troubles: list[str] = []

    def _boot(self, board: Any) -> None:
        self.board: Any = board
        self.engine: Any = (
            native_engine(isa, board, self._progress) if self.engine_name == "native" else golden_engine(isa, board)
        )
        view = board.__mapping__.view
        start = board_offset(board, "ram")
        self.ram: memoryview = view[start : start + board.ram_size]

    # -- running

    @property
    def clock(self) -> int:
        """Machine time, in ticks (nanoseconds) since power-on."""
        b = self.board
        return int(b.turn_start + b.count - b.turn_count)

    @property
    def seconds(self) -> float:
        """Machine time in seconds."""
        return self.clock / float(CLOCK_HZ)

    def run(
        self, *, insns: int | None = None, seconds: float | None = None, until: str | Callable[[], Any] | None = None,
        horizon: int | None = None,
    ) -> Stop:  # fmt: skip
        """Run until so many instructions are done, so many seconds of machine time have passed, the console shows `until`
        (a regular expression) or `until()` is true, or the guest ends.

        `horizon`: the clock up to which idle time may be skipped (by default as far as `seconds` says).
        """
        last = self.position + insns if insns is not None else None
        deadline = self.clock + round(seconds * CLOCK_HZ) if seconds is not None else None
        far = min(x for x in (deadline, horizon, FOREVER) if x is not None)

        def come() -> Any:
            return until is not None and (self.console.match(until) if isinstance(until, str) else until())

        while not come():
            if last is not None and self.position >= last:
                return Stop.INSNS
            if deadline is not None and self.clock >= deadline:
                return Stop.TIME
            most = CHUNK if last is None else min(CHUNK, last - self.position)
            if deadline is not None:
                most = min(most, max(1, (deadline - self.clock) * self.virt.cpus))
            ended = self.advance(most, far)
            if ended is not None:
                return Stop.UNTIL if come() else ended
        return Stop.UNTIL

    def advance(self, most: int, horizon: int = FOREVER) -> Stop | None:
        """Look at the outside world, and run at most so many instructions. Stop.TIME: the guest waits, the clock is `horizon`."""
        self._feed()
        done = self.engine.advance(most, horizon)
        self.position += done
        busy = self._serve()
        if self.board.finisher.finished:
            return {PASSED: Stop.OFF, FAILED: Stop.FAILED, RESET: Stop.RESET}[self.board.finisher.finished]
        if done or busy or self.console.pending:
            return None
        return Stop.TIME if horizon < FOREVER else Stop.IDLE

    def step(self, insns: int = 1) -> Stop:
        """Run so many instructions."""
        return self.run(insns=insns)

    def expect(self, pattern: str, seconds: float = 300) -> str:
        """Run until the console shows a regular expression; the text up to its end. Raises MachineError where it does not
        within so many seconds of machine time."""
        start = self.console.seen
        stop = self.run(until=pattern, seconds=seconds)
        if stop is not Stop.UNTIL:
            tail = bytes(self.console.output[start:][-300:]).decode(errors="replace")
            raise MachineError(f"the console never showed {pattern!r}: {stop.value}; it ends with {tail!r}")
        return bytes(self.console.output[start : self.console.seen]).decode(errors="replace")

    def send(self, text: str | bytes) -> None:
        """Type something at the console."""
        self.console.send(text)

    def reset(self) -> None:
        """Power off and on again: the same software, memory as at the first power-on; disks keep what they hold."""
        self._boot(self.virt.build(isa))

    # -- the outside world

    def _feed(self) -> None:
        """Hand on what is typed, as much as the guest's side has room for."""
        pending = self.console.pending
        if pending:
            count = self.board.uart.rx.feed(bytes(pending))
            if count:
                self._note("uart", bytes(pending[:count]))
                del pending[:count]
                self.engine.call("poll")

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        self.engine.call("resize", columns, rows)
        self._note("resize", columns.to_bytes(2, "little") + rows.to_bytes(2, "little"))

    def _note(self, port: str, data: bytes) -> None:
        self.inputs.append(Input(self.position, self.clock, port, data))

    def _serve(self) -> bool:
        """Do what devices ask of the host. Did any?"""
        board = self.board
        out = board.uart.tx.drain()
        if out:
            self.console.wrote(out)
        if not board.wanted:
            return False
        for i, disk in enumerate(self.virt.disks):
            if board.disks[i].calls:
                self._serve_disk(i, disk)
        for i, share in enumerate(self.virt.shares):
            if board.shares[i].calls:
                self._serve_share(i, share)
        if not board.finisher.finished:
            self.engine.call("poll")
        return True

    def _part(self, address: int, length: int) -> memoryview:
        return self.ram[address - RAM_BASE : address - RAM_BASE + length]

    def _serve_disk(self, number: int, disk: Any) -> None:
        call = self.engine.call
        for request in self.board.disks[number].requests():
            status = written = 0
            at = request.sector * 512
            try:
                match request.kind:
                    case 0:
                        for address, length in request.writable:
                            disk.read(at, self._part(address, length))
                            call("changed_by_host", address, length)
                            at += length
                            written += length
                    case 1:
                        for address, length in request.readable:
                            disk.write(at, self._part(address, length))
                            at += length
                    case 4:
                        disk.flush()
                    case 11:
                        disk.discard(at, request.sectors * 512)
                    case 13:
                        disk.zero(at, request.sectors * 512)
            except OSError as error:
                status = 1
                self.trouble(f"disk {number}: {error}")
            call("disk_done", number, request.index, status, written)
        call("disk_resume", number)

    def _serve_share(self, number: int, share: Any) -> None:
        call = self.engine.call
        for request in self.board.shares[number].requests():
            message = b"".join(bytes(self._part(a, n)) for a, n in request.readable)
            room = sum(n for _, n in request.writable)
            reply = share.handle(message, room)[:room]
            rest = reply
            for address, length in request.writable:
                piece, rest = rest[:length], rest[length:]
                if piece:
                    self._part(address, len(piece))[:] = piece
                    call("changed_by_host", address, len(piece))
            self._note(f"share{number}", reply)
            call("share_done", number, request.index, len(reply))
        call("share_resume", number)

    def trouble(self, text: str) -> None:
        """Keep what the user has to be told at the end of the run."""
        if len(self.troubles) < 100 and text not in self.troubles:
            self.troubles.append(text)

    # -- time in our hands

    def snapshot(self) -> MachineSnapshot:
        """The machine at this moment. It goes on unchanged."""
        self.engine.settle()
        disks = tuple(d.state() for d in self.virt.disks)
        return MachineSnapshot(states.snapshot(self.board), self.position, disks, len(self.console.output))

    def restore(self, snap: MachineSnapshot) -> None:
        """Go back to a snapshot."""
        for disk, state in zip(self.virt.disks, snap.disks, strict=True):
            disk.restore(state)
        states.restore(self.board, snap.state)
        self.engine.settle()
        self.position = snap.position
        del self.console.output[snap.output :]
        self.console.seen = min(self.console.seen, snap.output)

    def hash(self) -> str:
        """A digest of the whole machine: equal for equal machines, on every engine and host."""
        parts = [states.state_hash(self.board), str(self.position), *(d.digest().hex() for d in self.virt.disks)]
        return hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()

    def save(self, path: str) -> None:
        """Put the machine into a file, from which `load` makes it again, here or elsewhere."""
        snap = self.snapshot()
        virt = {n: getattr(self.virt, n) for n in SAVED}
        about = {
            "virt": virt | {"mac": self.virt.mac.hex()}, "slots": self.virt.slots, "position": self.position,
            "disks": [d.name for d in self.virt.disks], "shares": [s.tag for s in self.virt.shares],
        }  # fmt: skip
        extras = {"machine": json.dumps(about).encode(), "output": bytes(self.console.output)}
        extras |= {f"disk {i}": disk.save(state) for i, (disk, state) in enumerate(zip(self.virt.disks, snap.disks, strict=True))}
        states.save(snap.state, path, extras)

    @classmethod
    def load(
        cls, path: str, *, disks: Sequence[Any] = (), shares: Sequence[Any] = (), engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> Machine:  # fmt: skip
        """The machine in a file. `disks` and `shares` are those it had, in their order. Raises StateError, MachineError."""
        saved = states.load(path, RiscvVirt)
        about = json.loads(saved.extras["machine"])
        for what, given, had in (("disks", disks, about["disks"]), ("shares", shares, about["shares"])):
            if len(given) != len(had):
                names = ", ".join(had) or "none"
                raise MachineError(f"{path}: this machine has {len(had)} {what} ({names}); {len(given)} are given")
        parts = about["virt"] | {"mac": bytes.fromhex(about["virt"]["mac"])}
        virt = Virt(**parts, disks=disks, shares=shares, slots=about["slots"])
        made = cls.__new__(cls)
        made._begin(virt, engine, progress)
        board: Any = new_board(isa, RiscvVirt)
        board.ram_size = virt.memory
        made._boot(board)
        output = saved.extras["output"]
        overlays = tuple(disk.load(saved.extras[f"disk {i}"]) for i, disk in enumerate(disks))
        made.console.output += output
        made.console.seen = len(output)
        made.restore(MachineSnapshot(saved.snapshot, about["position"], overlays, len(output)))
        return made

    def fork(self) -> Machine:
        """A twin of the machine that goes its own way from here; memory and disks are copied where either writes."""
        self.engine.settle()
        made = Machine.__new__(Machine)
        virt = replace(self.virt, disks=tuple(d.fork() for d in self.virt.disks))
        made._begin(virt, self.engine_name, self._progress)
        made._boot(states.fork(self.board))
        made.position = self.position
        made.console.output += self.console.output
        made.console.seen = self.console.seen
        return made

    # -- looking

    @property
    def memory(self) -> PhysicalMemory:
        """Memory, by physical address: `m.memory[a:b]`, `m.memory[a:b] = bytes`."""
        return PhysicalMemory(self)

    @property
    def cpu(self) -> Cpu:
        """The hart whose turn it is."""
        return Cpu(self.board)

    @property
    def cpus(self) -> list[Cpu]:
        """All harts."""
        return [Cpu(self.board if i == self.board.active else self.board.parked[i]) for i in range(self.virt.cpus)]

    @property
    def strange(self) -> list[int]:
        """Physical addresses at which the guest touched what is not modelled, the first 64 of them."""
        return [self.board.strange[i] for i in range(min(64, self.board.strange_count))]


class PhysicalMemory:
    """A machine's memory, by physical address."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def _span(self, part: slice) -> slice:
        size = len(self._machine.ram)
        start, stop = part.start, part.stop
        if part.step is not None or start is None or stop is None or not RAM_BASE <= start <= stop <= RAM_BASE + size:
            raise IndexError(f"give memory[a:b] between {RAM_BASE:#x} and {RAM_BASE + size:#x}")
        return slice(start - RAM_BASE, stop - RAM_BASE)

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._machine.ram[self._span(part)])

    def __setitem__(self, part: slice, data: bytes) -> None:
        span = self._span(part)
        self._machine.ram[span] = data
        self._machine.engine.call("changed_by_host", part.start, len(data))


class Cpu:
    """A hart, to look at and to change. `regs` is by ABI name; all fields of the hart's state are attributes."""

    def __init__(self, hart: Any) -> None:
        self.hart = hart

    @property
    def regs(self) -> dict[str, int]:
        """Integer registers and `pc`, by their names."""
        return {**{name: self.hart.x[i] for i, name in enumerate(ABI)}, "pc": self.hart.pc}

    def set(self, name: str, value: int) -> None:
        """Set a register. Raises KeyError."""
        if name == "pc":
            self.hart.pc = self.hart.next_pc = value
        elif name != "zero":
            if name not in ABI:
                raise KeyError(name)
            self.hart.x[ABI.index(name)] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hart, name)


def board_offset(board: Any, memory: str) -> int:
    """Where a memory of a board lies in its mapping."""
    from softmetal.lang.chip import Board

    return Board.of(type(board)).memories[memory][0]


