"""Physical memory protection: 16 entries, whose borders lie at any multiple of four bytes (granularity G = 0).

Where no entry cuts a page in two, protection is asked once a page, when its translation is found. In a page that is cut
(`pmp_cuts` says that there are some) every access is asked for anew, and no translation is kept.

A misaligned access is done byte by byte there, each byte an access of its own, and the first one that is refused is what
`tval` names. An aligned one is one access: it fails where an entry covers a part of it only, whatever the entry permits.

Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 3.1.16 "mtval" and 3.7 "Physical Memory Protection".
"""

from __future__ import annotations

from softmetal.isa.riscv.privileged.state import MACHINE, RAM_BASE, REACH, REGIONS, USER, PrivilegedState
from softmetal.lang import cold, u1, u2, u3, u4, u7, u8, u16, u64

PAGE = (1 << 64) - 4096
OFFSET = 4095
LOCKED = 0x80
OFF, TOR, NA4 = 0, 1, 2


class Pmp(PrivilegedState):
    """A hart's protection of physical memory."""

    ram_size: u64

    def retranslate(self) -> None:
        """What addresses mean, or what may be done there, has changed."""

    # -- its registers

    def read_pmpcfg(self, first: u4) -> u64:
        value: u64 = 0
        for i in range(8):
            value |= self.pmpcfg[first + i & 15] << 8 * i
        return value

    @cold
    def write_pmpcfg(self, first: u4, value: u64) -> None:
        for i in range(8):
            entry: u4 = first + i & 15
            new: u8 = value >> 8 * i & 0x9F
            if self.pmpcfg[entry] & LOCKED == 0:
                if new & 3 == 2:  # writable and not readable is reserved
                    new &= 0xFD
                self.pmpcfg[entry] = new
        self.reprotect()

    @cold
    def write_pmpaddr(self, i: u4, value: u64) -> None:
        after: u4 = min(i + 1, REGIONS - 1)
        top_of_locked = i < REGIONS - 1 and self.pmpcfg[after] & 0x98 == LOCKED | TOR << 3
        if self.pmpcfg[i] & LOCKED == 0 and not top_of_locked:
            self.pmpaddr[i] = value & (1 << 54) - 1
            self.reprotect()

    # -- what they mean

    def span(self, i: u4) -> tuple[u64, u64]:
        """The first byte that an entry covers, and the first one behind; the same where it covers none."""
        value = self.pmpaddr[i]
        first: u64 = value << 2
        match self.pmpcfg[i] >> 3 & 3:
            case 0:  # OFF
                return 0, 0
            case 1:  # TOR
                first = self.pmpaddr[i - 1 & 15] << 2 if i > 0 else 0
                return first, max(first, value << 2)
            case 2:  # NA4
                return first, first + 4
            case _:
                ones = value ^ (value + 1)  # its lowest 0 and the ones below
                first = (value & ~ones) << 2
                return first, first + (ones + 1 << 2)

    def allowed(self, physical: u64, size: u7, need: u3, mode: u2) -> u1:
        """Is an access of some bytes, of one page, permitted (1 read, 2 write, 4 execute)?"""
        if physical >= self.open_low and physical - RAM_BASE < self.ram_size:
            return 1
        if mode == MACHINE and self.pmp_locked == 0 and self.pmp_cuts == 0:
            return 1
        return self.protection(physical, size, need, mode)

    @cold
    def protection(self, physical: u64, size: u7, need: u3, mode: u2) -> u1:
        for i in range(REGIONS):
            first, behind = self.span(i)
            if first < behind and physical < behind and physical + size > first:
                if physical < first or physical + size > behind:
                    return 0
                if mode == MACHINE and self.pmpcfg[i] & LOCKED == 0:
                    return 1
                return self.pmpcfg[i] & need == need
        return mode == MACHINE

    def whole(self, physical: u64) -> u1:
        """Does one rule hold for all of the page around an address in memory?"""
        if self.pmp_cuts == 0 or physical & PAGE >= self.open_low:
            return 1
        return self.uncut(physical & PAGE)

    @cold
    def uncut(self, page: u64) -> u1:
        for i in range(REGIONS):
            first, behind = self.span(i)
            if first < behind and (page < first < page + 4096 or page < behind < page + 4096):
                return 0
        return 1

    @cold
    def reprotect(self) -> None:
        """Find the memory that needs no more asking: from the last place where the rules change to the end."""
        edge: u64 = 0
        end = RAM_BASE + self.ram_size
        locked: u16 = 0
        cuts: u1 = 0
        for i in range(REGIONS):
            locked = locked | self.pmpcfg[i] >> 7 << i
            first, behind = self.span(i)
            if first < behind:
                cuts |= (first | behind) & OFFSET != 0
                if edge < first < end:
                    edge = first
                if edge < behind < end:
                    edge = behind
        self.pmp_locked = locked
        self.pmp_cuts = cuts
        self.open_low = REACH
        last = end - 1 & REACH
        if self.protection(last, 1, 7, USER) != 0 and (locked == 0 or self.protection(last, 1, 7, MACHINE) != 0):
            self.open_low = max(edge, RAM_BASE)
        self.retranslate()
