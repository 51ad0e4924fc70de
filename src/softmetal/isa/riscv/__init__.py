"""RISC-V: RV64GC with Zba, Zbb and Zbs. `isa` is the whole table."""

from softmetal.isa.riscv import a, b, c, d, f, fusion, m, pseudo, zicsr
from softmetal.isa.riscv.rv64 import isa

__all__ = ["a", "b", "c", "d", "f", "fusion", "isa", "m", "pseudo", "zicsr"]
