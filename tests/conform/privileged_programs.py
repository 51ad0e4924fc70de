"""Random programs for the privileged architecture: traps, returns, registers, page tables, protection, interrupts.

What another implementation may do otherwise is not drawn. These are differences from QEMU 7.2, and who is right:

    mepc, sepc                 bit 0 is not written: QEMU keeps it, the specification says it is 0
    mstatus                    MPP is never 2, which QEMU keeps; UXL (which it lets be 1), MPV and GVA stay as they are
    misa                       bit B is masked, which QEMU 7.2 does not know yet
    medeleg, mideleg, mie, mip bits of the hypervisor extension and of counter overflow are not set: QEMU keeps some of them
    mcountinhibit, hpmcounters not compared; reads of running counters only for whether they trap
    menvcfg, senvcfg           CBIE is not set, for 2 is reserved; PBMTE stays 1: QEMU does not look at it
    satp                       ASID is 0: ours has none; without translation nothing else is written either
    pmpaddr, pmpcfg            bits that are 0 by the specification are not set. Parts of pages are bordering regions, TOR,
                               without one behind them that has the whole page (QEMU keeps a page by the entry that it meets
                               first), and accesses are aligned (a misaligned one is one to QEMU, to us one for each byte)
    reserved bits of leaves    are not set, nor the memory type 3: with Svnapot or Svpbmt QEMU ignores them.
                               Bit N only where it is right: QEMU marks such a leaf as accessed before it refuses it
    sfence.w.inval             and sfence.inval.ir not in user mode: QEMU lets them pass
    mcounteren, scounteren     have 32 bits; QEMU keeps 64
    page tables                lie in memory, and protection lets them be written: QEMU raises a page fault where it cannot
                               read them and does not ask before it sets A and D (an access fault, each, by chapter 10.3.2)
    accesses across pages      not where one of the pages may be protected or absent: what is asked first is free
    tval of ebreak             masked: the address or 0; of floating point that is off, the code or 0
    SC                         aligned: QEMU looks at the reservation first
    CSRRS, CSRRC               with a register that holds 0: QEMU takes that for no write, chapter 6 of Volume I takes it for
                               one (to a read-only register, to floating-point state)
    stimecmp                   written whenever menvcfg lets it be seen: QEMU looks at it only then
    AMO                        where nothing answers QEMU raises a load access fault; load and store access faults are
                               delegated together, and a program is not compared further
    fetches                    rarely: a page of user mode that supervisor mode has read with SUM, QEMU lets it execute (1 in
                               5000 programs); code across two pages, the second without memory, ends QEMU by an assertion
    devices                    not through page tables: QEMU fetches from them
"""

from __future__ import annotations

import random

from softmetal.isa.riscv.privileged.state import Csr
from tests.conform.privileged_harness import (
    DATA,
    DIRECTOR,
    HANDLERS,
    NEXT,
    RAM,
    RESUME,
    ROOT,
    SIZE,
    SLOT,
    SNIPPETS,
    TABLES,
    VARIABLES,
    address_of,
    harness,
)

ALL = (1 << 64) - 1
HOLE = 0x0080_0000
"""Nothing answers here."""
OTHERS = range(0x3000_0000, RAM), range(0x4_0000_0000, 0x8_0000_0000)
"""Physical addresses of PCIe, which QEMU's machine has and ours has not: a trap there that is delegated leaves no record."""
MSIP, MTIMECMP = 0x0200_0000, 0x0200_4000
PLACE, COUNTER, T5, T6 = 20, 21, 30, 31
BITS = {1: 0, 3: 1, 5: 2, 7: 3, 9: 4, 11: 5}
V, R, W, X, U, G, A, D = (1 << i for i in range(8))
MIE, MPIE, MPP, MPRV, SUM, MXR = 1 << 3, 1 << 7, 3 << 11, 1 << 17, 1 << 18, 1 << 19
SYSTEM = 0b1110011
ECALL, EBREAK, MRET, SRET, WFI, FENCE_I, NOP = 0x73, 0x100073, 0x30200073, 0x10200073, 0x10500073, 0x100F, 0x13
SFENCE, SINVAL = 0b0001001 << 5, 0b0001011 << 5
FLOAT_ADD = 0x02107053  # fadd.d f0, f0, f1

INTERRUPTS = ALL & ~0x3444
EXCEPTIONS = ALL & ~0xF00C00
KEPT = {
    Csr.MSTATUS: ALL & ~(15 << 32 | 3 << 38 | 3 << 9 | MPP), Csr.SSTATUS: ALL & ~(3 << 32 | 3 << 9),
    Csr.MEDELEG: EXCEPTIONS, Csr.MIDELEG: INTERRUPTS, Csr.MIE: INTERRUPTS, Csr.MIP: INTERRUPTS, Csr.SIE: INTERRUPTS,
    Csr.SIP: INTERRUPTS, Csr.MEPC: ALL - 1, Csr.SEPC: ALL - 1, Csr.SENVCFG: ALL & ~0x30, Csr.MENVCFG: ALL & ~(3 << 62 | 0x30),
    Csr.SATP: 0, Csr.MISA: ALL & ~2, Csr.MCOUNTEREN: 0xFFFF_FFFF, Csr.SCOUNTEREN: 0xFFFF_FFFF,
}  # fmt: skip
"""Bits that may be drawn when a register is written, where not all may."""
SEEN = {Csr.MISA: ALL & ~2}
"""Bits that are compared when a register is read, where not all are."""
FORCED = {Csr.MSTATUS: 10 << 32, Csr.SSTATUS: 2 << 32}
"""Bits of these that are always written."""
UNSEEN = [Csr.CYCLE, Csr.TIME, Csr.INSTRET, Csr.MCYCLE, Csr.MINSTRET, Csr.MARCHID, Csr.MIMPID]
PLAIN = [Csr.MSCRATCH, Csr.SSCRATCH, Csr.STVEC, Csr.SCAUSE, Csr.MCAUSE, Csr.STVAL, Csr.MTVAL]
SUPERVISORS = [Csr.SSTATUS, Csr.SIE, Csr.SIP, Csr.SCOUNTEREN, Csr.SENVCFG, Csr.SEPC, Csr.STVEC, Csr.SSCRATCH, Csr.SCAUSE]
FLOATS = [Csr.FFLAGS, Csr.FRM, Csr.FCSR]
READ_ONLY = [Csr.MVENDORID, Csr.MHARTID, Csr.MCONFIGPTR]
ABSENT = [0x008, 0x015, 0x200, 0x204, 0x280, 0x310, 0x3A1, 0x3A3, 0x5C0, 0x600, 0x680, 0x6FF, 0x747, 0x7B0, 0x8FF, 0x9C0, 0xC80,
          0xE12, 0xF10, 0xFC0]  # fmt: skip


def system(f3, rd, rs1, csr):
    return csr << 20 | rs1 << 15 | f3 << 12 | rd << 7 | SYSTEM


def immediate(op, f3, rd, rs1, imm):
    return (imm & 0xFFF) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | op


def load(f3, rd, base, offset=0):
    return immediate(0b0000011, f3, rd, base, offset)


def store(f3, source, base, offset=0):
    return (offset >> 5 & 127) << 25 | source << 20 | base << 15 | f3 << 12 | (offset & 31) << 7 | 0b0100011


def atomic(f5, f3, rd, base, source):
    return f5 << 27 | source << 20 | base << 15 | f3 << 12 | rd << 7 | 0b0101111


def jump(rd, distance):
    d = distance & 0x1FFFFF
    return (d >> 20) << 31 | (d >> 1 & 0x3FF) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 0xFF) << 12 | rd << 7 | 0b1101111


def li(rd, value):
    """Instructions that leave a value in a register."""
    value &= ALL
    if value >> 63:
        value -= 1 << 64
    if -2048 <= value < 2048:
        return [immediate(0b0010011, 0, rd, 0, value)]
    if -(1 << 31) <= value < 1 << 31:
        low = (value & 0xFFF ^ 0x800) - 0x800
        made = [(value - low & 0xFFFFF000) | rd << 7 | 0b0110111]
        return [*made, immediate(0b0011011, 0, rd, rd, low)] if low else made
    low = (value & 0xFFF ^ 0x800) - 0x800
    rest = value - low >> 12
    shift = 12
    while rest & 1 == 0:
        rest >>= 1
        shift += 1
    made = [*li(rd, rest), immediate(0b0010011, 1, rd, rd, shift)]
    return [*made, immediate(0b0010011, 0, rd, rd, low)] if low else made


class Program:
    """One program, for a slot. `content` is what lies there."""

    def __init__(self, seed, slot, locks=False):
        self.draw = draw = random.Random(seed)
        self.base = address_of(slot)
        self.locks = locks
        self.memory = bytearray(SLOT)
        self.crosses = not locks and draw.randrange(2) == 0
        self.fine = not locks and not self.crosses and draw.randrange(2) == 0  # protection of parts of pages
        self.code = []  # the director
        self.snippet_at = SNIPPETS + 64
        self.levels = draw.choice((3, 3, 4, 5))
        self.map()
        self.memory[DATA : DATA + 8192] = draw.randbytes(8192)
        self.memory[SNIPPETS : SNIPPETS + 8192] = ECALL.to_bytes(4, "little") * 2048
        self.handlers()
        for _ in range(draw.randrange(4, 11)):
            self.segment()
        self.close()

    @property
    def content(self):
        return bytes(self.memory)

    # -- page tables

    def map(self):
        """A path from the root to a table of leaves, eight of them, and superpages on the way."""
        draw, levels = self.draw, self.levels
        low = 32 if levels == 3 else 0  # taken for physical addresses, those below are devices of QEMU's
        path = [draw.randrange(low, 512), *(draw.randrange(512) for _ in range(levels - 2))]
        first = draw.randrange(504)
        self.leaves, self.entries, self.large = [], [], []
        tables = [ROOT, *(TABLES + 4096 * i for i in range(levels - 1))]
        prefix = 0
        for depth, (table, at) in enumerate(zip(tables, path, strict=False)):
            self.put(table + 8 * at, self.base + tables[depth + 1] >> 12 << 10 | V)
            self.entries.append((table + 8 * at, None))
            size = 12 + 9 * (levels - 1 - depth)
            other = draw.choice([i for i in range(low if depth == 0 else 0, 512) if i != at])
            self.put(table + 8 * other, self.leaf(size))
            self.entries.append((table + 8 * other, size))
            self.large.append((self.canonical(prefix | other << size), size))
            prefix |= at << size
        for i in range(8):
            entry = tables[-1] + 8 * (first + i)
            self.put(entry, self.leaf(12))
            if i < 7:
                self.entries.append((entry, 12))
            self.leaves.append(self.canonical(prefix | first + i << 12))
        self.put(entry, self.base + HANDLERS >> 12 << 10 | V | R | X | A)  # the supervisor's handlers stay where they are

    def canonical(self, address):
        top = 9 * self.levels + 11
        return (address | (ALL << top if address >> top & 1 else 0)) & ALL

    def put(self, offset, value):
        self.memory[offset : offset + 8] = value.to_bytes(8, "little")

    def leaf(self, size):
        """An entry for a page of 2**size bytes."""
        draw = self.draw
        flags = draw.choice((V | R | W | X | A | D, V | R | W, V | R | X, V | X, V | R | W | X, V | R, draw.getrandbits(8) | V))
        flags |= U if draw.randrange(2) else 0
        if draw.randrange(12) == 0:
            flags ^= 1 << draw.randrange(8)
        where = draw.choice((SNIPPETS, SNIPPETS, SNIPPETS + 4096, HANDLERS, DATA, DATA, DATA + 4096, TABLES, ROOT))
        if where in (DATA, DATA + 4096):  # random numbers are no code: what they do is not the matter here
            flags = flags & ~X | R
        frame = self.base + where >> 12
        if size > 12:
            frame = self.base >> size << size - 12 if draw.randrange(5) else frame
        elif draw.randrange(16) == 0 and not self.crosses:
            frame = draw.choice((HOLE, RAM + SIZE, 1 << 55)) >> 12
        napot = size == 12 and draw.randrange(8) == 0  # the slot is 64 KiB
        frame = self.base + where >> 16 << 4 | 8 if napot else frame
        entry = frame << 10 | draw.getrandbits(2) << 8 | flags | napot << 63
        if draw.randrange(8) == 0:
            entry |= draw.randrange(3) << 61
        return self.sound(entry)

    def sound(self, entry):
        """No pointer to what is none of our tables: only a leaf may be wrong in that way."""
        target = (entry >> 10 & (1 << 44) - 1) << 12
        if entry & (R | W | X) == 0 and not TABLES <= target - self.base <= ROOT:
            entry |= R
        return entry

    # -- numbers

    def physical(self):
        """A place in the slot that programs may read and write."""
        return self.base + self.draw.choice((DATA, DATA, DATA + 4096, SNIPPETS)) + self.within()

    def within(self):
        draw = self.draw
        aligned = draw.randrange(0, 4096, 8)
        if self.crosses:
            return draw.choice((aligned, aligned, draw.randrange(4096), draw.randrange(4086, 4096)))
        return draw.choice((aligned, aligned, draw.randrange(4088), 4088))

    def virtual(self):
        """An address that is likely to be mapped, and without translation is none of QEMU's other devices."""
        address = self.any_virtual()
        return HOLE if any(address in r for r in OTHERS) else address

    def any_virtual(self):
        draw = self.draw
        match draw.randrange(12):
            case 0:
                return self.physical()
            case 1 | 2:
                start, size = draw.choice(self.large)
                return start + (self.physical() & (1 << size) - 1) & ALL
            case 3:
                return draw.choice((
                    draw.choice(self.leaves) ^ 1 << draw.randrange(30, 64), HOLE + self.within(), RAM + SIZE, 1 << 56,
                    draw.getrandbits(64),
                ))  # fmt: skip
            case _:
                return draw.choice(self.leaves) + self.within()

    def number(self):
        draw = self.draw
        return draw.choice(
            (0, ALL, 1 << draw.randrange(64), ALL ^ 1 << draw.randrange(64), draw.getrandbits(64), draw.getrandbits(12))
        )

    def word_for(self, csr, f3):
        """A value for a register that is written (1), set (2) or cleared (3)."""
        draw = self.draw
        value = self.number() & KEPT.get(csr, ALL)
        if csr in (Csr.STVEC, Csr.SEPC, Csr.MEPC) and draw.randrange(2):
            value = self.virtual() & KEPT.get(csr, ALL)
        if csr == Csr.MSTATUS:
            value |= draw.choice((0, MPP) if f3 > 1 else (0, 1 << 11, MPP))
        return value | FORCED.get(csr, 0) if f3 == 1 else value

    # -- instructions

    def register(self):
        return self.draw.randrange(5, 16)

    def access(self, csr, plain=False):
        """Instructions that read or write a register, or both."""
        draw, rd = self.draw, self.register()
        f3 = draw.choice((2, 3) if csr == Csr.MENVCFG else (1, 2, 3, 2))
        if csr in (Csr.MTVAL, Csr.STVAL):
            return [*li(T5, self.number()), system(1, 0, T5, csr), system(2, rd, 0, csr)]
        if csr in UNSEEN:
            return [system(2, 0, 0, csr)]
        if draw.randrange(4) == 0 or (csr == Csr.SATP and not plain):
            made = [system(draw.choice((2, 3)), rd, 0, csr)]
        elif draw.randrange(5) == 0 and csr not in (Csr.MSTATUS, Csr.MEPC, Csr.SEPC, Csr.MENVCFG, Csr.SENVCFG, Csr.SSTATUS):
            bits = draw.getrandbits(5) & KEPT.get(csr, ALL)
            made = [system(f3 | 4, rd, bits, csr)]
        else:
            value = self.word_for(csr, f3)
            made = [*li(T5, value or 1 if csr in READ_ONLY + FLOATS else value), system(f3, rd, T5, csr)]
        if csr in SEEN:
            made += [*li(T6, SEEN[csr]), T6 << 20 | rd << 15 | 7 << 12 | rd << 7 | 0b0110011]
        return made

    def any_csr(self):
        draw = self.draw
        pool = draw.choice((PLAIN, SUPERVISORS, SUPERVISORS, list(KEPT), FLOATS, READ_ONLY, UNSEEN, ABSENT))
        return draw.choice(pool)

    def touch(self, address, aligned=False):
        """Instructions that load, store or do something atomic at an address."""
        draw, rd = self.draw, self.register()
        size = draw.randrange(4)
        kind = draw.randrange(10)
        if self.fine:
            address &= ~((1 << size) - 1)
        if kind < 4:
            return [*li(T5, address), load(size | draw.getrandbits(1) << 2 if size < 3 else 3, rd, T5)]
        if kind < 8:
            return [*li(T5, address), store(size, self.register(), T5)]
        f3 = draw.choice((2, 3))
        if draw.randrange(3):
            address &= ~((1 << f3) - 1)
        base = li(PLACE, address)
        if kind == 8:
            f5 = draw.choice((0, 1, 4, 8, 12, 16, 20, 24, 28))
            return [*base, atomic(f5, f3, rd, PLACE, self.register())]
        made = [*base, atomic(2, f3, rd, PLACE, 0)]
        if address & (1 << f3) - 1 == 0:
            if draw.randrange(2):
                made += [immediate(0b0010011, 0, PLACE, PLACE, 8 * draw.randrange(2))]
            made += [atomic(3, f3, self.register(), PLACE, self.register())]
        return made

    def snippet(self):
        """Place some instructions that end in a trap; the offset in the slot where they begin."""
        draw, made = self.draw, []
        for _ in range(draw.randrange(1, 5)):
            match draw.randrange(16):
                case 0 | 1 | 2 | 3 | 4 | 5:
                    made += self.touch(self.virtual())
                case 6 | 7 | 8:
                    made += self.access(self.any_csr())
                case 9:
                    made.append(draw.choice((SRET, SRET, MRET, WFI, EBREAK, ECALL, FENCE_I, 0, ALL >> 32, 0x9002 | NOP << 16)))
                case 10:
                    made += [*li(T5, self.virtual()), system(0, 0, T5, draw.choice((SFENCE, SINVAL)) | draw.choice((0, 0, T5)))]
                case 11:
                    made += [*li(T5, self.virtual() & ~1), immediate(0b1100111, 0, draw.randrange(5, 8), T5, 0)]
                case 12:
                    made += [draw.choice((FLOAT_ADD, 0xE20100D3 | self.register() << 7, 0xF2000053 | self.register() << 15))]
                case 13:
                    made += [
                        *li(T5, self.word_for(Csr.SSTATUS, 2)),
                        system(draw.choice((2, 3)), self.register(), T5, Csr.SSTATUS),
                    ]
                case _:
                    made += [immediate(0b0010011, 0, self.register(), self.register(), draw.getrandbits(11))]
        made.append(draw.choice((ECALL, ECALL, EBREAK, 0)))
        at = self.snippet_at
        if draw.randrange(6) == 0 and at < SNIPPETS + 4090:  # the last instruction of the page lies in two pages
            at = SNIPPETS + 4094 - 4 * draw.randrange(min(3, len(made)))
        if at + 4 * len(made) > SNIPPETS + 8192:
            return SNIPPETS
        for i, code in enumerate(made):
            self.memory[at + 4 * i : at + 4 * i + 4] = code.to_bytes(4, "little")
        self.snippet_at = max(self.snippet_at, at + 4 * len(made) + 4 & ~3)
        return at

    def handlers(self):
        """The supervisor's: they leave what they see in x16 to x19."""
        draw = self.draw
        made = [jump(5, 64 - 4 * i) for i in range(16)]
        made += [system(2, 16 + i, 0, c) for i, c in enumerate((Csr.SCAUSE, Csr.SEPC, Csr.STVAL, Csr.SSTATUS))]
        made += [atomic(3, 3, 0, 0, 0)]  # ends a reservation, as a trap does by itself in QEMU
        made += [immediate(0b0010011, 0, COUNTER, COUNTER, 1), immediate(0b0010011, 7, T5, COUNTER, 3)]
        back = [immediate(0b0010011, 0, 17, 17, 4), system(1, 0, 17, Csr.SEPC), SRET]
        calm = [*li(T6, 0x222), system(3, 0, T6, Csr.SIE), SRET]
        made += [T5 << 15 | 1 << 12 | 8 << 7 | 0b1100011, ECALL]  # the fourth time, and often at once, on to machine mode
        made += [*draw.choice((back, calm, [])), ECALL]
        for i, code in enumerate(made):
            self.memory[HANDLERS + 4 * i : HANDLERS + 4 * i + 4] = code.to_bytes(4, "little")

    # -- the director

    def begin(self, resume):
        """The start of a segment; where the address of the next one has to be put."""
        self.code += [*li(T6, MPRV), system(3, 0, T6, Csr.MSTATUS), *li(T6, VARIABLES)]
        patch = len(self.code)
        self.code += [0, 0, store(3, T5, T6, NEXT), *li(T5, resume), store(3, T5, T6, RESUME)]
        return patch

    def finish(self, patch):
        here = self.base + DIRECTOR + 4 * len(self.code)
        distance = here - (self.base + DIRECTOR + 4 * patch)
        low = (distance & 0xFFF ^ 0x800) - 0x800
        self.code[patch] = (distance - low & 0xFFFFF000) | T5 << 7 | 0b0010111
        self.code[patch + 1] = immediate(0b0010011, 0, T5, T5, low)

    def segment(self):
        kinds = (self.registers, self.go, self.go, self.go, self.go, self.edit, self.as_another, self.interrupts)
        length = len(self.code)
        if not self.crosses:
            kinds += (self.protect_parts,) * 3 if self.fine else (self.protect, self.protect)
        self.draw.choice(kinds)()
        if len(self.code) > 2900:  # no room is left
            del self.code[length:]

    def registers(self):
        """Machine mode reads and writes registers."""
        patch = self.begin(1)
        for _ in range(self.draw.randrange(2, 9)):
            if self.draw.randrange(10) == 0:
                self.code += self.vector()
            else:
                self.code += self.access(self.any_csr(), plain=True)
        self.finish(patch)

    def vector(self):
        """Write mtvec, look at it, and put it back."""
        first = harness().symbols["vectors"]
        write = [*li(T6, first | self.draw.getrandbits(1)), *li(T5, self.number()), system(1, 0, T5, Csr.MTVEC)]
        return [*write, system(2, self.register(), 0, Csr.MTVEC), system(1, 0, T6, Csr.MTVEC)]

    def translation(self):
        """A value for satp."""
        if self.draw.randrange(6) == 0:
            return 0
        levels = self.levels if self.draw.randrange(12) else self.draw.choice((3, 4, 5, 6, 2))
        return levels + 5 << 60 | self.base + ROOT >> 12

    def go(self):
        """On to a snippet, in some mode."""
        draw, code = self.draw, self.code
        patch = self.begin(0)
        at = self.snippet()
        mode = draw.choice((0, 1, 1, 3))
        satp = self.translation()
        code += [*li(T5, satp), system(1, 0, T5, Csr.SATP)]
        handler = self.leaves[7] if satp else self.base + HANDLERS
        delegated = draw.choice((0xB1FF, 0xB1FF, 0xB000, draw.getrandbits(16), 0)) & (
            0xB3FF if draw.randrange(30) == 0 else 0xB1FF
        )
        if draw.randrange(8) == 0 or satp >> 60 not in (0, self.levels + 5):
            handler, delegated = draw.choice(self.leaves), delegated & ~(1 << 12 | 1 << 1)
        delegated = delegated & ~(1 << 5) | delegated >> 2 & 1 << 5
        code += [*li(T5, delegated), system(1, 0, T5, Csr.MEDELEG)]
        code += [*li(T5, handler | draw.getrandbits(1)), system(1, 0, T5, Csr.STVEC)]
        if draw.randrange(3) == 0:
            code += [
                *li(T5, draw.choice((0, 7, 0xFFFFFFFF, draw.getrandbits(3)))),
                system(1, 0, T5, draw.choice((Csr.MCOUNTEREN, Csr.SCOUNTEREN))),
            ]
        target = self.base + at
        if satp and mode != 3:
            pages = [draw.choice(self.leaves) + (at & 4095)] * 3
            start, size = draw.choice(self.large)
            target = draw.choice((*pages, start + (target & (1 << size) - 1), self.virtual() & ~1)) & ALL
        elif draw.randrange(10) == 0:
            target = self.virtual() & ~1
        code += [*li(T5, target), system(1, 0, T5, draw.choice((Csr.MEPC, Csr.MEPC, Csr.MEPC, Csr.SEPC)))]
        by_sret = code[-1] >> 20 == Csr.SEPC
        if by_sret and mode == 3:
            mode = 1
        status = self.number() & KEPT[Csr.MSTATUS] & ~(MPRV | MIE) if draw.randrange(2) else draw.choice((0, 1 << 13))
        status = status & ~(1 << 8) | FORCED[Csr.MSTATUS] | mode << (8 if by_sret else 11)
        status |= SUM * draw.getrandbits(1) | MXR * draw.getrandbits(1)
        code += [*li(T5, status), system(1, 0, T5, Csr.MSTATUS)]
        for i in range(5, 16):
            if draw.randrange(4) == 0:
                code += li(i, self.number())
        code.append(SRET if by_sret else MRET)
        self.finish(patch)

    def edit(self):
        """Change entries of page tables."""
        draw = self.draw
        patch = self.begin(1)
        for _ in range(draw.randrange(1, 5)):
            entry, size = draw.choice(self.entries)
            if size is None:
                value = int.from_bytes(self.memory[entry : entry + 8], "little")
                value = value ^ draw.choice((0, 0, 1 << draw.choice((0, 4, 5, 6, 7, 8, 9))))
            else:
                value = self.leaf(size)
            self.code += [*li(T5, self.base + entry), *li(5, value), store(3, 5, T5)]
        self.code.append(system(0, 0, 0, 0x120))
        self.finish(patch)

    def as_another(self):
        """Machine mode loads and stores as another mode would."""
        draw = self.draw
        patch = self.begin(1)
        self.code += [*li(T5, self.translation()), system(1, 0, T5, Csr.SATP)]
        for _ in range(draw.randrange(1, 4)):
            status = FORCED[Csr.MSTATUS] | MPRV | draw.choice((0, 1, 1, 3)) << 11 | draw.choice((0, SUM, MXR, SUM | MXR))
            self.code += [*li(T6, status)]
            self.code += [system(1, 0, T6, Csr.MSTATUS), *self.touch(self.virtual())]
        self.finish(patch)

    def protect(self):
        """Physical memory protection: regions of whole pages among those of the slot."""
        draw = self.draw
        patch = self.begin(1)
        count, aligned = draw.randrange(1, 6), True
        config = 0
        for i in range(count):
            kinds = (0, 1, 3) if aligned else (0, 3)
            kind = draw.choice(kinds)
            page = self.base + draw.choice((SNIPPETS, SNIPPETS + 4096, HANDLERS, DATA, DATA + 4096)) >> 2
            size = draw.choice((1, 1, 1, 2, 8)) * 1024
            if kind == 3:
                value = page & ~(size - 1) | (size // 2 - 1)
            else:
                value = page + draw.choice((0, 1024))
            aligned = kind != 3
            if draw.randrange(8) == 0 and kind == 3:
                value = draw.choice(((1 << 54) - 1, RAM + SIZE - 4096 >> 2 | 0x1FF))
            allowed = draw.choice((0, 1, 3, 4, 5, 7)) | (3 if value >= 1 << 53 else 0)
            locked = 0x80 if self.locks and kind and draw.randrange(3) == 0 else 0
            config |= (kind << 3 | allowed | locked) << 8 * i
            self.code += [*li(T5, value), system(1, 0, T5, Csr.PMPADDR0 + i)]
        self.code += [*li(T5, config), system(1, 0, T5, Csr.PMPCFG0), system(2, self.register(), 0, Csr.PMPCFG0)]
        for _ in range(draw.randrange(2)):  # odd ones are there in RV32 only
            self.code += [system(2, self.register(), 0, draw.choice((Csr.PMPCFG0 + 1, Csr.PMPCFG2, Csr.PMPADDR15)))]
        if draw.randrange(2):
            for _ in range(3):
                self.code += self.touch(self.physical())
        self.finish(patch)

    def protect_parts(self):
        """Physical memory protection: regions that border on each other, at any multiple of 4, and nothing for others."""
        draw = self.draw
        patch = self.begin(1)
        places = (SNIPPETS, SNIPPETS, SNIPPETS + 4096, HANDLERS, DATA, DATA, DATA + 4096)
        borders = sorted({self.base + draw.choice(places) + 4 * draw.randrange(1024) >> 2 for _ in range(draw.randrange(1, 6))})
        config = 0
        for i, border in enumerate([*borders, RAM + SIZE >> 2]):  # page tables are in the last one
            config |= (1 << 3 | draw.choice((7, 7, 7, 5, 4, 3, 1, 0) if i < len(borders) else (7, 3))) << 8 * i
            self.code += [*li(T5, border), system(1, 0, T5, Csr.PMPADDR0 + i)]
        self.code += [system(1, 0, 0, Csr.PMPCFG2), *li(T5, config), system(1, 0, T5, Csr.PMPCFG0)]
        self.code += [system(2, self.register(), 0, Csr.PMPADDR0)]
        for _ in range(draw.randrange(4)):
            self.code += self.touch(self.physical())
        self.finish(patch)

    def interrupts(self):
        """Make interrupts pending, and let machine mode take them where it is asked to."""
        draw = self.draw
        patch = self.begin(1)
        first = harness().symbols["vectors"]
        self.code += [system(7, 0, MIE, Csr.MSTATUS), *li(T5, first | draw.getrandbits(1)), system(1, 0, T5, Csr.MTVEC)]
        if draw.randrange(2):
            self.code += [*li(T5, draw.choice((0x222, 2, 0x20, 0x200, 0))), system(1, 0, T5, Csr.MIDELEG)]
        match draw.randrange(4):
            case 0:
                self.code += [*li(T6, MSIP), *li(T5, draw.getrandbits(2)), store(2, T5, T6)]
                self.code += [*li(T6, MTIMECMP), *li(T5, draw.choice((0, 1 << 62))), store(3, T5, T6)]
            case 1:  # the supervisor's timer, with its comparison in the past or far away
                self.code += [*li(T5, 1 << 63), system(2, 0, T5, Csr.MENVCFG)]
                self.code += [*li(T5, draw.choice((0, 1 << 62, ALL))), system(1, 0, T5, Csr.STIMECMP)]
                self.code += [system(2, self.register(), 0, Csr.MIP), *self.access(Csr.MIP)]
                if draw.randrange(2):
                    self.code += [*li(T5, ALL), system(1, 0, T5, Csr.STIMECMP), *li(T5, 1 << 63), system(3, 0, T5, Csr.MENVCFG)]
            case _:
                self.code += [*li(T5, draw.getrandbits(10) & 0x222), system(draw.choice((1, 2)), self.register(), T5, Csr.MIP)]
        self.code += [*li(T5, draw.choice((0xAAA, draw.getrandbits(12) & 0xAAA))), system(1, 0, T5, Csr.MIE)]
        self.code += [system(2, self.register(), 0, c) for c in (Csr.MIP, Csr.SIP, Csr.SIE)]
        if draw.randrange(2):
            self.code += [system(6, 0, MIE, Csr.MSTATUS), NOP, system(7, 0, MIE, Csr.MSTATUS)]
        if draw.randrange(4) == 0:
            self.code.append(WFI)
        self.finish(patch)

    def close(self):
        """The end: back to the frame."""
        self.code += [*li(T5, RAM + 4), immediate(0b1100111, 0, 0, T5, 0)]
        assert 4 * len(self.code) <= SNIPPETS
        for i, code in enumerate(self.code):
            self.memory[DIRECTOR + 4 * i : DIRECTOR + 4 * i + 4] = code.to_bytes(4, "little")
