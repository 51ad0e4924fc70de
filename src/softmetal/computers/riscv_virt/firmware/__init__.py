"""The firmware of the virt board: a small SBI, assembled from `sbi.s` when it is first needed."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from softmetal.isa.assembler import Assembly, assemble

ADDRESS = 0x8000_0000
SIZE = 0x4_0000
"""What it keeps of memory; the device tree reserves it."""


def firmware(entry: int = 0x8020_0000) -> bytes:
    """The image for ADDRESS, which enters supervisor mode at `entry`."""
    made = assembly()
    at = made.symbols["entry"] - ADDRESS
    return made.code[:at] + entry.to_bytes(8, "little") + made.code[at + 8 :]


@cache
def assembly() -> Assembly:
    """The program with its symbols."""
    from softmetal.isa.riscv import isa

    return assemble(isa, (files(__package__) / "sbi.s").read_text(), ADDRESS, "sbi.s")
