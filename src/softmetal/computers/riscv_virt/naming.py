"""What is where on the virt board, for the user: devices by address, interrupts by their sources."""

from __future__ import annotations

from typing import Any

from softmetal.boards.riscv_virt import SLOT_IRQ, SLOT_SPAN, SLOTS, SOURCES, STORM, VIRTIO, Slot
from softmetal.isa.riscv.privileged.state import INTERRUPTS, MEI, SEI


def in_slot(board: Any, address: int) -> str:
    """The device in a slot at a physical address, and the offset in it; "" where no slot is."""
    if not VIRTIO <= address < VIRTIO + SLOT_SPAN * SLOTS:
        return ""
    slot, offset = divmod(address - VIRTIO, SLOT_SPAN)
    return f"virtio slot {slot}, {_kind(board.slots[slot])} + {offset:#x}"


def storm(board: Any) -> str:
    """The warning for a hart that takes the same interrupt again and again, and executes nothing else."""
    hart = next(i for i in range(board.harts) if board.storms >> i & 1)
    due = board.storm_due[hart]
    causes = [name for bit, name in INTERRUPTS.items() if due & bit]
    if due & (SEI | MEI):
        sources = [s for s in range(1, 64) if board.levels >> s & 1]
        causes += [f"source {s} of the PLIC ({_source(board, s)}) is up" for s in sources]
    return (
        f"hart {hart} has taken the same interrupt again and again for {STORM} instructions, and done nothing else:"
        f" {', '.join(causes)}; at pc {board.storm_pc[hart]:#x}"
    )


def _source(board: Any, source: int) -> str:
    """The device that drives a source of interrupts."""
    if source in SLOT_IRQ:
        slot = SLOT_IRQ.index(source)
        return f"virtio slot {slot}, {_kind(board.slots[slot])}"
    return str(SOURCES.get(source, "no device"))


def _kind(kind: int) -> str:
    for first in (Slot.SHARE, Slot.DISK):
        if first <= kind < first + 4:
            return f"{first.name.lower()} {kind - first}"
    name: str = Slot(kind).name
    return name.lower()
