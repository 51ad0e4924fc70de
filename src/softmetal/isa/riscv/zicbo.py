"""Cache blocks: Zicbom (management), Zicboz (zeros), Zicbop (prefetches). A block has 64 bytes.

There is no cache, so nothing is ever out of date: management asks for permission and does nothing else, a prefetch does
nothing at all. A fault names the address in rs1.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "CMO" Extensions for Base Cache Management Operation ISA.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import CLEAN, INVALIDATE, ZERO, Hart
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5, u32

isa.group = "Zicbom"


@insn("000000000000 rs1 010 00000 0001111", "cbo.inval ({rs1})")
def cbo_inval(hart: Hart, rs1: u5, code: u32) -> None:
    """Drop a block from all caches."""
    hart.use_blocks(INVALIDATE, code)
    hart.probe_block(hart.x[rs1])


@insn("000000000001 rs1 010 00000 0001111", "cbo.clean ({rs1})")
def cbo_clean(hart: Hart, rs1: u5, code: u32) -> None:
    """Write a block back to memory."""
    hart.use_blocks(CLEAN, code)
    hart.probe_block(hart.x[rs1])


@insn("000000000010 rs1 010 00000 0001111", "cbo.flush ({rs1})")
def cbo_flush(hart: Hart, rs1: u5, code: u32) -> None:
    """Write a block back to memory and drop it from all caches."""
    hart.use_blocks(CLEAN, code)
    hart.probe_block(hart.x[rs1])


isa.group = "Zicboz"


@insn("000000000100 rs1 010 00000 0001111", "cbo.zero ({rs1})")
def cbo_zero(hart: Hart, rs1: u5, code: u32) -> None:
    """Store zeros to a block."""
    hart.use_blocks(ZERO, code)
    hart.zero_block(hart.x[rs1])


isa.group = "Zicbop"


def prefetch(hart: Hart) -> None:
    """Say that a block is about to be used: a hint."""


for code, name in (("00000", "i"), ("00001", "r"), ("00011", "w")):
    isa.add(f"imm[11:5] {code} rs1 110 00000 0010011", f"prefetch.{name} {{imm}}({{rs1}})", prefetch)
