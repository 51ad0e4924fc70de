"""RISC-V: the 64-bit architecture with the extensions that `extensions` lists. `isa` is the whole table."""

from softmetal.isa.riscv import a, b, c, d, f, fusion, m, pseudo, zawrs, zbc, zbk, zcb, zfa, zfh, zicbo, zicond, zicsr, zimop
from softmetal.isa.riscv.privileged import insns
from softmetal.isa.riscv.rv64 import isa

__all__ = [
    "a", "b", "c", "d", "f", "fusion", "insns", "isa", "m", "pseudo", "zawrs", "zbc", "zbk", "zcb", "zfa", "zfh", "zicbo",
    "zicond", "zicsr", "zimop",
]  # fmt: skip
