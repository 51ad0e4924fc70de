"""The RISC-V `virt` board: harts with privileged modes, memory, and the devices that the machine of that name has.

    0x0010_0000  test finisher          0x1000_0000  ns16550a, interrupt 10
    0x0010_1000  goldfish rtc, 11       0x1000_1000  virtio-mmio, a slot every 0x1000, interrupts 1 to 8
    0x0200_0000  aclint                 0x8000_0000  memory
    0x0c00_0000  plic

Harts take turns of QUANTUM ticks in which each runs while the others stand still; one tick is one instruction (or one
trap). When all harts wait, time goes on to the next event at once.

Sources: QEMU documentation, "'virt' Generic Virtual Platform"; Linux, Documentation/devicetree/bindings.
Not modelled: flash, PCIe, fw_cfg.
"""

from __future__ import annotations

from softmetal.chips.aclint import Aclint
from softmetal.chips.device import Dma
from softmetal.chips.goldfish_rtc import GoldfishRtc
from softmetal.chips.ns16550a import Ns16550a
from softmetal.chips.plic import Plic
from softmetal.chips.test_finisher import TestFinisher
from softmetal.isa.riscv.privileged import PrivilegedHart
from softmetal.isa.riscv.privileged.csr import STCE
from softmetal.isa.riscv.privileged.mmu import RAM_BASE
from softmetal.lang import cold, u1, u4, u8, u16, u20, u32, u64

CLOCK_HZ = 1_000_000_000
TIMEBASE_HZ = 10_000_000
TICKS = CLOCK_HZ // TIMEBASE_HZ
"""Ticks of the clock in one step of `time`."""
QUANTUM = 100_000
"""Ticks of a hart's turn."""
NEVER = (1 << 64) - 1
FAR = 1 << 56
"""Later than any machine runs."""

FINISHER, RTC, ACLINT, PLIC, UART, VIRTIO = 0x100000, 0x101000, 0x2000000, 0xC000000, 0x10000000, 0x10001000
UART_IRQ, RTC_IRQ = 10, 11


class RiscvVirt(PrivilegedHart, Dma):
    """The board, with the hart whose turn it is in the middle."""

    FRAMES = 1 << 20

    harts: u4 = 1
    turn_start: u64  # clock at the start of this turn
    turn_count: u64  # the hart's `count` then
    turn_end: u64 = QUANTUM
    time_offset: u64  # added to the clock where it is read as `time`, in steps of `time`
    halted: u1  # the finisher has been used; nothing runs until the host has seen to it
    aclint: Aclint
    plic: Plic
    uart: Ns16550a
    rtc: GoldfishRtc
    finisher: TestFinisher
    unmodelled: u64[64]  # the first physical addresses where nothing was modelled
    unmodelled_count: u64

    def reset(self) -> None:
        """What the reset line does."""
        self.reprotect()
        self.rekey()

    # -- time

    def clock(self) -> u64:
        return self.turn_start + (self.count - self.turn_count)

    def time(self) -> u64:
        return self.clock() // TICKS + self.time_offset

    def due_at(self, compare: u64) -> u64:
        """The clock at which `time` reaches a value that it has not reached yet."""
        rest: u64 = compare - self.time_offset
        return NEVER if compare < self.time_offset or rest >= FAR else rest * TICKS

    def timed(self) -> None:
        """Bring all of the hart's interrupt lines up to date."""
        now = self.time()
        context = 2 * (self.hartid & 7)
        supervisor = self.menvcfg & STCE != 0 and now >= self.stimecmp
        self.timer_lines(
            self.aclint.msip[self.hartid & 7], now >= self.aclint.mtimecmp[self.hartid & 7], supervisor,
            self.plic.lines[context], self.plic.lines[context + 1],
        )  # fmt: skip

    def next_event(self) -> u64:
        """The clock at which a timer of this hart will be due."""
        now = self.time()
        soonest: u64 = NEVER
        machine = self.aclint.mtimecmp[self.hartid & 7]
        if machine > now:
            soonest = self.due_at(machine)
        if self.menvcfg & STCE != 0 and self.stimecmp > now:
            soonest = min(soonest, self.due_at(self.stimecmp))
        return soonest

    def prepare(self, most: u64, horizon: u64) -> u64:
        """What has to be looked at before instructions run: whose turn it is, interrupts, the host.

        The number of instructions, not more than `most`, that may run before it has to be looked at again. 0: none may,
        because a device calls the host, or all harts wait and nothing is due before the clock is `horizon`.
        """
        if self.calls() or most == 0:
            return 0
        self.timed()
        due = self.due()
        if due != 0:
            self.interrupt(due)
        elif self.waiting != 0 and self.wakes():
            self.waiting = 0
        event = self.next_event()
        if self.waiting != 0:
            if min(event, horizon) >= FAR:
                return 0
            if event > horizon:
                self.skip_to(horizon)
                return 0
            self.skip_to(event)
            self.timed()
            due = self.due()
            self.waiting = 0
            if due != 0:
                self.interrupt(due)
            event = self.next_event()
        now = self.clock()
        if event <= now:
            return 1
        return min(most, event - now)

    def skip_to(self, moment: u64) -> None:
        """Let time pass in which no instruction runs."""
        if moment > self.clock():
            self.turn_start = moment
            self.turn_count = self.count

    # -- lines

    def calls(self) -> u1:
        """Does a device ask for the host?"""
        return self.uart.calls | self.halted

    @cold
    def wire(self) -> None:
        """Carry what devices drive to where it goes."""
        self.halted = self.finisher.finished != 0
        self.plic.update(self.uart.irq << UART_IRQ | self.rtc.irq << RTC_IRQ)
        if self.aclint.mtime_written != 0:
            self.aclint.mtime_written = 0
            self.time_offset = self.aclint.mtime - self.clock() // TICKS

    # -- bus

    def mmio_covers(self, address: u64) -> u1:
        return (
            FINISHER <= address < FINISHER + 0x2000
            or ACLINT <= address < ACLINT + 0x10000
            or PLIC <= address < PLIC + 0x600000
            or UART <= address < VIRTIO + 0x8000
        )

    @cold
    def mmio_read(self, address: u64, size: u4) -> u64:
        value: u64 = 0
        offset: u32 = address & 0xFFF
        if UART <= address < UART + 0x100:
            value = self.uart.read(offset, size)
        elif PLIC <= address < PLIC + 0x600000:
            value = self.plic.read(u32(address - PLIC), size)
        elif ACLINT <= address < ACLINT + 0x10000:
            self.aclint.mtime = self.time()
            value = self.aclint.read(u32(address - ACLINT), size)
        elif RTC <= address < RTC + 0x1000:
            self.rtc.now_ns = self.clock()
            value = self.rtc.read(offset, size)
        elif FINISHER <= address < FINISHER + 0x1000:
            value = self.finisher.read(offset, size)
        else:
            self.not_modelled(address)
        self.wire()
        return value

    @cold
    def mmio_write(self, address: u64, value: u64, size: u4) -> None:
        offset: u32 = address & 0xFFF
        if UART <= address < UART + 0x100:
            self.uart.write(offset, value, size)
        elif PLIC <= address < PLIC + 0x600000:
            self.plic.write(u32(address - PLIC), value, size)
        elif ACLINT <= address < ACLINT + 0x10000:
            self.aclint.mtime = self.time()
            self.aclint.write(u32(address - ACLINT), value, size)
        elif RTC <= address < RTC + 0x1000:
            self.rtc.now_ns = self.clock()
            self.rtc.write(offset, value, size)
        elif FINISHER <= address < FINISHER + 0x1000:
            self.finisher.write(offset, value, size)
        else:
            self.not_modelled(address)
        self.wire()

    @cold
    def not_modelled(self, address: u64) -> None:
        if self.unmodelled_count < 64:
            self.unmodelled[self.unmodelled_count & 63] = address
        self.unmodelled_count += 1

    # -- memory, as devices see it

    def dma_reaches(self, address: u64, length: u64) -> u1:
        return address >= RAM_BASE and address - RAM_BASE <= self.ram_size and length <= self.ram_size - (address - RAM_BASE)

    def dma_read8(self, address: u64) -> u8:
        return self.ram[u32(address - RAM_BASE)]

    def dma_read16(self, address: u64) -> u16:
        return self.ram.u16[u32(address - RAM_BASE)]

    def dma_read32(self, address: u64) -> u32:
        return self.ram.u32[u32(address - RAM_BASE)]

    def dma_read64(self, address: u64) -> u64:
        return self.ram.u64[u32(address - RAM_BASE)]

    def dma_written(self, place: u32) -> None:
        """Is it code that a device is about to change?"""
        frame: u20 = place >> 12
        if self.code_page[frame] != 0:
            self.forget_code(frame)

    def dma_write8(self, address: u64, value: u8) -> None:
        place: u32 = address - RAM_BASE
        self.dma_written(place)
        self.ram[place] = value

    def dma_write16(self, address: u64, value: u16) -> None:
        place: u32 = address - RAM_BASE
        self.dma_written(place)
        self.ram.u16[place] = value

    def dma_write32(self, address: u64, value: u32) -> None:
        place: u32 = address - RAM_BASE
        self.dma_written(place)
        self.ram.u32[place] = value

    def dma_write64(self, address: u64, value: u64) -> None:
        place: u32 = address - RAM_BASE
        self.dma_written(place)
        self.ram.u64[place] = value
