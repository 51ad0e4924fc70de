"""Zicsr, Zifencei and the unprivileged control and status registers.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 5 "Zifencei", 6 "Zicsr", 7 "Zicntr" and 20 "F".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from softmetal.isa.riscv.hart import ILLEGAL, Hart, RiscvTrap
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5, u12, u32, u64

FFLAGS, FRM, FCSR = 0x001, 0x002, 0x003
CYCLE, TIME, INSTRET = 0xC00, 0xC01, 0xC02
NAMES = {"fflags": FFLAGS, "frm": FRM, "fcsr": FCSR, "cycle": CYCLE, "time": TIME, "instret": INSTRET}
isa.names["csr"] = NAMES

isa.group = "Zifencei"


@insn("imm[11:0] rs1[4:0] 001 rd[4:0] 0001111", "fence.i")
def fence_i(hart: Hart) -> None:
    """Make stores to code visible to fetches. This hart sees them at once."""


isa.group = "Zicsr"


def read_csr(hart: Hart, csr: u12, code: u32) -> u64:
    """A register's value; one that is not there makes the instruction illegal."""
    match csr:
        case 0x001:
            return hart.fflags
        case 0x002:
            return hart.frm
        case 0x003:
            return hart.frm << 5 | hart.fflags
        case 0xC00 | 0xC01 | 0xC02:
            return hart.count
        case _:
            raise RiscvTrap(ILLEGAL, code)


def write_csr(hart: Hart, csr: u12, value: u64, code: u32) -> None:
    """Set a register; one that is not there or read-only makes the instruction illegal."""
    match csr:
        case 0x001:
            hart.fflags = value
        case 0x002:
            hart.frm = value
        case 0x003:
            hart.fflags = value
            hart.frm = value >> 5
        case _:
            raise RiscvTrap(ILLEGAL, code)


def set_bits(old: u64, value: u64) -> u64:
    return old | value


def clear_bits(old: u64, value: u64) -> u64:
    return old & ~value


@insn("csr[11:0] rs1 001 rd 1110011", "csrrw {rd}, {csr:csr}, {rs1}")
def csrrw(hart: Hart, rd: u5, rs1: u5, csr: u12, code: u32) -> None:
    """Write a register to a CSR; rd is its old value."""
    value = hart.x[rs1]
    old = read_csr(hart, csr, code) if rd != 0 else 0
    write_csr(hart, csr, value, code)
    hart.set_x(rd, old)


@insn("csr[11:0] uimm 101 rd 1110011", "csrrwi {rd}, {csr:csr}, {uimm}")
def csrrwi(hart: Hart, rd: u5, uimm: u5, csr: u12, code: u32) -> None:
    """Write an immediate to a CSR; rd is its old value."""
    old = read_csr(hart, csr, code) if rd != 0 else 0
    write_csr(hart, csr, uimm, code)
    hart.set_x(rd, old)


def csr_bits(hart: Hart, rd: u5, rs1: u5, csr: u12, code: u32, op: Callable) -> None:  # type: ignore[type-arg]
    """Set or clear the bits of a CSR that a register names; rd is its old value. x0 leaves the CSR alone."""
    value = hart.x[rs1]
    old = read_csr(hart, csr, code)
    if rs1 != 0:
        write_csr(hart, csr, op(old, value), code)
    hart.set_x(rd, old)


def csr_bits_immediate(hart: Hart, rd: u5, uimm: u5, csr: u12, code: u32, op: Callable) -> None:  # type: ignore[type-arg]
    """Set or clear the bits of a CSR that an immediate names; rd is its old value. 0 leaves the CSR alone."""
    old = read_csr(hart, csr, code)
    if uimm != 0:
        write_csr(hart, csr, op(old, uimm), code)
    hart.set_x(rd, old)


for row, name, operation in (("10", "csrrs", set_bits), ("11", "csrrc", clear_bits)):
    isa.add(f"csr[11:0] rs1 0{row} rd 1110011", f"{name} {{rd}}, {{csr:csr}}, {{rs1}}", partial(csr_bits, op=operation))
    isa.add(
        f"csr[11:0] uimm 1{row} rd 1110011", f"{name}i {{rd}}, {{csr:csr}}, {{uimm}}",
        partial(csr_bits_immediate, op=operation),
    )  # fmt: skip
