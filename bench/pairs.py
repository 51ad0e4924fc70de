"""Which instructions follow which: the profile from which `isa/riscv/fusion.py` is made.

    python bench/pairs.py PROGRAM [ARGS...] [--root DIR] 2> profile.txt       (once for each program)
    python bench/pairs.py --boot KERNEL INITRD APPEND 2> profile.txt         (a computer, until it powers off)
    python bench/pairs.py --merge profile.txt... --keep 256                 (prints the table)

Runs a riscv64 program on the native engine and looks at 200 instructions after each 100,003. A line of a profile is: how
often, first, second, and which operands of the second are the first's `rd`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

from softmetal.boards.linux_riscv64 import LinuxRiscv64
from softmetal.computers.riscv_virt import Virt
from softmetal.engines.native.handlers import Handlers
from softmetal.isa.riscv import isa
from softmetal.isa.table import Insn
from softmetal.lang.chip import Board
from softmetal.linux.adapter import BoardCpu
from softmetal.linux.cpu import BUDGET, Exit
from softmetal.linux.process import Options
from softmetal.linux.start import run_program
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

APART, LOOK = 100_003, 200
Pair = tuple[str, str, tuple[str, ...]]


class Profile:
    """What follows what."""

    def __init__(self) -> None:
        self.pairs: Counter[Pair] = Counter()
        self.last: Any = None

    def see(self, pc: int, code: int) -> None:
        """An instruction is about to run, behind the one that was seen last."""
        insn = isa.decode(code)
        if insn is None:
            self.last = None
            return
        here = (pc, insn, dict(zip(insn.parameters, insn.arguments(code), strict=True)))
        last = self.last
        if last and last[0] + last[1].size == pc:
            rd = last[2].get("rd")
            links = tuple(sorted(p for p, v in here[2].items() if p in ("rd", "rs1", "rs2") and v == rd and rd))
            self.pairs[last[1].name, insn.name, links] += 1
        self.last = here


def boot(profile: Profile, kernel: str, initrd: str, append: str) -> None:
    """Run a computer until it powers off."""
    machine = Machine(Virt(kernel=kernel, initrd=initrd, append=append))
    while machine.run(insns=APART) is Stop.INSNS:
        profile.last = None
        for _ in range(LOOK):
            pc = machine.board.pc
            frame = machine.board.located(pc)
            if frame < 1 << 20 and pc & 4095 < 4094:
                at = frame << 12 | pc & 4095
                profile.see(pc, int.from_bytes(machine.ram[at : at + 4], "little"))
            machine.step()


class Watched(BoardCpu):
    """A hart that is looked at from time to time."""

    def __init__(self, profile: Profile) -> None:
        super().__init__("native")
        self.profile = profile

    def run(self, max_insns: int) -> Exit:
        left = max_insns
        while left > 0:
            before = self.count
            found = super().run(min(left, APART))
            left -= self.count - before
            if found.cause != BUDGET:
                return found
            self.profile.last = None
            for _ in range(min(left, LOOK)):
                pc = self.pc
                self.profile.see(pc, int.from_bytes(self.ram[pc : pc + 4], "little"))
                found = super().run(1)
                if found.cause != BUDGET:
                    return found
                left -= 1
        return Exit(BUDGET, 0)


def lines_of(pairs: Counter[Pair], keep: int) -> list[str]:
    """The most frequent pairs that can be fused, as lines of the table."""
    handlers = Handlers(isa, Board.of(LinuxRiscv64))
    found: Counter[str] = Counter()
    for (first, second, linked), number in pairs.items():
        a, b = isa.by_name[first], isa.by_name[second]
        if handlers.flows(handlers.instance(a.meaning)) or None in (handlers.layout(a), handlers.layout(b)):
            continue
        mine, theirs = ({n for n, *_ in handlers.layout(e) or []} for e in (a, b))
        links = [n for n in linked if n in theirs and "rd" in mine and is_float(a, "rd") == is_float(b, n)]
        found[f"{first} {second}" + (":" + ",".join(links) if links else "")] += number
    return [line for line, _ in found.most_common(keep)]


def is_float(entry: Insn, operand: str) -> bool:
    """Does an operand name a floating-point register?"""
    return f"{{{operand}:f}}" in entry.syntax


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root")
    parser.add_argument("--boot", nargs=3, metavar=("KERNEL", "INITRD", "APPEND"))
    parser.add_argument("--merge", nargs="+")
    parser.add_argument("--keep", type=int, default=256)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    pairs: Counter[Pair] = Counter()
    if args.merge:
        for name in args.merge:
            one: Counter[Pair] = Counter()
            with open(name, encoding="ascii") as file:
                for line in file:
                    count, first, second, *links = line.split()
                    one[first, second, tuple(links)] = int(count)
            total = sum(one.values()) or 1
            for pair, number in one.items():  # each program counts the same
                pairs[pair] += number * 1_000_000 // total
        for line in lines_of(pairs, args.keep):
            print(f'    "{line}",')
        return 0
    profile, code = Profile(), 0
    if args.boot:
        boot(profile, *args.boot)
    else:
        options = Options(root=args.root) if args.root else Options()
        code = run_program(lambda: Watched(profile), args.program[0], args.program[1:], options).code
    for (first, second, linked), number in profile.pairs.most_common():
        print(number, first, second, *linked, file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
