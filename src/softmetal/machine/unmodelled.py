"""What a guest touched and the board does not model: where, how, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.chips.unmodelled import WRITTEN
from softmetal.machine.computer import Computer


@dataclass(frozen=True)
class Unmodelled:
    """Accesses to one physical address, of one direction."""

    address: int
    write: bool
    times: int
    device: str
    """The device, and the offset inside it."""

    def __str__(self) -> str:
        often = f", {self.times} times" if self.times > 1 else ""
        return f"{'write' if self.write else 'read'} of {self.address:#x} ({self.device}{often})"


def unmodelled(computer: Computer, board: Any) -> list[Unmodelled]:
    """All of them, of the first addresses, in the order in which the guest came there."""
    noted, found = board.unmodelled, []
    for i in range(noted.places):
        access = noted.address[i]
        address = access & ~WRITTEN
        found.append(Unmodelled(address, access >= WRITTEN, noted.times[i], computer.device_at(board, address)))
    return found
