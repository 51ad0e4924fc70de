"""May-be-operations, Zimop and Zcmop: codes that other extensions redefine, and that without these write 0 or nothing.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zimop" and "Zcmop" Extensions for May-Be-Operations.
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import insn, isa
from softmetal.lang import u5

isa.names["mop"] = {str(n): n for n in range(32)}
isa.names["mopr"] = {str(n): n for n in range(8)}
isa.names["cmop"] = {str(n): n - 1 for n in range(1, 16, 2)}  # bit 0 is no field: it is always 1

isa.group = "Zimop"


@insn("1 un[4] 00 un[3:2] 0111 un[1:0] rs1 100 rd 1110011", "mop.r.{un:mop} {rd}, {rs1}")
def mop_r(hart: Hart, rd: u5) -> None:
    """Write 0: room for an operation on one register."""
    hart.set_x(rd, 0)


@insn("1 un[2] 00 un[1:0] 1 rs2 rs1 100 rd 1110011", "mop.rr.{un:mopr} {rd}, {rs1}, {rs2}")
def mop_rr(hart: Hart, rd: u5) -> None:
    """Write 0: room for an operation on two registers."""
    hart.set_x(rd, 0)


isa.group = "Zcmop"


@insn("01100 un[3:1] 1 00000 01", "c.mop.{un:cmop}")
def c_mop(hart: Hart) -> None:
    """Do nothing: room for an operation."""
