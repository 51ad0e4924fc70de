"""Devices that receive in one queue and send in another, for guests that run elsewhere."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.mmio import COMMON
from softmetal.chips.virtio.stream import RECEIVE
from softmetal.chips.virtio.vhost import BROKEN, INTERRUPT, VhostStream
from softmetal.host.vhost.connection import Backend, Connection, Ring
from softmetal.lang.native import Native

ENTRIES = ("config", "deliver", "offered", "sent", "start", "stop")


class StreamBackend(Backend):
    """Such a device as one guest sees it; both queues are on one board. `what`: the device, in words for the user."""

    queues = 2
    kind: type[VhostStream]
    what: str

    def __init__(self, guest: str, warn: Callable[[str], None]) -> None:
        self.guest, self.warn = guest, warn
        self.native = Native(self.kind, ENTRIES)
        self.chip: Any = self.chip_of(self.native.state)
        self.chip.present = 1
        self.rings: dict[int, StreamRing] = {}
        self.set_up()
        self.features = self.native.offered()

    @abstractmethod
    def chip_of(self, board: Any) -> Any:
        """The device on its board."""

    def set_up(self) -> None:
        """Say what the device is like, before its features are asked for."""

    @abstractmethod
    def transmit(self) -> None:
        """Take what the guest has sent, and send it on."""

    @abstractmethod
    def deliver(self) -> None:
        """Give the guest what came for it, as far as it has room."""

    def config(self) -> bytes:
        """See `Backend.config`."""
        return b"".join(struct.pack("<I", self.native.config(i)) for i in range(self.chip.CONFIG_WORDS))

    def ring(self, connection: Connection, index: int) -> Ring:
        """See `Backend.ring`."""
        self.rings[index] = StreamRing(connection, index, self)
        return self.rings[index]

    def close(self) -> None:
        """See `Backend.close`."""
        self.rings.clear()

    @property
    def receives(self) -> bool:
        """Is there a driver that takes what comes?"""
        ring = self.rings.get(RECEIVE)
        return ring is not None and ring.started

    def after(self, lines: int, index: int) -> None:
        """Do what the device's lines ask for; `index` of the ring that was looked at."""
        if lines & INTERRUPT:
            self.rings[index].interrupt()
        if lines & BROKEN and self.chip.status:
            self.warn(f"{self.guest}: its driver put into a ring of {self.what} what no driver may; it stops")
            for ring in self.rings.values():
                ring.end()
            self.chip.status = 0


class StreamRing(Ring):
    """One of the two queues."""

    def __init__(self, connection: Connection, index: int, backend: StreamBackend) -> None:
        super().__init__(connection, index)
        self.backend = backend

    @property
    def board(self) -> Any:
        """See `Ring.board`."""
        return self.backend.native.state

    def start(self, desc: int, driver: int, device: int, tracked: bool) -> bool:
        """See `Ring.start`."""
        self.backend.chip.driver_features = self.connection.features & (COMMON | self.backend.features)
        return bool(self.backend.native.start(self.index, self.size, desc, driver, device, self.base))

    def stop(self) -> int:
        """See `Ring.stop`."""
        return int(self.backend.native.stop(self.index))

    def look(self) -> None:
        """See `Ring.look`."""
        if self.index == RECEIVE:
            self.backend.deliver()
        else:
            self.backend.transmit()
