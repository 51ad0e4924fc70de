"""A network card for a guest that runs elsewhere: a port of a `Network`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.net import LARGEST
from softmetal.chips.virtio.stream import RECEIVE, TRANSMIT
from softmetal.chips.virtio.vhost import VhostCard
from softmetal.host.network import Network, NetworkPort
from softmetal.host.vhost.stream import StreamBackend

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


class CardBackend(StreamBackend):
    """A card as one guest sees it. `mac`: its address, 6 bytes."""

    kind = VhostCard
    what = "the network card"

    def __init__(self, guest: str, network: Network, port: CardPort, mac: bytes, warn: Callable[[str], None]) -> None:
        self.network, self.port, self.mac = network, port, mac
        super().__init__(guest, warn)
        port.backend = self
        port.waiting.clear()

    def chip_of(self, board: Any) -> Any:
        """See `StreamBackend.chip_of`."""
        return board.card

    def set_up(self) -> None:
        """See `StreamBackend.set_up`."""
        self.chip.offload = 1
        self.chip.mac[:] = self.mac

    def close(self) -> None:
        """See `Backend.close`."""
        super().close()
        self.port.backend = None

    def transmit(self) -> None:
        """See `StreamBackend.transmit`."""
        while True:
            self.after(self.native.sent(), TRANSMIT)
            records = self.chip.frames()
            if not records:
                return
            self.network.forward(records, self.port)

    def deliver(self) -> None:
        """See `StreamBackend.deliver`."""
        if not self.receives:
            return
        waiting, count = self.port.waiting, 0
        for record in waiting:
            if not self.chip.feed(record):
                break
            count += 1
        del waiting[:count]
        self.after(self.native.deliver(), RECEIVE)
