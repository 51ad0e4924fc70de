"""Control and status registers: who may read and write each, and what a write leaves in it.

Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 2 "CSRs", 3 "Machine-Level ISA",
10 "Supervisor-Level ISA" and 12 "Sstc".
Not modelled: triggers, performance counters beyond cycle, time and instret (both read as 0), address space identifiers.
"""

from __future__ import annotations

from softmetal.isa.frames import CodeFrames
from softmetal.isa.riscv.extensions import MISA
from softmetal.isa.riscv.hart import ILLEGAL, RiscvTrap
from softmetal.isa.riscv.privileged.pmp import Pmp
from softmetal.isa.riscv.privileged.state import (
    ALL_LINES,
    DELEGABLE,
    MACHINE,
    MOST_RAM,
    SEI,
    SSI,
    STI,
    SUPERVISOR,
    SUPERVISOR_LINES,
    USER,
    Csr,
)
from softmetal.lang import Trap, cold, memory, u1, u2, u4, u6, u12, u32, u64

ARCHITECTURE = 0
SXL_UXL = 2 << 34 | 2 << 32
STCE = 1 << 63
"""menvcfg: supervisor mode has a timer of its own."""
PBMTE = 1 << 62
"""menvcfg: page table entries have memory types."""
FIOM = 1
CBIE, CBCFE, CBZE = 3 << 4, 1 << 6, 1 << 7
"""menvcfg, senvcfg: less privileged modes may invalidate, clean and zero cache blocks."""
PPN = (1 << 44) - 1


class Deferred(Trap):
    """Raised before an instruction that an engine cannot do in a hurry has done anything: `code.ahead` is 1."""


class HartCode(CodeFrames):
    """Which frames of memory code was fetched from since it was last changed there: stores to them are noticed."""

    fetched: memory[MOST_RAM >> 12]


class Csrs(Pmp):
    """A hart's control and status registers."""

    code: HartCode

    def clock(self) -> u64:
        """Ticks of the board's clock since power-on."""
        return self.count

    def time(self) -> u64:
        """The timer that `time` reads."""
        return self.count

    def defer(self) -> None:
        """Leave, before anything has happened, where an engine is running ahead."""
        if self.code.ahead != 0:
            raise Deferred()

    def pending(self) -> u12:
        """mip."""
        return self.lines | self.soft

    def timed(self) -> None:
        """A time at which a timer is due has changed: bring the timers' lines up to date."""

    def rekey(self) -> None:
        """The mode, or how data is accessed in it, has changed."""

    # -- reading

    @cold
    def read_csr(self, csr: u12, code: u32) -> u64:
        if self.mode < csr >> 8 & 3:
            raise RiscvTrap(ILLEGAL, code)
        if Csr.PMPADDR0 <= csr <= Csr.PMPADDR15:
            return self.pmpaddr[csr & 15]
        if Csr.MCYCLE <= csr <= 0xB1F or Csr.CYCLE <= csr <= 0xC1F:
            return self.read_counter(csr, code)
        match csr:
            case Csr.FFLAGS:
                self.use_float(code)
                return self.fflags
            case Csr.FRM:
                self.use_float(code)
                return self.frm
            case Csr.FCSR:
                self.use_float(code)
                return self.frm << 5 | self.fflags
            case Csr.SSTATUS:
                return self.read_sstatus()
            case Csr.SIE:
                return self.enabled & self.mideleg
            case Csr.STVEC:
                return self.stvec
            case Csr.SCOUNTEREN:
                return self.scounteren
            case Csr.SENVCFG:
                return self.senvcfg
            case Csr.SSCRATCH:
                return self.sscratch
            case Csr.SEPC:
                return self.sepc
            case Csr.SCAUSE:
                return self.scause
            case Csr.STVAL:
                return self.stval
            case Csr.SIP:
                return self.pending() & self.mideleg
            case Csr.STIMECMP:
                self.check_stimecmp(code)
                return self.stimecmp
            case Csr.SATP:
                if self.mode == SUPERVISOR and self.tvm != 0:
                    raise RiscvTrap(ILLEGAL, code)
                return self.satp
            case Csr.MSTATUS:
                return self.read_mstatus()
            case Csr.MISA:
                return MISA
            case Csr.MEDELEG:
                return self.medeleg
            case Csr.MIDELEG:
                return self.mideleg
            case Csr.MIE:
                return self.enabled
            case Csr.MTVEC:
                return self.mtvec
            case Csr.MCOUNTEREN:
                return self.mcounteren
            case Csr.MCOUNTINHIBIT:
                return self.mcountinhibit
            case Csr.MENVCFG:
                return self.menvcfg
            case Csr.MSCRATCH:
                return self.mscratch
            case Csr.MEPC:
                return self.mepc
            case Csr.MCAUSE:
                return self.mcause
            case Csr.MTVAL:
                return self.mtval
            case Csr.MIP:
                return self.pending()
            case Csr.PMPCFG0:
                return self.read_pmpcfg(0)
            case Csr.PMPCFG2:
                return self.read_pmpcfg(8)
            case Csr.MHARTID:
                return self.hartid
            case Csr.MVENDORID | Csr.MARCHID | Csr.MIMPID | Csr.MCONFIGPTR:
                return 0
            case _:
                if self.reads_zero(csr) == 0:
                    raise RiscvTrap(ILLEGAL, code)
                return 0

    def reads_zero(self, csr: u12) -> u1:
        """Registers that are there and always 0: protection entries beyond ours, triggers, events."""
        pmp = (Csr.PMPCFG2 <= csr <= Csr.PMPCFG15 and csr & 1 == 0) or Csr.PMPADDR16 <= csr <= Csr.PMPADDR63
        return pmp or Csr.TSELECT <= csr <= Csr.TDATA3 or 0x323 <= csr <= 0x33F

    @cold
    def read_counter(self, csr: u12, code: u32) -> u64:
        number: u6 = csr & 0x1F
        if csr >= Csr.CYCLE:
            if self.mode < MACHINE and self.mcounteren >> number & 1 == 0:
                raise RiscvTrap(ILLEGAL, code)
            if self.mode == USER and self.scounteren >> number & 1 == 0:
                raise RiscvTrap(ILLEGAL, code)
        match number:
            case 0:
                return self.clock() + self.cycle_offset
            case 1:
                if csr < Csr.CYCLE:
                    raise RiscvTrap(ILLEGAL, code)
                return self.time()
            case 2:
                return self.count + self.untimed
            case _:
                return 0

    def read_sstatus(self) -> u64:
        low = self.sie << 1 | self.spie << 5 | self.spp << 8 | self.fs << 13 | self.sum << 18 | self.mxr << 19
        return low | 2 << 32 | (self.fs == 3) << 63

    def read_mstatus(self) -> u64:
        low = self.mie << 3 | self.mpie << 7 | self.mpp << 11 | self.mprv << 17
        return self.read_sstatus() | SXL_UXL | low | self.tvm << 20 | self.tw << 21 | self.tsr << 22

    def check_stimecmp(self, code: u32) -> None:
        if self.mode < MACHINE and (self.menvcfg & STCE == 0 or self.mcounteren & 2 == 0):
            raise RiscvTrap(ILLEGAL, code)

    def latched(self, csr: u12, old: u64) -> u64:
        """What a read-modify-write of bits starts from. Interrupt lines are not latched by it (chapter 3, "mip")."""
        if csr == Csr.MIP:
            return self.soft
        if csr == Csr.SIP:
            return self.soft & self.mideleg
        return old

    # -- writing

    @cold
    def write_csr(self, csr: u12, value: u64, code: u32) -> None:
        if self.mode < csr >> 8 & 3 or csr >> 10 == 3:
            raise RiscvTrap(ILLEGAL, code)
        match csr:
            case Csr.FFLAGS:
                self.dirty_float(code)
                self.fflags = value
            case Csr.FRM:
                self.dirty_float(code)
                self.frm = value
            case Csr.FCSR:
                self.dirty_float(code)
                self.fflags = value
                self.frm = value >> 5
            case Csr.SSTATUS:
                if value >> 1 & 1 != 0 and self.sie == 0 and self.pending() & self.enabled != 0:
                    self.defer()
                self.write_sstatus(value)
                self.rekey()
            case Csr.STVEC:
                if value & 3 < 2:
                    self.stvec = value
            case Csr.SCOUNTEREN:
                self.scounteren = value
            case Csr.SENVCFG:
                self.senvcfg = self.environment(value, self.senvcfg)
            case Csr.SSCRATCH:
                self.sscratch = value
            case Csr.SEPC:
                self.sepc = value & ~1
            case Csr.SCAUSE:
                self.scause = value
            case Csr.STVAL:
                self.stval = value
            case Csr.MSCRATCH:
                self.mscratch = value
            case Csr.MEPC:
                self.mepc = value & ~1
            case Csr.MCAUSE:
                self.mcause = value
            case Csr.MTVAL:
                self.mtval = value
            case _:
                self.defer()
                self.write_rare(csr, value, code)

    @cold
    def write_rare(self, csr: u12, value: u64, code: u32) -> None:
        """The registers whose writes may have effects beyond themselves."""
        if Csr.PMPADDR0 <= csr <= Csr.PMPADDR15:
            self.write_pmpaddr(u4(csr), value)
            return
        match csr:
            case Csr.SIE:
                self.enabled = self.enabled & ~self.mideleg | value & self.mideleg
            case Csr.SIP:
                mask = self.mideleg & SSI
                self.soft = self.soft & ~mask | value & mask
            case Csr.STIMECMP:
                self.check_stimecmp(code)
                self.stimecmp = value
                self.timed()
            case Csr.SATP:
                if self.mode == SUPERVISOR and self.tvm != 0:
                    raise RiscvTrap(ILLEGAL, code)
                scheme = value >> 60
                if scheme == 0 or 8 <= scheme <= 10:
                    self.satp = value & (15 << 60 | PPN)
                    self.retranslate()
            case Csr.MSTATUS:
                self.write_mstatus(value)
                self.rekey()
            case Csr.MISA | Csr.TSELECT | Csr.TDATA1 | Csr.TDATA2 | Csr.TDATA3:
                pass
            case Csr.MEDELEG:
                self.medeleg = value & DELEGABLE
            case Csr.MIDELEG:
                self.mideleg = value & SUPERVISOR_LINES
            case Csr.MIE:
                self.enabled = value & ALL_LINES
            case Csr.MTVEC:
                if value & 3 < 2:
                    self.mtvec = value
            case Csr.MCOUNTEREN:
                self.mcounteren = value
            case Csr.MCOUNTINHIBIT:
                self.mcountinhibit = 0
            case Csr.MENVCFG:
                self.menvcfg = value & (STCE | PBMTE) | self.environment(value, self.menvcfg)
                if self.menvcfg & STCE != 0:  # STIP is the timer's now
                    self.soft = self.soft & ~STI
                self.timed()
            case Csr.MIP:
                mask = SSI | SEI | (0 if self.menvcfg & STCE else STI)
                self.soft = value & mask
            case Csr.MCYCLE:
                self.cycle_offset = value - self.clock() - 1
            case Csr.MINSTRET:
                self.untimed = value - self.count - 1
            case Csr.PMPCFG0:
                self.write_pmpcfg(0, value)
            case Csr.PMPCFG2:
                self.write_pmpcfg(8, value)
            case _:
                if self.reads_zero(csr) == 0 and not (Csr.MCYCLE < csr <= 0xB1F and csr != 0xB01):
                    raise RiscvTrap(ILLEGAL, code)

    def environment(self, value: u64, old: u64) -> u64:
        """The bits that both envcfg registers have. CBIE = 2 is reserved: it stays as it is."""
        kept = FIOM | CBCFE | CBZE
        return value & (kept | CBIE) if value & CBIE != 2 << 4 else value & kept | old & CBIE

    def write_sstatus(self, value: u64) -> None:
        self.sie = u1(value >> 1)
        self.spie = u1(value >> 5)
        self.spp = u1(value >> 8)
        self.fs = u2(value >> 13)
        self.sum = u1(value >> 18)
        self.mxr = u1(value >> 19)

    def write_mstatus(self, value: u64) -> None:
        self.write_sstatus(value)
        self.mie = u1(value >> 3)
        self.mpie = u1(value >> 7)
        if value >> 11 & 3 != 2:
            self.mpp = u2(value >> 11)
        self.mprv = u1(value >> 17)
        self.tvm = u1(value >> 20)
        self.tw = u1(value >> 21)
        self.tsr = u1(value >> 22)

    # -- floating point

    def use_float(self, code: u32) -> None:
        """Raise an illegal instruction where floating point is off."""
        if self.fs == 0:
            raise RiscvTrap(ILLEGAL, code)

    def dirty_float(self, code: u32) -> None:
        """Floating-point state is about to change."""
        if self.fs == 0:
            raise RiscvTrap(ILLEGAL, code)
        self.fs = 3
