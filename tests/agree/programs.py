"""Random RISC-V programs: code in every shape that an engine may trip over, in a small address space."""

from __future__ import annotations

import random
from functools import lru_cache

from softmetal.boards.linux_riscv64 import MAPPED, R, W, X
from softmetal.isa.riscv import isa
from tests.agree.machines import WATCHED, code_of, number

CODE = 0x20000
"""Code lies in the pages from here on: what may be done there is drawn for each program."""
CODE_PAGES = 4
DATA = 0x30000
DATA_PAGES = 3
REGISTERS = (2, 8, 9, 10, 11)
"""These point at data, or at code, when a program begins."""
VALUES = (12, 13, 14, 15)
"""These hold instructions then, or numbers."""
RANGES = [
    ("ram", CODE, CODE + (CODE_PAGES + 1 << 12)),
    ("ram", DATA, DATA + (DATA_PAGES << 12)),
    ("perm", 0, 64),
]
FUSIONS = [[word.partition(":")[::2] for word in line.split()] for line in isa.fusions]
SOURCES = ("rs1", "rs2", "rs3")


def with_operand(entry, code, name, value):
    """The code with another value in an operand."""
    for operand in entry.operands:
        if operand.name == name:
            for s in operand.segments:
                code &= ~(((1 << s.width) - 1) << s.place)
            return code | operand.encode(value)
    return code


def source_of(entry, parameter):
    """The operand (or number) that fills a parameter."""
    return entry.bound.get(parameter, parameter)


def destination(entry, code):
    """The number of the register that an instruction writes; None if it has no `rd`."""
    source = source_of(entry, "rd")
    return source if isinstance(source, int) else entry.decode(code).get(source)


def fused(draw, line):
    """(entry, code) of each instruction of a fusion, its links as they must be; None if the draw fails."""
    made = []
    for name, links in line:
        entry = isa.by_name[name]
        code = code_of(isa, entry, draw)
        if code is None:
            return None
        for link in links.split(",") if links else ():
            try:
                code = with_operand(entry, code, source_of(entry, link), destination(*made[-1]))
            except ValueError:  # a register that this form cannot name
                return None
        if (not isinstance(source_of(entry, "rd"), int) and destination(entry, code) == 0) or isa.decode(code) is not entry:
            return None
        made.append((entry, code))
    for i, (_, links) in enumerate(line):  # setting one link may have undone another
        for link in links.split(",") if links else ():
            entry, code = made[i]
            if entry.decode(code)[source_of(entry, link)] != destination(*made[i - 1]):
                return None
    return made


def bytes_of(entry, code):
    return code.to_bytes(entry.size, "little")


CALM = [e for e in isa.insns if e.name.removeprefix("c.").partition(".")[0] not in ("ecall", "ebreak", "jalr", "jr", "jal", "j")]
BRANCHES = [isa.by_name[n] for n in ("beq", "bne", "blt", "bge", "bltu", "bgeu", "c.beqz", "c.bnez", "jal", "c.j")]
CALLS = [isa.by_name[n] for n in ("ecall", "ebreak", "c.ebreak", "fence.i", "jalr", "c.jr", "c.jalr")]
INTEGER = ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", "sb", "sh", "sw", "sd", "c.lw", "c.ld", "c.sw", "c.sd")
FLOAT = ("flw", "fld", "fsw", "fsd", "c.fld", "c.fsd")
ON_STACK = ("c.ldsp", "c.sdsp", "c.lwsp", "c.swsp")
ACCESSES = [isa.by_name[n] for n in INTEGER + FLOAT + ON_STACK]


def access(draw):
    """A load or store at one of the registers that point somewhere."""
    entry = draw.choice(ACCESSES)
    code = code_of(isa, entry, draw)
    if code is not None and not isinstance(source_of(entry, "rs1"), int):
        code = with_operand(entry, code, "rs1", draw.choice((8, 9, 10, 11)))
    return entry, code


def branch(draw):
    """A jump to somewhere near, forward or backward, and sometimes into the middle of an instruction."""
    entry = draw.choice(BRANCHES)
    code = code_of(isa, entry, draw)
    if code is None:
        return entry, None
    code = with_operand(entry, code, "imm", draw.choice((draw.randrange(-64, 128, 2), draw.randrange(4, 16, 2))))
    if entry.name == "jal":
        code = with_operand(entry, code, "rd", draw.choice((0, 1)))
    return entry, code


def fragment(draw):
    """An instruction, or two or three that are fused."""
    while True:
        kind = draw.randrange(100)
        if kind < 35:
            made = fused(draw, draw.choice(FUSIONS))
            if made:
                return b"".join(bytes_of(*each) for each in made)
            continue
        if kind < 60:
            entry = draw.choice(CALM)
            code = code_of(isa, entry, draw)
        elif kind < 78:
            entry, code = access(draw)
        elif kind < 94:
            entry, code = branch(draw)
        elif kind < 98:
            entry = draw.choice(isa.insns if draw.randrange(2) else CALLS)
            code = code_of(isa, entry, draw)
        else:
            return draw.randbytes(2)
        if code is not None and isa.decode(code) is entry:
            return bytes_of(entry, code)


@lru_cache(maxsize=1)
def fragments():
    draw = random.Random(0)
    return [fragment(draw) for _ in range(6000)]


class Program:
    """A program: what lies in memory, what may be done with its pages, and what registers hold after each trap."""

    def __init__(self, draw):
        self.draw = draw
        self.text = b"".join(draw.choices(fragments(), k=CODE_PAGES << 11))[: CODE_PAGES << 12]
        kinds = [R | X, R | W | X, X, R | W | X, R | X, R | W]
        self.pages = {
            (CODE >> 12) + i: draw.choice(kinds[:4] if i < CODE_PAGES - 1 else kinds) | MAPPED for i in range(CODE_PAGES)
        }
        data = [R | W, R | W, R, W, 0, R | W | X]
        self.pages |= {(DATA >> 12) + i: draw.choice(data[: 1 if i == 0 else None]) | MAPPED for i in range(DATA_PAGES)}
        self.data = draw.randbytes(DATA_PAGES << 12)

    def load(self, side):
        """Put the program into a board, and take the one before out."""
        perm, ram = side.memories["perm"], side.memories["ram"]
        perm[:64] = bytes(64)
        for page, allowed in self.pages.items():
            perm[page] = allowed
        ram[CODE : CODE + len(self.text)] = self.text
        ram[DATA : DATA + len(self.data)] = self.data
        side.engine.code_changed(0, 64 << 12)
        perm[:64] = bytes(b & ~WATCHED for b in perm[:64])
        for page, allowed in self.pages.items():
            perm[page] = allowed

    def again(self, core):
        """Go on somewhere, with registers that point somewhere: at the beginning and after each trap."""
        draw = self.draw
        end = CODE + draw.randrange(1, CODE_PAGES) * 4096
        pc = draw.choice((CODE + draw.randrange(0, len(self.text), 2), end - draw.randrange(2, 40, 2)))
        for i in range(1, 32):
            if draw.randrange(4) == 0:
                core.x[i] = number(draw)
        for i in REGISTERS:
            far = draw.choice((draw.randrange(4096), draw.randrange(0, 4096, 8), draw.randrange(4080, 4100)))
            near = draw.randrange(-16, 80, 2)
            core.x[i] = draw.choice((DATA + far, DATA + far, DATA + far, CODE + far, pc + near, pc + near, end + near // 4))
        for i in VALUES:  # what a store to code may put there
            code = int.from_bytes(b"".join(draw.choices(fragments(), k=4))[:8], "little")
            core.x[i] = draw.choice((code, number(draw)))
        core.pc = core.next_pc = pc
