"""RISC-V boards with assembled code, for tests of engines."""

from __future__ import annotations

from softmetal.boards.linux_riscv64 import MAPPED, LinuxRiscv64, R, W, X
from softmetal.engines.golden import golden_engine
from softmetal.engines.native import NativeEngine, native_engine, new_board
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa

ENGINES = {
    "golden": lambda board=LinuxRiscv64: golden_engine(isa, board()),
    "threaded": lambda board=LinuxRiscv64: native_engine(isa, new_board(isa, board)),
    "switched": lambda board=LinuxRiscv64: NativeEngine(isa, board()),
}
CODE = 0x10000
WATCHED = 16


def allow(core, address, length, allowed):
    """Say what may be done with the pages of a span."""
    for page in range(address >> 12, (address + length + 4095) >> 12):
        core.perm[page] = allowed | MAPPED if allowed else 0


def put(engine, text, address=CODE, allowed=R | X):
    """Assemble to an address, in pages that allow this; `text` may be bytes."""
    code = text if isinstance(text, bytes) else assemble(isa, text, address).code
    core = engine.core
    core.ram[address : address + len(code)] = code
    allow(core, address, len(code), allowed)
    engine.code_changed(address, address + len(code))
    return len(code)


def go(engine, address, budget):
    """Run from an address; how many instructions were done, and (cause, tval) or None."""
    core = engine.core
    core.pc = core.next_pc = address
    before = core.count
    trap = engine.run(budget)
    return core.count - before, trap and (trap.cause, trap.tval)


__all__ = ["LinuxRiscv64", "R", "W", "X"]
