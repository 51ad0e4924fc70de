"""A slice: a 6502 with a bus of slots. One table says what each is called and how it interrupts, one method which chip is in it.

The bus finds the device and calls it; which method that is, the chip decides."""

from __future__ import annotations

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import Chip, memory, shared, state_hash, u1, u2, u4, u8, u16

SLOTS = (("disk 0", 1), ("disk 1", 1), ("timer", 2), ("screen", 0))  # name, and interrupt: a bit of the board's `pending`
BASE, COUNT = 0xD000, len(SLOTS)  # each has 16 addresses
SLOT_IRQ = tuple(bit for _, bit in SLOTS)
POLLED = 64  # cycles between two looks at the devices


class Device(Chip):
    irq: u1

    def read(self, offset: u4) -> u8:
        return 0xFF

    def write(self, offset: u4, value: u8) -> None: ...

    def poll(self) -> None: ...


class Disk(Device):
    """Writing asks for a sector, which a poll brings; reading at 0 tells whether it is awaited, from 8 on its first bytes."""

    sector: u4
    asked: u1
    buffer: u8[8]
    store: memory[256]

    def read(self, offset: u4) -> u8:
        return self.buffer[offset & 7] if offset & 8 else self.asked

    def write(self, offset: u4, value: u8) -> None:
        self.sector, self.asked, self.irq = value, 1, 0

    @shared
    def poll(self) -> None:
        if self.asked:
            start = self.sector << 4
            self.buffer[:] = self.store[start : start + 8]
            self.asked, self.irq = 0, 1


class Timer(Device):
    """Counts polls; interrupts at each fourth, until its count is read."""

    count: u8

    def read(self, offset: u4) -> u8:
        self.irq = 0
        return self.count

    def poll(self) -> None:
        self.count += 1
        self.irq |= self.count & 3 == 0


class Screen(Device):
    """Two lines of four; what is written comes to the right end of the lower one, which moves up when it is full."""

    cells: u8[2, 4]
    x: u2

    def write(self, offset: u4, value: u8) -> None:
        if self.x == 0:
            self.cells[0][:] = self.cells[1]
        self.cells[1][0:3] = self.cells[1][1:4]
        self.cells[1, 3] = value
        self.x += 1


class Slotted(Mos6502):
    ram: memory[1 << 16]
    disks: Disk[2]
    timer: Timer
    screen: Screen
    pending: u2

    def device(self, slot: u2) -> Device:
        """What is in each slot, in the order of SLOTS."""
        return (self.disks[0], self.disks[1], self.timer, self.screen)[slot]

    def carry(self, slot: u2) -> None:
        """Carry the line of the device in a slot to where it goes."""
        bit = SLOT_IRQ[slot]
        self.pending = self.pending | bit if self.device(slot).irq else self.pending & ~bit
        self.irq = self.pending >> 1  # the timer's; a program asks the disks

    def tick(self) -> None:
        self.cycles += 1
        if self.cycles % POLLED == 0:
            for slot in range(COUNT):
                self.device(slot).poll()
                self.carry(slot)

    def read(self, address: u16) -> u8:
        self.tick()
        if not BASE <= address < BASE + 16 * COUNT:
            return self.ram[address]
        value = self.device(u2(address >> 4)).read(u4(address))
        self.carry(u2(address >> 4))
        return value

    def write(self, address: u16, value: u8) -> None:
        self.tick()
        self.ram[address] = value
        if BASE <= address < BASE + 16 * COUNT:
            self.device(u2(address >> 4)).write(u4(address), value)
            self.carry(u2(address >> 4))


CODE = "cli; ldx #0; loop: stx $D000; wait: lda $D000; bne wait; lda $D009; sta $0400,x; sta $D030; inx; cpx #8; bne loop; "
CODE += "end: jmp end; irq: pha; lda $D020; sta $0300; pla; rti"


def ran(engine: str) -> Slotted:
    """The board after 1500 instructions of the program."""
    board = new_board(isa, Slotted)
    made = assemble(isa, CODE.replace("; ", "\n"), 0x1000, "program")
    board.ram[0x1000 : 0x1000 + len(made.code)] = made.code
    board.ram[0xFFFE:0x10000] = made.symbols["irq"].to_bytes(2, "little")
    board.pc, board.s = 0x1000, 0xFF
    board.disks[0].store[0:256] = bytes(range(256))
    (golden_engine if engine == "golden" else native_engine)(isa, board).run(1_500)
    return board


@pytest.mark.parametrize("engine", ["golden", "native"])
def test_each_access_and_each_poll_reaches_the_device_in_the_slot(engine: str) -> None:
    board = ran(engine)
    assert bytes(board.ram[0x400:0x408]) == bytes(16 * sector + 1 for sector in range(8))
    assert [bytes(row) for row in board.screen.cells] == [bytes([1, 17, 33, 49]), bytes([65, 81, 97, 113])]
    assert board.timer.count == board.cycles // POLLED & 0xFF
    assert board.ram[0x300] in range(board.timer.count - 3, board.timer.count + 1)


def test_both_engines_end_in_the_same_state() -> None:
    assert len({(board.cycles, board.pc, state_hash(board)) for board in map(ran, ("golden", "native"))}) == 1
