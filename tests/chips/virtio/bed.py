"""A board with memory and one virtio device, and a driver in Python that puts queues into that memory."""

from __future__ import annotations

from typing import Any

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import Register, Status, VirtioDevice
from softmetal.chips.virtio.queue import INDIRECT, NEXT, WRITE
from softmetal.lang import memory, u1, u4, u8, u16, u32, u64

BASE = 0x8000_0000
SIZE = 1 << 20


class Bed(Dma):
    """Memory that counts what a device reads or writes elsewhere without having asked."""

    ram: memory[1 << 20]
    device: VirtioDevice
    stray: u32

    def dma_reaches(self, address: u64, length: u64) -> u1:
        return BASE <= address and address + length <= BASE + SIZE

    def place(self, address: u64, size: u64) -> u64:
        at: u64 = address - BASE
        if at > SIZE - size:
            self.stray += 1
            return 0
        return at

    def dma_read8(self, address: u64) -> u8:
        return self.ram[self.place(address, 1) & 0xFFFFF]

    def dma_read16(self, address: u64) -> u16:
        return self.ram.u16[min(self.place(address, 2), SIZE - 2)]

    def dma_read32(self, address: u64) -> u32:
        return self.ram.u32[min(self.place(address, 4), SIZE - 4)]

    def dma_read64(self, address: u64) -> u64:
        return self.ram.u64[min(self.place(address, 8), SIZE - 8)]

    def dma_write8(self, address: u64, value: u8) -> None:
        self.ram[self.place(address, 1) & 0xFFFFF] = value

    def dma_write16(self, address: u64, value: u16) -> None:
        self.ram.u16[min(self.place(address, 2), SIZE - 2)] = value

    def dma_write32(self, address: u64, value: u32) -> None:
        self.ram.u32[min(self.place(address, 4), SIZE - 4)] = value

    def dma_write64(self, address: u64, value: u64) -> None:
        self.ram.u64[min(self.place(address, 8), SIZE - 8)] = value

    def load(self, offset: u32, size: u4) -> u64:
        return self.device.read(offset, size)

    def store(self, offset: u32, value: u64, size: u4) -> None:
        self.device.write(self, offset, value, size)


class Driver:
    """A guest's driver of the device on a bed, which stands on a bench. Buffers lie from `heap` on."""

    def __init__(self, bed: Any, features: int | None = None, size: int = 16) -> None:
        self.bed, self.size = bed, size
        self.device = bed.chip.device
        self.device.present = 1
        self.heap = 0x1_0000
        self.given = [0, 0]  # chains offered
        self.seen = [0, 0]  # chains given back
        self.set(Register.STATUS, 0)
        self.set(Register.STATUS, Status.ACKNOWLEDGE)
        self.set(Register.STATUS, Status.ACKNOWLEDGE | Status.DRIVER)
        self.features = self.offered() if features is None else features
        for half in (0, 1):
            self.set(Register.DRIVER_FEATURES_SEL, half)
            self.set(Register.DRIVER_FEATURES, self.features >> 32 * half & 0xFFFFFFFF)
        self.set(Register.STATUS, self.get(Register.STATUS) | Status.FEATURES_OK)
        for queue in (0, 1):
            self.set(Register.QUEUE_SEL, queue)
            if self.get(Register.QUEUE_NUM_MAX):
                self.make(queue)
        self.set(Register.STATUS, self.get(Register.STATUS) | Status.DRIVER_OK)

    def offered(self) -> int:
        value = 0
        for half in (0, 1):
            self.set(Register.DEVICE_FEATURES_SEL, half)
            value |= self.get(Register.DEVICE_FEATURES) << 32 * half
        return value

    def get(self, offset: int, size: int = 4) -> int:
        found: int = self.bed.load(offset, size)
        return found & (1 << 8 * size) - 1

    def set(self, offset: int, value: int, size: int = 4) -> None:
        self.bed.store(offset, value, size)

    def desc(self, queue: int) -> int:
        return 0x4000 * queue

    def avail(self, queue: int) -> int:
        return 0x4000 * queue + 0x2000

    def used(self, queue: int) -> int:
        return 0x4000 * queue + 0x3000

    def make(self, queue: int, **other: int) -> None:
        """Make a queue ready; `other` names registers that get another value."""
        values = {
            "QUEUE_SEL": queue, "QUEUE_NUM": self.size,
            "QUEUE_DESC_LOW": BASE + self.desc(queue), "QUEUE_DESC_HIGH": 0,
            "QUEUE_DRIVER_LOW": BASE + self.avail(queue), "QUEUE_DRIVER_HIGH": 0,
            "QUEUE_DEVICE_LOW": BASE + self.used(queue), "QUEUE_DEVICE_HIGH": 0,
            "QUEUE_READY": 1,
        }  # fmt: skip
        for name, value in (values | other).items():
            self.set(Register[name], value)

    def poke(self, at: int, data: bytes) -> None:
        self.bed.chip.ram[at : at + len(data)] = data

    def peek(self, at: int, size: int) -> bytes:
        return bytes(self.bed.chip.ram[at : at + size])

    def room(self, size: int) -> int:
        """Memory for a buffer."""
        at = self.heap
        self.heap += size + 15 & ~15
        return at

    def buffer(self, data: bytes) -> tuple[int, int, int]:
        """A readable segment with this content."""
        at = self.room(len(data))
        self.poke(at, data)
        return BASE + at, len(data), 0

    def space(self, size: int) -> tuple[int, int, int]:
        """A writable segment."""
        return BASE + self.room(size), size, WRITE

    def describe(self, segments: list[tuple[int, int, int]], first: int = 0) -> bytes:
        """Descriptors of a chain that lie one after the other from index `first` on."""
        made = b""
        for i, (address, length, flags) in enumerate(segments):
            more = i + 1 < len(segments)
            made += address.to_bytes(8, "little") + length.to_bytes(4, "little")
            made += (flags | NEXT * more).to_bytes(2, "little") + (first + i + 1 if more else 0).to_bytes(2, "little")
        return made

    def offer(self, segments: list[tuple[int, int, int]], queue: int = 0, first: int = 0, indirect: bool = False) -> None:
        """Put a chain into the available ring, without telling."""
        if indirect:
            address, length, _ = self.buffer(self.describe(segments))
            segments = [(address, length, INDIRECT)]
        self.poke(self.desc(queue) + 16 * first, self.describe(segments, first))
        self.offer_head(first, queue)

    def offer_head(self, head: int, queue: int = 0) -> None:
        self.poke(self.avail(queue) + 4 + 2 * (self.given[queue] % self.size), head.to_bytes(2, "little"))
        self.given[queue] += 1
        self.poke(self.avail(queue) + 2, (self.given[queue] & 0xFFFF).to_bytes(2, "little"))

    def kick(self, queue: int = 0) -> None:
        self.set(Register.QUEUE_NOTIFY, queue)

    def send(self, segments: list[tuple[int, int, int]], queue: int = 0, first: int = 0, indirect: bool = False) -> None:
        self.offer(segments, queue, first, indirect)
        self.kick(queue)

    def back(self, queue: int = 0) -> list[tuple[int, int]]:
        """(head, bytes written) of each chain that was given back since the last call."""
        count = int.from_bytes(self.peek(self.used(queue) + 2, 2), "little")
        found = []
        while self.seen[queue] & 0xFFFF != count:
            entry = self.peek(self.used(queue) + 4 + 8 * (self.seen[queue] % self.size), 8)
            found.append((int.from_bytes(entry[:4], "little"), int.from_bytes(entry[4:], "little")))
            self.seen[queue] += 1
        return found

    def content(self, segment: tuple[int, int, int]) -> bytes:
        return self.peek(segment[0] - BASE, segment[1])

    @property
    def broken(self) -> bool:
        return bool(self.get(Register.STATUS) & Status.NEEDS_RESET)
