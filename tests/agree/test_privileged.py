"""The virt board on both engines: random privileged programs and random crowds of harts, in the same state wherever it is cut.

SOFTMETAL_PRIVILEGED is how many times as many as CI's few are wanted.
"""

from __future__ import annotations

import os
import random
import struct
from functools import cache

import pytest

from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.lang import layout, state_hash
from tests.agree.machines import golden, number, threaded
from tests.agree.programs import REGISTERS, VALUES, fragments
from tests.conform.privileged_harness import FIRST, SLOT, address_of, image
from tests.conform.privileged_programs import Program

TIMES = int(os.environ.get("SOFTMETAL_PRIVILEGED", "1"))
RAM = 0x8000_0000
PIECES = (1, 1, 1, 2, 3, 7, 20, 100, 333)


class Side:
    """An engine, its board, and the bytes of its state."""

    def __init__(self, made, size, harts=1):
        self.engine, self.core, self.block = made.engine, made.core, made.block
        self.ram, self.fetched = made.memories["ram"], made.memories["code.fetched"]
        self.memories, self.fields = made.memories, made.fields
        self.size = size
        self.core.ram_size = size
        self.core.harts = harts
        self.core.reset()
        self.power_on = bytes(self.block)

    def load(self, ram):
        self.block[:] = self.power_on
        self.fetched[: self.size >> 12] = bytes(self.size >> 12)
        self.ram[: self.size] = ram
        self.engine.drop_code()
        self.core.pc = self.core.next_pc = RAM

    def advance(self, most):
        return self.engine.advance(most)

    def change(self, address, data):
        """What a device or the host does to memory."""
        self.ram[address - RAM : address - RAM + len(data)] = data
        self.engine.call("memory_changed", address, len(data))


PLACES = {f.path: f.offset for f in layout(RiscvVirt)}
CHANGED = slice(PLACES["code.changed"], PLACES["code.changed_count"] + 4)
"""The list by which the engine is notified of changed code: no part of the state."""


def apart(sides, ranges):
    """What differs between two sides, as text: "" if nothing."""
    first, second = (bytearray(s.block) for s in sides)
    first[CHANGED] = second[CHANGED] = bytes(CHANGED.stop - CHANGED.start)
    if first != second:
        at = next(i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)
        name = max((offset, path) for path, offset in PLACES.items() if offset <= at)[1]
        return f"{name}: {first[at - at % 8 : at - at % 8 + 8].hex()} is {second[at - at % 8 : at - at % 8 + 8].hex()}"
    first, second = sides
    if bytes(first.fetched[: first.size >> 12]) != bytes(second.fetched[: first.size >> 12]):
        return "frames with code"
    return next((f"memory from {a:#x}" for a, b in ranges if bytes(first.ram[a:b]) != bytes(second.ram[a:b])), "")


def test_privileged_programs_in_pieces_of_any_length():
    sides = [Side(make(isa, RiscvVirt), 32 << 20) for make in (golden, threaded)]
    empty = image({})
    for side in sides:
        side.load(empty)
    ended = 0
    for seed in range(60 * TIMES):
        draw = random.Random(seed)
        content = Program(seed, 0, locks=seed % 5 == 0).content
        for side in sides:
            side.block[:] = side.power_on
            side.fetched[:64] = bytes(64)
            side.engine.drop_code()
            side.core.pc = side.core.next_pc = RAM
            side.change(RAM + 0x2000, address_of(0).to_bytes(8, "little") + bytes(8))
            side.change(address_of(0), content)
        done = 0
        while done < 4000 and not sides[0].core.finisher.finished:
            budget = draw.choice(PIECES)
            ran = [side.advance(budget) for side in sides]
            near = [(0, 0x3000), (FIRST - RAM, FIRST - RAM + SLOT)]
            assert (ran[0], apart(sides, near)) == (ran[1], ""), f"program {seed}, {done} + {budget}"
            if ran[0] == 0:
                break
            done += ran[0]
        ended += sides[0].core.finisher.finished != 0
    for side in sides:
        side.engine.drop_code()
    assert state_hash(sides[0].core) == state_hash(sides[1].core)
    assert ended > 40 * TIMES


# -- crowds: harts that share memory, each from one random state to the next whenever it traps to machine mode

AREAS, AREA, HEAD, KEEP, COUNT = 0x8001_0000, 16, 512, 512, 64
"""A hart's area: its cursor, then COUNT records of KEEP bytes."""
FRAMES, TABLES, SIZE = 0x8010_0000, 0x8020_0000, 4 << 20
CODE, ALIAS, DATA, OTHERS, PAGES = 0x20, 0x26, 0x30, 0x34, 0x38
"""Virtual pages: of code, of the same frames again, of data, of page tables and of the ACLINT."""
CLINT = 0x0200_0000
V, R, W, X, U, A, D = 1, 2, 4, 8, 16, 64, 128
PC, STATUS, SATP, MIE, MEDELEG, MIDELEG, STVEC, TIMER, IPI, STIMECMP, POKES, FENCE, WAIT, GENERAL = (
    0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 112, 120, 128,
)  # fmt: skip
RETURN = "\n".join(
    f"ld x28, {at}(x31)\ncsrw {name}, x28"
    for name, at in (
        ("mepc", PC), ("mstatus", STATUS), ("satp", SATP), ("medeleg", MEDELEG), ("mideleg", MIDELEG), ("stvec", STVEC),
        ("stimecmp", STIMECMP),
    )
)  # fmt: skip
RESTORE = "\n".join(f"ld x{i}, {GENERAL + 8 * i}(x31)" for i in range(1, 32))
TEXT = f"""
        csrr x31, mhartid
        slli x31, x31, {AREA}
        li x30, {AREAS}
        add x31, x31, x30
        ld x30, 0(x31)
        addi x29, x30, {KEEP}
        li x28, {COUNT * KEEP - 1}
        and x29, x29, x28
        sd x29, 0(x31)
        add x31, x31, x30
        addi x31, x31, {HEAD}
        csrr x28, mhartid
        li x29, {CLINT}
        slli x27, x28, 2
        add x27, x27, x29
        sw zero, 0(x27)
        ld x26, {TIMER}(x31)
        bltz x26, ipi
        slli x27, x28, 3
        add x27, x27, x29
        li x29, 0x4000
        add x27, x27, x29
        csrr x29, time
        add x29, x29, x26
        sd x29, 0(x27)
ipi:    ld x28, {IPI}(x31)
        beqz x28, pokes
        li x29, 1
        sw x29, 0(x28)
pokes:  ld x28, {POKES}(x31)
        ld x29, {POKES + 8}(x31)
        sd x29, 0(x28)
        ld x28, {POKES + 16}(x31)
        ld x29, {POKES + 24}(x31)
        sd x29, 0(x28)
        ld x28, {FENCE}(x31)
        beqz x28, wait
        sfence.vma
        fence.i
wait:   ld x28, {MIE}(x31)
        csrw mie, x28
        ld x28, {WAIT}(x31)
        beqz x28, go
        wfi
go:     {RETURN}
        {RESTORE}
        mret
"""


@cache
def handler():
    return assemble(isa, TEXT, RAM).code


class Crowd:
    """Memory for some harts, and what is done to them from outside."""

    def __init__(self, seed, harts):
        self.draw = random.Random(seed)
        self.harts = harts
        self.ram = bytearray(SIZE)
        self.put(RAM, handler())
        places = self.draw.sample(range(64), 10)  # none lies behind another but by chance
        self.code = [FRAMES + 4096 * i for i in places[:6]]
        self.data = [FRAMES + 4096 * i for i in places[6:]]
        for frame in self.code:
            self.put(frame, b"".join(self.draw.choices(fragments(), k=2048))[:4096])
        for frame in self.data:
            self.put(frame, self.draw.randbytes(4096))
        self.roots = [self.map(TABLES), self.map(TABLES + 0x8000)]
        for hart in range(harts):
            for i in range(COUNT):
                self.put(AREAS + (hart << AREA) + HEAD + KEEP * i, self.record())

    def put(self, address, data):
        self.ram[address - RAM : address - RAM + len(data)] = data

    def map(self, root):
        low, leaves = root + 0x1000, root + 0x2000
        self.put(root, struct.pack("<Q", low >> 12 << 10 | V))
        self.put(low, struct.pack("<Q", leaves >> 12 << 10 | V))
        for page in range(CODE, PAGES):
            self.put(leaves + 8 * page, struct.pack("<Q", self.leaf(page, leaves)))
        return 8 << 60 | root >> 12

    def leaf(self, page, leaves):
        draw = self.draw
        if page < DATA:
            frame = self.code[(page - CODE) % 6] if draw.randrange(4) else draw.choice(self.code)
            flags = R | W | X | draw.choice((0, 0, A, A | D)) if draw.randrange(5) else draw.choice((R | X, R | W, X, 0))
        elif page < OTHERS:
            frame, flags = draw.choice(self.data), draw.choice((R | W, R | W, R | W | A | D, R | W | X, R))
        else:
            frame, flags = (leaves, CLINT, CLINT + 0x4000, draw.choice(self.code))[page - OTHERS], R | W
        return frame >> 2 | V | flags | U * (draw.randrange(3) > 0)

    def pointer(self, physical):
        draw = self.draw
        far = draw.choice((draw.randrange(4096), draw.randrange(0, 4096, 8), draw.randrange(4080, 4100)))
        if physical:
            return draw.choice(self.data + self.data + self.code) + far
        first, end = draw.choice(((DATA, OTHERS), (DATA, OTHERS), (CODE, DATA), (CODE, PAGES)))
        return (draw.randrange(first, end) << 12) + far

    def record(self):
        """Where a hart goes on, and what else it does first."""
        draw = self.draw
        mode = draw.choice((0, 0, 1, 1, 3))
        physical = mode == 3 or draw.randrange(12) == 0
        start = draw.choice(self.code) if physical else draw.randrange(CODE, DATA) << 12
        pc = start + draw.choice((draw.randrange(0, 4096, 2), 4096 - draw.randrange(2, 40, 2)))
        x = [number(draw) for _ in range(32)]
        for i in REGISTERS:
            x[i] = draw.choice((self.pointer(physical), self.pointer(physical), pc + draw.randrange(-16, 80, 2)))
        for i in VALUES:
            x[i] = draw.choice((int.from_bytes(b"".join(draw.choices(fragments(), k=4))[:8], "little"), number(draw)))
        status = mode << 11 | draw.getrandbits(1) << 7 | 3 << 13 | draw.getrandbits(2) << 18 | draw.getrandbits(1) << 5
        words = {
            PC: pc, STATUS: status, SATP: 0 if physical else draw.choice(self.roots), MIE: 0x8 | draw.getrandbits(12) & 0xAAA,
            MEDELEG: draw.choice((0, 0, draw.getrandbits(16))), MIDELEG: draw.getrandbits(12) & 0x222,
            STVEC: self.pointer(physical) & ~2, TIMER: draw.choice((-1, 0, 1, 3, 9)), STIMECMP: draw.choice((0, -1, 1 << 62, 40)),
            IPI: draw.choice((0, CLINT + 4 * draw.randrange(self.harts))), FENCE: draw.getrandbits(1),
            WAIT: draw.randrange(6) == 0, POKES: self.poke(), POKES + 8: self.poked,
            POKES + 16: self.poke(), POKES + 24: self.poked,
        }  # fmt: skip
        made = bytearray(KEEP)
        for at, value in (words | {GENERAL + 8 * i: v for i, v in enumerate(x)}).items():
            struct.pack_into("<Q", made, at, value & (1 << 64) - 1)
        return bytes(made)

    def poke(self):
        """A place to store at first: code, data or a page table; the value is in `poked`."""
        draw = self.draw
        match draw.randrange(3):
            case 0:
                leaves = TABLES + 0x8000 * draw.randrange(2) + 0x2000
                page = draw.randrange(CODE, PAGES)
                self.poked = self.leaf(page, leaves)
                return leaves + 8 * page
            case 1:
                self.poked = int.from_bytes(b"".join(draw.choices(fragments(), k=4))[:8], "little")
                return draw.choice(self.code) + draw.randrange(0, 4096, 8)
            case _:
                self.poked = number(draw)
                return draw.choice(self.data) + draw.randrange(0, 4096, 8)

    def begin(self, side):
        side.load(self.ram)
        core = side.core
        core.harts = self.harts
        core.menvcfg, core.mtvec = 1 << 63, RAM
        core.pmpcfg[15], core.pmpaddr[15] = 0x1F, (1 << 54) - 1
        core.reprotect()
        for i in range(1, self.harts):
            core.parked[i].menvcfg, core.parked[i].mtvec, core.parked[i].pc = 1 << 63, RAM, RAM
            core.parked[i].pmpcfg[15], core.parked[i].pmpaddr[15] = 0x1F, (1 << 54) - 1
            core.parked[i].open_low = core.open_low

    def disturb(self, sides):
        """What comes from outside between two runs: a hart's turn ends early, a device writes to memory."""
        draw = self.draw
        now = sides[0].core.clock()
        end = min(sides[0].core.round_end, now + draw.choice((1, 5, 40, 200, 2000)))
        change = None
        if draw.randrange(4) == 0:
            change = draw.choice(self.code) + draw.randrange(4000), draw.choice(fragments()) * draw.randrange(1, 3)
        for side in sides:
            side.core.round_end = end
            if change:
                side.change(*change)


@pytest.mark.parametrize("harts", [1, 2, 4])
def test_crowds_of_harts_that_change_memory_code_and_page_tables(harts):
    sides = [Side(make(isa, RiscvVirt), SIZE, harts) for make in (golden, threaded)]
    total = 0
    for seed in range(6 * TIMES):
        crowd = Crowd(seed, harts)
        for side in sides:
            crowd.begin(side)
        done = 0
        while done < 4000:
            budget = crowd.draw.choice(PIECES)
            ran = [side.advance(budget) for side in sides]
            where = [(0, 0x1000), (AREAS - RAM, TABLES - RAM + 0x10000)] if crowd.draw.randrange(10) == 0 else []
            assert (ran[0], apart(sides, where)) == (ran[1], ""), f"crowd {seed}, {done} + {budget}"
            if ran[0] == 0:
                break
            done += ran[0]
            crowd.disturb(sides)
        for side in sides:
            side.engine.drop_code()
        assert state_hash(sides[0].core) == state_hash(sides[1].core), f"crowd {seed}"
        total += done
    assert total > 6 * TIMES * 2000


@pytest.mark.parametrize("harts", [1, 3])
def test_a_crowd_in_pieces_is_the_crowd_in_one_piece(harts):
    sides = whole, pieces = [Side(threaded(isa, RiscvVirt), SIZE, harts) for _ in range(2)]
    total = 0
    for seed in range(1000, 1000 + 40 * TIMES):
        crowd = Crowd(seed, harts)
        for side in sides:
            crowd.begin(side)
        done = 0
        while done < 20_000:
            budget = crowd.draw.choice((10, 100, 1000))
            ran = whole.advance(budget)
            part = 0
            while part < ran:
                part += pieces.advance(min(crowd.draw.choice(PIECES), ran - part))
            if ran < budget:  # all wait for good
                assert pieces.advance(budget - ran) == 0
            assert apart(sides, []) == "", f"crowd {seed}, {done} + {budget}"
            if ran < budget:
                break
            done += ran
            crowd.disturb(sides)
        for side in sides:
            side.engine.drop_code()
        assert state_hash(whole.core) == state_hash(pieces.core), f"crowd {seed}"
        total += done
    assert total > 40 * TIMES * 4_000
