"""A CPU of one's own: eight 16-bit registers, 64 KiB of memory, nine instructions.

python docs/tour/toy.py                                       runs a program on it
softmetal insn --isa docs/tour/toy.py "add r1, r2" --set r1=3 --set r2=4
"""

from __future__ import annotations

from softmetal.engines.native import native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, memory, s9, u3, u8, u16, u64


class Stop(Trap):
    """The program is done (code 0), or a code is no instruction."""

    code: u16


class Toy(Chip):
    r: u16[8]
    pc: u16
    next_pc: u16  # where the instruction that runs continues
    count: u64  # instructions done
    ram: memory[1 << 16]

    def fetch(self, address: u16) -> u16:
        return self.ram.u16[address & 0xFFFE]


def illegal(cpu: Toy, code: u16) -> None:
    raise Stop(code)


REGISTERS = tuple(f"r{i}" for i in range(8))
isa = Isa("toy", core=Toy, parcel=16, registers={"r": REGISTERS}, kinds={"d": "r", "s": "r"}, illegal=illegal)


@isa.insn("imm d 00001", "li {d}, {imm}")
def li(cpu: Toy, d: u3, imm: u8) -> None:
    cpu.r[d] = imm


@isa.insn("00000 s d 00010", "add {d}, {s}")
def add(cpu: Toy, d: u3, s: u3) -> None:
    cpu.r[d] += cpu.r[s]


@isa.insn("00001 s d 00010", "sub {d}, {s}")
def sub(cpu: Toy, d: u3, s: u3) -> None:
    cpu.r[d] -= cpu.r[s]


@isa.insn("00010 s d 00010", "mul {d}, {s}")
def mul(cpu: Toy, d: u3, s: u3) -> None:
    cpu.r[d] = cpu.r[d] * cpu.r[s]


@isa.insn("00011 s d 00010", "load {d}, ({s})")
def load(cpu: Toy, d: u3, s: u3) -> None:
    cpu.r[d] = cpu.ram.u16[cpu.r[s] & 0xFFFE]


@isa.insn("00100 s d 00010", "store {d}, ({s})")
def store(cpu: Toy, d: u3, s: u3) -> None:
    cpu.ram.u16[cpu.r[s] & 0xFFFE] = cpu.r[d]


@isa.insn("rel[8:1] s 00011", "bnez {s}, {pc+rel}")
def bnez(cpu: Toy, s: u3, rel: s9) -> None:
    if cpu.r[s] != 0:
        cpu.next_pc = cpu.pc + rel


@isa.insn("0000000000000000", "halt")
def halt(cpu: Toy) -> None:
    raise Stop(0)


PROGRAM = """
        li   r1, 250        # a sum of squares, 250 times 250 of them
        li   r3, 1
outer:  li   r2, 250
inner:  add  r4, r2
        mul  r4, r4
        sub  r2, r3
        bnez r2, inner
        sub  r1, r3
        bnez r1, outer
        halt
"""

if __name__ == "__main__":
    board = new_board(isa, Toy)
    code = assemble(isa, PROGRAM).code
    board.ram[0 : len(code)] = code
    trap = native_engine(isa, board).run(max_insns=10_000_000)
    print(f"{trap} after {board.count} instructions, r4 = {board.r[4]}")
