"""A network card for a guest that runs elsewhere: a port of a `Network`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.mmio import COMMON, Status
from softmetal.chips.virtio.net import LARGEST
from softmetal.chips.virtio.stream import RECEIVE, TRANSMIT
from softmetal.chips.virtio.vhost import VhostCard
from softmetal.host.network import Network, NetworkPort
from softmetal.host.vhost.connection import Backend, Connection, Ring
from softmetal.lang.native import Native

ENTRIES = ("config", "deliver", "offered", "sent", "start", "stop")
MOST_WAITING = 1024
"""Records that wait for a guest which takes none."""


class CardPort(NetworkPort):
    """A guest's port: there as long as the lab is, whoever is connected."""

    def __init__(self, guest: str) -> None:
        super().__init__(guest)
        self.backend: CardBackend | None = None
        self.waiting: list[bytes] = []

    def put(self, record: bytes) -> bool:
        """See `NetworkPort.put`."""
        if self.backend is None or len(self.waiting) >= MOST_WAITING or len(record) > LARGEST:
            return False
        self.waiting.append(record)
        return True

    def flush(self) -> None:
        """See `NetworkPort.flush`."""
        if self.backend is not None:
            self.backend.deliver()


class CardBackend(Backend):
    """A card as one guest sees it. `mac`: its address, 6 bytes."""

    queues = 2

    def __init__(self, guest: str, network: Network, port: CardPort, mac: bytes, warn: Callable[[str], None]) -> None:
        self.guest, self.network, self.port, self.warn = guest, network, port, warn
        self.native = Native(VhostCard, ENTRIES)
        self.chip: Any = self.native.state.card
        self.chip.present = self.chip.offload = 1
        self.chip.mac[:] = mac
        self.features = self.native.offered()
        self.rings: dict[int, CardRing] = {}
        port.backend = self
        port.waiting.clear()

    def config(self) -> bytes:
        """See `Backend.config`."""
        return b"".join(struct.pack("<I", self.native.config(i)) for i in range(self.chip.CONFIG_WORDS))

    def ring(self, connection: Connection, index: int) -> Ring:
        """See `Backend.ring`."""
        self.rings[index] = CardRing(connection, index, self)
        return self.rings[index]

    def close(self) -> None:
        """See `Backend.close`."""
        self.rings.clear()
        self.port.backend = None

    def transmit(self) -> None:
        """Take what the guest has sent, and send it on."""
        while True:
            if self.native.sent():
                self.rings[TRANSMIT].interrupt()
            records = self.chip.frames()
            self.check()
            if not records:
                return
            self.network.forward(records, self.port)

    def deliver(self) -> None:
        """Give the guest what came for it, as far as it has room."""
        ring = self.rings.get(RECEIVE)
        if ring is None or not ring.started:
            return
        waiting, count = self.port.waiting, 0
        for record in waiting:
            if not self.chip.feed(record):
                break
            count += 1
        del waiting[:count]
        if self.native.deliver():
            ring.interrupt()
        self.check()

    def check(self) -> None:
        """Has the guest's driver done what none may?"""
        if self.chip.status & Status.NEEDS_RESET:
            self.warn(f"{self.guest}: its driver put into a ring of the network card what no driver may; the card stops")
            for ring in self.rings.values():
                ring.end()
            self.chip.status = 0


class CardRing(Ring):
    """One of a card's two queues; both are on one board."""

    def __init__(self, connection: Connection, index: int, backend: CardBackend) -> None:
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
        if self.index == TRANSMIT:
            self.backend.transmit()
        else:
            self.backend.deliver()
