"""Traps, interrupts and the instructions that only privileged modes have.

Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 3.1.6 to 3.1.18, 3.3, 10 and "Svinval".
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import CLEAN, ECALL_U, ILLEGAL, INVALIDATE, RiscvTrap
from softmetal.isa.riscv.privileged.csr import CBCFE, CBIE, CBZE
from softmetal.isa.riscv.privileged.mmu import Mmu
from softmetal.isa.riscv.privileged.state import INTERRUPT, MACHINE, MEI, MSI, MTI, SEI, SSI, STI, SUPERVISOR, USER
from softmetal.lang import cold, u1, u2, u4, u6, u12, u32, u64


class PrivilegedHart(Mmu):
    """A hart with machine, supervisor and user mode. The board around it gives it time, interrupt lines and a bus."""

    def ecall(self) -> None:
        raise RiscvTrap(ECALL_U + self.mode, 0)

    def write_csr(self, csr: u12, value: u64, code: u32) -> None:
        if self.debug.registers != 0:
            self.report_csr(csr, value)
        super().write_csr(csr, value, code)

    @cold
    def report_csr(self, csr: u12, value: u64) -> None:
        """Report a write to a register, before it."""
        self.report_register(csr, value)

    # -- traps

    @cold
    def take(self, cause: u64, tval: u64) -> None:
        """Enter the handler of a trap; `pc` is where it happened."""
        self.waiting = 0
        number: u6 = cause & 63
        interrupt = cause >> 63
        self.report_trap(interrupt, number, cause, tval)
        delegated = (self.mideleg if interrupt else self.medeleg) >> number & 1
        if self.mode < MACHINE and delegated != 0:
            self.scause = cause
            self.sepc = self.pc
            self.stval = tval
            self.spie = self.sie
            self.sie = 0
            self.spp = self.mode != USER
            self.mode = SUPERVISOR
            base = self.stvec
        else:
            self.mcause = cause
            self.mepc = self.pc
            self.mtval = tval
            self.mpie = self.mie
            self.mie = 0
            self.mpp = self.mode
            self.mode = MACHINE
            base = self.mtvec
        self.pc = (base & ~3) + (4 * number if interrupt and base & 3 == 1 else 0)
        self.next_pc = self.pc
        self.rekey()

    def due(self) -> u12:
        """Interrupts that would be taken now."""
        pending = self.pending() & self.enabled
        machine = pending & ~self.mideleg
        if machine != 0 and (self.mode < MACHINE or self.mie != 0):
            return machine
        supervisor = pending & self.mideleg
        if supervisor != 0 and (self.mode < SUPERVISOR or (self.mode == SUPERVISOR and self.sie != 0)):
            return supervisor
        return 0

    @cold
    def interrupt(self, due: u12) -> None:
        """Take the most urgent of some interrupts."""
        number: u4 = 5
        if due & MEI:
            number = 11
        elif due & MSI:
            number = 3
        elif due & MTI:
            number = 7
        elif due & SEI:
            number = 9
        elif due & SSI:
            number = 1
        self.take(INTERRUPT | number, 0)

    # -- instructions

    @cold
    def mret(self, code: u32) -> u64:
        if self.mode < MACHINE:
            raise RiscvTrap(ILLEGAL, code)
        self.defer()
        self.mode = self.mpp
        self.mie = self.mpie
        self.mpie = 1
        self.mpp = USER
        if self.mode < MACHINE:
            self.mprv = 0
        self.rekey()
        return self.mepc

    @cold
    def sret(self, code: u32) -> u64:
        if self.mode < SUPERVISOR or (self.mode == SUPERVISOR and self.tsr != 0):
            raise RiscvTrap(ILLEGAL, code)
        self.defer()
        self.mode = self.spp
        self.sie = self.spie
        self.spie = 1
        self.spp = USER
        self.mprv = 0
        self.rekey()
        return self.sepc

    @cold
    def wfi(self, code: u32) -> None:
        """Wait for an interrupt. In user mode, or if machine mode has set that, the instruction is illegal instead."""
        if self.mode == USER or (self.mode == SUPERVISOR and self.tw != 0):
            raise RiscvTrap(ILLEGAL, code)
        self.defer()
        self.waiting = 1

    @cold
    def sfence_vma(self, address: u64, all_addresses: u1, code: u32) -> None:
        if self.mode == USER or (self.mode == SUPERVISOR and self.tvm != 0):
            raise RiscvTrap(ILLEGAL, code)
        self.defer()
        if all_addresses != 0:
            self.retranslate()
        else:
            self.retranslate_page(address)

    @cold
    def fence_translations(self, code: u32) -> None:
        if self.mode == USER:
            raise RiscvTrap(ILLEGAL, code)

    def use_blocks(self, what: u2, code: u32) -> None:
        need = CBIE if what == INVALIDATE else CBCFE if what == CLEAN else CBZE
        granted: u64 = self.menvcfg & self.senvcfg if self.mode == USER else self.menvcfg
        if self.mode < MACHINE and granted & need == 0:
            raise RiscvTrap(ILLEGAL, code)

    def wakes(self) -> u1:
        """Is there an interrupt that ends a wait, whether it is taken or not?"""
        return self.pending() & self.enabled != 0

    def timer_lines(self, soft: u1, timer: u1, supervisor_timer: u1, external: u1, supervisor_external: u1) -> None:
        """Set all interrupt lines."""
        low = (MSI if soft else 0) | (MTI if timer else 0) | (STI if supervisor_timer else 0)
        self.lines = low | (MEI if external else 0) | (SEI if supervisor_external else 0)
