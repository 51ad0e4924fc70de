"""What a debugger wants to hear of: conditions that compiled code checks, and the events that met them.

It is no part of the hart: what it holds changes nothing that the guest can see, and hashes leave it out.

Not modelled: the debug and trigger modules that RISC-V defines for hardware (a guest that probes them finds none).
"""

from __future__ import annotations

from softmetal.lang import Chip, u1, u3, u5, u6, u7, u8, u12, u64

BREAK, WATCH, TRAP, REGISTER, FULL = 1, 2, 3, 4, 5
"""Kinds of events; FULL: the ring has no room for another."""
READ, WRITE, DEVICE_READ, DEVICE_WRITE = 1, 2, 4, 8
"""What a watch watches: loads and stores by virtual address, accesses to devices by physical address."""
ALWAYS, EQUAL, UNEQUAL, LESS, AT_LEAST, SOME_BITS = 0, 1, 2, 3, 4, 5
"""How a condition compares a register with a value; LESS and AT_LEAST without sign."""
BREAKS, WATCHES, REGISTERS, EVENTS, WORDS = 64, 16, 16, 2048, 6
SPARE = 128
"""Events that one instruction may add to a ring that is called full: all breaks, all watches twice, and a few."""


class Debug(Chip):
    """Hooks. `stop` says that the machine is to stand still; whoever runs it lowers it."""

    stop: u3  # the kind of the event that wants it
    breaks: u7  # in use
    break_at: u64[64]
    break_stops: u1[64]
    break_how: u3[64]  # a condition on a register,
    break_register: u5[64]
    break_value: u64[64]
    told_to: u6  # breaks at this hart's arrival (1: the first; 0: none's), here and now, have been told
    told_pc: u64
    told_count: u64
    seen_to: u6  # the same of accesses: this hart's instruction here and now
    seen_pc: u64
    seen_count: u64
    seen: u8  # which kinds of access
    offsets: u64[32]  # a bit for each parcel of a page: is there a break at that offset in some page?
    watches: u5
    watch_from: u64[16]
    watch_to: u64[16]  # the last address
    watch_what: u8[16]
    watch_stops: u1[16]
    traps: u64  # exceptions to stop at, by number
    interrupts: u64
    traps_stop: u1
    registers: u5  # control and status registers whose writes are told
    register: u12[16]
    register_stops: u1[16]
    events: u64  # ever told
    taken: u64  # of which the host has taken so many
    event: u64[12288]  # kind and hook, position, pc, address or cause, value, hart

    def tell(self, kind: u3, hook: u6, stops: u1, count: u64, pc: u64, place: u64, value: u64, hart: u64) -> None:
        """Put an event into the ring; stop where that is wanted, and where the ring is full."""
        at = (self.events & EVENTS - 1) * WORDS
        self.event[at] = kind | hook << 8
        self.event[at + 1] = count
        self.event[at + 2] = pc
        self.event[at + 3] = place
        self.event[at + 4] = value
        self.event[at + 5] = hart
        self.events += 1
        if stops:
            self.stop = kind
        elif self.events - self.taken >= EVENTS - SPARE and self.stop == 0:
            self.stop = FULL

    def holds(self, how: u3, register: u64, value: u64) -> u1:
        """Is a condition met?"""
        match how:
            case 1:
                return register == value
            case 2:
                return register != value
            case 3:
                return register < value
            case 4:
                return register >= value
            case 5:
                return register & value != 0
            case _:
                return 1
