"""RISC-V core-local interruptor: software interrupts and the timer, in the map of SiFive's CLINT.

The time belongs to the board: it puts it into `mtime` before every access, and takes it back where `mtime_written` says that
software has set it. The board also compares it with `mtimecmp`.

Sources: RISC-V Advanced Core Local Interruptor Specification 1.0-rc4, chapters 2 (MTIMER) and 3 (MSWI); SiFive FU540-C000
manual, "Core Local Interruptor", for the offsets.
Not modelled: SSWI, the supervisor's software interrupt device.
"""

from __future__ import annotations

from softmetal.chips.device import Device
from softmetal.lang import u1, u4, u32, u64

MAX_HARTS = 32
MTIMECMP, MTIME = 0x4000, 0xBFF8


class Aclint(Device):
    """A register of 64 bits takes accesses of 8 bytes and of 4 to either half."""

    mtime: u64
    mtime_written: u1  # output line; the board lowers it
    msip: u1[32]  # output: a hart's machine software interrupt
    mtimecmp: u64[32] = 0xFFFF_FFFF_FFFF_FFFF  # output: the time of a hart's machine timer interrupt

    def read(self, offset: u32, size: u4) -> u64:
        hart = offset >> 2
        if hart < MAX_HARTS and size == 4 and offset & 3 == 0:
            return self.msip[hart]
        if (size == 8 and offset & 7 == 0) or (size == 4 and offset & 3 == 0):
            timer = (offset >> 3) - (MTIMECMP >> 3)
            if 0 <= timer < MAX_HARTS:
                return part(self.mtimecmp[timer], offset, size)
            if offset >> 3 == MTIME >> 3:
                return part(self.mtime, offset, size)
        self.unmodelled = 1
        return 0

    def write(self, offset: u32, value: u64, size: u4) -> None:
        hart = offset >> 2
        if hart < MAX_HARTS and size == 4 and offset & 3 == 0:
            self.msip[hart] = value & 1
            return
        if (size == 8 and offset & 7 == 0) or (size == 4 and offset & 3 == 0):
            timer = (offset >> 3) - (MTIMECMP >> 3)
            if 0 <= timer < MAX_HARTS:
                self.mtimecmp[timer] = merged(self.mtimecmp[timer], value, offset, size)
                return
            if offset >> 3 == MTIME >> 3:
                self.mtime = merged(self.mtime, value, offset, size)
                self.mtime_written = 1
                return
        self.unmodelled = 1


def part(register: u64, offset: u32, size: u4) -> u64:
    """What an access reads of a register."""
    return register if size == 8 else u32(register >> 32 if offset & 4 else register)


def merged(register: u64, value: u64, offset: u32, size: u4) -> u64:
    """The register after a write."""
    if size == 8:
        return value
    return u32(register) | u32(value) << 32 if offset & 4 else register >> 32 << 32 | u32(value)
