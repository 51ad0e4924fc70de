"""Every instruction of the tables, on states drawn at random: what the golden engine does, the native ones do."""

from __future__ import annotations

import random

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.boards.linux_riscv64 import MAPPED, SPACE, LinuxRiscv64, R, W, X
from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.riscv import isa as rv64
from tests.agree.machines import NATIVE, codes_of, difference, golden, hart_state, randomise, switched

CODE, SLOT = 0x10000, 8
CODES, STATES = 50, 10
C_EBREAK = 0x9002

# Pages of data: what may be done with each, and what lies around them.
DATA = 0x40000
PAGES = {
    DATA >> 12: R | W, (DATA >> 12) + 1: R | W, (DATA >> 12) + 2: R, (DATA >> 12) + 4: W,
    (DATA >> 12) + 5: X, 0: R | W, (SPACE >> 12) - 1: R | W,
}  # fmt: skip
RANGES = [("ram", DATA, DATA + 0x6000), ("ram", 0, 64), ("ram", SPACE - 64, SPACE), ("perm", 0, 0x60)]
ADDRESSES = [DATA, DATA + 0x1000, DATA + 0x2000, DATA + 0x3000, DATA + 0x4000, DATA + 0x5000, DATA + 0x6000, 0, SPACE, 1 << 64]
CSRS = (1, 2, 3, 0xC00, 0xC01, 0xC02, 0, 4, 0xC03, 0x300, 0xFFF)


def hart(side):
    """A board with its pages mapped."""
    perm = side.memories["perm"]
    for page, allowed in PAGES.items():
        perm[page] = allowed | MAPPED
    for page in range(CODE >> 12, (CODE >> 12) + 2):
        perm[page] = R | X | MAPPED
    side.memories["ram"][DATA : DATA + 0x6000] = random.Random(0).randbytes(0x6000)
    return side


def address(draw):
    """Where a load, a store or a jump goes: mostly mapped, often at the end of a page, of the space, or misaligned."""
    near = draw.choice((0, 0, 8, 64, -1, -2, -3, -4, -5, -7, -8, draw.randrange(0, 4096, 8), draw.randrange(4096)))
    return draw.choice(ADDRESSES[: 2 if draw.randrange(2) else None]) + near & (1 << 64) - 1


def place(codes, *sides):
    """Each code at a slot of its own, a breakpoint behind it; their addresses."""
    for side in sides:
        for i, code in enumerate(codes):
            side.memories["ram"][CODE + SLOT * i : CODE + SLOT * (i + 1)] = (
                (code | C_EBREAK << 32 if code & 3 == 3 else code | C_EBREAK << 16 | C_EBREAK << 32) | C_EBREAK << 48
            ).to_bytes(8, "little")
        side.engine.code_changed(CODE, CODE + SLOT * len(codes))
    return [CODE + SLOT * i for i in range(len(codes))]


@pytest.fixture(scope="module", params=NATIVE)
def harts(request):
    return hart(golden(rv64, LinuxRiscv64)), hart(NATIVE[request.param](rv64, LinuxRiscv64))


def codes_to_test(entry, draw):
    """Codes of an entry, every rounding mode among them, and CSRs that are there."""
    codes = codes_of(rv64, entry, draw, CODES)
    names = {o.name for o in entry.operands}
    if "csr" in names:
        codes = [c & 0xFFFFF | draw.choice(CSRS) << 20 for c in codes]
    if "rm" in names:
        codes = [c & ~0x7000 | i % 8 << 12 for i, c in enumerate(codes)]
    return codes


@pytest.fixture(scope="module")
def states():
    """Blocks of harts, drawn once."""
    side, draw = golden(rv64, LinuxRiscv64), random.Random(1)
    found = []
    for _ in range(500):
        hart_state(side.core, draw)
        found.append(bytes(side.block))
    return found


@pytest.mark.parametrize("entry", rv64.insns, ids=lambda e: e.name)
def test_riscv(harts, states, entry):
    judge, native = harts
    draw = random.Random(entry.name)
    codes = codes_to_test(entry, draw)
    for code, pc in zip(codes, place(codes, *harts), strict=True):
        given = dict(zip(entry.parameters, entry.arguments(code), strict=True))
        for _ in range(STATES):
            core = judge.core
            judge.block[:] = draw.choice(states)
            if given.get("rs1") and draw.randrange(8):
                core.x[given["rs1"]] = address(draw) - given.get("imm", 0)
                if draw.randrange(2):
                    core.reservation = core.x[given["rs1"]]
            core.pc = core.next_pc = pc
            before = bytes(judge.block)
            native.block[:] = judge.block
            budget = draw.choice((1, 1, 2, 5))
            traps = [side.run(budget) for side in harts]
            found = difference(harts, RANGES)
            assert (traps[0], found) == (traps[1], ""), f"{code:#x} at {pc:#x} budget {budget} from {before!r}"


def test_every_rounding_mode_and_every_destination_0_is_among_the_codes():
    for entry in rv64.insns:
        codes = codes_to_test(entry, random.Random(entry.name))
        operands = {o.name: {o.decode(code) for code in codes} for o in entry.operands}
        if "rm" in operands:
            assert operands["rm"] == set(range(8)), entry.name
        for o in entry.operands:
            if o.name == "rd" and not o.nonzero and not o.add:
                assert 0 in operands["rd"], entry.name


@pytest.mark.parametrize("engine", NATIVE)
def test_riscv_codes_that_are_no_instruction(engine):
    sides = hart(golden(rv64, LinuxRiscv64)), hart(NATIVE[engine](rv64, LinuxRiscv64))
    draw = random.Random(4)
    drawn = [draw.getrandbits(32) for _ in range(20000)] + list(range(1 << 16))
    drawn = [c if c & 3 == 3 else c & 0xFFFF for c in drawn]
    codes = [c for c in dict.fromkeys(drawn) if rv64.decode(c) is None]
    assert len(codes) > 3000
    for at in range(0, len(codes), 1000):
        for pc in place(codes[at : at + 1000], *sides):
            for side in sides:
                side.core.pc = pc
            traps = [side.run(3) for side in sides]
            assert traps[0] is not None
            assert (traps[0], difference(sides)) == (traps[1], "")


@pytest.mark.parametrize("opcode", range(256), ids="{:02x}".format)
def test_6502(six, opcode):
    draw = random.Random(opcode)
    judge, native = six
    ram = judge.memories["ram"]
    ram[:] = native.memories["ram"][:] = draw.randbytes(1 << 16)
    for _ in range(100):
        core = judge.core
        randomise(core, draw)
        core.irq, core.nmi, core.jammed = draw.randrange(8) == 0, draw.randrange(8) == 0, draw.randrange(50) == 0
        if draw.randrange(2):
            core.nmi_was, core.i_until = core.nmi, core.cycles
        pc = draw.choice((core.pc, 0xFFFE, 0xFFFF, core.pc | 0xFD))
        core.pc = pc
        for side in six:
            side.memories["ram"][pc] = opcode
        native.block[:] = judge.block
        traps = [side.run(draw_budget) for draw_budget in (draw.choice((1, 1, 20)),) for side in six]
        found = difference(six, [("ram", 0, 1 << 16)])
        assert (traps[0], found) == (traps[1], "")


@pytest.fixture(scope="module")
def six():
    return golden(mos6502, Flat6502), switched(mos6502, Flat6502)
