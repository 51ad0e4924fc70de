"""The 6502 against published single-instruction tests (SingleStepTests/65x02): registers, memory, cycles, bus."""

from __future__ import annotations

import json
import lzma
from functools import lru_cache
from pathlib import Path

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.engines.golden import golden_engine
from softmetal.isa.mos6502 import isa
from softmetal.lang import host

VECTORS = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "6502.jsonl.xz"
REGISTERS = ("pc", "a", "x", "y", "s")
FLAGS = 0xCF  # B and bit 5 are no flip-flops; the tests keep what they began with

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors/6502.jsonl.xz is not there")


@lru_cache(maxsize=1)
def vectors() -> dict[int, list[dict]]:
    found: dict[int, list[dict]] = {}
    with lzma.open(VECTORS, "rt") as lines:
        for line in lines:
            vector = json.loads(line)
            found.setdefault(int(vector["name"][:2], 16), []).append(vector)
    return found


class Traced(Flat6502):
    """The flat board, with a list of what happened on its bus."""

    @host
    def read(self, address):
        value = self.ram[address & 0xFFFF]
        self.cycles += 1
        self.trace.append([address & 0xFFFF, value, "read"])
        return value

    @host
    def write(self, address, value):
        self.ram[address & 0xFFFF] = value
        self.cycles += 1
        self.trace.append([address & 0xFFFF, value & 0xFF, "write"])


def load(core, vector):
    initial = vector["initial"]
    for name in REGISTERS:
        setattr(core, name, initial[name])
    p = initial["p"]
    core.n, core.v, core.d, core.i, core.z, core.c = p >> 7, p >> 6, p >> 3, p >> 2, p >> 1, p
    core.jammed = core.cycles = core.count = 0
    for address, value in initial["ram"]:
        core.ram[address] = value


def clear(core, vector):
    for address, _ in vector["initial"]["ram"] + vector["final"]["ram"]:
        core.ram[address] = 0


def wanted(vector):
    final = vector["final"]
    return {
        "name": vector["name"],
        **{name: final[name] for name in REGISTERS},
        "p": final["p"] & FLAGS,
        "ram": final["ram"],
        "cycles": len(vector["cycles"]),
    }


def outcome(core, vector):
    p = core.n << 7 | core.v << 6 | core.d << 3 | core.i << 2 | core.z << 1 | core.c
    return {
        "name": vector["name"],
        **{name: getattr(core, name) for name in REGISTERS},
        "p": p,
        "ram": [[address, core.ram[address]] for address, _ in vector["final"]["ram"]],
        "cycles": core.cycles,
    }


@pytest.mark.parametrize("opcode", range(256), ids="{:02x}".format)
def test_registers_memory_and_cycles_are_as_published(engine, opcode):
    runner = engine(isa, Flat6502)
    core = runner.core
    for vector in vectors()[opcode]:
        load(core, vector)
        runner.step()
        assert outcome(core, vector) == wanted(vector)
        clear(core, vector)


@pytest.mark.parametrize("opcode", range(256), ids="{:02x}".format)
def test_every_bus_cycle_is_as_published(opcode):
    core = Traced()
    runner = golden_engine(isa, core)
    for vector in vectors()[opcode]:
        load(core, vector)
        core.trace = []
        runner.step()
        assert core.trace == vector["cycles"], vector["name"]
        clear(core, vector)


def test_there_are_vectors_for_every_opcode():
    assert set(vectors()) == set(range(256))
    assert sum(map(len, vectors().values())) == 14_880
