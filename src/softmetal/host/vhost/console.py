"""A console for a guest that runs elsewhere: user-mode Linux has its serial devices so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softmetal.chips.virtio.stream import RECEIVE, TRANSMIT
from softmetal.chips.virtio.vhost import VhostConsole
from softmetal.host.vhost.stream import StreamBackend


class ConsoleBackend(StreamBackend):
    """`came` takes what the guest has sent, and gives false if it wants no more for the time being; `gone` is called when the
    guest is."""

    kind = VhostConsole
    what = "the console"

    def __init__(self, guest: str, came: Callable[[bytes], bool], gone: Callable[[], None], warn: Callable[[str], None]) -> None:
        super().__init__(guest, warn)
        self.came, self.gone = came, gone
        self.waiting = bytearray()
        """Bytes for the guest."""

    def chip_of(self, board: Any) -> Any:
        """See `StreamBackend.chip_of`."""
        return board.console

    def close(self) -> None:
        """See `Backend.close`."""
        super().close()
        self.gone()

    def transmit(self) -> None:
        """See `StreamBackend.transmit`."""
        while True:
            self.after(self.native.sent(), TRANSMIT)
            data = self.chip.tx.drain()
            if not data or not self.came(data):
                return

    def put(self, data: bytes) -> None:
        """Send the guest something."""
        self.waiting += data
        self.deliver()

    def deliver(self) -> None:
        """See `StreamBackend.deliver`."""
        while self.receives:
            del self.waiting[: self.chip.rx.feed(bytes(self.waiting))]
            before = self.chip.rx.tail
            self.after(self.native.deliver(), RECEIVE)
            if self.chip.rx.tail == before or not self.waiting:
                return
