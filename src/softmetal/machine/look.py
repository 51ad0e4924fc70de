"""Looking into a machine: memory and registers; what is changed there enters as an input."""

from __future__ import annotations

import operator
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from softmetal.isa.riscv.hart import ABI, FLOAT_ABI
from softmetal.isa.riscv.privileged.state import Csr
from softmetal.lang.chip import Array
from softmetal.machine import control
from softmetal.machine.errors import UnknownRegister
from softmetal.machine.loading import RAM_BASE

PRIVILEGES = {0: "user", 1: "supervisor", 3: "machine"}
READABLE = (*ABI, "pc")
NAMES = (*READABLE, *FLOAT_ABI)
BANKS = {"x": ABI, "f": FLOAT_ABI}
"""Arrays of registers, and their elements' names."""


class PhysicalMemory:
    """A machine's memory, by physical address."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def _span(self, part: slice) -> slice:
        size = len(self._machine.ram)
        start, stop = part.start, part.stop
        if part.step is not None or start is None or stop is None or not RAM_BASE <= start <= stop <= RAM_BASE + size:
            raise IndexError(f"give memory[a:b] between {RAM_BASE:#x} and {RAM_BASE + size:#x}")
        return slice(start - RAM_BASE, stop - RAM_BASE)

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._machine.ram[self._span(part)])

    def __setitem__(self, part: slice, data: bytes) -> None:
        span = self._span(part)
        if len(data) != span.stop - span.start:
            raise IndexError(f"{len(data)} bytes do not fill {span.stop - span.start}")
        self._machine.enter("memory", part.start.to_bytes(8, "little") + bytes(data))


class Registers(MutableMapping[str, int]):
    """A hart's integer registers and `pc` by their ABI names; what is set enters as an input."""

    def __init__(self, cpu: Cpu) -> None:
        self._cpu = cpu

    def __getitem__(self, name: str) -> int:
        if name not in READABLE:
            raise UnknownRegister(f"no register {name!r}: there are {', '.join(READABLE)}")
        hart = self._cpu.hart
        return int(hart.pc if name == "pc" else hart.x[ABI.index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        if name == ABI[0]:
            raise ValueError(f"{name} is always 0")
        self._cpu.set(name, value)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"register {name} cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(READABLE)

    def __len__(self) -> int:
        return len(READABLE)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {value:#x}" for name, value in self.items()) + "}"


class Bank(Sequence[int]):
    """An array of a hart's state, to look at; registers in it can be set, which enters as an input."""

    def __init__(self, cpu: Cpu, name: str, names: Sequence[str] = ()) -> None:
        self._cpu, self._name, self._names = cpu, name, names

    def __len__(self) -> int:
        return len(getattr(self._cpu.hart, self._name))

    def __getitem__(self, index: Any) -> Any:
        return list(getattr(self._cpu.hart, self._name))[index]

    def __setitem__(self, index: int, value: int) -> None:
        if not self._names:
            raise AttributeError(self._cpu.fixed(self._name))
        self._cpu.set(self._names[index], value)

    def __repr__(self) -> str:
        return repr(list(self))


class Cpu:
    """A hart, to look at and to change.

    `regs` is by ABI name, `x` and `f` by number; `pc` and they can be set, which enters as an input: a recording and a timeline
    know of it. Control and status registers: `csr` and `set_csr`. All other fields of the hart's state are attributes that can
    only be read.
    """

    def __init__(self, machine: Any, number: int) -> None:
        self.__dict__.update(_machine=machine, number=number)

    @property
    def hart(self) -> Any:
        """The hart's fields, as they lie in the board: to look at."""
        board = self._machine.board
        return board if self.number == board.active else board.parked[self.number]

    @property
    def privilege(self) -> str:
        """The mode that it is in: user, supervisor or machine."""
        return PRIVILEGES[self.hart.mode]

    @property
    def regs(self) -> Registers:
        """Integer registers and `pc`, by their names."""
        return Registers(self)

    def set(self, name: str, value: int) -> None:
        """Set a register: an integer's, `pc`, or the bits of a floating-point one. Raises UnknownRegister, ValueError."""
        if name not in NAMES:
            raise UnknownRegister(f"no register {name!r}: there are {', '.join(NAMES[1:])}")
        index, bits = NAMES.index(name), word(name, value)
        if index:
            self._machine.enter("register", bytes([self.number, index]) + bits)

    def csr(self, number: int | str) -> int | None:
        """A control and status register, by its address or name; None where there is none. Raises UnknownRegister for a name."""
        return control.read_csr(self._machine.board, self.number, address_of(number))

    def set_csr(self, number: int | str, value: int) -> None:
        """Write a control and status register, as the hart in machine mode would. Raises UnknownRegister, ValueError."""
        address = address_of(number)
        if address >> 10 == 3 or self.csr(address) is None:
            raise ValueError(f"{number}: this hart has no control and status register there that can be written")
        self._machine.enter("csr", bytes([self.number]) + address.to_bytes(2, "little") + word(str(number), value))

    def fixed(self, name: str) -> str:
        """Why a field cannot be set."""
        return f"cpu.{name} can only be read; set pc, regs[...], x[...], f[...], or set_csr(name, value)"

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.hart, name)
        if name in BANKS:
            return Bank(self, name, BANKS[name])
        return Bank(self, name) if isinstance(value, Array) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "pc":
            self.set("pc", value)
            return
        getattr(self.hart, name)  # AttributeError where there is none
        raise AttributeError(self.fixed(name))


def word(name: str, value: int) -> bytes:
    """A register's 64 bits. Raises ValueError, TypeError."""
    if not -(1 << 63) <= operator.index(value) < 1 << 64:
        raise ValueError(f"{name} = {value:#x}: more than 64 bits")
    return (value & (1 << 64) - 1).to_bytes(8, "little")


def address_of(csr: int | str) -> int:
    """A control and status register's address, from that or from its name. Raises UnknownRegister."""
    try:
        return int(Csr[csr.upper()] if isinstance(csr, str) else csr)
    except KeyError:
        raise UnknownRegister(f"no control and status register {csr!r}") from None
