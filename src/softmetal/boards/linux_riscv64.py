"""The board of a riscv64 Linux process: one hart and its address space.

The process sees 2**38 bytes, as a process does under Linux with Sv39 paging (Documentation/arch/riscv/vm-layout). They
are one memory, addressed by the guest's virtual addresses; a second memory holds a byte a 4 KiB page that says what
may be done there. The kernel's part is played by `linux`.

Sources: The RISC-V Instruction Set Manual, Volume I (20240411); misaligned loads and stores work, as Linux promises.
Not modelled: anything outside a process (privileged modes, page tables, other harts).
"""

from __future__ import annotations

from softmetal.isa.decoding import Ahead
from softmetal.isa.riscv.hart import FETCH_ACCESS, LOAD_ACCESS, STORE_ACCESS, Hart, RiscvTrap
from softmetal.lang import Trap, cold, host, memory, u1, u4, u7, u8, u16, u32, u64

SPACE = 1 << 38
"""Bytes of a process's address space."""
PAGE_SHIFT = 12
OFFSET = (1 << PAGE_SHIFT) - 1
R, W, X, MAPPED, WATCHED = 1, 2, 4, 8, 16
"""Bits of a page's byte. WATCHED is an engine's: the page may be written, and holds code that it has decoded."""


class CodeWrite(Trap):
    """A store that is about to change code which an engine has decoded. It has not happened yet."""

    address: u64


class LinuxRiscv64(Hart):
    """A hart whose bus is the address space of a process."""

    decoding = Ahead(code_bits=38, code_write=CodeWrite)
    perm: memory[SPACE >> PAGE_SHIFT]
    ram: memory[SPACE]

    def fetch(self, address: u64) -> u16:
        if address >= SPACE - 1 or self.perm[address >> PAGE_SHIFT] & X == 0:
            raise RiscvTrap(FETCH_ACCESS, address)
        return self.ram.u16[address]

    def watch(self, address: u64) -> u1:
        """An engine has decoded code here: from now on stores raise CodeWrite. 1 if that is new for this page."""
        if address < SPACE:
            page = address >> PAGE_SHIFT
            if self.perm[page] & W != 0:
                self.perm[page] = self.perm[page] & ~W | WATCHED
                return 1
        return 0

    @host
    def unwatch(self, page: int) -> None:
        """Undo `watch` for a page, by its number: the engine has dropped what it had decoded there."""
        if self.perm[page] & WATCHED:
            self.perm[page] = self.perm[page] & ~WATCHED | W

    def load8(self, address: u64) -> u8:
        if address >= SPACE or self.perm[address >> PAGE_SHIFT] & R == 0:
            self.refuse_load(address)
            return 0
        return self.ram[address]

    def store8(self, address: u64, value: u8) -> None:
        if address >= SPACE or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.refuse_store(address)
            return
        self.ram[address] = value

    def load16(self, address: u64) -> u16:
        if address >= SPACE - 1 or address & OFFSET > 4094 or self.perm[address >> PAGE_SHIFT] & R == 0:
            return self.split_load(address, 2)
        return self.ram.u16[address]

    def store16(self, address: u64, value: u16) -> None:
        if address >= SPACE - 1 or address & OFFSET > 4094 or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.split_store(address, value, 2)
            return
        self.ram.u16[address] = value

    def load32(self, address: u64) -> u32:
        if address >= SPACE - 3 or address & OFFSET > 4092 or self.perm[address >> PAGE_SHIFT] & R == 0:
            return self.split_load(address, 4)
        return self.ram.u32[address]

    def store32(self, address: u64, value: u32) -> None:
        if address >= SPACE - 3 or address & OFFSET > 4092 or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.split_store(address, value, 4)
            return
        self.ram.u32[address] = value

    def load64(self, address: u64) -> u64:
        if address >= SPACE - 7 or address & OFFSET > 4088 or self.perm[address >> PAGE_SHIFT] & R == 0:
            return self.split_load(address, 8)
        return self.ram.u64[address]

    def store64(self, address: u64, value: u64) -> None:
        if address >= SPACE - 7 or address & OFFSET > 4088 or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.split_store(address, value, 8)
            return
        self.ram.u64[address] = value

    def probe_store(self, address: u64, size: u7) -> None:
        if address >= SPACE or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.refuse_store(address)

    @cold
    def probe_block(self, address: u64) -> None:
        if address >= SPACE or self.perm[address >> PAGE_SHIFT] & (R | W | WATCHED) == 0:
            raise RiscvTrap(STORE_ACCESS, address)

    @cold
    def zero_block(self, address: u64) -> None:
        if address >= SPACE or self.perm[address >> PAGE_SHIFT] & W == 0:
            self.refuse_store(address)
            return
        for i in range(8):
            self.store64((address & ~63) + 8 * i, 0)

    @cold
    def split_load(self, address: u64, size: u4) -> u64:
        """A load byte by byte: it lies in two pages, or is to be refused."""
        value: u64 = 0
        for i in range(size):
            value |= self.load8(address + i) << 8 * i
        return value

    @cold
    def split_store(self, address: u64, value: u64, size: u4) -> None:
        """A store byte by byte: it lies in two pages, or is to be refused (as a whole, before any byte is stored)."""
        self.probe_store(address, 1)
        self.probe_store(address + size - 1, 1)
        for i in range(size):
            self.store8(address + i, value >> 8 * i)

    @cold
    def refuse_load(self, address: u64) -> None:
        raise RiscvTrap(LOAD_ACCESS, address)

    @cold
    def refuse_store(self, address: u64) -> None:
        if address < SPACE:
            if self.perm[address >> PAGE_SHIFT] & WATCHED != 0:
                raise CodeWrite(address)
        raise RiscvTrap(STORE_ACCESS, address)
