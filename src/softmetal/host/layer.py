"""The host layer: the one process of a lab that has the real hardware. Guests reach it through sockets and shared memory.

    python -m softmetal.host.layer FOLDER FD      FD: a socket on which it is told what to do (JSON-RPC)

Sockets of guests are in FOLDER/hw. When the other end of FD closes, everything is let go of and FOLDER is removed: so nothing is
left behind, whatever ended the one who started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from softmetal.host.arbiter import Exclusive, FrameRule, Share, Shared, Terms
from softmetal.host.arbiter.access import Ledger
from softmetal.host.disks import Disk, open_disk
from softmetal.host.disks.disk import FileDisk
from softmetal.host.disks.part import PartBase
from softmetal.host.errors import HostError
from softmetal.host.nbd import NbdServer
from softmetal.host.network import Network, NetworkPort, SocketPort, start_capture
from softmetal.host.rpc import LARGEST, method, serve
from softmetal.host.stream import Line, SocketLine, StreamDevice, StreamGuest
from softmetal.host.vhost.card import CardBackend, CardPort
from softmetal.host.vhost.console import ConsoleBackend
from softmetal.host.vhost.disk import DiskBackend
from softmetal.host.vhost.server import Listener, Turns

MOST_LINES = 200
"""Warnings that are kept."""


class Closes(Protocol):
    """What is let go of when a guest goes."""

    def close(self) -> None:
        """Let go."""


class VhostLine(Line):
    """A virtio console as a guest's line to a stream device."""

    def __init__(self, guest: StreamGuest, path: Path, loop: asyncio.AbstractEventLoop, warn: Callable[[str], None]) -> None:
        self.guest = guest
        guest.line = self
        self.backend: ConsoleBackend | None = None
        self.warn = warn
        self.listener = Listener(path, self._connected, loop, warn)

    def _connected(self) -> ConsoleBackend:
        self.backend = ConsoleBackend(self.guest.party.guest, self.guest.came, self.guest.gone, self.warn)
        return self.backend

    def put(self, data: bytes) -> None:
        """See `Line.put`."""
        if self.backend is not None:
            self.backend.put(data)

    def more(self) -> None:
        """See `Line.more`."""
        if self.backend is not None and self.backend.rings:
            self.guest.loop.call_soon(self.backend.transmit)

    def close(self) -> None:
        """See `Line.close`."""
        self.listener.close()


class HostLayer:
    """All hardware of a lab. Paths of sockets are FOLDER/GUEST.HARDWARE."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.folder, self.loop = folder, loop
        self.warnings: list[str] = []
        self.disks: dict[str, tuple[Disk, Shared, Turns]] = {}
        self.networks: dict[str, Network] = {}
        self.streams: dict[str, StreamDevice] = {}
        self.held: dict[str, list[tuple[str, Closes]]] = {}
        """Of each guest: the hardware and what is open for it."""

    def warn(self, text: str) -> None:
        """Keep a line for the user."""
        if len(self.warnings) < MOST_LINES:
            self.warnings.append(text)

    # -- hardware

    def add_disk(self, name: str, path: str, size: int = 0) -> None:
        """Have a disk; an image that is not there is made, if a size is given."""
        if size and not os.path.exists(path):
            with open(path, "xb") as file:
                file.truncate(size)
        shared = Shared(name)
        self.disks[name] = open_disk(path), shared, Turns(shared, self.loop)

    def add_network(self, name: str) -> None:
        """Have a network."""
        self.networks[name] = Network(name)

    def add_stream(
        self, name: str, path: str, terms: dict[str, Any], rule: dict[str, Any], speed: int = 0, command: str = "",
        folder: str = ".",
    ) -> None:  # fmt: skip
        """Have a serial line or another character device, or a program that behaves like one."""
        given: dict[str, Any] = {k: v.encode("latin-1") if isinstance(v, str) else v for k, v in rule.items()}
        self.streams[name] = StreamDevice(
            path, Exclusive(name, Terms(**terms)), FrameRule(**given), self.loop, self.warn, speed, command, folder
        )

    # -- guests

    def _path(self, guest: str, hardware: str) -> Path:
        return self.folder / f"{guest}.{hardware}"

    def attach_disk(
        self, hardware: str, guest: str, how: str, start: int = 0, size: int = 0, weight: float = 1, bandwidth: float = 0,
        rate: float = 0, queues: int = 1,
    ) -> str:  # fmt: skip
        """Give a guest a disk or a part of one; the socket's path."""
        whole, shared, turns = self.disks[hardware]
        disk: Disk = FileDisk(PartBase(whole.base, start, size, f"{guest}'s part")) if size else whole
        shared.join(Share(guest, weight, bandwidth, rate))
        path = self._path(guest, hardware)
        made: Closes
        if how == "vhost":
            made = Listener(
                path, lambda: DiskBackend(guest, disk, shared, turns.work, self.warn, queues=queues, serial=hardware), self.loop,
                self.warn,
            )  # fmt: skip
        else:
            made = NbdServer(path, guest, disk, shared, self.loop, turns.wake, self.warn)
        self._hold(guest, hardware, made)
        if size:
            self._hold(guest, hardware, disk)
        return str(path)

    def attach_card(self, hardware: str, guest: str, how: str, mac: str) -> str:
        """Give a guest a network card; the socket's path."""
        network, path = self.networks[hardware], self._path(guest, hardware)
        port: NetworkPort
        made: Closes
        if how == "vhost":
            port = card = CardPort(guest)
            address = bytes.fromhex(mac)
            made = Listener(path, lambda: CardBackend(guest, network, card, address, self.warn), self.loop, self.warn)
        else:
            port = made = SocketPort(guest, network, path, self.loop)
        network.join(port)
        self._hold(guest, hardware, made)
        return str(path)

    def attach_stream(self, hardware: str, guest: str, how: str, priority: int = 0) -> str:
        """Give a guest a serial device; the socket's path."""
        path = self._path(guest, hardware)
        made = StreamGuest(guest, self.streams[hardware], priority)
        if how == "vhost":
            VhostLine(made, path, self.loop, self.warn)
        else:
            SocketLine(made, path)
        self._hold(guest, hardware, made)
        return str(path)

    def _hold(self, guest: str, hardware: str, made: Closes) -> None:
        self.held.setdefault(guest, []).append((hardware, made))

    def detach(self, guest: str, hardware: str = "") -> None:
        """Take a piece of hardware, or all, away from a guest; it disturbs no other."""
        kept = []
        for name, made in self.held.pop(guest, []):
            if hardware and name != hardware:
                kept.append((name, made))
                continue
            made.close()
            if name in self.disks and guest in self.disks[name][1].shares:
                self.disks[name][1].leave(guest)
            if name in self.networks:
                for port in [p for p in self.networks[name].ports if p.name == guest]:
                    self.networks[name].leave(port)
        if kept:
            self.held[guest] = kept

    # -- what people ask

    def release(self, hardware: str) -> bool:
        """Take an exclusive device away from its holder. Was there one?"""
        return self.streams[hardware].release()

    def leave(self, hardware: str, guest: str) -> bool:
        """Take a guest out of a device's queue. Was it in there?"""
        return self.streams[hardware].guests[guest].leave()

    def capture(self, hardware: str, guest: str, path: str) -> None:
        """Write what a guest's network card sends and gets to a file (pcap)."""
        for port in self.networks[hardware].ports:
            if port.name == guest:
                start_capture(port, Path(path))

    def status(self) -> dict[str, Any]:
        """Who holds what, who waits, and what each has done."""
        found: dict[str, Any] = {}
        for name, (disk, shared, _) in self.disks.items():
            waiting = {s.guest: len(s.waiting) for s in shared.shares.values() if s.waiting}
            found[name] = {"kind": "disk", "size": disk.size, "waiting": waiting, **_accounts(shared.ledger)}
        for name, network in self.networks.items():
            ports = {p.name: {"sent": p.sent, "received": p.received, "lost": p.lost} for p in network.ports}
            found[name] = {"kind": "network", "ports": ports}
        for name, stream in self.streams.items():
            arbiter = stream.arbiter
            found[name] = {
                "kind": "serial", "path": stream.path, "there": stream.fd >= 0, "stray": stream.stray,
                "holder": arbiter.holder.guest if arbiter.holder else "", "queue": [p.guest for p in arbiter.queue],
                **_accounts(arbiter.ledger),
            }  # fmt: skip
        return found

    def recent(self) -> dict[str, list[tuple[str, str, int, float, float, float]]]:
        """Of each piece of hardware, the last accesses: guest, kind, bytes, and the times of asking, beginning and end."""
        found = {name: list(shared.ledger.recent) for name, (_, shared, _) in self.disks.items()}
        return found | {name: list(s.arbiter.ledger.recent) for name, s in self.streams.items()}

    def take_warnings(self) -> list[str]:
        """Warnings since the last call."""
        found, self.warnings = self.warnings, []
        return found

    def close(self) -> None:
        """Let go of everything."""
        for guest in list(self.held):
            self.detach(guest)
        for stream in self.streams.values():
            stream.close()
        for disk, _, _ in self.disks.values():
            with contextlib.suppress(HostError):
                disk.close()


def _accounts(ledger: Ledger) -> dict[str, Any]:
    return {
        "accounts": {
            guest: {"accesses": a.accesses, "bytes": a.bytes, "used": a.used, "waited": a.waited, "longest": a.longest}
            for guest, a in ledger.accounts.items()
        }
    }


METHODS = (
    "add_disk", "add_network", "add_stream", "attach_disk", "attach_card", "attach_stream", "detach", "release", "leave",
    "capture", "status", "recent", "take_warnings",
)  # fmt: skip


async def run(folder: Path, control: socket.socket) -> None:
    """Do what is asked until the other end of `control` closes."""
    layer = HostLayer(folder, asyncio.get_running_loop())
    reader, writer = await asyncio.open_connection(sock=control, limit=LARGEST)
    try:
        await serve(reader, writer, {n: method(getattr(layer, n), (HostError, OSError, ValueError)) for n in METHODS})
    finally:
        layer.close()
        writer.close()
    shutil.rmtree(folder.parent, ignore_errors=True)


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1]) / "hw"
    folder.mkdir(exist_ok=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's
    asyncio.run(run(folder, socket.socket(fileno=int(sys.argv[2]))))


if __name__ == "__main__":
    main()
