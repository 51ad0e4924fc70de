"""RISC-V against qemu-riscv64: which codes are instructions, and what each does, on random states and sequences."""

from __future__ import annotations

import random
import struct

import pytest

from softmetal.boards.linux_riscv64 import MAPPED, LinuxRiscv64, R, W, X
from softmetal.isa.riscv import isa
from tests.conform.qemu_states import (
    ABSENT,
    BYTES,
    CODE,
    DATA,
    LENGTH,
    RECORD,
    SIGBUS,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    SLACK,
    Oracle,
    State,
)

C_EBREAK = b"\x02\x90"
SIGNALS = {1: SIGSEGV, 2: SIGILL, 3: SIGTRAP, 4: SIGBUS, 5: SIGSEGV, 6: SIGBUS, 7: SIGSEGV}
"""What becomes of exceptions under Linux, by cause."""
CTZW = isa.by_name["ctzw"]
BOX = 0xFFFFFFFF << 32
NUMBERS = [0, 1, 2, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32]
NUMBERS += [(1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1, (1 << 64) - (1 << 31), (1 << 64) - (1 << 31) - 1]
FLOATS = [0, 1 << 63, 1, 0x3FF << 52, 0x7FF << 52, 0x7FF8 << 48, 0x7FF << 52 | 1, 0x001 << 52, 0x7FE << 52 | (1 << 52) - 1]
SINGLES = [0, 1 << 31, 1, 0x3F800000, 0x7F800000, 0x7FC00000, 0x7F800001, 0x00800000, 0x7F7FFFFF]


@pytest.fixture(scope="session")
def qemu(tmp_path_factory):
    try:
        return Oracle(tmp_path_factory.mktemp("states"))
    except FileNotFoundError as missing:
        pytest.skip(f"{missing}: nothing to compare with")


class Bench:
    """A board laid out as the oracle's process is."""

    def __init__(self, engine):
        self.engine = engine(isa, LinuxRiscv64)
        self.core = core = self.engine.core
        for page in range(CODE - SLACK >> 12, CODE + 2 * SLACK >> 12):
            core.perm[page] = R | W | X | MAPPED
        core.perm[DATA >> 12] = R | W | MAPPED
        core.ram[CODE - SLACK : CODE + 2 * SLACK] = C_EBREAK * (3 * SLACK // 2)

    def answer(self, state):
        """(state after, signal), as the oracle gives them."""
        core = self.core
        core.pc = core.next_pc = state.pc
        core.x[:] = [0, *state.x]
        core.f[:] = state.f
        core.fflags, core.frm, core.reserved = state.fcsr, state.fcsr >> 5, 0
        if core.ram[CODE : CODE + LENGTH] != state.code:
            core.ram[CODE : CODE + LENGTH] = state.code
            self.engine.code_changed(CODE, CODE + LENGTH)
        core.ram[DATA : DATA + SLACK] = state.data + bytes(SLACK - BYTES)
        trap = self.engine.run(200)
        signal = SIGNALS[trap.cause] if trap else 0
        x, f, fcsr = tuple(core.x[1:32]), tuple(core.f), core.frm << 5 | core.fflags
        return State(core.pc, x, f, fcsr, bytes(core.ram[CODE : CODE + LENGTH]), bytes(core.ram[DATA : DATA + BYTES])), signal


def ending(engine, states):
    """Those that end: for the others qemu would run for ever."""
    bench = Bench(engine)
    return [s for s in states if bench.answer(s)[1]]


def qemu_is_wrong(state):
    """`ctzw` of a word that is 0 is 32 (Volume I, chapter 28, "ctzw"); qemu 7.2 sometimes gives 63."""
    code = int.from_bytes(state.code[:4], "little")
    return isa.decode(code) is CTZW and state.x[(code >> 15 & 31) - 1] & 0xFFFFFFFF == 0


def compare(engine, qemu, states):
    """Both answer every state."""
    bench, chosen = Bench(engine), ending(engine, states)
    assert len(chosen) > len(states) * 0.95
    wrong = []
    for state, want in zip(chosen, qemu.answer(chosen), strict=True):
        got = bench.answer(state)
        if got != want and not qemu_is_wrong(state):
            wrong.append(describe(state, got, want))
    assert not wrong, f"{len(wrong)} of {len(states)} differ:\n" + "\n".join(wrong[:10])


def describe(state, got, want):
    parts = [state.code.hex().removesuffix(C_EBREAK.hex() * 5), f"fcsr {state.fcsr:#x}"]
    if got[1] != want[1]:
        parts.append(f"signal {got[1]}, qemu's is {want[1]}")
    for name in ("pc", "fcsr", "code", "data"):
        a, b = getattr(got[0], name), getattr(want[0], name)
        if a != b:
            parts.append(f"{name} {a if isinstance(a, bytes) else hex(a)}, qemu's is {b if isinstance(b, bytes) else hex(b)}")
    for name in "xf":
        for i, (was, a, b) in enumerate(zip(*(getattr(s, name) for s in (state, got[0], want[0])), strict=True)):
            if a != b:
                parts.append(f"{name}{i + (name == 'x')} was {was:#x}, becomes {a:#x}, qemu's {b:#x}")
    return "; ".join(parts)


def number(draw):
    small = draw.randrange(-70, 70) & (1 << 64) - 1
    return draw.choice((draw.choice(NUMBERS), draw.getrandbits(64), draw.getrandbits(32), small))


def floating(draw):
    sign = draw.getrandbits(1)
    return draw.choice(
        (
            draw.choice(FLOATS) ^ sign << 63, draw.randrange(0x3E0, 0x420) << 52 | draw.getrandbits(52) | sign << 63,
            draw.getrandbits(64), BOX | draw.choice(SINGLES) ^ sign << 31, BOX | draw.getrandbits(32),
            BOX | draw.randrange(0x60, 0xA0) << 23 | draw.getrandbits(23) | sign << 31,
        )
    )  # fmt: skip


def address(draw, size=8):
    return DATA + draw.randrange(0, BYTES - 8, size)


def code_of(draw, entry):
    """A code of an entry; None for those whose outcome is no fact of the architecture."""
    code = entry.match | draw.getrandbits(8 * entry.size) & ~entry.mask
    if draw.randrange(2) and any(o.name == "rm" for o in entry.operands):
        code |= 7 << 12
    if isa.decode(code) is not entry:
        return None
    given = entry.decode(code)
    if 0 <= given.get("imm", -1) < entry.size and "{pc+imm}" in entry.syntax:  # a loop without end
        return None
    if "csr" in given:
        code = code & 0xFFFFF | draw.choice((1, 2, 3)) << 20
    return code


def state_of(draw, codes):
    """A state that begins with these instructions, registers such that most loads, stores and jumps hit."""
    x = [0, *(number(draw) for _ in range(31))]
    for code in codes:
        entry = isa.decode(code)
        given = dict(zip(entry.parameters, entry.arguments(code), strict=True))
        base = given.get("rs1", 0)
        if entry.group == "A":
            x[base] = address(draw)
        elif (base and "load" in entry.doc.lower()) or "store" in entry.doc.lower():
            x[base] = address(draw, draw.choice((1, 8))) - given.get("imm", 0) & (1 << 64) - 1
        elif entry.name.endswith(("jalr", "jr")):
            target = CODE + draw.choice((draw.randrange(-SLACK, 0), draw.randrange(LENGTH, 2 * SLACK)))
            x[base] = target - given.get("imm", 0) & (1 << 64) - 1
    text = b"".join(c.to_bytes(isa.decode(c).size, "little") for c in codes)
    text += C_EBREAK * ((LENGTH - len(text)) // 2)
    fcsr = draw.getrandbits(5) | draw.choice((0, 0, 0, 1, 2, 3, 4, 5, 7)) << 5
    f = tuple(floating(draw) for _ in range(32))
    return State(CODE, (*(v & (1 << 64) - 1 for v in x[1:]),), f, fcsr, text, draw.randbytes(BYTES))


def absent(code):
    """Is it an instruction that the oracle does not know?"""
    entry = isa.decode(code)
    return entry is not None and entry.group in ABSENT


def far(entry, code):
    """Does it jump out of what the oracle has mapped?"""
    return entry.name == "jal" and not -SLACK <= entry.decode(code)["imm"] < SLACK


GROUPS = sorted({e.group for e in isa.insns} - {"Zifencei", *ABSENT})


@pytest.mark.parametrize("group", GROUPS)
def test_single_instructions(engine, qemu, group):
    draw = random.Random(group)
    states = []
    for entry in isa.insns:
        if entry.group == group and entry.name not in ("ecall",):
            codes = [c for c in (code_of(draw, entry) for _ in range(60)) if c is not None and not far(entry, c)]
            states += [state_of(draw, [c]) for c in codes]
    compare(engine, qemu, states)


def test_sequences(engine, qemu):
    """Two to six instructions, of all kinds."""
    draw = random.Random(6)
    unsuited = ("ecall", "jal", "c.j", "jalr", "c.jr", "c.jalr", "sc.w{aqrl}", "sc.d{aqrl}", CTZW.name)
    entries = [e for e in isa.insns if e.name not in unsuited and e.group not in ABSENT]
    states = []
    for _ in range(2500):
        codes = [(e, code_of(draw, e)) for e in draw.choices(entries, k=draw.randrange(2, 7))]
        codes = [c for e, c in codes if c is not None and ("{pc+imm}" not in e.syntax or e.decode(c)["imm"] > 0)]
        states.append(state_of(draw, codes))
    compare(engine, qemu, states)


def test_a_reservation_and_what_becomes_of_it(engine, qemu):
    draw = random.Random(7)
    states = []
    for _ in range(1000):
        width = draw.choice("wd")
        first, last = isa.by_name[f"lr.{width}{{aqrl}}"], isa.by_name[f"sc.{width}{{aqrl}}"]
        base = draw.randrange(1, 32)
        between = code_of(draw, isa.by_name["addi"])
        codes = [c & ~(31 << 15) | base << 15 for c in (code_of(draw, first), code_of(draw, last))]
        codes = [codes[0], between, codes[1]] if draw.randrange(2) else codes
        state = state_of(draw, codes)
        writes = [c >> 7 & 31 for c in codes]
        if base not in writes[:-1]:
            states.append(state)
    compare(engine, qemu, states)


def test_every_16_bit_code_is_an_instruction_here_where_it_is_one_there(engine, qemu):
    draw = random.Random(8)
    codes = [c for c in range(1 << 16) if c & 3 != 3 and not absent(c)]
    state = state_of(draw, [])
    states = ending(engine, [state._replace(code=c.to_bytes(2, "little") + C_EBREAK * 15) for c in codes])
    assert len(states) > len(codes) * 0.99
    differ = []
    for given, (_, signal) in zip(states, qemu.answer(states), strict=True):
        if (isa.decode(int.from_bytes(given.code[:2], "little")) is None) != (signal == SIGILL):
            differ.append((given.code[:2].hex(), signal))
    assert not differ


def test_32_bit_codes_are_instructions_here_where_they_are_there(engine, qemu):
    """Random codes near every entry of the table: one to three bits changed."""
    draw = random.Random(9)
    codes = []
    for entry in isa.insns:
        for _ in range(80 if entry.size == 4 else 0):
            code = entry.match | draw.getrandbits(32) & ~entry.mask
            for _ in range(draw.randrange(4)):
                code ^= 1 << draw.randrange(2, 32)
            if code & 0x7F in (0x53, 0x43, 0x47, 0x4B, 0x4F) and draw.randrange(2):
                code &= ~0x7000
            # SYSTEM: privileged instructions and registers are another matter
            if code & 0x7F != 0x73 and code & 3 == 3 and not absent(code):
                codes.append(code)
    state = state_of(draw, [])
    states = ending(engine, [state._replace(code=c.to_bytes(4, "little") + C_EBREAK * 14, fcsr=0) for c in codes])
    assert len(states) > len(codes) * 0.99
    differ = []
    for given, (_, signal) in zip(states, qemu.answer(states), strict=True):
        code = int.from_bytes(given.code[:4], "little")
        here = isa.decode(code)
        reserved = here and any(o.name == "rm" for o in here.operands) and here.decode(code)["rm"] in (5, 6)
        if here and here.name in ("jal", "jalr") and signal == SIGILL:
            continue  # it is what lies where the jump goes that is none
        if (here is None or bool(reserved)) != (signal == SIGILL):
            differ.append((f"{code:#010x}", here and here.name, signal))
    assert not differ


def test_the_record_has_the_size_that_the_oracle_s_program_expects():
    assert RECORD.size == struct.calcsize("<65Q") + LENGTH + BYTES
