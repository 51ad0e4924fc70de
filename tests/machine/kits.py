"""The computers that every test of a machine runs on: for each small guests that do the same, and what tests have to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.riscv import isa as riscv
from softmetal.isa.table import Isa
from softmetal.machine.machine import Machine
from tests.machine import guests, guests_6502

ENGINES = ("golden", "native")


@dataclass(frozen=True, eq=False)
class Kit:
    """A computer, and what tests have to know of it."""

    name: str
    isa: Isa
    guests: Any
    """The module of its guests."""
    machine: Callable[..., Machine]
    start: int
    """Where programs begin."""
    file: tuple[str, str]
    """The field that names the program's file, and the file's name."""
    console: str
    """The port of its console,"""
    typed: str
    """the field in which the last character that was typed is,"""
    sent: str
    """and the ring of what was written."""
    reg: str
    """A register that COUNTER counts in,"""
    turns: str
    """and one that LOOP counts its turns in."""
    second: tuple[str, int]
    """Another register of LOOP's, and what is added to it each turn behind `target`."""
    bits: int
    """Width of a register, and of what LOOP stores."""
    spare: int
    """An address of memory that no guest uses."""
    timer: int
    """The interrupt of TIMERS, as hooks number it."""
    look: int
    """Ticks in a few instructions: how often somebody looks."""
    most: int
    """Ticks that an instruction may take."""
    cpus: tuple[int, ...]
    """Numbers of CPUs to try."""
    several: dict[str, Any] = field(default_factory=dict)
    """What makes a machine of several CPUs, where it can have them."""
    changes: dict[str, Callable[[Machine], Any]] = field(default_factory=dict)
    """Ways to change a machine from outside."""
    inputs: dict[str, Callable[[Machine], Any]] = field(default_factory=dict)
    """Inputs by ports of its own, at once."""
    equipped: dict[str, Any] = field(default_factory=dict)
    """What a machine has to be made with for these."""
    tamper: Callable[[Any], Any] = lambda board: None
    """Change a board's state behind everyone's back."""

    def symbols(self, text: str) -> dict[str, int]:
        """Addresses of a program's names."""
        return assemble(self.isa, text, self.start).symbols


def _set(name: str, value: int) -> Callable[[Machine], None]:
    return lambda m: m.cpu.set(name, value)


VIRT = Kit(
    name="riscv-virt", isa=riscv, guests=guests, machine=guests.machine, start=guests.START, file=("bios", "guest.bin"),
    console="uart", typed="uart.fifo[0]", sent="uart.tx.ring", reg="s2", turns="a0", second=("a2", 2), bits=64,
    spare=0x8000_4000, timer=7, look=3333, most=1, cpus=(1, 2, 3, 20), several={"cpus": 2},
    changes={
        "pc": lambda m: setattr(m.cpu, "pc", m.cpu.pc + 4),
        "regs": lambda m: m.cpu.regs.update(s2=1234, t0=-1),
        "regs pc": lambda m: m.cpu.regs.__setitem__("pc", 0x8000_0000),
        "x": lambda m: m.cpu.x.__setitem__(18, 99),
        "f": lambda m: m.cpu.f.__setitem__(3, 0x4000_0000_0000_0000),
        "set": lambda m: m.cpus[1].set("a0", 5),
        "csr": lambda m: m.cpus[1].set_csr("mscratch", 77),
        "memory": lambda m: m.memory.__setitem__(slice(0x8000_1000, 0x8000_1004), b"abcd"),
    },
    inputs={
        "resize": lambda m: m.resize(100, 30),
        "keyboard": lambda m: m.keyboard.type("Hi"),
        "net": lambda m: m.post("net", bytes(80)),
    },
    equipped={"network": True, "display": True}, tamper=lambda board: board.x.__setitem__(20, 1),
)  # fmt: skip
SBC = Kit(
    name="mos6502-sbc", isa=mos6502, guests=guests_6502, machine=guests_6502.machine, start=guests_6502.START,
    file=("rom", "guest.rom"), console="serial", typed="acia.rdr", sent="acia.tx.ring", reg="x", turns="x", second=("y", 1),
    bits=8, spare=0x2000, timer=1, look=31, most=10, cpus=(1,),
    changes={
        "pc": _set("pc", 0xC000),
        "regs": lambda m: m.cpu.regs.update(x=200, a=-1),
        "attribute": lambda m: setattr(m.cpu, "y", 77),
        "p": lambda m: m.cpu.regs.__setitem__("p", m.cpu.regs["p"] ^ 0x40),
        "memory": lambda m: m.memory.__setitem__(slice(0x2000, 0x2004), b"abcd"),
        "rom": lambda m: m.memory.__setitem__(slice(0xFF00, 0xFF02), b"xy"),
    },
    inputs={
        "nmi": lambda m: m.enter("nmi", b"\1"),
        "pa": lambda m: m.enter("pa", b"\x0f"),
    },
    tamper=lambda board: board.ram.__setitem__(0x2100, 1),
)  # fmt: skip
KITS = (VIRT, SBC)


def program(kit: Kit, tmp_path: Path, text: str) -> str:
    """A file with an assembled program."""
    made: str = guests.program(tmp_path, text) if kit is VIRT else guests_6502.rom(tmp_path, text)
    return made
