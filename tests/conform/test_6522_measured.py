"""The 6522 against what real ones gave: VICE's programs `viavarious` and `via_sr`, with the results that were recorded on a
VIC-20 and on a 1541C.

They are not part of this project. SOFTMETAL_VICE_TESTPROGS names the folder `testprogs` of VICE's repository. A program of the
first kind has up to 24 parts, and each of these writes and reads timers, flags, ACR or PB7 in a loop for 256 bytes, which depend
on every cycle; one of the second kind reads SR or IFR 388 times while the shift register is in one of its modes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softmetal.chips.mos6522 import Mos6522
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import memory, noinline, u4, u8, u16

FOLDER = os.environ.get("SOFTMETAL_VICE_TESTPROGS")
STOP = 0x5000  # a jump to itself, where a program ends
VIC20, DRIVE = "VIC20", "drive"
BASES = {VIC20: 0x9110, DRIVE: 0x1800}
RESULTS = {VIC20: 0x1000, DRIVE: 0x0700}
PINS_B = {VIC20: 0xFF, DRIVE: 0x1F}  # the drive's jumpers ground PB5 and PB6, ATN is released
INIT = bytes.fromhex("a97a8d0218a9008d001860")  # snd_init, of the code that the drive gets


pytestmark = pytest.mark.skipif(not FOLDER, reason="SOFTMETAL_VICE_TESTPROGS names no folder with VICE's test programs")


class ViaBoard(Mos6502):
    """A processor, RAM, and a VIA at `base`."""

    ram: memory[1 << 16]
    via: Mos6522
    base: u16

    @noinline
    def tick(self) -> None:
        self.cycles += 1
        self.via.tick()

    def read(self, address: u16) -> u8:
        self.tick()
        return self.via.read_register(u4(address)) if address & 0xFFF0 == self.base else self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        if address & 0xFFF0 == self.base:
            self.via.write_register(u4(address), value)
        else:
            self.ram[address] = value


def number(text: str, name: str) -> int:
    """A constant of a program's source: decimal or, with $, hexadecimal; a - b is a difference."""
    found = re.search(rf"^{name}\s*=\s*(\$?)(\w+)(?:\s*-\s*(\d+))?", text, re.MULTILINE)
    assert found, name
    return int(found[2], 16 if found[1] else 10) - int(found[3] or 0)


def parts(machine: str, program: Path) -> Iterator[tuple[bytes, int, int, int]]:
    """Memory, the address of it and the entry of each part, and its place in the results."""
    text, made = program.with_suffix(".asm").read_text("latin-1"), program.read_bytes()
    load, code = int.from_bytes(made[:2], "little"), made[2:]
    length = number(text, "TESTLEN")
    if machine == VIC20:
        first = number(text, "TESTSLOC")
    else:  # ldy #>(first - length), lda #<(first - length), ldx tmp, clc, adc #length
        found = re.search(rb"\xa0(.)\xa9(.)\xa6\xfc\x18\x69(.)", code, re.DOTALL)
        assert found
        first = (found[1][0] << 8 | found[2][0]) + found[3][0]
    for index in range(number(text, "NUMTESTS")):
        at = first + index * length
        if machine == VIC20:  # dotest2: sei, set all, wait, call what is patched in
            entry = re.search(rb"\x78\x20..\xa0\x00\xc8\xd0\xfd\x20(?=..\x78)", code, re.DOTALL)
            assert entry
            whole = bytearray(code)
            whole[entry.end() : entry.end() + 2] = at.to_bytes(2, "little")
            yield bytes(whole), load, load + entry.start(), index
        else:  # drvstart: sei, set all, snd_init, clear the results, call the part, which lies behind it all
            entry = re.search(rb"\x78\x20..\x20(..)\xa9\x00\xa0\x00\x99\x00\x07\xc8\xd0.\x20(..)", code, re.DOTALL)
            assert entry
            base = code.index(INIT) - (int.from_bytes(entry[1], "little") - 0x300)
            whole = bytearray(code[base : base + 0x400])
            to = int.from_bytes(entry[2], "little") - 0x300
            whole[to : to + length] = code[at - load : at - load + length]
            whole[entry.end() - base : entry.end() - base + 3] = bytes([0x4C, *STOP.to_bytes(2, "little")])
            yield bytes(whole), 0x300, 0x300 + entry.start() - base, index


def ready(machine: str, code: bytes, load: int, entry: int) -> Any:
    """The board of a machine with a program in it."""
    board = new_board(isa, ViaBoard)
    board.base, board.via.pb = BASES[machine], PINS_B[machine]
    board.ram[load : load + len(code)] = code
    board.pc, board.s, board.i = entry, 0xFF, 1
    return board


def measured(machine: str, code: bytes, load: int, entry: int) -> bytes:
    """What a part gives here."""
    board = ready(machine, code, load, entry)
    board.ram[STOP : STOP + 3] = bytes([0x4C, *STOP.to_bytes(2, "little")])
    board.ram[0x1FE:0x200] = (STOP - 1).to_bytes(2, "little")
    board.s = 0xFD
    native_engine(isa, board).run(60_000)
    assert board.pc == STOP
    return bytes(board.ram[RESULTS[machine] : RESULTS[machine] + 256])


@pytest.mark.parametrize("machine", [VIC20, DRIVE])
def test_every_part_gives_what_the_real_chip_gave(machine: str) -> None:
    programs = sorted(p for p in (Path(FOLDER or "") / machine / "viavarious").glob("via*.prg"))
    assert programs
    differ = []
    for program in programs:
        wanted = program.with_name(f"{program.stem}ref.bin").read_bytes()[2:]
        for code, load, entry, index in parts(machine, program):
            if measured(machine, code, load, entry) != wanted[256 * index : 256 * index + 256]:
                differ.append(f"{program.stem}, part {chr(ord('a') + index)}")
    assert not differ


@pytest.mark.parametrize("mode", range(0, 0x20, 4))
def test_the_shift_register_gives_what_the_real_one_gave(mode: int) -> None:
    """In modes 0, 3 and 7 nothing moves, for nothing moves CB1; CB2 is open."""
    folder = Path(FOLDER or "") / VIC20 / "via_sr"
    dumps = {"": f"dump{0 if mode in (0, 0x0C, 0x1C) else mode:02x}.bin", "ifr": f"dump{0x14 if mode & 0x10 else 0:02x}i.bin"}
    for suffix, dump in dumps.items():
        made = (folder / f"viasr{mode:02x}{suffix}.prg").read_bytes()
        load = int.from_bytes(made[:2], "little")
        board = ready(VIC20, made[2:], load, load + 0x0D)
        board.ram[0x9121] = 0xFF  # no key is down
        native_engine(isa, board).run(30_000)
        assert bytes(board.ram[0x1E00 : 0x1E00 + 388]) == (folder / dump).read_bytes()
