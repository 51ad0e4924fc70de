"""What every engine promises of `run`: exact counts, exact traps, wherever the program counter goes."""

from __future__ import annotations

import os

import pytest

from softmetal.boards.linux_riscv64 import SPACE
from softmetal.isa.riscv.hart import BREAKPOINT, ECALL_U, FETCH_ACCESS, ILLEGAL, LOAD_ACCESS, STORE_ACCESS
from tests.engines.harts import CODE, ENGINES, R, W, X, allow, go, put

LOOP = """
    li a0, 100
loop:
    addi a1, a1, 3
    xor a2, a1, a0
    addi a0, a0, -1
    bnez a0, loop
    ecall
"""
DONE = 1 + 4 * 100


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


def test_a_budget_is_used_to_the_last_instruction(engine):
    put(engine, LOOP)
    for budget in range(40):
        engine.core.x[:] = [0] * 32
        assert go(engine, CODE, budget) == (budget, None)


def test_a_budget_that_ends_at_a_trap_does_not_take_it(engine):
    put(engine, LOOP)
    assert go(engine, CODE, DONE) == (DONE, None)
    assert (engine.run(1).cause, engine.core.count) == (ECALL_U, DONE)
    assert engine.core.x[11] == 300


@pytest.mark.parametrize("budget", [DONE + 1, 10**9, (1 << 63) - 1, 1 << 63, 1 << 64, 1 << 70])
def test_a_larger_budget_ends_at_the_trap_with_pc_and_count_at_it(engine, budget):
    length = put(engine, LOOP)
    assert go(engine, CODE, budget) == (DONE, (ECALL_U, 0))
    assert engine.core.pc == engine.core.next_pc == CODE + length - 4


@pytest.mark.parametrize("budget", [0, -1, -(1 << 70)])
def test_a_budget_of_nothing_does_nothing(engine, budget):
    put(engine, LOOP)
    engine.core.pc, engine.core.next_pc, engine.core.count = CODE, 77, 5
    before = bytes(engine.core.__mapping__.view[:4096])
    assert engine.run(budget) is None
    assert bytes(engine.core.__mapping__.view[:4096]) == before


@pytest.mark.parametrize("pc", [SPACE, SPACE - 1, SPACE + 4, 1 << 63, (1 << 64) - 1, (1 << 64) - 2, CODE + 0x1000, CODE - 2])
def test_a_program_counter_where_no_code_is_traps_there(engine, pc):
    put(engine, LOOP)
    assert go(engine, pc, 10) == (0, (FETCH_ACCESS, pc))
    assert engine.core.pc == engine.core.next_pc == pc


def test_the_last_bytes_of_the_address_space_can_be_run(engine):
    put(engine, "c.addi a0, 1\n" * 3, SPACE - 6)
    assert go(engine, SPACE - 6, 10) == (3, (FETCH_ACCESS, SPACE))
    assert (engine.core.pc, engine.core.x[10]) == (SPACE, 3)
    put(engine, "nop", SPACE - 4)
    assert go(engine, SPACE - 4, 10) == (1, (FETCH_ACCESS, SPACE))
    put(engine, (0x0013).to_bytes(2, "little"), SPACE - 2)  # half an instruction
    assert go(engine, SPACE - 2, 10) == (0, (FETCH_ACCESS, SPACE))
    assert engine.core.pc == SPACE - 2


@pytest.mark.parametrize(
    "text", ["j .+{far}", "c.j .+{near}", "beq zero, zero, .+{near}", "c.jr a0", "jalr ra, 0(a0)", "jalr ra, -2(a1)"]
)
@pytest.mark.parametrize("at", [SPACE - 64, 64], ids=["up", "down"])
def test_a_jump_out_of_the_address_space_traps_at_its_target(engine, text, at):
    near, far = (100, 0xF0000) if at > 64 else (-100, -0xF0000)
    put(engine, text.format(near=near, far=far) + "\nc.nop", at)
    direct = at + (far if "far" in text else near) & (1 << 64) - 1
    target = direct if "near" in text or "far" in text else 1 << 45
    engine.core.x[10], engine.core.x[11] = 1 << 45, (1 << 45) + 2
    for budget in (1, 2, 100):
        for _ in range(2):
            done, trap = go(engine, at, budget)
            assert (done, trap, engine.core.pc) == (1, None if budget == 1 else (FETCH_ACCESS, target), target)


def test_bit_0_of_a_jump_to_a_register_is_dropped(engine):
    put(engine, "jalr ra, 1(a0)\nnop\necall")
    engine.core.x[10] = CODE + 7
    assert go(engine, CODE, 10) == (1, (ECALL_U, 0))
    assert (engine.core.pc, engine.core.x[1]) == (CODE + 8, CODE + 4)


def test_an_odd_program_counter_runs_what_lies_there(engine):
    put(engine, b"\0" + (0x0505).to_bytes(2, "little") + (0x9002).to_bytes(2, "little"))
    assert go(engine, CODE + 1, 1) == (1, None)
    assert go(engine, CODE + 1, 2) == (1, (BREAKPOINT, CODE + 3))
    assert engine.core.x[10] == 2


def test_an_instruction_in_two_pages_needs_both(engine):
    put(engine, "addi a0, a0, 1\nebreak", CODE + 0xFFE)
    allow(engine.core, CODE + 0x1000, 1, R | W)
    assert go(engine, CODE + 0xFFE, 5) == (0, (FETCH_ACCESS, CODE + 0x1000))
    assert engine.core.pc == CODE + 0xFFE
    allow(engine.core, CODE + 0x1000, 1, X)
    assert go(engine, CODE + 0xFFE, 5) == (1, (BREAKPOINT, CODE + 0x1002))


def test_code_that_runs_into_a_page_that_cannot_be_fetched_traps_at_its_start(engine):
    put(engine, "c.addi a0, 1\n" * 4, CODE + 0xFF8)
    for budget in (5, 4, 3, 100):
        trap = (FETCH_ACCESS, CODE + 0x1000) if budget > 4 else None
        assert go(engine, CODE + 0xFF8, budget) == (min(4, budget), trap)


def test_a_page_that_becomes_executable_is_run_from_then_on(engine):
    put(engine, "c.addi a0, 1\n" * 4, CODE + 0xFF8)
    assert go(engine, CODE + 0xFF8, 9)[0] == 4
    put(engine, "c.addi a0, 1\n" * 4 + "ecall", CODE + 0x1000)
    for _ in range(3):
        assert go(engine, CODE + 0xFF8, 9) == (8, (ECALL_U, 0))


@pytest.mark.parametrize(
    ("text", "trap"),
    [
        ("ld a1, 0(a0)", (LOAD_ACCESS, 1 << 40)), ("sd a1, 0(a0)", (STORE_ACCESS, 1 << 40)),
        (".4byte 0xffffffff", (ILLEGAL, 0xFFFFFFFF)), (".2byte 0", (ILLEGAL, 0)), ("ebreak", (BREAKPOINT, CODE + 6)),
        ("csrr a0, 0x300", (ILLEGAL, 0x30002573)),
    ],
)  # fmt: skip
def test_a_trap_stands_at_its_instruction(engine, text, trap):
    put(engine, f"c.nop\nnop\n{text}\nnop\necall")
    engine.core.x[10] = 1 << 40
    for budget in (3, 4, 1000):
        assert go(engine, CODE, budget) == (2, trap)
        assert engine.core.pc == engine.core.next_pc == CODE + 6
    assert go(engine, CODE, 2) == (2, None)
    with pytest.raises(Exception, match=r"\d"):
        engine.step()


def test_the_counter_reads_what_has_been_retired_before(engine):
    put(engine, "nop\nrdinstret a0\nnop\nnop\nrdinstret a1\nc.j .+2\nrdinstret a2\necall")
    for pieces in ((100,), (1,) * 9, (2, 3, 4), (4, 100)):
        engine.core.count, engine.core.pc = 1000, CODE
        for budget in pieces:
            engine.run(budget)
        assert engine.core.x[10:13] == [1001, 1004, 1006]


@pytest.mark.parametrize("name", ENGINES)
def test_two_engines_in_one_process_do_not_meet(name):
    one, two = ENGINES[name](), ENGINES[name]()
    put(one, "li a0, 1\nc.addi a0, 1\necall")
    put(two, "li a0, 40\nc.addi a0, 2\necall")
    go(one, CODE, 1)
    go(two, CODE, 2)
    one.run(1)
    assert (one.core.x[10], two.core.x[10]) == (2, 42)
    assert (one.core.count, two.core.count) == (2, 2)


@pytest.mark.parametrize("name", ENGINES)
def test_a_forked_process_goes_on_by_itself(name):
    engine = ENGINES[name]()
    put(engine, LOOP, allowed=R | W | X)
    go(engine, CODE, 101)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            engine.core.ram.u16[CODE + 20] = 0x9002  # an ebreak, where the parent has its ecall
            engine.code_changed(CODE, CODE + 20)
            trap = engine.run(10_000)
            os.write(writer, f"{trap.cause} {engine.core.x[11]} {engine.core.count}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    trap = engine.run(10_000)
    assert (trap.cause, engine.core.x[11], engine.core.count) == (ECALL_U, 300, DONE)
    written = os.read(reader, 100).decode()
    os.close(reader)
    assert written == f"{BREAKPOINT} 300 {DONE}"
