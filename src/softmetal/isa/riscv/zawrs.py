"""Zawrs: wait until a reservation is lost. Both forms may end early for any reason; here they end at once.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zawrs".
"""

from __future__ import annotations

from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import isa

isa.group = "Zawrs"


def wait(hart: Hart) -> None:
    """Wait for a store to the reserved address, or for less."""


isa.add("000000001101 00000 000 00000 1110011", "wrs.nto", wait)
isa.add("000000011101 00000 000 00000 1110011", "wrs.sto", wait)
