"""Views of a machine's memory and registers; a change through them enters as an input."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from softmetal.lang.chip import Array
from softmetal.machine.errors import UnknownRegister

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine


class PhysicalMemory:
    """A machine's memory, by physical address."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def _span(self, part: slice) -> memoryview:
        start, stop = part.start, part.stop
        if part.step is not None or start is None or stop is None or start > stop:
            raise IndexError("give memory[a:b], with physical addresses a <= b")
        return self._machine.span(start, stop - start)

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._span(part))

    def __setitem__(self, part: slice, data: bytes) -> None:
        span = self._span(part)
        if len(data) != len(span):
            raise IndexError(f"{len(data)} bytes do not fill {len(span)}")
        self._machine.enter("memory", part.start.to_bytes(8, "little") + bytes(data))


class Registers(MutableMapping[str, int]):
    """A CPU's registers by name; what is set enters as an input."""

    def __init__(self, cpu: Cpu) -> None:
        self._cpu = cpu

    def __getitem__(self, name: str) -> int:
        if name not in self._cpu.READABLE:
            raise UnknownRegister(f"no register {name!r}: there are {', '.join(self._cpu.READABLE)}")
        return self._cpu.get(name)

    def __setitem__(self, name: str, value: int) -> None:
        self._cpu.set(name, value)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"register {name} cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._cpu.READABLE)

    def __len__(self) -> int:
        return len(self._cpu.READABLE)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {value:#x}" for name, value in self.items()) + "}"


class Bank(Sequence[int]):
    """An array of a CPU's state; registers in it can be set, which enters as an input."""

    def __init__(self, cpu: Cpu, name: str, names: Sequence[str] = ()) -> None:
        self._cpu, self._name, self._names = cpu, name, names

    def __len__(self) -> int:
        return len(getattr(self._cpu.state, self._name))

    def __getitem__(self, index: Any) -> Any:
        return list(getattr(self._cpu.state, self._name))[index]

    def __setitem__(self, index: int, value: int) -> None:
        if not self._names:
            raise AttributeError(self._cpu.fixed(self._name))
        self._cpu.set(self._names[index], value)

    def __repr__(self) -> str:
        return repr(list(self))


class Cpu(ABC):
    """A CPU, to inspect and to change.

    `regs` is by name; a register is also an attribute, where the CPU's state has a field of its name. A change enters as an
    input, so recordings and timelines contain it. All other fields of the CPU's state are attributes that can only be read.
    """

    READABLE: ClassVar[tuple[str, ...]]
    """Registers that `regs` lists."""
    REGISTERS: ClassVar[tuple[tuple[str, int], ...]]
    """All registers that can be set, and their widths in bits; a register's number in inputs is its place here."""
    FIXED: ClassVar[tuple[str, ...]] = ()
    """Registers that are always 0."""
    BANKS: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Arrays of registers in the state, and their elements' names."""
    SETS: ClassVar[str]
    """What can be set, for error texts."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.__dict__.update(_machine=machine, number=number)

    number: int

    @property
    @abstractmethod
    def state(self) -> Any:
        """The CPU's fields in the board's state, to read."""

    @property
    def privilege(self) -> str:
        """The mode that it is in: user, ...; "" where it has no modes."""
        return ""

    @property
    def doing(self) -> str:
        """What it does: running, waiting, ..."""
        return "running"

    @abstractmethod
    def get(self, name: str) -> int:
        """A register of READABLE."""

    @abstractmethod
    def put(self, number: int, value: int) -> None:
        """Write a register in the board's state: the effect of an input."""

    def summary(self) -> str:
        """The registers, as lines for the user."""
        return "  ".join(f"{name} {self.get(name):#x}" for name in self.READABLE)

    @property
    def regs(self) -> Registers:
        """The registers, by their names."""
        return Registers(self)

    def set(self, name: str, value: int) -> None:
        """Set a register. Raises UnknownRegister, ValueError."""
        if name in self.FIXED:
            raise ValueError(f"{name} is always 0")
        for number, (known, bits) in enumerate(self.REGISTERS):
            if known == name:
                self._machine.enter("register", bytes([self.number, number]) + fitting(name, value, bits).to_bytes(8, "little"))
                return
        raise UnknownRegister(f"no register {name!r}: there are {', '.join(n for n, _ in self.REGISTERS if n not in self.FIXED)}")

    def fixed(self, name: str) -> str:
        """Why a field cannot be set."""
        return f"cpu.{name} can only be read; set {self.SETS}"

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.state, name)
        if name in self.BANKS:
            return Bank(self, name, self.BANKS[name])
        return Bank(self, name) if isinstance(value, Array) else value

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(self.state, name)  # AttributeError where there is none
        if name not in (n for n, _ in self.REGISTERS):
            raise AttributeError(self.fixed(name))
        self.set(name, value)


def fitting(name: str, value: int, bits: int) -> int:
    """A register's bits, from a number with sign or without. Raises ValueError, TypeError."""
    if not -(1 << bits - 1) <= operator.index(value) < 1 << bits:
        raise ValueError(f"{name} = {value:#x}: more than {bits} bits")
    return value & (1 << bits) - 1
