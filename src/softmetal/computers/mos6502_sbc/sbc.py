"""The 6502 computer: how it is built from a ROM's file, its ports and registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softmetal.boards.mos6502_sbc import CLOCK_HZ, DEVICES, RAM, RAM_SIZE, REGISTERS, ROM, ROM_SIZE, SAMPLED, Mos6502Sbc
from softmetal.engines.native import new_board
from softmetal.isa.mos6502 import isa
from softmetal.machine.computer import Computer, Kind, Port, Region, option, ring
from softmetal.machine.errors import LoadError
from softmetal.machine.machine import Machine
from softmetal.machine.views import Cpu

SAMPLES = tuple(level.to_bytes(2, "little", signed=True) for level in (-8192, 8191))
"""Of the speaker's line at 0 and at 1."""


class Mos6502Cpu(Cpu):
    """The processor. `p` is the status register; its bits B and 5 are no flags, and read as 0 and 1."""

    READABLE = REGISTERS
    SETS = ", ".join(REGISTERS)
    REGISTERS = tuple((name, 16 if name == "pc" else 8) for name in REGISTERS)

    @property
    def state(self) -> Any:
        return self._machine.board

    @property
    def doing(self) -> str:
        return "jammed" if self.state.jammed else "running"

    @property
    def p(self) -> int:
        """The status register."""
        return self.get("p")

    def get(self, name: str) -> int:
        return int(self.state.p(0) if name == "p" else getattr(self.state, name))

    def put(self, number: int, value: int) -> None:
        name, _ = self.REGISTERS[number]
        if name == "p":
            self.state.set_p(value)
        else:
            setattr(self.state, name, value)

    def summary(self) -> str:
        flags = "".join(letter if self.get("p") >> 7 - i & 1 else "-" for i, letter in enumerate("NV5BDIZC"))
        bytes_ = "  ".join(f"{name} {self.get(name):02x}" for name in REGISTERS if name != "pc")
        return f"pc {self.get('pc'):04x}  {bytes_}  {flags}  cycle {self.state.cycles}"


def _port_a(machine: Any, data: bytes) -> None:
    machine.board.via.pa = data[0]


def _port_b(machine: Any, data: bytes) -> None:
    machine.board.via.pb = data[0]


@dataclass(frozen=True, kw_only=True)
class Sbc(Computer):
    """What a 6502 computer is made of: `rom` is a file of at most 32 KiB, whose last byte is at $FFFF."""

    name = "mos6502-sbc"
    isa = isa
    board = Mos6502Sbc
    hz = CLOCK_HZ
    ports = {  # noqa: RUF012
        "serial": ring(Kind.STREAM, lambda board: board.acia.rx),
        "nmi": Port(Kind.EVENT, lambda machine, data: machine.engine.call("press_nmi", data[0] & 1)),  # 1: the button is down
        "pa": Port(Kind.EVENT, _port_a),  # the levels at the VIA's ports
        "pb": Port(Kind.EVENT, _port_b),
    }
    consoles = ("serial",)
    sound = (CLOCK_HZ // SAMPLED, 1)
    devices = DEVICES
    condition_registers = REGISTERS
    watch_stops_before = False
    needs = ("rom",)

    rom: str = option("", "FILE", "The ROM: at most 32 KiB, of which the last byte is at $FFFF.")

    # -- being made

    def build(self) -> Any:
        if not self.rom:
            raise LoadError("nothing to run: give a ROM (--rom)")
        try:
            data = Path(self.rom).read_bytes()
        except OSError as error:
            raise LoadError(f"rom {self.rom}: {error.strerror}") from None
        if not 6 <= len(data) <= ROM_SIZE:
            raise LoadError(f"rom {self.rom}: it has {len(data)} bytes; a ROM has at most {ROM_SIZE}, the last 6 of them vectors")
        board: Any = new_board(self.isa, self.board)
        board.rom[ROM_SIZE - len(data) : ROM_SIZE] = data
        board.via.reset()
        board.acia.reset()
        board.reset()
        return board

    def files(self) -> dict[str, str]:
        return {"rom": self.rom}

    def symbols(self) -> str:
        return self.rom

    # -- time and devices

    def clock(self, board: Any) -> int:
        return int(board.cycles)

    def idle(self, board: Any) -> bool:
        return bool(board.jammed)

    def why_idle(self, board: Any) -> str:
        return f"the processor is jammed by the instruction at ${board.at:04x}: only a reset starts it again"

    def serve(self, machine: Machine) -> bool:
        board = machine.board
        _drain(machine)
        busy = bool(board.needs_host)
        while board.needs_host:
            machine.engine.call("ports_changed")
            _drain(machine)
        return busy

    # -- looking

    def regions(self) -> Sequence[Region]:
        return Region(RAM, RAM_SIZE, "ram"), Region(ROM, ROM_SIZE, "rom")

    def cpu(self, machine: Machine, number: int) -> Mos6502Cpu:
        return Mos6502Cpu(machine, number)


def _drain(machine: Machine) -> None:
    """Take out what the guest has written to the serial port, and played."""
    tx = machine.board.acia.tx
    if tx.head != tx.tail:
        machine.notify(machine.console.wrote, tx.drain())
    speaker = machine.board.speaker.tx
    if speaker.head != speaker.tail and machine.sound is not None:
        machine.notify(machine.sound.played, b"".join(map(SAMPLES.__getitem__, speaker.drain())))
