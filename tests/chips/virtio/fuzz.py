"""Guests that do anything: random drivers in hardware Python, one for each device, biased towards what is nearly right."""

from __future__ import annotations

from softmetal.chips.virtio.blk import VirtioBlk
from softmetal.chips.virtio.console import VirtioConsole
from softmetal.chips.virtio.entropy import VirtioEntropy
from softmetal.chips.virtio.gpu import VirtioGpu
from softmetal.chips.virtio.input import VirtioInput
from softmetal.chips.virtio.mmio import Register, Status
from softmetal.chips.virtio.net import VirtioNet
from softmetal.chips.virtio.p9 import Virtio9p
from softmetal.chips.virtio.queue import INDIRECT, NEXT, WRITE
from softmetal.lang import cold, u1, u16, u32, u64

from .bed import BASE, SIZE, Bed

DESC, AVAIL, USED = 0x0000, 0x2000, 0x3000  # of queue 0; those of queue 1 lie 0x4000 behind
BUFFERS = 0x1_0000
LENGTHS = (0, 1, 12, 16, 20, 24, 32, 512, 40, 48, 64, 64, 512, 1536, 4096, 0x8000)


class FuzzBed(Bed):
    """A board whose guest is a random one."""

    seed: u64
    resets: u32
    served: u64  # chains that came back

    def number(self) -> u64:
        """The next random number (SplitMix64)."""
        self.seed += 0x9E3779B97F4A7C15
        x: u64 = self.seed
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9
        x = (x ^ x >> 27) * 0x94D049BB133111EB
        return x ^ x >> 31

    def below(self, end: u32) -> u32:
        return self.number() * max(end, 1) >> 64

    def rarely(self) -> u1:
        return self.below(16) == 0

    def some(self) -> u64:
        """A number as a careless driver has them: small, an address, a limit, anything."""
        match self.below(6):
            case 0:
                return self.below(8)
            case 1:
                return self.address()
            case 2:
                return BASE + SIZE - self.below(64)
            case 3:
                return 1 << (self.below(64) & 63)
            case 4:
                return u64(0) - self.below(64) & 0xFFFF_FFFF_FFFF_FFFF
            case _:
                return self.number()

    def address(self) -> u64:
        """Of a buffer."""
        return BASE + BUFFERS + 64 * self.below(1024)

    @cold
    def set(self, offset: u32, value: u32) -> None:
        self.device.write(self, offset, value, 4)

    # -- of the device

    def outside(self) -> None:
        """What the host does."""

    def request(self, at: u64) -> None:
        """Write something like a request into a buffer."""

    # -- the guest

    def fuzz(self, count: u32) -> None:
        """Do so many operations."""
        for _ in range(count):
            before = self.device.queues[0].used + self.device.queues[1].used
            self.step()
            self.served += max(0, self.device.queues[0].used + self.device.queues[1].used - before)

    @cold
    def step(self) -> None:
        pick = self.below(64)
        dead = not self.device.live()
        if (pick == 0 and self.rarely()) or (dead and pick < 32):
            self.drop_code()
        elif pick < 26:
            self.offer(self.below(2))
        elif pick < 42:
            self.set(Register.QUEUE_NOTIFY, self.below(2))
        elif pick < 54:
            self.outside()
        elif pick < 56:
            self.touch()
        elif pick < 58:
            self.configure()
        else:
            self.scribble()

    @cold
    def drop_code(self) -> None:
        """Begin again as a driver should, or nearly so."""
        self.resets += 1
        self.set(Register.STATUS, 0)
        features = self.device.offered()
        if self.rarely():
            features = self.number()
        elif self.below(2):
            features &= self.number() | 1 << 32
        self.set(Register.DRIVER_FEATURES_SEL, 0)
        self.set(Register.DRIVER_FEATURES, features)
        self.set(Register.DRIVER_FEATURES_SEL, 1)
        self.set(Register.DRIVER_FEATURES, features >> 32)
        self.set(Register.STATUS, Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK)
        for queue in range(2):
            for i in range(0, 0x800, 8):
                self.ram.u64[0x4000 * queue + AVAIL + i] = 0
                self.ram.u64[0x4000 * queue + USED + i] = 0
            self.set(Register.QUEUE_SEL, queue)
            self.set(Register.QUEUE_NUM, self.some() if self.below(64) == 0 else 1 << (self.below(9) & 15))
            self.place_ring(Register.QUEUE_DESC_LOW, 0x4000 * queue + DESC)
            self.place_ring(Register.QUEUE_DRIVER_LOW, 0x4000 * queue + AVAIL)
            self.place_ring(Register.QUEUE_DEVICE_LOW, 0x4000 * queue + USED)
            self.set(Register.QUEUE_READY, 1)
        self.set(Register.STATUS, Status.DRIVER_OK)

    @cold
    def place_ring(self, offset: u32, at: u32) -> None:
        where: u64 = BASE + at
        if self.below(256) == 0:
            where = self.some()
        self.set(offset, where)
        self.set(offset + 4, where >> 32)

    @cold
    def describe(self, at: u32, index: u16, writes: u1, more: u1, follows: u16) -> None:
        """Write the descriptor that is `index` in its chain; rarely a wrong one."""
        at = at & 0xFFFF0
        address = self.address()
        length: u32 = LENGTHS[(self.below(16) if index else 8 + self.below(8)) & 15]
        flags: u16 = writes * WRITE | more * NEXT
        if self.below(256) == 0:
            match self.below(4):
                case 0:
                    address = self.some()
                case 1:
                    length = self.some()
                case 2:
                    flags = self.number()
                case _:
                    follows = self.some()
        self.ram.u64[at] = address
        self.ram.u32[at + 8] = length
        self.ram.u16[at + 12] = flags
        self.ram.u16[at + 14] = follows

    @cold
    def offer(self, queue: u1) -> None:
        """Put a chain into the available ring."""
        size: u16 = max(self.device.queues[queue].size, 1)
        base: u32 = 0x4000 * queue
        index = self.ram.u16[base + AVAIL + 2]
        ahead: u16 = index - self.device.queues[queue].last
        if ahead >= size and self.below(64):
            return
        head: u16 = 5 * index & size - 1
        count = min(1 + self.below(5), size)
        readable = self.below(count + 1)
        if size > 1 and self.below(64):  # both a request and room for an answer
            count = max(count, 2)
            readable = max(1, min(readable, count - 1))
        if self.below(4) == 0:
            table: u32 = BUFFERS + 64 * self.below(1024)
            at: u32 = base + DESC + 16 * (head & 255)
            for i in range(count):
                self.describe(table + 16 * i, i, i >= readable, i + 1 < count, i + 1)
            if readable:
                self.request(self.ram.u64[table & 0xFFFFF & ~7 & 0xFFFF0])
            self.ram.u64[at & 0xFFFF0] = BASE + table
            self.ram.u32[(at & 0xFFFF0) + 8] = 16 * count
            self.ram.u16[(at & 0xFFFF0) + 12] = INDIRECT
        else:
            for i in range(count):
                each: u16 = head + i & size - 1
                self.describe(base + DESC + 16 * (each & 255), i, i >= readable, i + 1 < count, each + 1 & size - 1)
            if readable:
                self.request(self.ram.u64[base + DESC + 16 * (head & 255)])
        self.ram.u16[base + AVAIL + 4 + 2 * (index & size - 1 & 255)] = head
        self.ram.u16[base + AVAIL + 2] = index + 1

    @cold
    def touch(self) -> None:
        """A register, of any size."""
        offset = 4 * self.below(0x50)
        if self.rarely():
            offset = self.some()
        size = 4
        if self.rarely():
            size = self.below(16)
        if self.below(2):
            self.device.read(offset, size)
        else:
            self.device.write(self, offset, self.some(), size)

    @cold
    def configure(self) -> None:
        """The configuration, of any size."""
        offset = Register.CONFIG + self.below(160)
        size = self.below(10)
        if self.below(2):
            self.device.read(offset, size)
        else:
            self.device.write(self, offset, self.below(32), size)

    @cold
    def scribble(self) -> None:
        """Anything, into the rings or into a buffer."""
        at = self.below(0x8000 if self.below(4) == 0 else SIZE - 8)
        if self.below(4):
            self.request(BASE + BUFFERS + 64 * self.below(1024))
        else:
            self.ram.u64[at & 0xFFFF8] = self.some()

    def note(self, at: u64, value: u64) -> None:
        """Write into a buffer, wherever that is."""
        if self.dma_reaches(at, 8):
            self.dma_write64(at, value)


class BlkFuzz(FuzzBed):
    device: VirtioBlk

    def outside(self) -> None:
        self.device.capacity = 100
        self.device.read_only = self.rarely()
        for _ in range(self.below(5)):
            self.device.complete(self, self.below(64), self.below(4), self.some())
        for i in range(64):
            if self.device.busy[i] and self.below(8):
                self.device.complete(self, i, 0, self.below(1024))
        self.device.resume(self)

    def request(self, at: u64) -> None:
        self.note(at, self.some() if self.rarely() else self.below(14))
        self.note(at + 8, self.some() if self.rarely() else self.below(100))
        self.note(at + 16, self.some() if self.rarely() else self.below(100))
        self.note(at + 24, self.below(100) | self.below(3) << 32)


class P9Fuzz(FuzzBed):
    device: Virtio9p

    def outside(self) -> None:
        for i in range(64):
            if self.below(8):
                self.device.complete(self, i, self.some())
        self.device.resume(self)


class ConsoleFuzz(FuzzBed):
    device: VirtioConsole

    def outside(self) -> None:
        if self.below(2):
            self.device.tx.tail = self.device.tx.head - self.below(2) * self.below(self.device.tx.waiting() + 1)
        for _ in range(min(self.below(64), self.device.rx.room())):
            self.device.rx.put(self.number())
        if self.rarely():
            self.device.resize(self.number(), self.number())
        self.device.poll(self)
        self.device.resume(self)


class EntropyFuzz(FuzzBed):
    device: VirtioEntropy

    def outside(self) -> None:
        self.device.resume(self)


class NetFuzz(FuzzBed):
    device: VirtioNet

    def outside(self) -> None:
        self.device.offload = 1
        if self.below(64) == 0:
            self.device.set_link(self.below(4) != 0)
        for _ in range(self.below(4)):
            self.reflect()
        self.device.poll(self)
        self.device.resume(self)

    @cold
    def reflect(self) -> None:
        """A frame that was sent comes in again, or another one does."""
        size = self.device.tx.first()
        if size:
            self.device.tx.drop(size)
        if size == 0 or self.below(4) == 0:
            size = 10 + self.below(70000 if self.rarely() else 1600)
        if self.device.rx.fits(size):
            at = self.device.rx.start(size)
            for i in range(0, 16, 8):
                self.device.rx.ring.u64[at + i & 0xFFFFF] = self.below(2) * (self.number() & 0x00FF00FF00010101)
            self.device.rx.end(size)

    def request(self, at: u64) -> None:
        self.note(at, self.some() if self.rarely() else 0)


class InputFuzz(FuzzBed):
    device: VirtioInput

    def outside(self) -> None:
        if self.rarely():
            self.device.kind = self.below(2)
        for _ in range(min(self.below(20), self.device.rx.room())):
            self.device.rx.put(self.number())
        self.device.poll(self)

    def request(self, at: u64) -> None:
        self.note(at, 0x11 | self.below(32) << 16 | self.below(2) << 32)


class GpuFuzz(FuzzBed):
    device: VirtioGpu

    def outside(self) -> None:
        if self.rarely():
            self.device.resize(self.number(), self.number())
        self.device.resume(self)

    def request(self, at: u64) -> None:
        command = 0x100 + self.below(10)
        if self.rarely():
            command = 0x300 + self.below(2)
        self.note(at, command | self.below(2) << 32)
        self.note(at + 8, self.some())
        self.note(at + 16, self.some())
        for i in range(24, 56, 8):
            self.note(at + i, self.small() | self.small() << 32)
        match command:
            case 0x101:
                self.note(at + 24, self.id() | (1 + self.below(4)) << 32)
            case 0x102 | 0x107:
                self.note(at + 24, self.id())
            case 0x103:
                self.note(at + 40, self.id() << 32)
            case 0x104:
                self.note(at + 40, self.id())
            case 0x105:
                self.note(at + 40, self.below(64))
                self.note(at + 48, self.id())
            case 0x106:
                self.note(at + 24, self.id() | self.below(4) << 32)
                self.note(at + 32, self.address())
                self.note(at + 40, self.below(4096))
                self.note(at + 48, self.address())
                self.note(at + 56, self.below(64))

    def id(self) -> u32:
        """Of a resource."""
        return self.below(80 if self.rarely() else 4)

    def small(self) -> u32:
        return self.some() if self.below(64) == 0 else self.below(24)


FUZZED = (BlkFuzz, ConsoleFuzz, EntropyFuzz, NetFuzz, P9Fuzz, InputFuzz, GpuFuzz)
