"""Instructions of privileged modes. A hart without modes finds them illegal.

Source: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 3.3 "Machine-Mode Privileged Instructions" and
10.2 "Supervisor Instructions", "Svinval", and the opcode map of chapter "RISC-V Privileged Instruction Set Listings".
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5, u32

isa.group = "Privileged"


@insn("0001000 00010 00000 000 00000 1110011", "sret")
def sret(hart: Hart, code: u32) -> None:
    """Return from a trap in supervisor mode."""
    hart.next_pc = hart.sret(code)


@insn("0011000 00010 00000 000 00000 1110011", "mret")
def mret(hart: Hart, code: u32) -> None:
    """Return from a trap in machine mode."""
    hart.next_pc = hart.mret(code)


@insn("0001000 00101 00000 000 00000 1110011", "wfi")
def wfi(hart: Hart, code: u32) -> None:
    """Wait for an interrupt."""
    hart.wfi(code)


@insn("0001001 rs2 rs1 000 00000 1110011", "sfence.vma {rs1}, {rs2}")
def sfence_vma(hart: Hart, rs1: u5, rs2: u5, code: u32) -> None:
    """Order changes of page tables before the accesses that follow. Register x0 means every address, or every space."""
    hart.sfence_vma(hart.x[rs1], rs1 == 0, code)


isa.group = "Svinval"


@insn("0001011 rs2 rs1 000 00000 1110011", "sinval.vma {rs1}, {rs2}")
def sinval_vma(hart: Hart, rs1: u5, rs2: u5, code: u32) -> None:
    """Forget translations as `sfence.vma` does, ordered by the two instructions around it. Here it is done at once."""
    hart.sfence_vma(hart.x[rs1], rs1 == 0, code)


@insn("0001100 00000 00000 000 00000 1110011", "sfence.w.inval")
def sfence_w_inval(hart: Hart, code: u32) -> None:
    """Order stores before the `sinval.vma` that follow."""
    hart.fence_translations(code)


@insn("0001100 00001 00000 000 00000 1110011", "sfence.inval.ir")
def sfence_inval_ir(hart: Hart, code: u32) -> None:
    """Order `sinval.vma` before the accesses that follow."""
    hart.fence_translations(code)
