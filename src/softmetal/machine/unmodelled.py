"""What a guest touched and the board does not model: where, how, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.boards.riscv_virt import (
    ACLINT,
    FINISHER,
    PLIC,
    RTC,
    RTC_IRQ,
    SLOT_IRQ,
    SLOTS,
    STORM,
    UART,
    UART_IRQ,
    VIRTIO,
    VMGENID,
    VMGENID_IRQ,
    Slot,
)

DEVICES = (
    (FINISHER, 0x1000, "test finisher"), (RTC, 0x1000, "rtc"), (VMGENID, 0x1000, "vmgenid"), (ACLINT, 0x10000, "aclint"),
    (PLIC, 0x600000, "plic"), (UART, 0x100, "uart"),
)  # fmt: skip
WRITE = 1 << 63
CAUSES = {
    1: "supervisor software interrupt", 3: "machine software interrupt", 5: "supervisor timer interrupt",
    7: "machine timer interrupt", 9: "supervisor external interrupt", 11: "machine external interrupt",
}  # fmt: skip


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


def unmodelled(board: Any) -> list[Unmodelled]:
    """All of them, of the first 64 places, in the order in which the guest came there."""
    found = []
    for i in range(board.unmodelled_places):
        access = board.unmodelled_at[i]
        address = access & ~WRITE
        found.append(Unmodelled(address, access >= WRITE, board.unmodelled_times[i], _device(board, address)))
    return found


def storm(board: Any) -> str:
    """What to say of a hart that takes the same interrupt again and again, and gets no further."""
    hart = next(i for i in range(8) if board.storms >> i & 1)
    due = board.storm_due[hart]
    causes = [name for bit, name in CAUSES.items() if due >> bit & 1]
    if due >> 9 & 1 or due >> 11 & 1:
        sources = [s for s in range(1, 64) if board.levels >> s & 1]
        causes += [f"source {s} of the PLIC ({_source(board, s)}) is up" for s in sources]
    return (
        f"hart {hart} has taken the same interrupt again and again for {STORM} instructions, and done nothing else:"
        f" {', '.join(causes)}; at pc {board.storm_pc[hart]:#x}"
    )


def _source(board: Any, source: int) -> str:
    """The device that drives a source of interrupts."""
    named = {UART_IRQ: "uart", RTC_IRQ: "rtc", VMGENID_IRQ: "vmgenid"}
    if source in SLOT_IRQ:
        slot = SLOT_IRQ.index(source)
        return f"virtio slot {slot}, {_kind(board.slots[slot])}"
    return named.get(source, "no device")


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
