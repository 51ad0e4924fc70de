"""Virtio over MMIO: the registers that every virtio device answers on a bus, and what a device of any type does.

Sources: VIRTIO 2 "Basic Facilities", 3 "General Initialization And Operation", 4.2 "Virtio Over MMIO".
Not modelled: the legacy interface (4.2.4), shared memory (2.10), resetting one queue (2.6.1).
"""

from __future__ import annotations

from enum import IntEnum

from softmetal.chips.device import Device, Dma
from softmetal.chips.virtio.queue import BROKEN, TAKEN, Chain, Queue
from softmetal.lang import cold, u1, u2, u4, u8, u32, u64, u128


class Register(IntEnum):
    """Offsets (4.2.2)."""

    MAGIC = 0x000
    VERSION = 0x004
    DEVICE_ID = 0x008
    VENDOR_ID = 0x00C
    DEVICE_FEATURES = 0x010
    DEVICE_FEATURES_SEL = 0x014
    DRIVER_FEATURES = 0x020
    DRIVER_FEATURES_SEL = 0x024
    QUEUE_SEL = 0x030
    QUEUE_NUM_MAX = 0x034
    QUEUE_NUM = 0x038
    QUEUE_READY = 0x044
    QUEUE_NOTIFY = 0x050
    INTERRUPT_STATUS = 0x060
    INTERRUPT_ACK = 0x064
    STATUS = 0x070
    QUEUE_DESC_LOW = 0x080
    QUEUE_DESC_HIGH = 0x084
    QUEUE_DRIVER_LOW = 0x090
    QUEUE_DRIVER_HIGH = 0x094
    QUEUE_DEVICE_LOW = 0x0A0
    QUEUE_DEVICE_HIGH = 0x0A4
    SHM_SEL = 0x0AC
    SHM_LEN_LOW = 0x0B0
    SHM_LEN_HIGH = 0x0B4
    SHM_BASE_LOW = 0x0B8
    SHM_BASE_HIGH = 0x0BC
    CONFIG_GENERATION = 0x0FC
    CONFIG = 0x100


class Status(IntEnum):
    """Bits of the device status (2.1)."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    NEEDS_RESET = 64
    FAILED = 128


MAGIC = 0x74726976  # "virt"
VENDOR = 0x554D4551  # "QEMU": guests of the machine of that name look for it
USED, CHANGED = 1, 2  # interrupts: buffers were given back; the configuration changed
INDIRECT_DESC, EVENT_IDX, VERSION_1 = 28, 29, 32  # feature bits of every device (6)
STEP = 4
"""Ticks that a descriptor costs."""
COMMON = 1 << INDIRECT_DESC | 1 << EVENT_IDX | 1 << VERSION_1


class VirtioDevice(Device):
    """A virtio device without a type. Types override the constants and what is under "of the type"."""

    DEVICE_ID = 0
    QUEUES = 1  # 1 or 2
    QUEUE_SIZE = 256
    FEATURES = 0
    CONFIG_WORDS = 0

    present: u1  # is there a device in this place? Set when the machine is built
    status: u8
    device_features_sel: u32
    driver_features_sel: u32
    driver_features: u64
    queue_sel: u32
    interrupts: u2
    generation: u32  # counts changes of the configuration
    cost: u64  # of what was done since the board took it into account, in ticks
    queues: Queue[2]

    # -- of the type

    def features(self) -> u64:
        """The bits of this type that are offered."""
        return self.FEATURES

    def agrees(self) -> u1:
        """Is the device content with the features that the driver has accepted? One without VERSION_1 is an older driver,
        which it may refuse (6.1); the layout of queues is that of registers, whatever it accepts."""
        return 1

    def config_word(self, index: u32) -> u32:
        """A word of the configuration space; `index` is below CONFIG_WORDS."""
        return 0

    def config_write(self, offset: u32, value: u64, size: u4) -> None:
        """The driver writes to the configuration space."""
        self.unmodelled = 1

    def notify(self, bus: Dma, queue: u1) -> None:
        """The driver says that a queue has something for the device."""

    def attend(self, bus: Dma) -> None:
        """The host has fed or drained the device's ports: go on with what waited for that."""

    def reset_device(self) -> None:
        """Go back to how the device was before any driver came."""

    # -- for the type

    def live(self) -> u1:
        """Does a driver use the device?"""
        return self.status & (Status.DRIVER_OK | Status.NEEDS_RESET) == Status.DRIVER_OK

    def usable(self, queue: u1) -> u1:
        """May this queue be looked at?"""
        return self.live() and self.queues[queue].ready

    def has(self, feature: u8) -> u1:
        """Did the driver accept this feature bit?"""
        return u1(self.driver_features >> feature)

    def interrupt(self, cause: u2) -> None:
        self.interrupts |= cause
        self.irq = 1

    def changed(self) -> None:
        """The configuration is another now."""
        self.generation += 1
        if self.live():
            self.interrupt(CHANGED)

    @cold
    def fail(self) -> None:
        """The driver did what none may do: nothing happens any more until it resets the device (2.1.2)."""
        if self.status & Status.DRIVER_OK:
            self.interrupt(CHANGED)
        self.status |= Status.NEEDS_RESET

    def take(self, bus: Dma, queue: u1, chain: Chain) -> u1:
        """Take the next chain of a queue behind those in `chain`. Was there one, and room for it?"""
        if not self.usable(queue):
            return 0
        found = self.queues[queue].take(bus, chain)
        self.cost += STEP * self.queues[queue].steps
        self.queues[queue].steps = 0
        if found == BROKEN:
            self.fail()
        return found == TAKEN

    def give(self, bus: Dma, queue: u1, chain: Chain, written: u32) -> None:
        """Give the chain that was taken last back to the driver."""
        self.queues[queue].fill(bus, chain.head, written)
        chain.count = 0

    def publish(self, bus: Dma, queue: u1) -> None:
        """Notify the driver what was given back."""
        if self.queues[queue].publish(bus):
            self.interrupt(USED)

    # -- on the bus

    def read(self, offset: u32, size: u4) -> u64:
        if offset >= Register.CONFIG:
            return self.config(offset - Register.CONFIG, size)
        if size != 4 or (offset > Register.VENDOR_ID and not self.present):
            self.unmodelled = 1
            return 0
        return self.register(offset)

    def config(self, offset: u32, size: u4) -> u64:
        """Read the configuration space: any size, within two words."""
        index = offset >> 2
        last = offset + size - 1 >> 2
        if not self.present or size == 0 or size > 8 or last >= self.CONFIG_WORDS:
            self.unmodelled = 1
            return 0
        value: u128 = self.config_word(index)
        if last > index:
            value |= self.config_word(index + 1) << 32
        if last > index + 1:
            value |= self.config_word(index + 2) << 64
        return value >> 8 * (offset & 3)

    def register(self, offset: u32) -> u32:
        queue = self.queue_sel
        match offset:
            case Register.MAGIC:
                return MAGIC
            case Register.VERSION:
                return 2
            case Register.DEVICE_ID:
                return self.DEVICE_ID if self.present else 0
            case Register.VENDOR_ID:
                return VENDOR
            case Register.DEVICE_FEATURES:
                return self.offered() >> 32 * min(self.device_features_sel, 2)
            case Register.QUEUE_NUM_MAX:
                return self.QUEUE_SIZE if queue < self.QUEUES else 0
            case Register.QUEUE_READY:
                return self.queues[queue].ready if queue < self.QUEUES else 0
            case Register.INTERRUPT_STATUS:
                return self.interrupts
            case Register.STATUS:
                return self.status
            case Register.CONFIG_GENERATION:
                return self.generation
            case Register.SHM_LEN_LOW | Register.SHM_LEN_HIGH | Register.SHM_BASE_LOW | Register.SHM_BASE_HIGH:
                return 0xFFFFFFFF  # no such region
            case _:
                self.unmodelled = 1
                return 0

    def offered(self) -> u64:
        """The feature bits that are offered."""
        return COMMON | self.features()

    def write(self, bus: Dma, offset: u32, value: u64, size: u4) -> None:
        if not self.present:
            self.unmodelled = 1
        elif offset >= Register.CONFIG:
            self.config_write(offset - Register.CONFIG, value, size)
        elif size != 4:
            self.unmodelled = 1
        elif offset == Register.QUEUE_NOTIFY:
            queue = u32(value)
            if queue < self.QUEUES and self.usable(queue):
                self.notify(bus, queue)
        else:
            self.set_register(bus, offset, value)

    @cold
    def set_register(self, bus: Dma, offset: u32, value: u32) -> None:
        match offset:
            case Register.DEVICE_FEATURES_SEL:
                self.device_features_sel = value
            case Register.DRIVER_FEATURES_SEL:
                self.driver_features_sel = value
            case Register.DRIVER_FEATURES:
                self.set_features(value)
            case Register.QUEUE_SEL:
                self.queue_sel = value
            case Register.INTERRUPT_ACK:
                self.interrupts &= ~value
                self.irq = self.interrupts != 0
            case Register.STATUS:
                self.set_status(value)
            case Register.SHM_SEL:
                pass
            case _:
                self.set_queue(bus, offset, value)

    def set_features(self, value: u32) -> None:
        """Half of the accepted features; once the device has agreed they stay."""
        if not self.status & Status.FEATURES_OK:
            if self.driver_features_sel == 0:
                self.driver_features = self.driver_features >> 32 << 32 | value
            elif self.driver_features_sel == 1:
                self.driver_features = u32(self.driver_features) | value << 32
            elif value:
                self.unmodelled = 1

    def set_status(self, value: u8) -> None:
        """Bits are only ever set; writing 0 resets."""
        if value == 0:
            self.reset()
        wanted = value & (Status.ACKNOWLEDGE | Status.DRIVER | Status.FAILED)
        if value & Status.FEATURES_OK and not self.driver_features & ~self.offered() and self.agrees():
            wanted |= Status.FEATURES_OK
        if value & Status.DRIVER_OK and (wanted | self.status) & Status.FEATURES_OK:
            wanted |= Status.DRIVER_OK
        self.status |= wanted

    def reset(self) -> None:
        """What power-on and a driver's 0 in Status do."""
        self.status = 0
        self.device_features_sel = self.driver_features_sel = self.queue_sel = 0
        self.driver_features = 0
        self.interrupts = self.irq = self.calls = 0
        for i in range(2):
            self.queues[i].reset()
        self.reset_device()

    def set_queue(self, bus: Dma, offset: u32, value: u32) -> None:
        """Describe the chosen queue; once it is ready it stays as it is."""
        queue = self.queue_sel
        if queue >= self.QUEUES:
            return
        if offset == Register.QUEUE_READY and not value & 1:
            self.queues[queue].ready = 0
        elif not self.queues[queue].ready:
            match offset:
                case Register.QUEUE_READY:
                    self.queues[queue].event = self.has(EVENT_IDX)
                    self.queues[queue].indirect = self.has(INDIRECT_DESC)
                    if not self.queues[queue].start(bus, self.QUEUE_SIZE):
                        self.fail()
                case Register.QUEUE_NUM:
                    self.queues[queue].size = min(value, 0xFFFF)
                case Register.QUEUE_DESC_LOW:
                    self.queues[queue].desc = self.queues[queue].desc >> 32 << 32 | value
                case Register.QUEUE_DESC_HIGH:
                    self.queues[queue].desc = u32(self.queues[queue].desc) | value << 32
                case Register.QUEUE_DRIVER_LOW:
                    self.queues[queue].driver = self.queues[queue].driver >> 32 << 32 | value
                case Register.QUEUE_DRIVER_HIGH:
                    self.queues[queue].driver = u32(self.queues[queue].driver) | value << 32
                case Register.QUEUE_DEVICE_LOW:
                    self.queues[queue].device = self.queues[queue].device >> 32 << 32 | value
                case Register.QUEUE_DEVICE_HIGH:
                    self.queues[queue].device = u32(self.queues[queue].device) | value << 32
                case _:
                    self.unmodelled = 1
