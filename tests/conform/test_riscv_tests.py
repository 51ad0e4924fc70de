"""The suites of riscv-software-src/riscv-tests, each a program that says by a store to `tohost` whether it has passed.

They are not part of this project. SOFTMETAL_RISCV_TESTS names a folder with the programs as their Makefile builds them
(rv64ui-p-add, rv64mi-p-csr, rv64ui-v-add, ...). riscv64-linux-gnu-gcc will do for it, with `-fno-pic -no-pie` behind
the Makefile's RISCV_GCC_OPTS: else addresses come from a table that programs clear with their data.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt.loading import load_elf
from tests.conform.privileged_harness import RAM
from tests.conform.privileged_machines import Runner
from tests.conftest import ENGINES

FOLDER = os.environ.get("SOFTMETAL_RISCV_TESTS")
SIZE = 4 << 20
MOST = 1_000_000
OURS = re.compile(r"rv64(?!up|uv|uh|mh)\w+-[pv]-\w+$")


def outcome(runner, path):
    """How a program ends: 0 if it passes, else the number of the case that fails; None if it does not end."""
    program = load_elf(path.read_bytes(), path.name)
    ram = bytearray(SIZE)
    for address, data in program.pieces:
        ram[address - RAM : address - RAM + len(data)] = data
    runner.load(ram)
    runner.core.tohost = program.tohost
    runner.core.pc = runner.core.next_pc = program.entry
    return runner.core.finisher.code if runner.run(MOST) else None


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not FOLDER, reason="SOFTMETAL_RISCV_TESTS names no folder with riscv-tests")
@pytest.mark.parametrize("engine", ENGINES)
def test_every_program_passes(engine):
    """Golden runs those of machine mode's environment; the other has a kernel of its own, and takes long."""
    paths = sorted(p for p in Path(FOLDER).iterdir() if OURS.match(p.name) and (engine != "golden" or "-p-" in p.name))
    assert paths
    runner = Runner(ENGINES[engine], SIZE)
    failed = {p.name: ended for p in paths if (ended := outcome(runner, p)) != 0}
    assert not failed


@pytest.mark.parametrize(
    ("stores", "ended"),
    [
        ("li t1, 1\nsd t1, 0(t0)", (1, 0, 0)),
        ("li t1, 1\nsw t1, 0(t0)\nsw zero, 4(t0)", (1, 0, 0)),
        ("li t1, 7 << 1 | 1\nsw t1, 0(t0)", (2, 7, 0)),
        ("sd zero, 0(t0)\nsd zero, 8(t0)\nli t1, 5 << 1 | 1\namoswap.d t2, t1, (t0)", (2, 5, 0)),
        ("li t1, 1\nsd t1, 8(t0)\nsb t1, -1(t0)", (0, 0, 0)),  # beside it
        ("li t1, 1\nlb t2, 0(t0)\nsd t1, 16(t0)\nlb t2, 0(t0)\nsd t1, 0(t0)", (1, 0, 0)),  # behind loads and other stores
        ("li t1, 0x80001000\nsd t1, 0(t0)", (0, 0, 1)),  # a request to the host: not modelled
    ],
)
def test_a_store_to_tohost_ends_the_run_there_with_its_code(engine, stores, ended):
    """HTIF, as the README of riscv-tests has it: 1 is success, (code << 1) | 1 a failure."""
    from softmetal.isa.assembler import assemble
    from softmetal.isa.riscv import isa

    code = assemble(isa, f"la t0, tohost\n{stores}\nafter: j after\n.balign 64\n.dword 0\ntohost: .dword 0, 0, 0", RAM)
    runner = Runner(engine, SIZE)
    ram = bytearray(SIZE)
    ram[: len(code.code)] = code.code
    runner.load(ram)
    core = runner.core
    core.tohost = code.symbols["tohost"]
    count = sum(not line.startswith("li t1, 0x8") for line in stores.splitlines()) + 2
    runner.run(100)
    assert (core.finisher.finished, core.finisher.code, core.unmodelled.count) == ended
    if ended[0]:
        assert core.count <= count + 1  # not an instruction further than the one behind
        assert core.pc <= code.symbols["after"]
