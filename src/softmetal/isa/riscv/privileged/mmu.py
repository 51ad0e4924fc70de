"""From virtual addresses to memory: page tables, protection, and the translations that are kept.

A translation that was found is kept in a table that loads and stores look into first. It is part of the hart's state, and
changes only by what the hart does, so every engine sees the same stale or fresh translation at the same instruction.

    read_tag[i] = page | key      page: the virtual page, key: in which mode it is good (12 bits, never 0, the lowest 3 are 0)
    write_tag[i] = page | key     0 where it may not be written in a hurry
    offset[i]                     what to add to a virtual address, modulo 2**32, for the place in `ram`

Frames from which code was fetched are noted in `code.fetched`, and have no `write_tag`: so a store to code is noticed. Nor has
the frame of `tohost`.

Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 10.3 to 10.6 (Sv39, Sv48, Sv57),
"Svnapot" and "Svpbmt".
Accessed and dirty bits are set by hardware, as the `virt` machine of others does (small systems rely on it).
Memory types (Svpbmt) are checked and change nothing: all memory is coherent, and devices are never cached.
Not modelled: big-endian memory.
"""

from __future__ import annotations

from softmetal.isa.debug import READ, WRITE, Hooked
from softmetal.isa.riscv.hart import FETCH_ACCESS, FETCH_PAGE, LOAD_ACCESS, LOAD_PAGE, STORE_ACCESS, STORE_PAGE, RiscvTrap
from softmetal.isa.riscv.privileged.csr import PBMTE, PPN, Csrs
from softmetal.isa.riscv.privileged.pmp import OFFSET, PAGE
from softmetal.isa.riscv.privileged.state import (
    MACHINE,
    MOST_RAM,
    RAM_BASE,
    REACH,
    SUPERVISOR,
    USER,
    Frame,
    Place,
)
from softmetal.lang import Trap, cold, memory, s64, u1, u2, u3, u4, u5, u6, u7, u8, u16, u32, u64

KEPT = 256
"""Translations of data that are kept."""
KEPT_CODE = 64
WATCHED = 1 << 11
"""A bit of `data_key` that no tag has: while anything is watched, no access is done in a hurry."""
LOAD, STORE, FETCH, BLOCK = 0, 1, 2, 3
"""What an access is; BLOCK: the management of a cache block, permitted as a load is, refused as a store is."""
V, R, W, X, U, A, D = 1, 2, 4, 8, 16, 64, 128
N, RESERVED = 1 << 63, 0x7F << 54
"""Bits of a page table entry."""
NO_PAGE, REFUSED = 0, 1
"""What `Mmu.leaf` finds where there is no entry for an address."""


class CodeWrite(Trap):
    """Raised before a store that changes code, where an engine runs ahead: `frame` is its number."""

    frame: Frame


class Pieced(Trap):
    """Raised where an engine runs ahead, before it enters a page of code that protection cuts: each access has to be checked."""


class Watched(Trap):
    """Raised before a load or store that is watched, where the machine is to stop there."""


class Mmu(Hooked, Csrs):
    """A hart's loads, stores and fetches."""

    data_key: u64 = 7 << 3
    code_key: u64 = 7 << 3
    read_tag: u64[KEPT]
    write_tag: u64[KEPT]
    offset: Place[KEPT]
    code_tag: u64[KEPT_CODE]
    code_frame: u32[KEPT_CODE]
    super_low: u64[2]  # the span of addresses in each half that large pages among the kept cover
    super_high: u64[2]
    tohost: u64  # where in memory a store is a message to the host; 0: nowhere
    ram: memory[MOST_RAM + 4096]

    # -- what the board answers

    def mmio_covers(self, address: u64) -> u1:
        """Does anything but memory answer at this physical address?"""
        return 0

    def mmio_read(self, address: u64, size: u4) -> u64:
        return 0

    def mmio_write(self, address: u64, value: u64, size: u4) -> None:
        pass

    def htif_write(self, value: u64) -> None:
        """Software has stored to `tohost`."""

    # -- loads

    def load8(self, address: u64) -> u8:
        entry = address >> 12 & KEPT - 1
        if self.read_tag[entry] != (address & PAGE | self.data_key):
            return self.slow_load(address, 1)
        return self.ram[Place(address + self.offset[entry])]

    def load16(self, address: u64) -> u16:
        entry = address >> 12 & KEPT - 1
        if self.read_tag[entry] != (address & (PAGE | 1) | self.data_key):
            return self.slow_load(address, 2)
        return self.ram.u16[Place(address + self.offset[entry])]

    def load32(self, address: u64) -> u32:
        entry = address >> 12 & KEPT - 1
        if self.read_tag[entry] != (address & (PAGE | 3) | self.data_key):
            return self.slow_load(address, 4)
        return self.ram.u32[Place(address + self.offset[entry])]

    def load64(self, address: u64) -> u64:
        entry = address >> 12 & KEPT - 1
        if self.read_tag[entry] != (address & (PAGE | 7) | self.data_key):
            return self.slow_load(address, 8)
        return self.ram.u64[Place(address + self.offset[entry])]

    @cold
    def slow_load(self, address: u64, size: u4) -> u64:
        """A load that is misaligned, or watched, or whose translation is not kept."""
        if self.debug.watches != 0:
            self.watch_access(address, size, READ, 0)
        if address & OFFSET <= 4096 - size and (self.pmp_cuts == 0 or address & size - 1 == 0):
            return self.load_within(address, size)
        value: u64 = 0
        for i in range(size):
            value |= self.load_within(address + i, 1) << 8 * i
        return value

    @cold
    def load_within(self, address: u64, size: u4) -> u64:
        """A load from one page."""
        physical = self.find(address, LOAD, size)
        if physical - RAM_BASE < self.ram_size and physical >= RAM_BASE:
            return self.peek(physical - RAM_BASE, size)
        if self.mmio_covers(physical) == 0:
            raise RiscvTrap(LOAD_ACCESS, address)
        self.defer()
        return self.mmio_read(physical, size)

    def peek(self, place: Place, size: u4) -> u64:
        match size:
            case 1:
                return self.ram[place]
            case 2:
                return self.ram.u16[place]
            case 4:
                return self.ram.u32[place]
            case _:
                return self.ram.u64[place]

    # -- stores

    def store8(self, address: u64, value: u8) -> None:
        entry = address >> 12 & KEPT - 1
        if self.write_tag[entry] != (address & PAGE | self.data_key):
            self.slow_store(address, value, 1)
            return
        self.ram[Place(address + self.offset[entry])] = value

    def store16(self, address: u64, value: u16) -> None:
        entry = address >> 12 & KEPT - 1
        if self.write_tag[entry] != (address & (PAGE | 1) | self.data_key):
            self.slow_store(address, value, 2)
            return
        self.ram.u16[Place(address + self.offset[entry])] = value

    def store32(self, address: u64, value: u32) -> None:
        entry = address >> 12 & KEPT - 1
        if self.write_tag[entry] != (address & (PAGE | 3) | self.data_key):
            self.slow_store(address, value, 4)
            return
        self.ram.u32[Place(address + self.offset[entry])] = value

    def store64(self, address: u64, value: u64) -> None:
        entry = address >> 12 & KEPT - 1
        if self.write_tag[entry] != (address & (PAGE | 7) | self.data_key):
            self.slow_store(address, value, 8)
            return
        self.ram.u64[Place(address + self.offset[entry])] = value

    @cold
    def slow_store(self, address: u64, value: u64, size: u4) -> None:
        """A store that is misaligned, or watched, goes to code, or whose translation is not kept."""
        if self.debug.watches != 0:
            self.watch_access(address, size, WRITE, value)
        if address & OFFSET <= 4096 - size and (self.pmp_cuts == 0 or address & size - 1 == 0):
            self.store_within(address, value, size)
            return
        if self.pmp_cuts == 0:
            self.clear_to_store(address, 1)
            self.clear_to_store(address + size - 1 & PAGE, 1)
        else:
            for i in range(size):
                self.clear_to_store(address + i, 1)
        for i in range(size):
            self.store_within(address + i, value >> 8 * i, 1)

    @cold
    def store_within(self, address: u64, value: u64, size: u4) -> None:
        """A store to one page."""
        physical = self.clear_to_store(address, size)
        if physical - RAM_BASE < self.ram_size and physical >= RAM_BASE:
            self.poke(physical - RAM_BASE, value, size)
            if physical == self.tohost:
                self.htif_write(value)
            return
        self.mmio_write(physical, value, size)

    @cold
    def clear_to_store(self, address: u64, size: u7) -> u64:
        """Raise what a store to bytes of one page raises; else see that nothing is in its way. The physical address."""
        physical = self.find(address, STORE, size)
        if physical - RAM_BASE < self.ram_size and physical >= RAM_BASE:
            frame: Frame = physical - RAM_BASE >> 12
            if self.code.fetched[frame] != 0:
                if self.code.ahead != 0:
                    raise CodeWrite(frame)
                self.forget_code(frame)
                self.find(address, STORE, size)  # as where the store begins anew: the translation may be kept now
            if physical == self.tohost:
                self.defer()
            return physical
        if self.mmio_covers(physical) == 0:
            raise RiscvTrap(STORE_ACCESS, address)
        self.defer()
        return physical

    def poke(self, place: Place, value: u64, size: u4) -> None:
        match size:
            case 1:
                self.ram[place] = value
            case 2:
                self.ram.u16[place] = value
            case 4:
                self.ram.u32[place] = value
            case _:
                self.ram.u64[place] = value

    def probe_store(self, address: u64, size: u7) -> None:
        if self.write_tag[address >> 12 & KEPT - 1] != (address & PAGE | self.data_key):
            self.clear_to_store(address, size)

    @cold
    def probe_block(self, address: u64) -> None:
        mode = self.mpp if self.mprv != 0 and self.mode == MACHINE else self.mode
        physical, _large = self.translate(address, BLOCK, mode)
        there = (physical >= RAM_BASE and physical - RAM_BASE < self.ram_size) or self.mmio_covers(physical) != 0
        if not there or self.allowed(physical & ~63, 64, 1, mode) == 0:
            raise RiscvTrap(STORE_ACCESS, address)

    def zero_block(self, address: u64) -> None:
        entry = address >> 12 & KEPT - 1
        if self.write_tag[entry] != (address & PAGE | self.data_key):
            self.slow_zero_block(address)
            return
        place: Place = address + self.offset[entry] & ~63
        for i in range(8):
            self.ram.u64[Place(place + 8 * i)] = 0

    @cold
    def slow_zero_block(self, address: u64) -> None:
        """Store zeros to a block that is watched, or lies among code, or whose translation is not kept."""
        mode = self.mpp if self.mprv != 0 and self.mode == MACHINE else self.mode
        physical, _large = self.translate(address, STORE, mode)
        there = physical >= RAM_BASE and physical - RAM_BASE < self.ram_size  # no device takes a block
        if not there or self.allowed(physical & ~63, 64, 2, mode) == 0:
            raise RiscvTrap(STORE_ACCESS, address)
        for i in range(8):
            self.store64((address & ~63) + 8 * i, 0)

    @cold
    def watch_access(self, address: u64, size: u4, what: u8, value: u64) -> None:
        """Report an access that is watched. Raises Watched where the machine is to stop before the instruction.

        An access to a device has begun already: there the machine stops behind the instruction.
        """
        if self.watch(address, size, what, value) and what & (READ | WRITE) != 0:
            self.watched(what)
            raise Watched()

    def hook_cpu(self) -> u5:
        return self.hartid & 31

    def hook_pc(self) -> u64:
        return self.pc

    def hook_count(self) -> u64:
        return self.count

    def hook_register(self, number: u5) -> u64:
        return self.x[number]

    def before_report(self) -> None:
        self.defer()

    # -- code

    def fetch(self, address: u64) -> u16:
        return self.ram.u16[self.locate(address) << 12 | address & 0xFFE]

    def located(self, address: u64) -> u32:
        """The frame of the code at an address where that is kept, else all ones."""
        entry = address >> 12 & KEPT_CODE - 1
        if self.code_tag[entry] != (address & PAGE | self.code_key):
            return 0xFFFFFFFF
        return self.code_frame[entry]

    def code_parcel(self, place: u64) -> u16:
        """The parcel at a place in `ram`."""
        return self.ram.u16[Place(place)]

    def locate(self, address: u64) -> Frame:
        """The frame in `ram` of the code at an address. Raises what fetching it raises."""
        frame = self.located(address)
        if frame == 0xFFFFFFFF:
            return self.find_code(address)
        return frame

    @cold
    def find_code(self, address: u64) -> Frame:
        physical, large = self.translate(address, FETCH, self.mode)
        if physical < RAM_BASE or physical - RAM_BASE >= self.ram_size:
            raise RiscvTrap(FETCH_ACCESS, address)
        if self.allowed(physical, 2, 4, self.mode) == 0:
            raise RiscvTrap(FETCH_ACCESS, address)
        kept = self.whole(physical)
        if kept == 0 and self.code.ahead != 0:
            raise Pieced()
        frame: Frame = physical - RAM_BASE >> 12
        if self.code.fetched[frame] == 0:
            self.code.fetched[frame] = 1
            for i in range(KEPT):
                self.write_tag[i] = 0
        if large != 0:
            self.note_large(address)
        if kept != 0:
            entry = address >> 12 & KEPT_CODE - 1
            self.code_tag[entry] = address & PAGE | self.code_key
            self.code_frame[entry] = frame
        return frame

    def locate_alone(self, address: u64) -> Frame:
        """The frame of an instruction that is run by itself, for it lies in a page that protection cuts. Raises as fetches do."""
        frame = self.locate(address)
        if self.ram[frame << 12 | address & 0xFFE] & 3 == 3:
            self.locate(address + 2)
        return frame

    @cold
    def forget_code(self, frame: Frame) -> None:
        """Code in a frame is about to change."""
        self.code.fetched[frame] = 0
        self.code.change(frame)
        for i in range(KEPT_CODE):
            self.code_tag[i] = 0

    # -- translations

    @cold
    def find(self, address: u64, kind: u2, size: u7) -> u64:
        """The physical address of data in one page. Its translation is kept, but where protection cuts it. Raises RiscvTrap."""
        known = address >> 12 & KEPT - 1
        good = address & PAGE | self.data_key & ~WATCHED
        if (self.write_tag[known] if kind == STORE else self.read_tag[known]) == good:
            return RAM_BASE + Place(address + self.offset[known])
        mode = self.mpp if self.mprv != 0 and self.mode == MACHINE else self.mode
        physical, large = self.translate(address, kind, mode)
        if self.allowed(physical, size, 2 if kind == STORE else 1, mode) == 0:
            raise RiscvTrap(STORE_ACCESS if kind == STORE else LOAD_ACCESS, address)
        if physical - RAM_BASE < self.ram_size and physical >= RAM_BASE and self.whole(physical):
            if large != 0:
                self.note_large(address)
            entry = address >> 12 & KEPT - 1
            tag = good
            place: Place = physical - RAM_BASE
            where: Place = place - address
            if kind == STORE:
                self.read_tag[entry] = tag  # what may be written may be read
                plain = self.code.fetched[place >> 12] == 0 and (physical ^ self.tohost) >> 12 != 0
                self.write_tag[entry] = tag if plain else 0
            else:
                if self.write_tag[entry] != tag or self.offset[entry] != where:
                    self.write_tag[entry] = 0
                self.read_tag[entry] = tag
            self.offset[entry] = where
        return physical

    @cold
    def note_large(self, address: u64) -> None:
        """A translation that is kept is a part of a large page: fences by address have to reckon with it."""
        half = address >> 63
        self.super_low[half] = min(self.super_low[half], address & ~0x1FFFFF)
        self.super_high[half] = max(self.super_high[half], address | 0x1FFFFF)

    def fault(self, kind: u2) -> u4:
        """The page fault of an access."""
        return STORE_PAGE if kind & 1 != 0 else FETCH_PAGE if kind == FETCH else LOAD_PAGE

    def refusal(self, kind: u2) -> u4:
        """The access fault of an access."""
        return STORE_ACCESS if kind & 1 != 0 else FETCH_ACCESS if kind == FETCH else LOAD_ACCESS

    @cold
    def translate(self, address: u64, kind: u2, mode: u2) -> tuple[u64, u1]:
        """The physical address, and whether it lies in a large page. Raises the page fault or access fault."""
        scheme = self.satp >> 60
        if mode == MACHINE or scheme == 0:
            if address > REACH:
                raise RiscvTrap(self.refusal(kind), address)
            return address, 0
        at, shift = self.leaf(self.satp, address, 1)
        if at < RAM_BASE:
            raise RiscvTrap(self.refusal(kind) if at == REFUSED else self.fault(kind), address)
        place: Place = at - RAM_BASE
        entry = self.ram.u64[place]
        self.check_leaf(address, entry, kind, mode)
        physical, low = self.mapped(entry, shift, address)
        if low == 0:
            raise RiscvTrap(self.fault(kind), address)
        used = entry | A | (D if kind == STORE else 0)
        if used != entry:
            if self.allowed(at, 8, 2, SUPERVISOR) == 0:
                raise RiscvTrap(self.refusal(kind), address)
            if self.code.fetched[place >> 12] != 0:
                self.forget_code(place >> 12)
            self.ram.u64[place] = used
        return physical, low > OFFSET

    def leaf(self, satp: u64, address: u64, protected: u1) -> tuple[u64, u6]:
        """Walk the page tables, and change nothing: the physical address of the entry of a page, and log2 of the page's size.

        Instead of the address, NO_PAGE: there is none, or REFUSED: a table is not in memory, or (`protected`) may not be read.
        """
        levels: u3 = max(3, min(5, (satp >> 60) - 5))
        top: u6 = 9 * levels + 11
        sign = s64(address) >> top
        if sign != 0 and sign != -1:
            return NO_PAGE, 0
        table: u64 = (satp & PPN) << 12
        shift: u6 = 9 * levels + 3
        for _level in range(5):
            at = table + (address >> shift & 511) * 8
            if at < RAM_BASE or at - RAM_BASE >= self.ram_size:
                return REFUSED, 0
            if protected and self.allowed(at, 8, 1, SUPERVISOR) == 0:
                return REFUSED, 0
            entry = self.ram.u64[Place(at - RAM_BASE)]
            if entry & V == 0 or entry & RESERVED != 0 or entry & (R | W) == W:
                return NO_PAGE, 0
            if entry & (R | X) != 0:
                return at, shift
            if entry & (A | D | U) != 0 or entry >> 61 != 0:
                return NO_PAGE, 0
            table = (entry >> 10 & PPN) << 12
            if shift < 21:
                break
            shift -= 9
        return NO_PAGE, 0

    def mapped(self, entry: u64, shift: u6, address: u64) -> tuple[u64, u64]:
        """Where an address lies by the entry of its page, and the mask of the offset in that; 0: no such entry is valid."""
        low: u64 = (1 << shift) - 1
        page: u64 = (entry >> 10 & PPN) << 12
        if entry & N != 0:  # one of 16 entries for the same 64 KiB
            if shift != 12 or page >> 12 & 15 != 8:
                return 0, 0
            low = 0xFFFF
            page = page & ~0xFFFF
        if page & low != 0:
            return 0, 0
        return page | address & low, low

    def check_leaf(self, address: u64, entry: u64, kind: u2, mode: u2) -> None:
        """Raise a page fault where a leaf does not permit the access, or has a memory type that does not exist."""
        permits = R | (X if self.mxr != 0 else 0)
        if kind == STORE:
            permits = W
        elif kind == FETCH:
            permits = X
        denied = entry & permits == 0
        if mode == USER:
            denied = denied or entry & U == 0
        elif entry & U != 0:
            denied = denied or self.sum == 0 or kind == FETCH
        kind_of_memory = entry >> 61 & 3
        if denied or kind_of_memory == 3 or (kind_of_memory != 0 and self.menvcfg & PBMTE == 0):
            raise RiscvTrap(self.fault(kind), address)

    # -- forgetting translations

    @cold
    def retranslate(self) -> None:
        for i in range(KEPT):
            self.read_tag[i] = 0
        for i in range(KEPT):
            self.write_tag[i] = 0
        for i in range(KEPT_CODE):
            self.code_tag[i] = 0
        for i in range(2):
            self.super_low[i] = (1 << 64) - 1
            self.super_high[i] = 0

    @cold
    def retranslate_page(self, address: u64) -> None:
        """Forget the translation of one page, and all where it may be a part of a large one."""
        half = address >> 63
        if self.super_low[half] <= address <= self.super_high[half]:
            self.retranslate()
            return
        entry = address >> 12 & KEPT - 1
        if (self.read_tag[entry] ^ address) >> 12 == 0 or (self.write_tag[entry] ^ address) >> 12 == 0:
            self.read_tag[entry] = 0
            self.write_tag[entry] = 0
        code = address >> 12 & KEPT_CODE - 1
        if (self.code_tag[code] ^ address) >> 12 == 0:
            self.code_tag[code] = 0

    def rekey(self) -> None:
        """Modes have a number each: user 1 (6 with MXR), supervisor 2 to 5 (SUM, MXR), machine 7; and each hart has its own."""
        mine: u5 = self.hartid & 31
        mode = self.mpp if self.mprv != 0 and self.mode == MACHINE else self.mode
        number: u3 = 7
        if mode == USER:
            number = 6 if self.mxr != 0 else 1
        elif mode == SUPERVISOR:
            number = 2 + self.sum + 2 * self.mxr
        self.data_key = (mine << 3 | number) << 3 | (WATCHED if self.debug.watches != 0 else 0)
        number = 7
        if self.mode < MACHINE:
            number = 1 + self.mode
        self.code_key = (mine << 3 | number) << 3
