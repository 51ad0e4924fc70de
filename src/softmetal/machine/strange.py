"""What a guest touched and the board does not model: where, how, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.boards.riscv_virt import ACLINT, FINISHER, PLIC, RTC, SLOTS, UART, VIRTIO, VMGENID, Slot

DEVICES = (
    (FINISHER, 0x1000, "test finisher"), (RTC, 0x1000, "rtc"), (VMGENID, 0x1000, "vmgenid"), (ACLINT, 0x10000, "aclint"),
    (PLIC, 0x600000, "plic"), (UART, 0x100, "uart"),
)  # fmt: skip
WRITE = 1 << 63


@dataclass(frozen=True)
class Strange:
    """Accesses to one physical address, of one direction."""

    address: int
    write: bool
    times: int
    device: str
    """The device, and the offset inside it."""

    def __str__(self) -> str:
        often = f", {self.times} times" if self.times > 1 else ""
        return f"{'write' if self.write else 'read'} of {self.address:#x} ({self.device}{often})"


def strange(board: Any) -> list[Strange]:
    """All of them, of the first 64 places, in the order in which the guest came there."""
    found = []
    for i in range(board.strange_places):
        access = board.strange_at[i]
        address = access & ~WRITE
        found.append(Strange(address, access >= WRITE, board.strange_times[i], _device(board, address)))
    return found


def _device(board: Any, address: int) -> str:
    for base, length, name in DEVICES:
        if base <= address < base + length:
            return f"{name} + {address - base:#x}"
    if VIRTIO <= address < VIRTIO + 0x1000 * SLOTS:
        slot, offset = divmod(address - VIRTIO, 0x1000)
        return f"virtio slot {slot}, {_kind(board.slots[slot])} + {offset:#x}"
    return "no device"


def _kind(kind: int) -> str:
    for first in (Slot.SHARE, Slot.DISK):
        if first <= kind < first + 4:
            return f"{first.name.lower()} {kind - first}"
    name: str = Slot(kind).name
    return name.lower()
