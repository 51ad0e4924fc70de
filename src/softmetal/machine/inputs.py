"""What enters a machine from outside: one place for all of it, so that a run can be repeated.

An input enters between two instructions. Two numbers give the moment: the position (how many instructions and traps all CPUs
have executed since power-on), and, if all CPUs were waiting there, the clock up to which they had waited.

A computer has its own ports (see `Computer.ports`). Every machine has these: `memory` and `register` (a change by the user),
`reset` (the power switch), and `diskN`, `shareN`, by which a device gets the host's answer, while the machine is stopped for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from softmetal.machine.computer import Kind, Port

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine

ANSWERS = ("disk", "share")
"""Ports of answers to devices; a number follows."""


@dataclass(frozen=True)
class Input:
    """Something from outside: where it came, by position and clock, and whether all CPUs were waiting then."""

    position: int
    clock: int
    waited: bool
    port: str
    data: bytes

    @property
    def is_answer(self) -> bool:
        """Is it the host's answer to a device?"""
        return self.port.startswith(ANSWERS)


def _memory(machine: Machine, data: bytes) -> None:
    address, data = int.from_bytes(data[:8], "little"), data[8:]
    machine.span(address, len(data))[:] = data
    machine.engine.call("memory_changed", address, len(data))


def _register(machine: Machine, data: bytes) -> None:
    machine.cpus[data[0]].put(data[1], int.from_bytes(data[2:10], "little"))


COMMON = {
    "memory": Port(Kind.EVENT, _memory),
    "register": Port(Kind.EVENT, _register),
    "reset": Port(Kind.EVENT, lambda machine, data: machine.power_cycle()),
}
"""Ports that every machine has."""


def port(machine: Machine, name: str) -> Port:
    """A machine's port. Raises ValueError where there is none of that name."""
    found = machine.computer.ports.get(name) or COMMON.get(name)
    if found is None:
        have = ", ".join(sorted({*machine.computer.ports, *COMMON}))
        raise ValueError(f"{machine.computer.name} has no port {name!r}; there are {have}")
    return found


def put(machine: Machine, name: str, data: bytes) -> None:
    """Let an input enter. It takes effect before the guest's next instruction."""
    port(machine, name).put(machine, data)


def room(machine: Machine, name: str, count: int) -> int:
    """How many of so many bytes may enter now: of a packet all or 0, of an event all."""
    found = port(machine, name)
    free = found.room(machine.board, count)
    return min(count, free) if found.kind is Kind.STREAM else count if free >= count else 0
