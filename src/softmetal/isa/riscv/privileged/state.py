"""What a hart with privileged modes keeps: its control and status registers, field by field.

Source: The RISC-V Instruction Set Manual, Volume II: Privileged Architecture (20240411), chapters 2, 3, 10, 12.
"""

from __future__ import annotations

from enum import IntEnum

from softmetal.isa.riscv.hart import Hart
from softmetal.lang import u1, u2, u8, u12, u16, u22, u32, u34, u64

USER, SUPERVISOR, MACHINE = 0, 1, 3
PRIVILEGES = {USER: "user", SUPERVISOR: "supervisor", MACHINE: "machine"}
"""Privilege modes, and their names."""

INTERRUPT = 1 << 63
"""In mcause: it is an interrupt."""

# Interrupts: bits of mip and mie.
SSI, MSI, STI, MTI, SEI, MEI = 1 << 1, 1 << 3, 1 << 5, 1 << 7, 1 << 9, 1 << 11
INTERRUPTS = {
    SSI: "supervisor software interrupt", MSI: "machine software interrupt", STI: "supervisor timer interrupt",
    MTI: "machine timer interrupt", SEI: "supervisor external interrupt", MEI: "machine external interrupt",
}  # fmt: skip
SUPERVISOR_LINES = SSI | STI | SEI
ALL_LINES = SUPERVISOR_LINES | MSI | MTI | MEI
DELEGABLE = 0xB3FF
"""Exceptions that `medeleg` can hand on: all but the call from machine mode."""

REGIONS = 16
"""Entries of physical memory protection."""
RAM_BASE = 0x8000_0000
"""Where memory begins. It is the same on all boards of these harts, so that it is a constant for loads and stores."""
MOST_RAM = 16 << 30
"""Bytes. More would only need wider places; a native engine reserves sixteen times as many addresses for decoded code."""
Place = u34
"""Of a byte in memory, from its beginning;"""
Frame = u22
"""of a page."""
REACH = (1 << 56) - 1
"""Physical addresses have 56 bits."""


class Csr(IntEnum):
    """Control and status registers, by address (Volume II, chapter 2, "CSR Listing")."""

    FFLAGS, FRM, FCSR = 0x001, 0x002, 0x003
    SSTATUS, SIE, STVEC, SCOUNTEREN, SENVCFG = 0x100, 0x104, 0x105, 0x106, 0x10A
    SSCRATCH, SEPC, SCAUSE, STVAL, SIP, STIMECMP, SATP = 0x140, 0x141, 0x142, 0x143, 0x144, 0x14D, 0x180
    MSTATUS, MISA, MEDELEG, MIDELEG, MIE, MTVEC, MCOUNTEREN, MENVCFG = 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30A
    MCOUNTINHIBIT = 0x320
    MSCRATCH, MEPC, MCAUSE, MTVAL, MIP = 0x340, 0x341, 0x342, 0x343, 0x344
    PMPCFG0, PMPADDR0, PMPADDR15 = 0x3A0, 0x3B0, 0x3BF
    PMPCFG2, PMPADDR16, PMPADDR63, PMPCFG15 = 0x3A2, 0x3C0, 0x3EF, 0x3AF
    TSELECT, TDATA1, TDATA2, TDATA3 = 0x7A0, 0x7A1, 0x7A2, 0x7A3
    MCYCLE, MINSTRET = 0xB00, 0xB02
    CYCLE, TIME, INSTRET = 0xC00, 0xC01, 0xC02
    MVENDORID, MARCHID, MIMPID, MHARTID, MCONFIGPTR = 0xF11, 0xF12, 0xF13, 0xF14, 0xF15


class PrivilegedState(Hart):
    """Registers of one hart. `mstatus`, `mip` and their supervisor views are put together from fields where they are read."""

    hartid: u64
    mode: u2 = MACHINE
    # mstatus, field by field
    sie: u1
    mie: u1
    spie: u1
    mpie: u1
    spp: u1
    mpp: u2
    fs: u2  # floating point: 0 off, 1 initial, 2 clean, 3 dirty
    mprv: u1
    sum: u1
    mxr: u1
    tvm: u1
    tw: u1
    tsr: u1
    # interrupts
    enabled: u12  # mie
    soft: u12  # what software has set in mip
    lines: u12  # what drives mip from outside: timers, PLIC, ACLINT
    mideleg: u12
    medeleg: u16
    # where traps go, and what they leave
    mtvec: u64
    mepc: u64
    mcause: u64
    mtval: u64
    mscratch: u64
    stvec: u64
    sepc: u64
    scause: u64
    stval: u64
    sscratch: u64
    # counters and timers
    mcounteren: u32
    scounteren: u32
    mcountinhibit: u32
    menvcfg: u64
    senvcfg: u64
    stimecmp: u64 = (1 << 64) - 1
    untimed: u64  # added to `count` where it is read as minstret: traps take time and retire nothing
    cycle_offset: u64  # added to the clock where it is read as mcycle
    # memory
    satp: u64
    pmpcfg: u8[REGIONS]
    pmpaddr: u64[REGIONS]
    pmp_locked: u16  # entries whose lock bit is set
    pmp_cuts: u1  # some entry has a border inside of a page
    open_low: u64  # physical addresses from here to the end of memory may be used in all ways, by all modes
    waiting: u1  # in wfi
    stopped: u1  # not started
