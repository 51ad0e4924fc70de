"""Zicond: zero a value on a condition.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zicond" for Integer Conditional Operations.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5

isa.group = "Zicond"


@insn("0000111 rs2 rs1 101 rd 0110011", "czero.eqz {rd}, {rs1}, {rs2}")
def czero_eqz(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Take rs1, or 0 where rs2 is 0."""
    hart.set_x(rd, hart.x[rs1] if hart.x[rs2] != 0 else 0)


@insn("0000111 rs2 rs1 111 rd 0110011", "czero.nez {rd}, {rs1}, {rs2}")
def czero_nez(hart: Hart, rd: u5, rs1: u5, rs2: u5) -> None:
    """Take rs1, or 0 where rs2 is not 0."""
    hart.set_x(rd, hart.x[rs1] if hart.x[rs2] == 0 else 0)
