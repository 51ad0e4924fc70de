"""Snapshots of a machine, state files, forks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from softmetal.engines.native import new_board
from softmetal.lang import state as states
from softmetal.machine.computer import key, of_key
from softmetal.machine.console import Text
from softmetal.machine.errors import MachineError
from softmetal.machine.waiting import Posted

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine


@dataclass(frozen=True)
class MachineSnapshot:
    """A machine at one moment: its state, and what is kept outside it."""

    state: Any
    position: int
    clock: int
    waited: int | None
    disks: tuple[Any, ...]
    consoles: tuple[tuple[Text, int, bytes], ...]
    """Of each console: what was written, how much of that was consumed, what is typed and not yet taken."""
    posted: Posted
    shares: tuple[Any, ...] = ()
    """Of each shared directory, what the guest has open there."""


def snapshot(machine: Machine) -> MachineSnapshot:
    """See `Machine.snapshot`."""
    with machine.canonical():
        state = states.snapshot(machine.board)
    consoles = tuple((c.keep(), c.seen, bytes(c.pending)) for c in machine.consoles.values())
    disks = tuple(d.state() for d in machine.computer.disks)
    shares = tuple(s.state() for s in machine.computer.shares)
    where = machine.position, machine.clock, machine.waited
    return MachineSnapshot(state, *where, disks, consoles, machine.waiting.posted(), shares)


def restore(machine: Machine, snap: MachineSnapshot) -> None:
    """Restore a snapshot. What the machine has written to its consoles since is dropped."""
    for disk, state in zip(machine.computer.disks, snap.disks, strict=True):
        disk.restore(state)
    _open_again(machine, snap.shares)
    states.restore(machine.board, snap.state)
    machine.engine.drop_code()
    machine.position, machine.waited = snap.position, snap.waited
    for console, (text, seen, pending) in zip(machine.consoles.values(), snap.consoles, strict=True):
        console.put_back(text)
        console.seen, console.pending[:] = seen, pending
    machine.waiting.put_back(snap.posted)
    machine.sent.clear()


def _open_again(machine: Machine, shares: Sequence[Any]) -> None:
    """Open again the files that the guest had open in its shares; files that no longer exist are reported to the user and
    to the guest."""
    for share, state in zip(machine.computer.shares, shares, strict=True):
        for lost in share.restore(state):
            what = f"{lost}, which the guest has open, no longer exists"
            machine.remark(f"share {share.tag}: {what}; the guest gets the error ESTALE")


def save(machine: Machine, path: str) -> None:
    """See `Machine.save`."""
    snap = snapshot(machine)
    computer = machine.computer
    about = {
        "computer": key(type(computer)), "parts": computer.parts(),
        "position": snap.position, "clock": snap.clock, "waited": snap.waited,
        "disks": [d.name for d in computer.disks], "shares": [s.tag for s in computer.shares],
        "consoles": [(text.dropped, seen, pending.hex()) for text, seen, pending in snap.consoles],
        "open": [share_text(state) for state in snap.shares],
        "posted": [(port, [data.hex() for data in queue]) for port, queue in snap.posted],
    }  # fmt: skip
    extras = {"machine": json.dumps(about).encode()}
    extras |= {f"console {name}": bytes(console.output) for name, console in machine.consoles.items()}
    extras |= {f"disk {i}": disk.save(state) for i, (disk, state) in enumerate(zip(computer.disks, snap.disks, strict=True))}
    states.save(snap.state, path, extras)


def share_text(state: Any) -> Any:
    """What a guest has open in a share, for JSON."""
    size, fids = state
    return [size, [[*numbers, [name.hex() for name in names]] for *numbers, names in fids]]


def share_state(text: Any) -> Any:
    """The reverse of `share_text`."""
    size, fids = text
    return size, tuple((*numbers, tuple(map(bytes.fromhex, names))) for *numbers, names in fids)


def about(saved: states.Saved, path: str) -> dict[str, Any]:
    """The description of the machine in a state file. Raises MachineError for a state of another kind."""
    found = json.loads(saved.extras.get("machine", b"{}"))
    if "computer" not in found:
        raise MachineError(f"{path}: not a machine of this version: save it again")
    return dict(found)


def load(
    cls: type[Machine], path: str, disks: Sequence[Any], shares: Sequence[Any], engine: str,
    progress: Callable[[str], None] | None,
) -> Machine:  # fmt: skip
    """Make a machine of a file."""
    saved = states.load(path)
    says = about(saved, path)
    kind = of_key(says["computer"])
    try:
        states.check(kind.board, saved.snapshot.board, saved.snapshot.layout)
    except states.StateError as error:
        raise states.StateError(f"{path}: {error}") from None
    for what, given, had in (("disks", disks, says["disks"]), ("shares", shares, says["shares"])):
        if len(given) != len(had):
            names = ", ".join(had) or "none"
            raise MachineError(f"{path}: this machine has {len(had)} {what} ({names}); {len(given)} are given")
    computer = kind.of_parts(says["parts"], disks=tuple(disks), shares=tuple(shares))
    made = cls(computer, engine=engine, progress=progress, board=new_board(kind.isa, kind.board))
    overlays = tuple(disk.load(saved.extras[f"disk {i}"]) for i, disk in enumerate(disks))
    consoles = tuple(
        (Text(None, saved.extras[f"console {name}"], dropped), seen, bytes.fromhex(typed))
        for name, (dropped, seen, typed) in zip(made.consoles, says["consoles"], strict=True)
    )
    posted = tuple((port, tuple(map(bytes.fromhex, queue))) for port, queue in says["posted"])
    where = says["position"], says["clock"], says["waited"]
    opened = tuple(map(share_state, says["open"]))
    restore(made, MachineSnapshot(saved.snapshot, *where, overlays, consoles, posted, opened))
    return made


def fork(machine: Machine) -> Machine:
    """Make a fork of a machine."""
    with machine.canonical():
        board = states.fork(machine.board)
    shares = tuple(share.fork() for share in machine.computer.shares)
    computer = replace(machine.computer, disks=tuple(d.fork() for d in machine.computer.disks), shares=shares)
    made = type(machine)(computer, engine=machine.engine_name, progress=machine.progress, board=board)
    made.position, made.waited = machine.position, machine.waited
    for console, twin in zip(machine.consoles.values(), made.consoles.values(), strict=True):
        twin.put_back(console.keep())
        twin.pending += console.pending
        twin.seen = console.seen
    _open_again(made, [share.state() for share in machine.computer.shares])
    made.waiting.put_back(machine.waiting.posted())
    return made


@dataclass(frozen=True)
class Identity:
    """By what a twin differs from the machine that it was forked from: a name, and what follows from it.

    How its guest gets to know of it is the computer's business: see its `identify`. What a guest keeps on its disk
    (`/etc/machine-id`, keys of SSH) stays as it is.
    """

    name: str
    seed: int = 0
    mac: bytes | None = None

    def random(self, what: str, size: int) -> bytes:
        """Bytes that follow from name and seed, different ones for each purpose."""
        return hashlib.shake_256(f"{what} {self.seed} {self.name}".encode()).digest(size)

    @property
    def address(self) -> bytes:
        """The MAC: the one given, or a locally administered one that follows from the name."""
        return self.mac or b"\x52\x54\x00" + self.random("mac", 3)
