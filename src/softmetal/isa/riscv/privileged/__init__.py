"""The privileged architecture of RISC-V: machine, supervisor and user mode, their registers, address translation, traps."""

from softmetal.isa.riscv.privileged.hart import PrivilegedHart
from softmetal.isa.riscv.privileged.state import PrivilegedState

__all__ = ["PrivilegedHart", "PrivilegedState"]
