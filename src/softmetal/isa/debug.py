"""Hooks: what a debugger waits for. Compiled code checks the conditions, and puts what met them into a ring.

A core, or the board around it, is `Hooked`; it calls `break_hit` before instructions, `watch` at accesses, and `debug.report` for
all else. What is here is no part of the hardware: it changes nothing that the guest can see, and hashes leave it out.

Not modelled: hardware's own debug modules (RISC-V's triggers; a guest that probes them finds none).
"""

from __future__ import annotations

from enum import IntEnum

from softmetal.lang import Chip, cold, u1, u3, u5, u6, u7, u8, u12, u64

BREAK, WATCH, TRAP, REGISTER, FULL = 1, 2, 3, 4, 5
"""Kinds of events; FULL: the ring has no room for another."""
READ, WRITE, DEVICE_READ, DEVICE_WRITE = 1, 2, 4, 8
"""What a watch watches: loads and stores by virtual address, accesses to devices by physical address."""
BREAKS, WATCHES, REGISTERS, EVENTS, WORDS = 64, 16, 16, 2048, 6
SPARE = 128
"""Events that one instruction may add to a ring that is called full: all breaks, all watches twice, and a few."""
PARCELS = 2048
"""Parcels of code in a page, of 2 bytes."""


class How(IntEnum):
    """How a condition compares a register with a value; LESS and AT_LEAST without sign."""

    ALWAYS = 0
    EQUAL = 1
    UNEQUAL = 2
    LESS = 3
    AT_LEAST = 4
    SOME_BITS = 5


class Debug(Chip):
    """The hooks that are set, and the ring of events. `stop`: the machine has to stop; the machine clears it after the run.

    A CPU is named by its number plus 1 in `arrived_cpu` and `seen_cpu`; 0: none.
    """

    stop: u3  # the kind of the event that stops the machine
    breaks: u7  # in use
    break_at: u64[BREAKS]
    break_stops: u1[BREAKS]
    break_how: u3[BREAKS]  # a condition on a register,
    break_register: u5[BREAKS]
    break_value: u64[BREAKS]
    arrived_cpu: u6  # breaks at this CPU's arrival, at an address and a count of its, have been reported
    arrived_pc: u64
    arrived_count: u64
    seen_cpu: u6  # the same of the accesses of an instruction
    seen_pc: u64
    seen_count: u64
    seen: u8  # which kinds of access
    offsets: u64[PARCELS // 64]  # a bit for each parcel of a page: is there a break at that offset in some page?
    watches: u5
    watch_from: u64[WATCHES]
    watch_to: u64[WATCHES]  # the last address
    watch_what: u8[WATCHES]
    watch_stops: u1[WATCHES]
    traps: u64  # exceptions to stop at, by number
    interrupts: u64
    traps_stop: u1
    registers: u5  # special registers whose writes are reported
    register: u12[REGISTERS]
    register_stops: u1[REGISTERS]
    events: u64  # ever reported
    taken: u64  # of which the host has taken so many
    event: u64[EVENTS * WORDS]  # kind and hook, the CPU's count, pc, address or cause or register, value, CPU

    def report(self, kind: u3, hook: u6, stops: u1, count: u64, pc: u64, place: u64, value: u64, cpu: u64) -> None:
        """Put an event into the ring; stop if its hook stops, or if the ring is full."""
        at = (self.events & EVENTS - 1) * WORDS
        self.event[at] = kind | hook << 8
        self.event[at + 1] = count
        self.event[at + 2] = pc
        self.event[at + 3] = place
        self.event[at + 4] = value
        self.event[at + 5] = cpu
        self.events += 1
        if stops:
            self.stop = kind
        elif self.events - self.taken >= EVENTS - SPARE and self.stop == 0:
            self.stop = FULL

    def holds(self, how: u3, register: u64, value: u64) -> u1:
        """Is a condition met?"""
        match how:
            case How.EQUAL:
                return register == value
            case How.UNEQUAL:
                return register != value
            case How.LESS:
                return register < value
            case How.AT_LEAST:
                return register >= value
            case How.SOME_BITS:
                return register & value != 0
            case _:
                return 1


class Hooked(Chip):
    """A core with hooks. It gives its program counter and its registers."""

    debug: Debug

    def hook_cpu(self) -> u5:
        """The number of the CPU that runs."""
        return 0

    def hook_pc(self) -> u64:
        """Where the instruction that runs begins."""
        return 0

    def hook_count(self) -> u64:
        """How many instructions the CPU has done before it."""
        return 0

    def hook_register(self, number: u5) -> u64:
        """A register that a condition names."""
        return 0

    def before_report(self) -> None:
        """An event is about to be reported: what cannot be done while an engine runs ahead of time is refused here."""

    def seen_here(self) -> u1:
        """Has the machine stopped before this instruction for an access of it, and executes it now?"""
        same = self.debug.seen_cpu == self.hook_cpu() + 1 and self.debug.seen_pc == self.hook_pc()
        return same and self.debug.seen_count == self.hook_count()

    def watch(self, address: u64, size: u7, what: u8, value: u64) -> u1:
        """Report an access that is watched. Is the machine to stop?

        An instruction that is done again, because the machine stopped before it, is not reported again.
        """
        stops: u1 = 0
        pc, count, again = self.hook_pc(), self.hook_count(), self.seen_here()
        for i in range(WATCHES):
            if i < self.debug.watches and self.debug.watch_what[i] & what != 0:
                if self.debug.watch_from[i] < address + size and address <= self.debug.watch_to[i]:
                    self.before_report()
                    if not again or self.debug.seen & what == 0:
                        stops |= self.debug.watch_stops[i]
                        self.debug.report(WATCH, i, self.debug.watch_stops[i], count, pc, address, value, self.hook_cpu())
        return stops

    def watched(self, what: u8) -> None:
        """The machine stops before an instruction, for an access of it: its accesses of this kind have been reported."""
        self.debug.seen = self.debug.seen | what if self.seen_here() else what
        self.debug.seen_cpu = self.hook_cpu() + 1
        self.debug.seen_pc = self.hook_pc()
        self.debug.seen_count = self.hook_count()

    @cold
    def break_hit(self, address: u64) -> u1:
        """Report the breaks at an address whose conditions hold. Is the machine to stop before the instruction there?

        Each arrival is reported once, wherever runs begin and end.
        """
        stops: u1 = 0
        cpu = self.hook_cpu() + 1
        count = self.hook_count()
        if self.debug.arrived_cpu == cpu and self.debug.arrived_pc == address and self.debug.arrived_count == count:
            return 0
        for i in range(BREAKS):
            if i < self.debug.breaks and self.debug.break_at[i] == address:
                register = self.hook_register(self.debug.break_register[i])
                if self.debug.holds(self.debug.break_how[i], register, self.debug.break_value[i]):
                    stops |= self.debug.break_stops[i]
                    self.debug.arrived_cpu = cpu
                    self.debug.arrived_pc = address
                    self.debug.arrived_count = count
                    self.debug.report(
                        BREAK, i, self.debug.break_stops[i], count, address, address, register, self.hook_cpu()
                    )  # fmt: skip
        return stops

    def report_register(self, number: u12, value: u64) -> None:
        """Report a write to a special register."""
        for i in range(REGISTERS):
            if i < self.debug.registers and self.debug.register[i] == number:
                self.before_report()
                stops = self.debug.register_stops[i]
                self.debug.report(REGISTER, i, stops, self.hook_count(), self.hook_pc(), number, value, self.hook_cpu())

    def report_trap(self, interrupt: u1, number: u6, cause: u64, value: u64) -> None:
        """Report a trap where its handler is entered, but not yet begun."""
        if (self.debug.interrupts if interrupt else self.debug.traps) >> number & 1 != 0:
            self.debug.report(
                TRAP, 0, self.debug.traps_stop, self.hook_count(), self.hook_pc(), cause, value, self.hook_cpu()
            )  # fmt: skip
