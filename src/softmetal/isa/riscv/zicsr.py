"""Zicsr, Zifencei and the unprivileged control and status registers.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 5 "Zifencei", 6 "Zicsr", 7 "Zicntr" and 20 "F".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.privileged.state import Csr
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5, u12, u32, u64

NAMES = {c.name.lower(): int(c) for c in Csr}
NAMES |= {f"pmpaddr{i}": Csr.PMPADDR0 + i for i in range(64)} | {f"pmpcfg{i}": Csr.PMPCFG0 + i for i in range(0, 16, 2)}
isa.names["csr"] = NAMES

isa.group = "Zifencei"


@insn("imm[11:0] rs1[4:0] 001 rd[4:0] 0001111", "fence.i")
def fence_i(hart: Hart) -> None:
    """Make stores to code visible to fetches. This hart sees them at once."""


isa.group = "Zicsr"


def set_bits(old: u64, value: u64) -> u64:
    return old | value


def clear_bits(old: u64, value: u64) -> u64:
    return old & ~value


@insn("csr[11:0] rs1 001 rd 1110011", "csrrw {rd}, {csr:csr}, {rs1}")
def csrrw(hart: Hart, rd: u5, rs1: u5, csr: u12, code: u32) -> None:
    """Write a register to a CSR; rd is its old value."""
    value = hart.x[rs1]
    old = hart.read_csr(csr, code) if rd != 0 else 0
    hart.write_csr(csr, value, code)
    hart.set_x(rd, old)


@insn("csr[11:0] uimm 101 rd 1110011", "csrrwi {rd}, {csr:csr}, {uimm}")
def csrrwi(hart: Hart, rd: u5, uimm: u5, csr: u12, code: u32) -> None:
    """Write an immediate to a CSR; rd is its old value."""
    old = hart.read_csr(csr, code) if rd != 0 else 0
    hart.write_csr(csr, uimm, code)
    hart.set_x(rd, old)


def csr_bits(hart: Hart, rd: u5, rs1: u5, csr: u12, code: u32, op: Callable) -> None:  # type: ignore[type-arg]
    """Set or clear the bits of a CSR that a register names; rd is its old value. x0 leaves the CSR alone."""
    value = hart.x[rs1]
    old = hart.read_csr(csr, code)
    if rs1 != 0:
        hart.write_csr(csr, op(hart.latched(csr, old), value), code)
    hart.set_x(rd, old)


def csr_bits_immediate(hart: Hart, rd: u5, uimm: u5, csr: u12, code: u32, op: Callable) -> None:  # type: ignore[type-arg]
    """Set or clear the bits of a CSR that an immediate names; rd is its old value. 0 leaves the CSR alone."""
    old = hart.read_csr(csr, code)
    if uimm != 0:
        hart.write_csr(csr, op(hart.latched(csr, old), uimm), code)
    hart.set_x(rd, old)


for row, name, operation in (("10", "csrrs", set_bits), ("11", "csrrc", clear_bits)):
    isa.add(f"csr[11:0] rs1 0{row} rd 1110011", f"{name} {{rd}}, {{csr:csr}}, {{rs1}}", partial(csr_bits, op=operation))
    isa.add(
        f"csr[11:0] uimm 1{row} rd 1110011", f"{name}i {{rd}}, {{csr:csr}}, {{uimm}}",
        partial(csr_bits_immediate, op=operation),
    )  # fmt: skip
