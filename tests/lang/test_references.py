"""Chips that are chosen when running: by an index, a condition, a method; of one class, or of several with a common base."""

from __future__ import annotations

import pytest

from softmetal.lang import Chip, Trap, memory, s64, shared, u1, u2, u3, u4, u8, u16, u32
from softmetal.lang.check import Program
from softmetal.lang.chip import Board, method_of
from softmetal.lang.llvm import Unit, emit
from softmetal.lang.native import method_instance
from softmetal.testing import bench


class Ring(Chip):
    """Bytes with a count of them."""

    bytes: memory[8]
    spare: memory[8]
    count: u3

    def put(self, value: u8) -> None:
        self.bytes[self.count] = value
        self.count += 1

    def keep(self, value: u8) -> None:
        self.spare.u16[6] = 0x100 * value + 1


class Line(Chip):
    """Two rings side by side."""

    speed: u8
    rings: Ring[2]
    echo: Ring


class Lines(Chip):
    """A board with memories in chips that are elements of arrays, of different depths."""

    lines: Line[3]
    other: Ring
    big: memory[1 << 22]

    def put(self, line: u2, ring: u1, value: u8) -> None:
        if line < 3:
            self.lines[line].rings[ring].put(value)
            self.lines[line].echo.bytes[self.lines[line].rings[ring].count] = value

    def keep(self, line: u2, value: u8) -> None:
        if line < 3:
            self.lines[line].rings[1].keep(value)
        else:
            self.other.keep(value)

    def at(self, line: u2, ring: u1, place: u3) -> u16:
        if line == 3:
            return self.other.spare[place]
        return self.lines[line].rings[ring].bytes[place] | self.lines[line].rings[ring].spare[place] << 8


def test_a_memory_of_an_element_is_that_elements_own(engine):
    board = bench(Lines, engine)
    for line in range(3):
        for ring in range(2):
            board.put(line, ring, 16 * line + ring + 1)
    for line in range(4):
        board.keep(line, 100 + line)
    for line in range(3):
        for ring in range(2):
            rings = board.lines[line].rings
            assert rings[ring].bytes[0] == 16 * line + ring + 1 == board.at(line, ring, 0) & 0xFF
            assert board.lines[line].echo.bytes[1] == 16 * line + 2  # the second ring was written last
        assert (rings[0].spare[7], rings[1].spare[6], rings[1].spare[7]) == (0, 1, 100 + line)
        assert board.at(line, 1, 7) >> 8 == 100 + line
    assert (board.at(3, 0, 6), board.at(3, 0, 7)) == (1, 103)


class Refused(Trap):
    by: u8


class Device(Chip):
    """What all devices do, each in its own way."""

    KIND = 1
    OFFSET = 1 << 40

    irq: u1
    accesses: u16

    def kind(self) -> u16:
        return self.KIND * 0x100 + self.accesses

    def read(self, offset: u8) -> u32:
        self.accesses += 1
        return self.value() + offset

    def value(self) -> u32:
        return 7

    def split(self, value: u8) -> tuple[u4, u4]:
        return value >> 4, value

    def take(self, other: Device) -> Device:
        """The one of the two with more accesses."""
        return self if self.accesses >= other.accesses else other


class Disk(Device):
    KIND = 2
    OFFSET = -5
    sectors: u32 = 1000
    data: memory[16]

    def value(self) -> u32:
        return self.sectors + self.data[3]


class Net(Device):
    mac: u32 = 99
    data: memory[32]

    def read(self, offset: u8) -> u32:
        self.irq = 1
        if offset == 255:
            raise Refused(offset)
        return self.mac * offset

    def split(self, value: u8) -> tuple[u4, u4]:
        return value, self.irq


class Bus(Chip):
    first: u8
    disks: Disk[3]
    spare: Disk
    net: Net
    plain: Device

    def device(self, slot: u3) -> Device:
        """The table of slots."""
        if slot == 6:
            return self.disks[self.first % 3]
        return (self.disks[0], self.disks[1], self.disks[2], self.spare, self.net, self.plain, self.net, self.plain)[slot]

    def read_slot(self, slot: u3, offset: u8) -> u32:
        return self.device(slot).read(offset)

    def kinds(self, slot: u3) -> tuple[u16, s64]:
        return self.device(slot).kind(), self.device(slot).OFFSET + 1

    def split(self, slot: u3, value: u8) -> u8:
        device: Device = self.device(slot)
        high, low = device.split(value)
        device.accesses += 3
        return high * 16 + low

    def busiest(self) -> u16:
        found = self.device(0)
        for slot in range(1, 8):
            found = found.take(self.device(slot))
        found.irq = 1
        return found.accesses

    def on(self, kind: u2, i: u2, value: u8) -> u32:
        device = self.disks[i] if kind == 1 and i < 3 else self.spare
        match kind:
            case 2:
                device = self.disks[1]
            case 3:
                device = self.disks[self.first % 3]
        device.sectors += value
        device.data[3] = value
        self.disks[self.first % 3].accesses += 1
        (self.net if value > 100 else device).accesses += 1
        return device.value()


def test_a_table_of_chips_of_several_classes_calls_the_method_of_the_one_that_is_meant(engine):
    bus = bench(Bus, engine)
    bus.disks[2].sectors = 5
    bus.disks[2].data[3] = 1
    assert [bus.read_slot(slot, 10) for slot in range(6)] == [1010, 1010, 16, 1010, 990, 17]
    assert [bus.net.irq, bus.spare.irq, bus.spare.accesses, bus.plain.accesses] == [1, 0, 1, 1]
    with pytest.raises(Refused):
        bus.read_slot(4, 255)


def test_constants_are_those_of_the_class_of_the_one_that_is_meant(engine):
    bus = bench(Bus, engine)
    bus.disks[1].accesses = 9
    assert [bus.kinds(slot) for slot in (0, 1, 5)] == [(0x200, -4), (0x209, -4), (0x100, (1 << 40) + 1)]


def test_several_results_come_from_the_method_of_the_one_that_is_meant(engine):
    bus = bench(Bus, engine)
    bus.net.irq = 1
    assert [bus.split(slot, 0xA5) for slot in (0, 4, 5)] == [0xA5, 0x51, 0xA5]
    assert [bus.disks[0].accesses, bus.net.accesses, bus.plain.accesses] == [3, 3, 3]


def test_a_chip_is_handed_on_from_call_to_call(engine):
    bus = bench(Bus, engine)
    bus.spare.accesses, bus.plain.accesses = 5, 4
    assert (bus.busiest(), bus.spare.irq, bus.plain.irq) == (5, 1, 0)
    bus.plain.accesses = 6
    assert (bus.busiest(), bus.plain.irq) == (6, 1)


@pytest.mark.parametrize(("kind", "i", "changed"), [(0, 0, 3), (1, 0, 0), (1, 2, 2), (1, 3, 3), (2, 0, 1), (3, 0, 2)])
def test_conditions_and_cases_choose_a_chip_with_its_memory(engine, kind, i, changed):
    bus = bench(Bus, engine)
    bus.first = 5
    assert bus.on(kind, i, 50) == 1100
    all_disks = [*bus.disks, bus.spare]
    assert [disk.sectors for disk in all_disks] == [1050 if n == changed else 1000 for n in range(4)]
    assert [disk.data[3] for disk in all_disks] == [50 if n == changed else 0 for n in range(4)]
    assert [disk.accesses for disk in all_disks] == [(n == changed) + (n == 2) for n in range(4)]
    bus.on(kind, i, 101)
    assert bus.net.accesses == 1


class Large(Chip):
    n: u8

    def each(self, by: u8) -> None:
        self.n += by

    @shared
    def once(self, by: u8) -> None:
        self.n += by


class Board6(Chip):
    a: Large
    b: Large
    c: Large
    more: Large[3]

    def each(self) -> None:
        self.a.each(1)
        self.b.each(2)
        self.c.each(3)

    def once(self) -> None:
        self.a.once(1)
        self.b.once(2)
        self.c.once(3)
        self.more[2].once(4)

    def chosen(self, i: u2) -> None:
        (self.a, self.b, self.c, self.more[1])[i].each(1)
        self.more[i % 3].each(5)


def compiled(cls, name: str) -> str:
    """The LLVM IR of a method and all that it calls."""
    program, unit = Program(), Unit(Board.of(cls))
    program.root(cls)
    unit.add(method_instance(program, cls, method_of(cls, name)))
    return emit(unit)


def test_a_method_is_compiled_for_each_known_chip_or_once_where_it_is_shared_or_the_chip_is_chosen():
    count = {
        name: sum("define" in line for line in compiled(Board6, name).split("\n")) - 1 for name in ("each", "once", "chosen")
    }
    assert count == {"each": 3, "once": 1, "chosen": 1}


def test_a_shared_method_changes_the_chip_that_it_is_called_on(engine):
    board = bench(Board6, engine)
    board.once().chosen(1).chosen(3)
    assert [board.a.n, board.b.n, board.c.n, *(large.n for large in board.more)] == [1, 3, 3, 5, 6, 4]
