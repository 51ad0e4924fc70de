"""RISC-V: RV64GC with Zba, Zbb and Zbs. `isa` is the whole table."""

from softmetal.isa.riscv import a, b, c, m, zicsr
from softmetal.isa.riscv.rv64 import isa

__all__ = ["a", "b", "c", "isa", "m", "zicsr"]
