"""RISC-V: RV64GC with Zba, Zbb and Zbs, and the privileged architecture. `isa` is the whole table."""

from softmetal.isa.riscv import a, b, c, d, f, fusion, m, pseudo, zicsr
from softmetal.isa.riscv.privileged import insns
from softmetal.isa.riscv.rv64 import isa

__all__ = ["a", "b", "c", "d", "f", "fusion", "insns", "isa", "m", "pseudo", "zicsr"]
