"""A RISC-V hart: the state that the unprivileged architecture defines, and its bus.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 2, 20, 21 and Volume II, table of exception codes.
"""

from __future__ import annotations

from softmetal.lang import Chip, Trap, u1, u2, u3, u5, u7, u8, u12, u16, u32, u64

ABI = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)  # fmt: skip
FLOAT_ABI = (
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
)  # fmt: skip

# Exception codes (Volume II, "Machine Cause Register").
MISALIGNED_FETCH = 0
FETCH_ACCESS = 1
ILLEGAL = 2
BREAKPOINT = 3
LOAD_MISALIGNED = 4
LOAD_ACCESS = 5
STORE_MISALIGNED = 6
STORE_ACCESS = 7
ECALL_U, ECALL_S, ECALL_M = 8, 9, 11
FETCH_PAGE, LOAD_PAGE, STORE_PAGE = 12, 13, 15

INVALIDATE, CLEAN, ZERO = 0, 1, 2
"""What is done to a cache block; to clean and to flush it is one permission."""


class RiscvTrap(Trap):
    """An exception: its code, and what `tval` receives (an address, or the instruction's bits)."""

    cause: u64
    tval: u64


class Hart(Chip):
    """Registers and bus of one hart. The chip around it gives the bus its meaning by overriding the last methods."""

    x: u64[32]  # x[0] stays 0: written only through set_x
    f: u64[32]  # raw bits; narrower values are NaN-boxed
    pc: u64
    next_pc: u64  # where the instruction that is running continues
    count: u64  # instructions retired
    fflags: u5  # accrued exceptions NV DZ OF UF NX, bits 4 to 0
    frm: u3  # dynamic rounding mode
    reserved: u1  # an LR's reservation holds
    reservation: u64  # its address

    def set_x(self, rd: u5, value: u64) -> None:
        if rd != 0:
            self.x[rd] = value

    # What a hart with privileged modes does otherwise.

    def read_csr(self, csr: u12, code: u32) -> u64:
        """A control and status register; one that is not there makes the instruction illegal."""
        match csr:
            case 0x001:
                return self.fflags
            case 0x002:
                return self.frm
            case 0x003:
                return self.frm << 5 | self.fflags
            case 0xC00 | 0xC01 | 0xC02:
                return self.count
            case _:
                raise RiscvTrap(ILLEGAL, code)

    def write_csr(self, csr: u12, value: u64, code: u32) -> None:
        """Set a control and status register; one that is not there or read-only makes the instruction illegal."""
        match csr:
            case 0x001:
                self.fflags = value
            case 0x002:
                self.frm = value
            case 0x003:
                self.fflags = value
                self.frm = value >> 5
            case _:
                raise RiscvTrap(ILLEGAL, code)

    def latched(self, csr: u12, old: u64) -> u64:
        """What an instruction that sets or clears bits of a register starts from, when it has read `old`."""
        return old

    def use_float(self, code: u32) -> None:
        """An instruction reads floating-point registers."""

    def dirty_float(self, code: u32) -> None:
        """An instruction is about to change floating-point state."""

    def ecall(self) -> None:
        raise RiscvTrap(ECALL_U, 0)

    def mret(self, code: u32) -> u64:
        """Return from a trap; the address where that was."""
        raise RiscvTrap(ILLEGAL, code)

    def sret(self, code: u32) -> u64:
        """Return from a trap; the address where that was."""
        raise RiscvTrap(ILLEGAL, code)

    def fence_translations(self, code: u32) -> None:
        """Order invalidations of translations and what lies around them."""
        raise RiscvTrap(ILLEGAL, code)

    def wfi(self, code: u32) -> None:
        raise RiscvTrap(ILLEGAL, code)

    def use_blocks(self, what: u2, code: u32) -> None:
        """An instruction is about to do something to a cache block. A program may not invalidate one (as under Linux)."""
        if what == INVALIDATE:
            raise RiscvTrap(ILLEGAL, code)

    def probe_block(self, address: u64) -> None:
        """Raise a store's exception where neither a load nor a store may access the cache block at an address."""
        raise RiscvTrap(STORE_ACCESS, address)

    def zero_block(self, address: u64) -> None:
        """Store zeros to the 64 bytes of the cache block at an address, or to none."""
        raise RiscvTrap(STORE_ACCESS, address)

    def sfence_vma(self, address: u64, all_addresses: u1, code: u32) -> None:
        raise RiscvTrap(ILLEGAL, code)

    # The bus.

    def probe_store(self, address: u64, size: u7) -> None:
        """Raise what a store of some bytes at an aligned address would raise; atomics load only where they may store."""

    def fetch(self, address: u64) -> u16:
        raise RiscvTrap(FETCH_ACCESS, address)

    def load8(self, address: u64) -> u8:
        raise RiscvTrap(LOAD_ACCESS, address)

    def load16(self, address: u64) -> u16:
        raise RiscvTrap(LOAD_ACCESS, address)

    def load32(self, address: u64) -> u32:
        raise RiscvTrap(LOAD_ACCESS, address)

    def load64(self, address: u64) -> u64:
        raise RiscvTrap(LOAD_ACCESS, address)

    def store8(self, address: u64, value: u8) -> None:
        raise RiscvTrap(STORE_ACCESS, address)

    def store16(self, address: u64, value: u16) -> None:
        raise RiscvTrap(STORE_ACCESS, address)

    def store32(self, address: u64, value: u32) -> None:
        raise RiscvTrap(STORE_ACCESS, address)

    def store64(self, address: u64, value: u64) -> None:
        raise RiscvTrap(STORE_ACCESS, address)
