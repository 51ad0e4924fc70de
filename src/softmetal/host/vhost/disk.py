"""A disk for a guest that runs elsewhere: the chip of emulated boards takes its requests, an arbiter orders them, the host's disk
carries them out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.blk import IOERR, OK, SECTOR, Kind
from softmetal.chips.virtio.hosted import Request
from softmetal.chips.virtio.mmio import COMMON
from softmetal.chips.virtio.vhost import BROKEN, CALLS, INTERRUPT, VhostDisk
from softmetal.host.arbiter import Access, Shared
from softmetal.host.disks import Disk
from softmetal.host.disks.requests import carry_out
from softmetal.host.vhost.connection import Backend, Connection, Ring
from softmetal.lang.chip import Board
from softmetal.lang.native import Native

F_MQ = 12
ENTRIES = ("config", "done", "kick", "offered", "start", "stop")
ROUNDS = 4
"""How often a ring is looked at, one time after the other, before others get a turn."""
NAMES = {Kind.IN: "read", Kind.OUT: "write", Kind.FLUSH: "flush", Kind.DISCARD: "discard", Kind.WRITE_ZEROES: "zero"}
NUMBER_OF_QUEUES = 34  # offset in the configuration space
SERIAL = 20


class DiskBackend(Backend):
    """A disk as one guest sees it. `warn` takes a line of text for the user; `work` lets `shared` work for a moment, and plans
    the rest."""

    def __init__(
        self, guest: str, disk: Disk, shared: Shared, work: Callable[[], None], warn: Callable[[str], None],
        *, queues: int = 1, serial: str = "",
    ) -> None:  # fmt: skip
        self.guest, self.disk, self.shared, self.work, self.warn = guest, disk, shared, work, warn
        self.queues, self.serial = queues, serial
        self._spare = self._made()  # answers for the device before there is a ring
        self.features = self._spare.offered() | (1 << F_MQ if queues > 1 else 0)

    def _made(self) -> Native:
        native = Native(VhostDisk, ENTRIES)
        chip = native.state.disk
        chip.present = 1
        chip.capacity = self.disk.size // SECTOR
        chip.read_only = self.disk.read_only
        chip.serial[:] = self.serial.encode()[:SERIAL].ljust(SERIAL, b"\0")
        return native

    def config(self) -> bytes:
        """See `Backend.config`."""
        words = bytearray(b"".join(struct.pack("<I", self._spare.config(i)) for i in range(self._spare.state.disk.CONFIG_WORDS)))
        words[NUMBER_OF_QUEUES : NUMBER_OF_QUEUES + 2] = self.queues.to_bytes(2, "little")
        return bytes(words)

    def close(self) -> None:
        """See `Backend.close`."""

    def ring(self, connection: Connection, index: int) -> Ring:
        """See `Backend.ring`."""
        return DiskRing(connection, index, self, self._made())


class DiskRing(Ring):
    """A queue of a disk."""

    def __init__(self, connection: Connection, index: int, backend: DiskBackend, native: Native) -> None:
        super().__init__(connection, index)
        self.backend, self.native = backend, native
        self._board: Any = native.state
        self.chip: Any = native.state.disk
        self.ram = Board.of(VhostDisk).memories["ram"][0]
        self.view: memoryview = native.state.__mapping__.view
        self.submitted: set[int] = set()
        self.looking = False
        self.kick_chip: Callable[[], int] = native.kick

    @property
    def board(self) -> Any:
        """See `Ring.board`."""
        return self._board

    def start(self, desc: int, driver: int, device: int, tracked: bool) -> bool:
        """See `Ring.start`."""
        self.chip.driver_features = self.connection.features & (COMMON | self.backend.features)
        return bool(self.native.start(self.size, desc, driver, device, self.base, tracked))

    def stop(self) -> int:
        """See `Ring.stop`."""
        if self.submitted:
            self.backend.shared.finish(self.backend.guest)
        return int(self.native.stop())

    def look(self) -> None:
        """See `Ring.look`."""
        self.looking = True
        lines = self.kick_chip()
        for _ in range(ROUNDS):
            self._after(lines)
            if not lines & CALLS or not self.started:
                break
            for request in self.chip.requests():
                if request.index not in self.submitted:
                    self._submit(request)
            if self.submitted:
                self.backend.work()
                if self.submitted:  # whoever carries out the last of them looks again
                    break
            lines = self.kick_chip()
        else:
            self._after(lines)
            self.connection.loop.call_soon(self._look_again)  # a guest that never stops asking is not alone here
        self.looking = False

    def _look_again(self) -> None:
        if self.started:
            self.look()

    def _submit(self, request: Request) -> None:
        self.submitted.add(request.index)

        def run() -> None:
            self._carry_out(request)

        self.backend.shared.submit(Access(self.backend.guest, NAMES[Kind(request.kind)], SECTOR * request.sectors, run))

    def _carry_out(self, request: Request) -> None:
        status, written = OK, 0
        try:
            written = carry_out(self.backend.disk, request, self._span)
        except OSError as error:
            status = IOERR
            self.backend.warn(f"{self.backend.guest}: {error}")
        self.native.done(request.index, status, written)
        self.submitted.discard(request.index)
        if not self.submitted and not self.looking:
            self.look()

    def _span(self, address: int, length: int) -> memoryview:
        return self.view[self.ram + address : self.ram + address + length]

    def _after(self, lines: int) -> None:
        if lines & INTERRUPT:
            self.interrupt()
        if lines & BROKEN and self.started:
            what = f"its driver put into ring {self.index} what no driver may; the disk stops for it"
            self.backend.warn(f"{self.backend.guest}: {what}")
            self.end()
