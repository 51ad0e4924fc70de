"""A hart of the virt board, to inspect and to change."""

from __future__ import annotations

from typing import Any

from softmetal.computers.riscv_virt import csrs
from softmetal.isa.riscv.hart import ABI, FLOAT_ABI
from softmetal.isa.riscv.privileged.state import PRIVILEGES, Csr
from softmetal.machine.errors import UnknownRegister
from softmetal.machine.views import Cpu, fitting

PC = len(ABI)
"""Its number among REGISTERS; floating-point ones follow."""


class RiscvCpu(Cpu):
    """A hart. Control and status registers: `csr` and `set_csr`."""

    READABLE = (*ABI, "pc")
    REGISTERS = tuple((name, 64) for name in (*ABI, "pc", *FLOAT_ABI))
    FIXED = (ABI[0],)
    BANKS = {"x": ABI, "f": FLOAT_ABI}  # noqa: RUF012
    SETS = "pc, regs[...], x[...], f[...], or set_csr(name, value)"

    @property
    def state(self) -> Any:
        board = self._machine.board
        return board if self.number == board.active else board.parked[self.number]

    @property
    def privilege(self) -> str:
        return str(PRIVILEGES.get(self.state.mode, "?"))

    @property
    def doing(self) -> str:
        state = self.state
        return "not started" if state.stopped else "waiting" if state.waiting else "running"

    def get(self, name: str) -> int:
        return int(self.state.pc if name == "pc" else self.state.x[ABI.index(name)])

    def put(self, number: int, value: int) -> None:
        state = self.state
        if number < PC:
            state.x[number] = value
        elif number == PC:
            state.pc = state.next_pc = value
        else:
            state.f[number - PC - 1] = value

    def summary(self) -> str:
        x = self.state.x
        rows = ["  ".join(f"{ABI[i]:>4} {x[i]:016x}" for i in range(row, row + 4)) for row in range(0, 32, 4)]
        return "\n".join([f"  pc {self.state.pc:016x}", *rows])

    def csr(self, number: int | str) -> int | None:
        """A control and status register, by its address or name; None where there is none. Raises UnknownRegister for a name."""
        return csrs.read_csr(self._machine.board, self.number, address_of(number))

    def set_csr(self, number: int | str, value: int) -> None:
        """Write a control and status register, as the hart in machine mode would. Raises UnknownRegister, ValueError."""
        address = address_of(number)
        if address >> 10 == 3 or self.csr(address) is None:
            raise ValueError(f"{number}: this hart has no control and status register there that can be written")
        word = fitting(str(number), value, 64).to_bytes(8, "little")
        self._machine.enter("csr", bytes([self.number]) + address.to_bytes(2, "little") + word)


def address_of(csr: int | str) -> int:
    """A control and status register's address, from that or from its name. Raises UnknownRegister."""
    try:
        return int(Csr[csr.upper()] if isinstance(csr, str) else csr)
    except KeyError:
        raise UnknownRegister(f"no control and status register {csr!r}") from None
