"""The RISC-V `virt` computer: Debian, OpenSBI, U-Boot and xv6 boot on it.

`virt` says what it is made of; `loading`, `firmware` and `tree` make its memory; `devices` and `ports` are its ways to the host;
`cpu`, `csrs`, `translation`, `naming` and `gdb` are how it is looked at.
"""

from softmetal.computers.riscv_virt.virt import Virt

COMPUTER = Virt

__all__ = ["COMPUTER", "Virt"]
