"""Tables whose fetches have a place in time: long opcodes, operands fetched by the engine or by the meaning."""

from __future__ import annotations

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, memory, u8, u16, u64


class Illegal(Trap):
    code: u64


class Bytes(Chip):
    """A core that keeps what its last instruction got, and counts what it fetched."""

    pc: u16
    count: u64
    polls: u64
    got: u16
    fetched: u64
    ram: memory[256]

    def poll(self) -> None:
        self.polls += 1

    def fetch(self) -> u8:
        value = self.ram[self.pc & 0xFF]
        self.pc += 1
        self.fetched += 1
        return value


def illegal(cpu: Bytes, code: u64) -> None:
    raise Illegal(code)


isa = Isa("bytes", core=Bytes, parcel=8, order="bytes", fetching=True, illegal=illegal, operands={"wide": u16})


@isa.insn("00000001 low", "low {low}")
def low(cpu: Bytes, low: u8) -> None:
    """An operand that the engine fetches."""
    cpu.got = low


@isa.insn("11001011 0000001 n[0] wide[7:0] wide[15:8]", "far {wide}")
def far(cpu: Bytes, wide: u16) -> None:
    """A prefix, an operand behind it."""
    cpu.got = wide


@isa.insn("11001011 00000100 wide[7:0] wide[15:8]", "late {wide}")
def late(cpu: Bytes) -> None:
    """The meaning fetches its operand itself, after it saw how many bytes had been fetched."""
    cpu.got = cpu.fetched << 8 | cpu.fetch()


def run(code):
    core = Bytes()
    for at, byte in enumerate(bytes.fromhex(code)):
        core.ram[at] = byte
    golden_engine(isa, core).step()
    return core


@pytest.mark.parametrize(
    ("code", "got", "fetched"),
    [("0142", 0x42, 2), ("cb033412", 0x1234, 4), ("cb047f00", 0x27F, 3)],
)
def test_the_engine_fetches_what_the_meaning_takes_and_no_more(code, got, fetched):
    core = run(code)
    assert (core.got, core.fetched, core.pc, core.polls, core.count) == (got, fetched, fetched, 1, 1)


@pytest.mark.parametrize(("code", "seen"), [("00", 0x00), ("cbff", 0xFFCB)])
def test_what_no_entry_begins_with_is_illegal(code, seen):
    with pytest.raises(Illegal) as trap:
        run(code)
    assert trap.value.code == seen
