"""Chips: the 6526 timer of the style guide on every engine, layouts, power-on, the bus, snapshots and hashes."""

from __future__ import annotations

import pickle
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings

from softmetal.lang import (
    Chip,
    Trap,
    Unanswered,
    f32,
    f64,
    layout,
    memory,
    reads,
    restore,
    s7,
    snapshot,
    state_hash,
    u1,
    u3,
    u8,
    u16,
    u32,
    u33,
    u64,
    writes,
)  # fmt: skip
from softmetal.testing import bench, bus_traffic

TALO, TAHI, ICR, CRA = 4, 5, 13, 14


class Mos6526(Chip):
    """Interval timer A of the CIA and its interrupt.

    Sources: MOS 6526 data sheet, "Interval Timers" and "Interrupt Control".
    Not modelled: timer B, ports, time of day, serial port, the start delay.
    """

    latch: u16 = 0xFFFF
    counter: u16 = 0xFFFF
    start: u1
    one_shot: u1
    flags: u8
    mask: u8
    irq: u1

    def tick(self) -> None:
        if self.start and self.counter == 0:
            self.counter = self.latch
            self.flags |= 0x01
            self.start &= ~self.one_shot
        elif self.start:
            self.counter -= 1
        self.irq = (self.flags & self.mask) != 0

    @reads(TALO)
    def read_low(self) -> u8:
        return self.counter

    @reads(TAHI)
    def read_high(self) -> u8:
        return self.counter >> 8

    @reads(ICR)
    def read_icr(self) -> u8:
        """Reading acknowledges: the flags clear and the line drops."""
        value = self.flags | self.irq << 7
        self.flags = self.irq = 0
        return value

    @writes(TALO)
    def write_low(self, value: u8) -> None:
        self.latch = self.latch & 0xFF00 | value

    @writes(TAHI)
    def write_high(self, value: u8) -> None:
        self.latch = self.latch & 0x00FF | value << 8

    @writes(ICR)
    def write_icr(self, value: u8) -> None:
        """Bit 7 says whether the other bits that are 1 set or clear the mask."""
        if value & 0x80:
            self.mask |= value & 0x1F
        else:
            self.mask &= ~value

    @writes(CRA)
    def write_cra(self, value: u8) -> None:
        self.start = value
        self.one_shot = value >> 3
        if value & 0x10:
            self.counter = self.latch


class Board(Chip):
    """Two timers on a bus, some memory, and one of everything else."""

    flag: u3 = 5
    wide: u33 = 0x1_2345_6789
    small: s7 = -3
    one: f32 = 0.1
    two: f64 = 0.1
    table: u16[3] = (1, 2, 0x10003)
    same: u8[4] = 7
    timers: Mos6526[2]
    lone: Mos6526
    ram: memory[1 << 16]
    big: memory[1 << 38]

    def read(self, address: u16) -> u8:
        if address < 16:
            return self.timers[0].bus_read(address)
        if address < 32:
            return self.timers[1].bus_read(address - 16)
        return self.ram[address]

    def write(self, address: u16, value: u8) -> None:
        if address < 32:
            self.timers[address >> 4].bus_write(address & 15, value)
        else:
            self.ram[address] = value

    def poke(self, address: u64, value: u64) -> None:
        self.big.u64[address & (1 << 38) - 8] = value

    def tick(self) -> None:
        for i in range(2):
            self.timers[i].tick()


@pytest.fixture
def cia(engine):
    return bench(Mos6526, engine)


def set_up(cia, latch, control):
    cia.write(TALO, latch & 0xFF).write(TAHI, latch >> 8).write(ICR, 0x81).write(CRA, control)


def test_one_shot_asserts_irq_after_latch_plus_one_ticks_then_stops(cia):
    set_up(cia, 2, 0x19)
    assert [cia.tick().irq for _ in range(5)] == [0, 0, 1, 1, 1]
    assert cia.start == 0


def test_reading_the_flags_acknowledges_and_a_continuous_timer_fires_again(cia):
    set_up(cia, 1, 0x11)
    assert [cia.tick().irq for _ in range(3)] == [0, 1, 1]
    assert cia.read(ICR) == 0x81
    assert cia.irq == 0
    assert [cia.tick().irq for _ in range(2)] == [1, 1]


def test_a_write_is_cut_to_its_register(cia):
    cia.write(TALO, 0x1FF)
    assert cia.latch == 0xFFFF
    cia.latch = 0x12345
    assert cia.latch == 0x2345


def test_an_offset_where_nothing_answers_is_a_visible_event(cia):
    with pytest.raises(Unanswered, match="nothing answers a bus read at offset 0x3"):
        cia.read(3)
    with pytest.raises(Unanswered, match="nothing answers a bus write at offset 0x7"):
        cia.write(7, 1)


def test_a_misspelt_field_is_an_error(cia):
    with pytest.raises(AttributeError, match="Mos6526 has no field 'latsch'"):
        cia.latsch = 1


@settings(max_examples=60, derandomize=True, deadline=None)
@given(bus_traffic(Mos6526))
def test_native_agrees_with_golden(traffic):
    assert bench(Mos6526, "native").play(traffic) == bench(Mos6526, "golden").play(traffic)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(bus_traffic(Board))
def test_a_board_of_chips_agrees_too(traffic):
    assert bench(Board, "native").play(traffic) == bench(Board, "golden").play(traffic)


def test_a_board_passes_accesses_on_to_its_chips(engine):
    board = bench(Board, engine)
    board.chip.timers[1].counter = 0x1234
    assert board.read(16 + TAHI) == 0x12
    board.write(16 + TALO, 0x55)
    assert board.chip.timers[1].latch == 0xFF55
    assert board.chip.timers[0].latch == 0xFFFF
    with pytest.raises(Unanswered):
        board.read(16)


def test_fields_start_with_their_power_on_values(engine):
    board = bench(Board, engine)
    assert (board.flag, board.wide, board.small, board.two) == (5, 0x1_2345_6789, -3, 0.1)
    assert board.one == pytest.approx(0.1, rel=1e-7)
    assert board.one != 0.1
    assert list(board.table) == [1, 2, 3]
    assert list(board.same) == [7, 7, 7, 7]
    assert [t.latch for t in board.timers] == [0xFFFF, 0xFFFF]
    assert board.lone.irq == 0
    assert board.ram[100] == 0


def test_layout_names_every_field_and_none_overlap():
    entries = layout(Board)
    spans = sorted((e.offset, e.offset + e.type.size, e.path) for e in entries)
    assert all(end <= start for (_, end, _), (start, _, _) in pairwise(spans))
    assert all(e.offset % min(8, getattr(e.type, "element", e.type).size) == 0 for e in entries if "ram" not in e.path)
    assert {e.path for e in entries} >= {"flag", "table", "timers[0].latch", "timers[1].irq", "lone.mask", "ram", "big"}


def test_the_layout_is_what_it_always_was():
    assert [(e.path, e.offset, str(e.type)) for e in layout(Mos6526)] == [
        ("latch", 0, "u16"), ("counter", 2, "u16"), ("start", 4, "u1"), ("one_shot", 5, "u1"), ("flags", 6, "u8"),
        ("mask", 7, "u8"), ("irq", 8, "u1"),
    ]  # fmt: skip
    assert {e.path: e.offset for e in layout(Board) if "." not in e.path} == {
        "flag": 0, "wide": 8, "small": 16, "one": 20, "two": 24, "table": 32, "same": 38, "ram": 8192, "big": 2097152,
    }  # fmt: skip
    assert [e.offset for e in layout(Board) if e.path.endswith("latch")] == [48, 64, 80]


def test_a_snapshot_is_the_state_and_restoring_goes_back(engine):
    board = bench(Board, engine)
    board.chip.ram[0x8000] = 1
    before, digest = board.snapshot(), board.state_hash()
    board.flag = 1
    board.chip.ram[0x8000] = 2
    board.chip.ram[0x9000] = 3
    board.poke(1 << 37, 4)
    assert board.state_hash() != digest
    board.restore(pickle.loads(pickle.dumps(before)))
    assert board.state_hash() == digest
    assert (board.flag, board.ram[0x8000], board.ram[0x9000], board.big[1 << 37]) == (5, 1, 0, 0)


def test_the_block_of_a_snapshot_is_the_bytes_of_the_fields():
    chip = Mos6526()
    chip.latch, chip.mask = 0x1234, 0x56
    assert snapshot(chip).block[:9] == bytes([0x34, 0x12, 0xFF, 0xFF, 0, 0, 0, 0x56, 0])


def test_both_engines_have_the_same_hash_after_the_same_run():
    both = [bench(Board, e) for e in ("golden", "native")]
    for board in both:
        board.chip.timers[0].start = 1
        for _ in range(5):
            board.tick()
        board.poke(12345, 678)
    assert both[0].state_hash() == both[1].state_hash()


def test_a_page_of_zeros_hashes_like_one_that_was_never_touched():
    one, two = Board(), Board()
    one.big[5 << 30] = 9
    one.big[5 << 30] = 0
    assert one.ram[77] == 0
    assert state_hash(one) == state_hash(two)
    assert snapshot(one).pages == {}
    two.big[(1 << 38) - 1] = 1
    assert state_hash(one) != state_hash(two)


def test_an_address_space_of_2_to_the_38_takes_no_time_to_hash():
    board = Board()
    for at in (0, 1 << 20, 1 << 33, (1 << 38) - 1):
        board.big[at] = 1
    before = time.process_time()
    snap = snapshot(board)
    state_hash(board)
    restore(board, snap)
    assert time.process_time() - before < 2.5  # an older host kernel reads its whole page map; a newer one takes 1 ms
    assert len(snap.pages) == 4


def test_a_state_of_another_layout_is_refused():
    class Other(Chip):
        latch: u16
        counter: u8

    message = "this snapshot is of another layout than Mos6526: it has `0x2 counter: u8` where the board has `0x2 counter: u16`"
    with pytest.raises(ValueError, match=message):
        restore(Mos6526(), snapshot(Other()))


def test_a_part_of_a_board_has_no_state_of_its_own():
    with pytest.raises(ValueError, match="this Mos6526 is a part of a board"):
        snapshot(Board().timers[0])


def test_marks_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="a and b both answer at offset 1"):

        class Twice(Chip):
            @reads(1)
            def a(self) -> u8:
                return 1

            @reads(1)
            def b(self) -> u8:
                return 1

    with pytest.raises(TypeError, match=r"Wrong\.a takes a bus write: it has one parameter, the value"):

        class Wrong(Chip):
            @writes(1)
            def a(self) -> None:
                pass


def test_a_trap_keeps_its_values_and_what_was_stored_stays(engine):
    chip = bench(Stores, engine)
    with pytest.raises(Full) as caught:
        chip.push(300)
    assert (caught.value.at, caught.value.value) == (4, 44)
    assert chip.count == 5


class Full(Trap):
    at: u8
    value: u8


class Stores(Chip):
    count: u8 = 4

    def push(self, value: u16) -> u8:
        at = self.count
        self.count += 1
        if at >= 4:
            raise Full(at, value)
        return at


def test_a_method_that_takes_a_chip_is_for_hardware_only(engine):
    pair = bench(Pair, engine)
    assert pair.both(4) == 9
    assert not hasattr(pair._runs, "steps") or engine == "golden"


class Pair(Chip):
    left: Stores
    right: Stores

    def steps(self, stores: Stores, by: u8) -> u8:
        stores.count += by
        return stores.count

    def both(self, by: u8) -> u8:
        return self.steps(self.left, by) + self.right.count - 3


def test_defaults_and_names_of_arguments_work_from_outside(engine):
    assert bench(Sums, engine).add(3, c=9) == 3 + 2 + 9


class Sums(Chip):
    def add(self, a: u8, b: u8 = 2, c: u8 = 3) -> u16:
        return a + b + c


class Short(Chip):
    wide: u32
    narrow: u1


class Longer(Short):
    """Its first field lies in what would be padding of a Short."""

    more: u1
    spare: Short[2]

    def park(self, i: u1) -> None:
        self.spare[i].assign(self)

    def unpark(self, i: u1) -> None:
        self.assign(self.spare[i])


@pytest.mark.parametrize("engine", ["golden", "native"])
def test_a_chip_assigned_to_a_chip_takes_the_fields_they_share_and_no_more(engine):
    made = bench(Longer, engine)
    made.wide, made.narrow, made.more = 7, 1, 1
    made.park(1)
    made.wide = made.narrow = 0
    made.spare[0].wide = 9
    made.unpark(1)
    assert (made.wide, made.narrow, made.more, made.spare[0].wide, made.spare[1].wide) == (7, 1, 1, 9, 7)
    made.unpark(0)
    assert (made.wide, made.narrow, made.more) == (9, 0, 1)
