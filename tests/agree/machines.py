"""What the comparisons of engines share: boards side by side, their whole states, and states drawn at random."""

from __future__ import annotations

import itertools

from softmetal.boards.linux_riscv64 import LinuxRiscv64, W
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import NativeEngine, native_engine, new_board
from softmetal.lang.chip import Board, layout_of
from softmetal.lang.types import ArrayType

WATCHED = 16
PLAIN = bytes(b & ~WATCHED | W if b & WATCHED else b for b in range(256))
"""Permission bytes as they are without an engine's mark."""
BOX = 0xFFFFFFFF << 32
EDGES = sorted({(s << n) + d & (1 << 64) - 1 for n in (0, 7, 8, 15, 16, 31, 32, 52, 62, 63) for s in (1, -1) for d in (-1, 0, 1)})
DOUBLES = [
    0, 1, 0xFFFFF << 32 | 0xFFFFFFFF, 0x001 << 52, 0x3FF << 52, 0x3FE << 52, 0x400 << 52, 0x433 << 52, 0x43E << 52,
    0x41D << 52, 0x41E << 52, 0x7FE << 52 | (1 << 52) - 1, 0x7FF << 52, 0x7FF << 52 | 1, 0x7FF8 << 48, 0x7FF << 52 | 7 << 49,
    0x380 << 52, 0x369 << 52, 0x47F << 52, 0x36A << 52 | 1,
]  # fmt: skip
SINGLES = [
    0, 1, 0x7FFFFF, 0x800000, 0x3F800000, 0x3F000000, 0x40000000, 0x4B000000, 0x4F000000, 0x5F000000, 0x7F7FFFFF, 0x7F800000,
    0x7F800001, 0x7FC00000, 0x7FE00000, 0x33800000, 0x34000001,
]  # fmt: skip


def number(draw):
    """64 bits: small, large, near a width's end, any."""
    match draw.randrange(6):
        case 0:
            return draw.randrange(-4, 70) & (1 << 64) - 1
        case 1 | 2:
            return draw.choice(EDGES)
        case 3:
            return draw.getrandbits(32)
        case _:
            return draw.getrandbits(64)


def floating(draw):
    """What a floating-point register may hold: numbers of both formats, special ones often; singles not boxed; any bits."""
    match draw.randrange(8):
        case 0 | 1:
            return draw.choice(DOUBLES) | draw.getrandbits(1) << 63
        case 2:
            return (draw.randrange(0x3F0, 0x410) << 52 | draw.getrandbits(52)) | draw.getrandbits(1) << 63
        case 3 | 4:
            return BOX | draw.choice(SINGLES) | draw.getrandbits(1) << 31
        case 5 | 6:
            return BOX | draw.randrange(0x70, 0x90) << 23 | draw.getrandbits(23) | draw.getrandbits(1) << 31
        case _:
            return draw.getrandbits(64)


class Side:
    """An engine, its board, and the bytes of its state."""

    def __init__(self, engine):
        self.engine, self.core = engine, engine.core
        view = self.core.__mapping__.view
        board = Board.of(type(self.core))
        self.block = view[: board.block_size]
        self.memories = {name: view[at : at + kind.length] for name, (at, kind) in board.memories.items()}

    def fields(self):
        """Every field, by name."""
        found = {}
        for name in layout_of(type(self.core)).fields:
            value = getattr(self.core, name)
            found[name] = list(value) if hasattr(value, "__len__") else value
        return found

    def run(self, budget):
        """Run; the trap as a tuple, or None."""
        trap = self.engine.run(budget)
        return None if trap is None else (type(trap).__name__, *trap.values)


def golden(isa, board):
    return Side(golden_engine(isa, board()))


def threaded(isa, board):
    return Side(native_engine(isa, new_board(isa, board)))


def switched(isa, board):
    return Side(NativeEngine(isa, board()))


NATIVE = {"threaded": threaded, "switched": switched}


def randomise(core, draw):
    """Every number of the block drawn at random, edges often."""
    for name, field in layout_of(type(core)).fields.items():
        if isinstance(field.type, ArrayType):
            getattr(core, name)[:] = [number(draw) for _ in range(field.type.length)]
        else:
            setattr(core, name, draw.getrandbits(64))


def hart_state(core, draw):
    """The registers of a hart drawn at random."""
    core.x[:] = [0, *(number(draw) for _ in range(31))]
    core.f[:] = [floating(draw) for _ in range(32)]
    core.fflags = draw.getrandbits(5) if draw.randrange(3) else draw.getrandbits(5) | 1  # with NX: the short way
    core.frm = draw.choice((0, 0, 0, 1, 2, 3, 4, 5, 6, 7))
    core.reserved, core.reservation = draw.getrandbits(1), number(draw)
    core.count = draw.choice((0, draw.getrandbits(40), (1 << 64) - 3))


def difference(sides, ranges=()):
    """What differs between the first side and the others: text, "" if nothing. `ranges` are (memory, start, end)."""
    first, *others = sides
    for other in others:
        if other.block != first.block:
            a, b = first.fields(), other.fields()
            return "; ".join(f"{n}: {_short(a[n], b[n])}" for n in a if a[n] != b[n]) or "bytes outside of every field"
        for memory, start, end in ranges:
            a, b = (s.memories[memory][start:end] for s in (first, other))
            if memory == "perm":
                a, b = bytes(a).translate(PLAIN), bytes(b).translate(PLAIN)
            if a != b:
                at = next(i for i, (p, q) in enumerate(zip(a, b, strict=True)) if p != q)
                return f"{memory}[{start + at:#x}]: {a[at]:#x} is {b[at]:#x}"
    return ""


def _short(a, b):
    if isinstance(a, list):
        return ", ".join(f"[{i}] {p:#x} is {q:#x}" for i, (p, q) in enumerate(zip(a, b, strict=True)) if p != q)
    return f"{a:#x} is {b:#x}"


def code_of(isa, entry, draw):
    """A code of an entry, every bit that it leaves open drawn, edges of operands often; None where that means another."""
    code = entry.match
    free = draw.getrandbits(8 * entry.size) & ~entry.mask
    for operand in entry.operands:
        held = sum(((1 << s.width) - 1) << s.place for s in operand.segments)
        match draw.randrange(8):
            case 0:
                free &= ~held
            case 1:
                free |= held
    return code | free if isa.decode(code | free) is entry else None


def codes_of(isa, entry, draw, count):
    """`count` codes of an entry, or all that it has."""
    bits = (~entry.mask & (1 << 8 * entry.size) - 1).bit_count()
    found = {}
    for _ in itertools.repeat(None, 40 * count):
        code = code_of(isa, entry, draw)
        if code is not None:
            found[code] = None
        if len(found) in (count, 1 << bits):
            break
    return list(found)


__all__ = ["LinuxRiscv64"]
