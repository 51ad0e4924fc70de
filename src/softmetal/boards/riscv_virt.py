"""The RISC-V `virt` board: harts with privileged modes, memory, and the devices that the machine of that name has.

    0x0010_0000  test finisher          0x1000_0000  ns16550a, interrupt 10
    0x0010_1000  goldfish rtc, 11       0x1000_1000  virtio-mmio: 16 slots, one every 0x1000, interrupts 1 to 8, 12 to 19
    0x0010_2000  vmgenid, 20            0x8000_0000  memory
    0x0200_0000  aclint
    0x0c00_0000  plic

One hart at a time is in the middle of the board, in its own fields; the others are parked. Harts take turns: in each round
every hart runs for QUANTUM ticks of the same stretch of time, a tick being one instruction (or one trap). When all of
them wait, time goes on to the next event at once.

The UART's source is edge-triggered, an edge being whatever makes the UART consider a cause that is there: a character that
comes or goes, an access to its data, enables or cause. So it is in the machine of that name, and guests rely on it that never
acknowledge an empty transmitter (xv6 before 2025). Its other sources are level-triggered.

Software that brings a symbol `tohost` ends a run by a store there (the Host-Target Interface, HTIF, of RISC-V's test programs).

Sources: QEMU documentation, "'virt' Generic Virtual Platform"; Linux, Documentation/devicetree/bindings; the README of
riscv-tests for what a store to `tohost` means.
Not modelled: flash, PCIe, fw_cfg, HTIF beyond the end of a run. The machine of that name has 8 slots for virtio; ours has 8
more behind them.
"""

from __future__ import annotations

from enum import IntEnum

from softmetal.chips.aclint import Aclint
from softmetal.chips.device import Device, Dma
from softmetal.chips.goldfish_rtc import GoldfishRtc
from softmetal.chips.ns16550a import Ns16550a
from softmetal.chips.plic import Plic
from softmetal.chips.test_finisher import FAILED, PASSED, TestFinisher
from softmetal.chips.unmodelled import UnmodelledAccesses
from softmetal.chips.virtio.blk import VirtioBlk
from softmetal.chips.virtio.console import VirtioConsole
from softmetal.chips.virtio.entropy import VirtioEntropy
from softmetal.chips.virtio.gpu import VirtioGpu
from softmetal.chips.virtio.input import VirtioInput
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.net import VirtioNet
from softmetal.chips.virtio.p9 import MOST_MESSAGE, Virtio9p
from softmetal.chips.vmgenid import Vmgenid
from softmetal.isa.debug import DEVICE_READ, DEVICE_WRITE
from softmetal.isa.decoding import ByFrame
from softmetal.isa.riscv.hart import RiscvTrap
from softmetal.isa.riscv.privileged import PrivilegedHart, PrivilegedState
from softmetal.isa.riscv.privileged.csr import STCE, Deferred
from softmetal.isa.riscv.privileged.mmu import CodeWrite, Pieced, Watched
from softmetal.isa.riscv.privileged.state import MOST_RAM, RAM_BASE, Frame, Place
from softmetal.lang import cold, u1, u2, u4, u5, u6, u8, u12, u16, u32, u64

CLOCK_HZ = 1_000_000_000
TIMEBASE_HZ = 10_000_000
TICKS = CLOCK_HZ // TIMEBASE_HZ
"""Ticks of the clock in one step of `time`."""
QUANTUM = 20_000
"""Ticks of a hart's turn."""
CREDIT = 1_000_000
"""Ticks of work that devices may do ahead of the clock."""
VISIT = 1000
"""Ticks that it costs to call the host,"""
REQUEST = 4000
"""and to have a request answered by it."""
PACE = 4
"""log2 of the bytes that the host moves in a tick."""
MOST_ROUNDS = 256
"""How often devices go on while no instruction runs: as often as the largest legal queue of the largest requests needs."""
STORM = 1_000_000_000
"""Instructions for which a hart may do nothing but take the same interrupt, before it is reported to the user."""
STORM_GAP = 5000
"""Instructions between two such interrupts: handlers are short, and timers come less often."""
MAX_HARTS = 32
NEVER = (1 << 64) - 1
FAR = 1 << 56
"""Later than any machine runs."""

FINISHER, RTC, VMGENID, ACLINT, PLIC, UART, VIRTIO = 0x100000, 0x101000, 0x102000, 0x2000000, 0xC000000, 0x10000000, 0x10001000
BLOCK_SPAN, ACLINT_SPAN, PLIC_SPAN, UART_SPAN, SLOT_SPAN = 0x1000, 0x10000, 0x600000, 0x100, 0x1000
"""Bytes of addresses that each takes; BLOCK_SPAN: the test finisher, the clock, vmgenid."""
DEVICES = {
    "test finisher": (FINISHER, BLOCK_SPAN), "rtc": (RTC, BLOCK_SPAN), "vmgenid": (VMGENID, BLOCK_SPAN),
    "aclint": (ACLINT, ACLINT_SPAN), "plic": (PLIC, PLIC_SPAN), "uart": (UART, UART_SPAN),
}  # fmt: skip
"""Address and span of each device that has a name; behind them, from VIRTIO on, come SLOTS slots."""
UART_IRQ, RTC_IRQ, VMGENID_IRQ = 10, 11, 20
SOURCES = {UART_IRQ: "uart", RTC_IRQ: "rtc", VMGENID_IRQ: "vmgenid"}
"""Sources of interrupts; those of slots are SLOT_IRQ's."""
NOTIFY = 0x50
"""The register of a virtio device by which its driver says that there is work."""
SLOTS = 16
SLOT_IRQ = (1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17, 18, 19)


class Slot(IntEnum):
    """What is in a slot of the virtio bus; the place in the table of `RiscvVirt.device`."""

    EMPTY = 0
    DISK = 1  # to 4
    SHARE = 5  # to 8
    NET = 9
    CONSOLE = 10
    ENTROPY = 11
    KEYBOARD = 12
    TABLET = 13
    GPU = 14


class RiscvVirt(PrivilegedHart, Dma):
    """The board, with the hart whose turn it is in the middle."""

    decoding = ByFrame(
        frames=MOST_RAM >> 12, taken=RiscvTrap, deferred=Deferred, code_write=CodeWrite, pieced=Pieced, watched=Watched
    )
    ENTRIES = (
        "ports_changed", "wait_until", "memory_changed", "hooks_changed", "disk_done", "disk_resume", "share_done",
        "share_resume", "resize", "set_link", "new_generation",
    )  # fmt: skip
    """Methods that the host calls between runs."""

    harts: u6 = 1
    active: u5  # whose turn it is
    parked: PrivilegedState[MAX_HARTS]
    round_start: u64  # the clock when this round began
    round_end: u64 = QUANTUM
    turn_start: u64  # the clock when the hart began, or went on after waiting,
    turn_count: u64  # and its `count` then
    ran: u1  # some hart has run in this round
    soonest: u64 = NEVER  # the clock of the first event for those that have waited through it
    time_offset: u64  # added to the clock where it is read as `time`, in steps of `time`
    storm_at: u64[MAX_HARTS]  # of each hart: its count when it took the last interrupt,
    storm_from: u64[MAX_HARTS]  # and when it took the first of those that came in a row, with nothing else done,
    storm_pc: u64[MAX_HARTS]  # at the same instruction,
    storm_due: u12[MAX_HARTS]  # for the same reason
    storms: u32  # a bit for each hart for which that has gone on for STORM instructions
    needs_host: u1  # a device needs the host; nothing runs before it is served
    paid: u64  # the clock up to which what was done for devices is paid for: see `charge`
    owing: u1  # nothing more is done for virtio devices before then,
    held: u32  # and these notifications wait: a bit for each queue of each slot
    rounds: u16  # how often such a wait has ended since an instruction ran
    levels: u64  # the lines of interrupt sources
    aclint: Aclint
    plic: Plic
    uart: Ns16550a
    rtc: GoldfishRtc
    finisher: TestFinisher
    vmgenid: Vmgenid
    slots: u8[SLOTS]  # what is in each: a Slot
    empty: VirtioDevice
    disks: VirtioBlk[4]
    shares: Virtio9p[4]
    net: VirtioNet
    console: VirtioConsole
    entropy: VirtioEntropy
    keyboard: VirtioInput
    tablet: VirtioInput
    gpu: VirtioGpu
    unmodelled: UnmodelledAccesses

    def reset(self) -> None:
        """Power-on, of what is not 0 then."""
        for i in range(MAX_HARTS):
            self.hartid = i
            self.reprotect()
            self.parked[i].assign(self)
        self.hartid = 0
        self.rekey()
        self.plic.edges = 1 << UART_IRQ
        self.plic.last = 2 * self.harts - 1

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
        if self.clock() >= self.rtc.next_event_ns:
            self.rtc.now_ns = self.clock()
            self.rtc.poll()
            self.wire()
        if self.owing and self.rounds < MOST_ROUNDS and self.clock() >= self.paid:
            self.owing = 0
            self.rounds += 1
            self.needs_host = 1
        now = self.time()
        hart = self.hartid & 31
        supervisor = self.menvcfg & STCE != 0 and now >= self.stimecmp
        self.timer_lines(
            self.aclint.msip[hart], now >= self.aclint.mtimecmp[hart], supervisor,
            self.plic.lines[2 * hart], self.plic.lines[2 * hart + 1],
        )  # fmt: skip

    def next_event(self) -> u64:
        """The clock at which a timer of this hart, or of the board, will be due."""
        now = self.time()
        soonest: u64 = self.rtc.next_event_ns
        machine = self.aclint.mtimecmp[self.hartid & 31]
        if machine > now:
            soonest = min(soonest, self.due_at(machine))
        if self.menvcfg & STCE != 0 and self.stimecmp > now:
            soonest = min(soonest, self.due_at(self.stimecmp))
        if self.owing and self.rounds < MOST_ROUNDS:
            soonest = min(soonest, self.paid)
        return soonest

    def prepare(self, most: u64, horizon: u64) -> u64:
        """What has to be looked at before instructions run: whose turn it is, interrupts, the host.

        The number of instructions, not more than `most`, that may run before it has to be looked at again. 0: none may,
        because a device calls the host, or all harts wait and nothing is due before the clock is `horizon`.
        """
        if self.needs_host != 0 or most == 0 or self.debug.stop != 0 or self.clock() > horizon:
            return 0
        while True:  # it ends: while all wait, nothing sets a timer anew
            self.timed()
            due = self.due()
            if due != 0:
                self.watch_storm(due)
                self.interrupt(due)
            elif self.waiting != 0 and self.wakes():
                self.waiting = 0
            if self.needs_host:
                return 0
            if self.waiting == 0:
                self.rounds = 0
            now = self.clock()
            event = self.next_event()
            if self.waiting == 0 and now < self.round_end:
                self.ran = 1
                return min(most, self.round_end - now, max(event, now + 1) - now)
            if self.waiting != 0 and event < self.round_end:
                self.skip_to(event)
            elif not self.next_turn(event, horizon):
                return 0

    @cold
    def watch_storm(self, due: u12) -> None:
        """Does the hart take the same interrupt again and again, and get no further?"""
        hart = self.hartid & 31
        again = self.storm_pc[hart] == self.pc and self.storm_due[hart] == due and self.waiting == 0
        if not again or self.count - self.storm_at[hart] > STORM_GAP:
            self.storm_from[hart] = self.count
            self.storm_pc[hart] = self.pc
            self.storm_due[hart] = due
        self.storm_at[hart] = self.count
        if self.count - self.storm_from[hart] > STORM:
            self.storms |= 1 << hart

    def skip_to(self, moment: u64) -> None:
        """Let time pass in which no instruction runs."""
        if moment > self.clock():
            self.turn_start = moment
            self.turn_count = self.count

    @cold
    def next_turn(self, event: u64, horizon: u64) -> u1:
        """The next hart's turn, perhaps in the next round. 0: all harts wait, and the next event lies behind `horizon`."""
        self.soonest = min(self.soonest, event)
        if self.active + 1 < self.harts:
            self.change_to(u5(self.active + 1))
            return 1
        start = self.round_end
        if self.ran == 0:
            if self.soonest > horizon or self.soonest >= FAR:
                self.begin_round(self.round_start)  # the round begins anew: its results do not depend on how a run is cut
                return 0
            start = max(start, self.soonest)
        self.begin_round(start)
        return 1

    def begin_round(self, start: u64) -> None:
        self.round_start = start
        self.round_end = start + QUANTUM
        self.ran = 0
        self.soonest = NEVER
        self.change_to(0)

    def change_to(self, hart: u5) -> None:
        """Put another hart in the middle, at the start of the round."""
        if hart != self.active:
            self.parked[self.active].assign(self)
            self.assign(self.parked[hart])
            self.active = hart
            self.reserved = 0  # another hart may have stored there
            self.rekey()
        self.turn_start = self.round_start
        self.turn_count = self.count

    # -- lines

    def wire(self) -> None:
        """Carry the lines of the devices that are no virtio devices to where they go."""
        self.levels = self.levels & ~(1 << UART_IRQ | 1 << RTC_IRQ) | self.uart.irq << UART_IRQ | self.rtc.irq << RTC_IRQ
        self.plic.update(self.levels)
        if self.uart.raised != 0:
            self.uart.raised = 0
            if self.uart.irq:
                self.plic.edge(1 << UART_IRQ)
        if self.uart.calls != 0 or self.finisher.finished != 0:
            self.needs_host = 1

    def device(self, slot: u4) -> VirtioDevice:
        """What is in a slot: this is what `Slot` means."""
        return (
            self.empty,
            self.disks[0], self.disks[1], self.disks[2], self.disks[3],
            self.shares[0], self.shares[1], self.shares[2], self.shares[3],
            self.net, self.console, self.entropy, self.keyboard, self.tablet, self.gpu,
            self.empty,
        )[u4(self.slots[slot])]  # fmt: skip

    @cold
    def wire_slot(self, slot: u4, offset: u32, write: u1) -> None:
        """Carry the lines of the device in a slot to where they go, after an access (or what an access began)."""
        device = self.device(slot)
        bit: u64 = 1 << SLOT_IRQ[slot]
        self.levels = self.levels | bit if device.irq else self.levels & ~bit
        self.plic.update(self.levels)
        self.charge(device.cost + (VISIT if device.calls else 0))
        device.cost = 0
        if device.calls and not self.owing:
            self.needs_host = 1
        self.heed(device, VIRTIO + SLOT_SPAN * slot + offset, write)

    def charge(self, ticks: u64) -> None:
        """Devices have done something, which costs machine time. Up to CREDIT it is done ahead of the clock, as if it took
        none; then virtio devices wait until the clock has come there. So what a guest's instructions can make a device
        do is in proportion to them, whatever its rings say: a device that fills its own ring does not hold the host.
        """
        now = self.clock()
        self.paid = max(self.paid, now) + ticks
        if self.paid - now > CREDIT:
            self.owing = 1

    def heed(self, device: Device, address: u64, write: u1) -> None:
        """Count an access that the device does not model, and lower the line by which it says so."""
        self.unmodelled.note(device.unmodelled, address, write)
        device.unmodelled = 0

    def htif_write(self, value: u64) -> None:
        """HTIF, as test programs use it to end a run: bit 0 is 1, and above it is the exit code."""
        if value & 1 != 0:
            self.finisher.finished = PASSED if value == 1 else FAILED
            self.finisher.code = value >> 1
            self.needs_host = 1
        else:
            self.unmodelled.note(value != 0, self.tohost, 1)

    # -- what the host does between runs

    def wait_until(self, moment: u64) -> None:
        """All harts wait: let time pass, for something is about to come from outside."""
        if moment > self.round_start:
            self.begin_round(moment)

    def hooks_changed(self) -> None:
        """The debugger has set other hooks: while anything is watched, no access is done in a hurry."""
        self.rekey()

    def ports_changed(self) -> None:
        """Look at all ports, after the host has fed or drained them."""
        self.needs_host = 0
        self.uart.poll()
        self.wire()
        for slot in range(SLOTS):
            if self.owing:
                break
            for queue in range(2):
                bit: u32 = 1 << 2 * slot + queue
                if self.held & bit and not self.owing:
                    self.held &= ~bit
                    self.virtio_write(slot, NOTIFY, queue, 4)
            if self.slots[slot] != Slot.EMPTY:
                self.device(slot).attend(self)
                self.wire_slot(slot, NOTIFY, 1)

    def disk_done(self, disk: u2, request: u6, status: u8, written: u32) -> None:
        """The host has done what a disk asked for: it may have written to what is writable of the request."""
        kind = self.disks[disk].kind[request]
        sectors = self.disks[disk].sectors[request]
        self.charge(REQUEST + (sectors << 9 >> PACE if kind < 2 else sectors >> 1))  # nothing is moved to discard or to clear
        for i in range(self.disks[disk].split[request], self.disks[disk].end[request]):
            place = i & 1023
            self.memory_changed(self.disks[disk].table.address[place], self.disks[disk].table.length[place])
        self.disks[disk].complete(self, request, status, written)

    def disk_resume(self, disk: u2) -> None:
        """The host has done all that a disk asked for."""
        self.disks[disk].resume(self)

    def share_done(self, share: u2, request: u6, written: u32) -> None:
        asked: u64 = 0
        for i in range(self.shares[share].first[request], self.shares[share].split[request]):
            asked += self.shares[share].table.length[i & 1023]
        self.charge(REQUEST + (min(asked, MOST_MESSAGE) + written >> PACE))
        self.shares[share].complete(self, request, written)

    def share_resume(self, share: u2) -> None:
        self.shares[share].resume(self)

    def resize(self, columns: u16, rows: u16) -> None:
        """The host's terminal has another size."""
        self.console.resize(columns, rows)
        for slot in range(SLOTS):
            if self.slots[slot] == Slot.CONSOLE:
                self.wire_slot(slot, NOTIFY, 1)

    def set_link(self, up: u1) -> None:
        """The network's cable is put in or pulled out."""
        self.net.set_link(up)
        for slot in range(SLOTS):
            if self.slots[slot] == Slot.NET:
                self.wire_slot(slot, NOTIFY, 1)

    def new_generation(self, low: u64, high: u64) -> None:
        """The machine is a copy of another from here on: its guest is notified."""
        self.vmgenid.id[0] = low
        self.vmgenid.id[1] = high
        self.plic.update(self.levels | 1 << VMGENID_IRQ)
        self.plic.update(self.levels)

    def memory_changed(self, address: u64, length: u32) -> None:
        """The host has written to memory."""
        if self.dma_reaches(address, length) and length != 0:
            place: Place = address - RAM_BASE
            first = place >> 12
            for i in range(u32(place + length - 1 >> 12) - first + 1):
                frame = Frame(first + i)
                if self.code.fetched[frame] != 0:
                    self.forget_code(frame)

    # -- bus

    def mmio_covers(self, address: u64) -> u1:
        return (
            FINISHER <= address < FINISHER + 3 * BLOCK_SPAN
            or ACLINT <= address < ACLINT + ACLINT_SPAN
            or PLIC <= address < PLIC + PLIC_SPAN
            or UART <= address < VIRTIO + SLOT_SPAN * SLOTS
        )

    @cold
    def mmio_read(self, address: u64, size: u4) -> u64:
        value: u64 = 0
        offset: u32 = address & 0xFFF
        if self.debug.watches != 0:
            self.watch_access(address, size, DEVICE_READ, 0)
        if VIRTIO <= address < VIRTIO + SLOT_SPAN * SLOTS:
            return self.virtio_read(u4(address - VIRTIO >> 12), offset, size)
        if UART <= address < UART + UART_SPAN:
            value = self.uart.read(offset, size)
            self.heed(self.uart, address, 0)
        elif PLIC <= address < PLIC + PLIC_SPAN:
            value = self.plic.read(u32(address - PLIC), size)
            self.heed(self.plic, address, 0)
        elif ACLINT <= address < ACLINT + ACLINT_SPAN:
            self.aclint.mtime = self.time()
            value = self.aclint.read(u32(address - ACLINT), size)
            self.heed(self.aclint, address, 0)
        elif RTC <= address < RTC + BLOCK_SPAN:
            self.rtc.now_ns = self.clock()
            value = self.rtc.read(offset, size)
            self.heed(self.rtc, address, 0)
        elif FINISHER <= address < FINISHER + BLOCK_SPAN:
            value = self.finisher.read(offset, size)
            self.heed(self.finisher, address, 0)
        elif VMGENID <= address < VMGENID + 16:
            value = self.vmgenid.read(offset, size)
            self.heed(self.vmgenid, address, 0)
        else:
            self.unmodelled.note(1, address, 0)
        self.wire()
        return value

    @cold
    def mmio_write(self, address: u64, value: u64, size: u4) -> None:
        offset: u32 = address & 0xFFF
        if self.debug.watches != 0:
            self.watch_access(address, size, DEVICE_WRITE, value)
        if VIRTIO <= address < VIRTIO + SLOT_SPAN * SLOTS:
            self.virtio_write(u4(address - VIRTIO >> 12), offset, value, size)
            return
        if UART <= address < UART + UART_SPAN:
            self.uart.write(offset, value, size)
            self.heed(self.uart, address, 1)
        elif PLIC <= address < PLIC + PLIC_SPAN:
            self.plic.write(u32(address - PLIC), value, size)
            self.heed(self.plic, address, 1)
        elif ACLINT <= address < ACLINT + ACLINT_SPAN:
            self.aclint.mtime = self.time()
            self.aclint.write(u32(address - ACLINT), value, size)
            if self.aclint.mtime_written != 0:
                self.aclint.mtime_written = 0
                self.time_offset = self.aclint.mtime - self.clock() // TICKS
            self.heed(self.aclint, address, 1)
        elif RTC <= address < RTC + BLOCK_SPAN:
            self.rtc.now_ns = self.clock()
            self.rtc.write(offset, value, size)
            self.heed(self.rtc, address, 1)
        elif FINISHER <= address < FINISHER + BLOCK_SPAN:
            self.finisher.write(offset, value, size)
            self.heed(self.finisher, address, 1)
        elif VMGENID <= address < VMGENID + 16:
            self.vmgenid.write(offset, value, size)
            self.heed(self.vmgenid, address, 1)
        else:
            self.unmodelled.note(1, address, 1)
        self.wire()

    @cold
    def virtio_read(self, slot: u4, offset: u32, size: u4) -> u64:
        value = self.device(slot).read(offset, size)
        self.wire_slot(slot, offset, 0)
        return value

    @cold
    def virtio_write(self, slot: u4, offset: u32, value: u64, size: u4) -> None:
        if self.owing and offset == NOTIFY and size == 4 and value < 2 and self.slots[slot] != Slot.EMPTY:
            self.held |= 1 << 2 * slot + u1(value)
            return
        self.device(slot).write(self, offset, value, size)
        self.wire_slot(slot, offset, 1)

    # -- memory, as devices see it

    def dma_reaches(self, address: u64, length: u64) -> u1:
        return address >= RAM_BASE and address - RAM_BASE <= self.ram_size and length <= self.ram_size - (address - RAM_BASE)

    def dma_read8(self, address: u64) -> u8:
        return self.ram[Place(address - RAM_BASE)]

    def dma_read16(self, address: u64) -> u16:
        return self.ram.u16[Place(address - RAM_BASE)]

    def dma_read32(self, address: u64) -> u32:
        return self.ram.u32[Place(address - RAM_BASE)]

    def dma_read64(self, address: u64) -> u64:
        return self.ram.u64[Place(address - RAM_BASE)]

    def dma_written(self, place: Place) -> None:
        """Is it code that a device is about to change?"""
        frame: Frame = place >> 12
        if self.code.fetched[frame] != 0:
            self.forget_code(frame)

    def dma_write8(self, address: u64, value: u8) -> None:
        place: Place = address - RAM_BASE
        self.dma_written(place)
        self.ram[place] = value

    def dma_write16(self, address: u64, value: u16) -> None:
        place: Place = address - RAM_BASE
        self.dma_written(place)
        self.ram.u16[place] = value

    def dma_write32(self, address: u64, value: u32) -> None:
        place: Place = address - RAM_BASE
        self.dma_written(place)
        self.ram.u32[place] = value

    def dma_write64(self, address: u64, value: u64) -> None:
        place: Place = address - RAM_BASE
        self.dma_written(place)
        self.ram.u64[place] = value
