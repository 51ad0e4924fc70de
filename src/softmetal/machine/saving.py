"""A machine as a thing to keep: snapshots, files, twins."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.engines.native import new_board
from softmetal.isa.riscv import isa
from softmetal.lang import state as states
from softmetal.machine.console import Text
from softmetal.machine.errors import MachineError
from softmetal.machine.place import Place
from softmetal.machine.virt import Virt

PARTS = ("append", "bios", "memory", "cpus", "network", "display", "seed", "mac", "kernel", "initrd")
"""What a file keeps of how the machine was made."""


@dataclass(frozen=True)
class MachineSnapshot:
    """A machine at one moment: its state, and what lies outside it."""

    state: Any
    position: int
    clock: int
    waited: int | None
    disks: tuple[Any, ...]
    consoles: tuple[tuple[Text, int, bytes], ...]
    """Of each console: what was written, how much of that was consumed, what is typed and not yet taken."""
    posted: tuple[tuple[str, tuple[bytes, ...]], ...]
    shares: tuple[Any, ...] = ()
    """Of each shared directory, what the guest has open there."""


def snapshot(machine: Any) -> MachineSnapshot:
    """See `Machine.snapshot`."""
    with machine.bare():
        state = states.snapshot(machine.board)
    consoles = tuple((c.keep(), c.seen, bytes(c.pending)) for c in (machine.console, machine.hvc))
    posted = tuple((port, tuple(queue)) for port, queue in machine._posted.items())
    disks = tuple(d.state() for d in machine.virt.disks)
    shares = tuple(s.state() for s in machine.virt.shares)
    return MachineSnapshot(state, machine.position, machine.clock, machine.waited, disks, consoles, posted, shares)


def restore(machine: Any, snap: MachineSnapshot) -> None:
    """Put a machine where a snapshot was taken. What it has written to its consoles since is gone."""
    for disk, state in zip(machine.virt.disks, snap.disks, strict=True):
        disk.restore(state)
    _open_again(machine, snap.shares)
    states.restore(machine.board, snap.state)
    machine.engine.drop_code()
    machine.position, machine.waited = snap.position, snap.waited
    for console, (text, seen, pending) in zip((machine.console, machine.hvc), snap.consoles, strict=True):
        console.put_back(text)
        console.seen, console.pending[:] = seen, pending
    machine._posted = {port: deque(queue) for port, queue in snap.posted}
    machine.sent.clear()


def _open_again(machine: Any, shares: Sequence[Any]) -> None:
    """Let the guest have open in its shares what it had; what the host has no more is said to the user, and the guest."""
    for share, state in zip(machine.virt.shares, shares, strict=True):
        for lost in share.restore(state):
            machine.remark(f"share {share.tag}: {lost} is gone, which the guest has open; it gets the error ESTALE")


def save(machine: Any, path: str) -> None:
    """See `Machine.save`."""
    snap = snapshot(machine)
    virt = machine.virt
    about = {
        "virt": {n: getattr(virt, n) for n in PARTS} | {"mac": virt.mac.hex()}, "slots": virt.slots,
        "position": snap.position, "clock": snap.clock, "waited": snap.waited,
        "disks": [d.name for d in virt.disks], "shares": [s.tag for s in virt.shares],
        "consoles": [(text.dropped, seen, pending.hex()) for text, seen, pending in snap.consoles],
        "open": [share_text(state) for state in snap.shares],
        "posted": [(port, [data.hex() for data in queue]) for port, queue in snap.posted],
    }  # fmt: skip
    extras = {"machine": json.dumps(about).encode(), "output": bytes(machine.console.output), "hvc": bytes(machine.hvc.output)}
    extras |= {f"disk {i}": disk.save(state) for i, (disk, state) in enumerate(zip(virt.disks, snap.disks, strict=True))}
    states.save(snap.state, path, extras)


def share_text(state: Any) -> Any:
    """What a guest has open in a share, for JSON."""
    size, fids = state
    return [size, [[*numbers, [name.hex() for name in names]] for *numbers, names in fids]]


def share_state(text: Any) -> Any:
    """The reverse of `share_text`."""
    size, fids = text
    return size, tuple((*numbers, tuple(map(bytes.fromhex, names))) for *numbers, names in fids)


def place_in(saved: states.Saved) -> Place:
    """The place of a machine in a file."""
    about = json.loads(saved.extras["machine"])
    return Place(about["position"], about["clock"])


def load(
    made: Any, path: str, disks: Sequence[Any], shares: Sequence[Any], engine: str, progress: Callable[[str], None] | None
) -> None:
    """Make a machine of a file."""
    saved = states.load(path, RiscvVirt)
    about = json.loads(saved.extras["machine"])
    for what, given, had in (("disks", disks, about["disks"]), ("shares", shares, about["shares"])):
        if len(given) != len(had):
            names = ", ".join(had) or "none"
            raise MachineError(f"{path}: this machine has {len(had)} {what} ({names}); {len(given)} are given")
    parts = about["virt"] | {"mac": bytes.fromhex(about["virt"]["mac"])}
    virt = Virt(**parts, disks=disks, shares=shares, slots=about["slots"])
    made._begin(virt, engine, progress)
    board: Any = new_board(isa, RiscvVirt)
    board.ram_size = virt.memory
    made._boot(board)
    overlays = tuple(disk.load(saved.extras[f"disk {i}"]) for i, disk in enumerate(disks))
    consoles = tuple(
        (Text(None, saved.extras[name], dropped), seen, bytes.fromhex(typed))
        for name, (dropped, seen, typed) in zip(("output", "hvc"), about["consoles"], strict=True)
    )
    posted = tuple((port, tuple(map(bytes.fromhex, queue))) for port, queue in about["posted"])
    where = about["position"], about["clock"], about["waited"]
    opened = tuple(map(share_state, about["open"]))
    restore(made, MachineSnapshot(saved.snapshot, *where, overlays, consoles, posted, opened))


def fork(machine: Any, made: Any) -> None:
    """Make a twin of a machine."""
    with machine.bare():
        board = states.fork(machine.board)
    shares = tuple(share.fork() for share in machine.virt.shares)
    virt = replace(machine.virt, disks=tuple(d.fork() for d in machine.virt.disks), shares=shares)
    made._begin(virt, machine.engine_name, machine._progress)
    made._boot(board)
    made.position, made.waited = machine.position, machine.waited
    for console, twin in ((machine.console, made.console), (machine.hvc, made.hvc)):
        twin.put_back(console.keep())
        twin.pending += console.pending
        twin.seen = console.seen
    _open_again(made, [share.state() for share in machine.virt.shares])
    made._posted = {port: queue.copy() for port, queue in machine._posted.items()}


@dataclass(frozen=True)
class Identity:
    """What tells a twin from the machine that it was forked from.

    Its guest is told as real ones are: the generation identifier changes, with an interrupt (Linux from 6.10 on mixes it
    into its random numbers at once); the entropy device draws from another seed; the network's cable is pulled and put
    in again, so that who got an address by DHCP asks anew; disks say another serial number (`/sys/block/vda/serial`),
    from which a guest's own script can make a host name. The card's MAC is another, which a driver reads only when it
    starts: `echo virtioN > /sys/bus/virtio/drivers/virtio_net/unbind`, then `bind`. What a guest keeps on its disk
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

    def give(self, machine: Any) -> None:
        """Tell a machine that it is another one now."""
        machine.enter("entropy", self.random("entropy", 8))
        if machine.virt.network:
            machine.virt.mac = self.address
            machine.enter("mac", self.address)
            machine.enter("link", b"\0")
            machine.enter("link", b"\1")
        for i in range(len(machine.virt.disks)):
            machine.enter("serial", bytes([i]) + f"{self.name[:18]}-{i}".encode())
        machine.enter("generation", self.random("generation", 16))
