"""One virtio device and the memory of a guest that runs in another process: a board without processor, for vhost-user.

The host attaches the guest's memory at its physical addresses, and calls what a driver's registers would: `start` and `stop` of
the queue, `kick`. So the guest's requests are taken by the chips that emulated boards have.

Sources: vhost-user (QEMU docs/interop/vhost-user.rst), "Memory region description", "Migration" for the log of written pages.
Not modelled: guest memory at or above 64 GiB, an IOMMU.
"""

from __future__ import annotations

from softmetal.chips.device import Dma
from softmetal.chips.virtio.console import VirtioConsole
from softmetal.chips.virtio.inflight import TrackedBlk
from softmetal.chips.virtio.mmio import EVENT_IDX, INDIRECT_DESC, Status, VirtioDevice
from softmetal.chips.virtio.net import VirtioNet
from softmetal.chips.virtio.stream import StreamDevice
from softmetal.lang import Chip, Trap, cold, fence, memory, u1, u3, u4, u6, u8, u16, u32, u36, u64

SPACE = 1 << 36
"""Bytes of a guest's physical addresses."""
PAGE_SHIFT = 12
CALLS, INTERRUPT, BROKEN = 1, 2, 4
"""What the host is to do, see `VhostDevice.lines`."""
LIVE = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK


class Region(Chip):
    """A run of guest memory."""

    start: u36
    size: u64


class Guest(Dma):
    """A guest's memory, which its processors change meanwhile."""

    REGIONS = 8

    ram: memory[(1 << 36) + 4096]
    log: memory[1 << 21]  # a bit for each page that was written
    logging: u1
    regions: Region[8]
    count: u4  # regions in use

    def dma_reaches(self, address: u64, length: u64) -> u1:
        for i in range(self.REGIONS):
            if i < self.count:
                start = self.regions[i].start
                size = self.regions[i].size
                if address >= start and address - start <= size and length <= size - (address - start):
                    return 1
        return 0

    def dma_fence(self) -> None:
        fence()

    def mark(self, address: u64, length: u64) -> None:
        """Log that these bytes, which lie in memory, were written."""
        if self.logging and length:
            first = u36(address) >> PAGE_SHIFT
            last = u36(address + length - 1) >> PAGE_SHIFT
            for page in range(first, last + 1):
                self.log[page >> 3] |= 1 << (page & 7)

    def dma_read8(self, address: u64) -> u8:
        return self.ram[u36(address)]

    def dma_read16(self, address: u64) -> u16:
        return self.ram.u16[u36(address)]

    def dma_read32(self, address: u64) -> u32:
        return self.ram.u32[u36(address)]

    def dma_read64(self, address: u64) -> u64:
        return self.ram.u64[u36(address)]

    def dma_write8(self, address: u64, value: u8) -> None:
        self.ram[u36(address)] = value
        self.mark(address, 1)

    def dma_write16(self, address: u64, value: u16) -> None:
        self.ram.u16[u36(address)] = value
        self.mark(address, 2)

    def dma_write32(self, address: u64, value: u32) -> None:
        self.ram.u32[u36(address)] = value
        self.mark(address, 4)

    def dma_write64(self, address: u64, value: u64) -> None:
        self.ram.u64[u36(address)] = value
        self.mark(address, 8)


class VhostDevice(Guest):
    """What boards of all devices share."""

    def prepare(self, device: VirtioDevice, queue: u1, size: u32, desc: u64, driver: u64, used: u64, base: u16) -> u1:
        """Begin with a queue of which `base` chains were taken before. Is it a queue?"""
        device.queues[queue].size = min(size, 0xFFFF)
        device.queues[queue].desc = desc
        device.queues[queue].driver = driver
        device.queues[queue].device = used
        device.queues[queue].event = device.has(EVENT_IDX)
        device.queues[queue].indirect = device.has(INDIRECT_DESC)
        if not device.queues[queue].start(self, device.QUEUE_SIZE):
            return 0
        device.queues[queue].last = base
        device.queues[queue].used = self.dma_read16(used + 2)
        device.queues[queue].filled = device.queues[queue].used
        device.status = LIVE
        return 1

    def lines(self, device: VirtioDevice) -> u3:
        """CALLS: the host has something to do; INTERRUPT: the driver is to be interrupted (it is acknowledged); BROKEN: the
        driver did what none may."""
        found: u3 = device.calls | device.irq << 1 | (device.status & Status.NEEDS_RESET != 0) << 2
        device.irq = 0
        device.interrupts = 0
        return found


class VhostDisk(VhostDevice):
    """A disk's queue; a disk with several queues has as many of these boards."""

    disk: TrackedBlk

    @cold
    def start(self, size: u32, desc: u64, driver: u64, device: u64, base: u16, tracked: u1) -> u1:
        """Begin with the queue; `tracked`: where its part of the region of open requests says. Is it a queue?"""
        if not self.prepare(self.disk, 0, size, desc, driver, device, base):
            return 0
        self.disk.tracked = 0
        if tracked:
            self.disk.recover(self)
        return 1

    @cold
    def stop(self) -> u16:
        """End; how many chains were taken."""
        self.disk.queues[0].ready = 0
        self.disk.status = 0
        self.disk.reset_device()
        return self.disk.queues[0].last

    def kick(self) -> u3:
        """Publish what was done, and take what waits; the device's lines."""
        self.disk.resume(self)
        return self.lines(self.disk)

    def done(self, request: u6, status: u8, written: u32) -> None:
        """A request was carried out, and so many bytes were put into its segments."""
        disk = self.disk
        left: u32 = written
        for i in range(disk.split[request], disk.end[request]):
            if left and i < disk.table.MOST:
                part = min(left, disk.table.length[i])
                self.mark(disk.table.address[i], part)
                left -= part
        disk.complete(self, request, status, written)

    def offered(self) -> u64:
        """The device's feature bits."""
        return self.disk.offered()

    def config(self, index: u6) -> u32:
        """A word of the configuration space."""
        return self.disk.config_word(index)

class NoDevice(Trap):
    """A board that says of no device that it has it."""


class VhostStream(VhostDevice):
    """A device that receives in queue 0 and sends in queue 1. Boards say which."""

    def device(self) -> StreamDevice:
        """The device."""
        raise NoDevice()

    @cold
    def start(self, queue: u1, size: u32, desc: u64, driver: u64, used: u64, base: u16) -> u1:
        """Begin with a queue. Is it one?"""
        return self.prepare(self.device(), queue, size, desc, driver, used, base)

    @cold
    def stop(self, queue: u1) -> u16:
        """End with a queue; how many chains were taken."""
        self.device().queues[queue].ready = 0
        self.device().reset_device()
        return self.device().queues[queue].last

    def sent(self) -> u3:
        """Move what the guest sends into the port `tx`; the device's lines."""
        self.device().resume(self)
        return self.lines(self.device())

    def deliver(self) -> u3:
        """Move what is in the port `rx` to the guest; the device's lines."""
        self.device().poll(self)
        return self.lines(self.device())

    def offered(self) -> u64:
        """The device's feature bits."""
        return self.device().offered()

    def config(self, index: u6) -> u32:
        """A word of the configuration space."""
        return self.device().config_word(index)


class VhostCard(VhostStream):
    """A network card."""

    card: VirtioNet

    def device(self) -> VirtioNet:
        return self.card


class VhostConsole(VhostStream):
    """A console."""

    console: VirtioConsole

    def device(self) -> VirtioConsole:
        return self.console
