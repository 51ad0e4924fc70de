"""What enters a machine from outside: one place for all of it, so that a run can be repeated.

An input enters between two instructions. Where that is, two numbers say: the position (how many instructions and traps all
harts have done since power-on), and, where all harts were waiting there, the clock up to which they had waited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softmetal.machine import control

RAM_BASE = 0x8000_0000
ANSWERS = ("disk", "share")
"""Ports through which a device gets its answer while the machine stands still for it; a number follows."""


@dataclass(frozen=True)
class Input:
    """Something from outside: where it came, by position and clock, and whether all harts were waiting then."""

    position: int
    clock: int
    waited: bool
    port: str
    data: bytes

    @property
    def is_answer(self) -> bool:
        """Is it the answer to what a device asked for?"""
        return self.port.startswith(ANSWERS)


def room(board: Any, port: str, data: bytes) -> int:
    """How many of these bytes the guest's side has room for: of a packet all or none."""
    match port:
        case "uart":
            return min(len(data), int(board.uart.rx.room()))
        case "hvc":
            return min(len(data), int(board.console.rx.room()))
        case "net":
            return len(data) if board.net.rx.fits(len(data)) else 0
        case "keyboard" | "tablet":
            return len(data) if getattr(board, port).rx.room() >= len(data) else 0
    return len(data)


def put(machine: Any, port: str, data: bytes) -> None:
    """Let an input in. What the guest sees of it, it sees before its next instruction."""
    board, call = machine.board, machine.engine.call
    match port:
        case "uart":
            board.uart.rx.feed(data)
            call("poll")
        case "hvc":
            board.console.rx.feed(data)
            call("poll")
        case "net":
            board.net.feed(data)
            call("poll")
        case "keyboard" | "tablet":
            getattr(board, port).rx.feed(data)
            call("poll")
        case "resize":
            call("resize", int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little"))
        case "link":
            call("set_link", data[0])
        case "generation":
            call("new_generation", int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little"))
        case "entropy":
            board.entropy.seed = int.from_bytes(data, "little")
        case "mac":
            board.net.mac[0:6] = data
        case "serial":
            for i, byte in enumerate(data[1:].ljust(len(board.disks[0].serial), b"\0")):
                board.disks[data[0]].serial[i] = byte
        case "memory":
            address, data = int.from_bytes(data[:8], "little"), data[8:]
            machine._ram[address - RAM_BASE : address - RAM_BASE + len(data)] = data
            call("changed_by_host", address, len(data))
        case "register":
            hart = board if data[0] == board.active else board.parked[data[0]]
            value = int.from_bytes(data[2:10], "little")
            if data[1] < 32:
                hart.x[data[1]] = value
            elif data[1] == 32:
                hart.pc = hart.next_pc = value
            else:
                hart.f[data[1] - 33] = value
        case "csr":
            control.write_csr(board, data[0], int.from_bytes(data[1:3], "little"), int.from_bytes(data[3:11], "little"))
        case "reset":
            machine.power_cycle()
        case _:
            raise ValueError(f"no port {port!r}")
