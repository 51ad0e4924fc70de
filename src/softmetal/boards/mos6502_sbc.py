"""A single-board computer of a 6502: RAM, ROM, a serial port, and two timers.

    $0000 .. $3FFF  RAM              $6000 .. $600F  mos6522 VIA: ports, timers
    $5000 .. $5003  mos6551 ACIA     $8000 .. $FFFF  ROM, with the vectors at its end

Every access of the processor's bus is a cycle of its clock, in which the VIA counts. The chips' interrupt lines meet at IRQ; a
push button is at NMI, others may be at the VIA's ports, and a speaker is at PB7.

Sources: the address map is that of B. Eater's widely built breadboard computer ("Build a 6502 computer", schematic), whose
software fits if it does without the instructions that the CMOS processor added.
Not modelled: addresses between the devices (the original decodes only a few lines, so devices appear there again); the bus that
keeps its last value where nothing answers; the RDY and SO pins.
"""

from __future__ import annotations

from softmetal.chips.mos6522 import Mos6522
from softmetal.chips.mos6551 import Mos6551
from softmetal.chips.speaker import Speaker
from softmetal.chips.unmodelled import UnmodelledAccesses
from softmetal.isa.debug import DEVICE_READ, DEVICE_WRITE, READ, WRITE, Hooked
from softmetal.isa.decoding import Itself
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import NMI_VECTOR, Mos6502
from softmetal.lang import cold, memory, noinline, u1, u2, u5, u8, u16, u32, u64

CLOCK_HZ = 1_000_000
RAM, RAM_SIZE, ROM, ROM_SIZE = 0x0000, 0x4000, 0x8000, 0x8000
ACIA, ACIA_SPAN, VIA, VIA_SPAN = 0x5000, 4, 0x6000, 16
DEVICES = {"acia": (ACIA, ACIA_SPAN), "via": (VIA, VIA_SPAN), "rom": (ROM, ROM_SIZE)}
"""Address and span of what answers on the bus, but for RAM."""
REGISTERS = ("a", "x", "y", "s", "p", "pc")
"""By the numbers that hooks use."""
SAMPLED = 32
"""Cycles between two samples of the speaker's line."""
BRK, JAM = 1, 2
"""Exceptions, as hooks number them,"""
IRQ, NMI = 1, 2
"""and interrupts."""
INTERRUPT = 1 << 63

step = isa.step


class Mos6502Sbc(Hooked, Mos6502):
    """The board. A position in its run is an instruction, or an interrupt that is taken."""

    decoding = Itself()
    ENTRIES = ("ports_changed", "wait_until", "memory_changed", "hooks_changed", "press_nmi")
    """Methods that the host calls between runs."""

    ram: memory[RAM_SIZE]
    rom: memory[ROM_SIZE]
    acia: Mos6551
    via: Mos6522
    speaker: Speaker  # at the VIA's PB7, which timer 1 can drive
    unmodelled: UnmodelledAccesses
    needs_host: u1  # a device needs the host; nothing runs before it is served
    at: u16  # where the instruction that runs began
    entered: u1  # an interrupt was taken: its handler's first instruction comes before another one

    # -- running

    def advance(self, most: u64, horizon: u64) -> u64:
        """Run until so many instructions and interrupts are done, the clock is behind `horizon`, a device or a hook wants the
        host, or the processor is jammed; how many were done."""
        left = most
        while left != 0 and self.needs_host == 0 and self.debug.stop == 0 and self.jammed == 0 and self.cycles <= horizon:
            if self.entered == 0 and self.irq | (self.nmi ^ self.nmi_was):
                self.attend()
                if self.entered:
                    left -= 1
                    continue
            if self.debug.breaks != 0 and self.break_hit(self.pc):
                break
            self.entered = 0
            self.at = self.pc
            step(self)
            left -= 1
            if self.jammed:
                self.report_trap(0, JAM, JAM, 0)
        return most - left

    def poll(self) -> None:
        """`advance` checks for interrupts, and counts them."""

    def interrupt(self, vector: u16) -> None:
        self.at = self.pc
        super().interrupt(vector)
        self.entered = 1

    def enter(self, vector: u16, b: u1) -> None:
        super().enter(vector, b)
        number: u2 = BRK if b else NMI if vector == NMI_VECTOR else IRQ
        self.report_trap(not b, number, number | (0 if b else INTERRUPT), vector)

    # -- the bus

    @noinline
    def tick(self) -> None:
        """A cycle."""
        self.cycles += 1
        self.via.tick()
        self.irq = self.via.irq | self.acia.irq
        if self.cycles % SAMPLED == 0:
            self.sample()

    @cold
    def sample(self) -> None:
        """Take a sample of the speaker's line."""
        self.speaker.sample(self.via.pins_b() >> 7)
        if self.speaker.calls:
            self.needs_host = 1

    def read(self, address: u16) -> u8:
        self.tick()
        if self.debug.watches != 0:
            self.watch_bus(address, READ, 0)
        if address < RAM + RAM_SIZE:
            return self.ram[address]
        if address >= ROM:
            return self.rom[address - ROM]
        return self.read_device(address)

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        if self.debug.watches != 0:
            self.watch_bus(address, WRITE, value)
        if address < RAM + RAM_SIZE:
            self.ram[address] = value
        else:
            self.write_device(address, value)

    @noinline
    def read_device(self, address: u16) -> u8:
        value: u8 = 0xFF
        if VIA <= address < VIA + VIA_SPAN:
            value = self.via.read_register(address - VIA)
        elif ACIA <= address < ACIA + ACIA_SPAN:
            value = self.acia.read_register(address - ACIA)
        else:
            self.unmodelled.note(1, address, 0)
            return value
        if self.debug.watches != 0:
            self.watch_bus(address, DEVICE_READ, value)
        self.wire(address, 0)
        return value

    @noinline
    def write_device(self, address: u16, value: u8) -> None:
        """A write to ROM is ignored, and noted as unmodelled: no program writes there on purpose."""
        if VIA <= address < VIA + VIA_SPAN:
            self.via.write_register(address - VIA, value)
        elif ACIA <= address < ACIA + ACIA_SPAN:
            self.acia.write_register(address - ACIA, value)
        else:
            self.unmodelled.note(1, address, 1)
            return
        if self.debug.watches != 0:
            self.watch_bus(address, DEVICE_WRITE, value)
        self.wire(address, 1)

    def wire(self, address: u16, write: u1) -> None:
        """Carry the lines of the devices to where they go, after an access."""
        self.irq = self.via.irq | self.acia.irq
        self.unmodelled.note(self.via.unmodelled | self.acia.unmodelled, address, write)
        self.via.unmodelled = self.acia.unmodelled = 0
        if self.acia.calls:
            self.needs_host = 1

    # -- what the host does between runs

    def ports_changed(self) -> None:
        """Look at the serial port, after the host has fed or drained it."""
        self.needs_host = self.speaker.calls = 0
        if self.acia.calls:
            self.acia.transfer()  # only what had to wait for the host: as if it had come at once
        else:
            self.acia.poll()
        self.wire(ACIA, 0)

    def wait_until(self, moment: u64) -> None:
        """The processor is jammed: time passes for the chips."""
        while self.cycles < moment:
            self.tick()

    def memory_changed(self, address: u64, length: u32) -> None:
        """Nothing is kept of memory."""

    def hooks_changed(self) -> None:
        """Nothing is kept of hooks."""

    def press_nmi(self, down: u1) -> None:
        """The button at NMI."""
        self.nmi = down

    # -- hooks

    def hook_pc(self) -> u64:
        return self.at

    def hook_count(self) -> u64:
        return self.count

    def hook_register(self, number: u5) -> u64:
        match number:
            case 0:
                return self.a
            case 1:
                return self.x
            case 2:
                return self.y
            case 3:
                return self.s
            case 4:
                return self.p(0)
            case _:
                return self.pc

    @cold
    def watch_bus(self, address: u16, what: u8, value: u8) -> None:
        """Report an access that is watched: a cycle of the bus, be it of an instruction's code or one that the processor drives
        without need. It cannot be taken back, so the machine stops behind the instruction."""
        self.watch(address, 1, what, value)
