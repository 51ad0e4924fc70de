"""What the differential tests found, each as a few instructions on the virt board."""

from __future__ import annotations

import pytest

from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa

RAM = 0x8000_0000
PREPARE = "la t0, done\ncsrw mtvec, t0\n"
DONE = "\n.balign 4\ndone: j done\n"


@pytest.fixture
def run(engine):
    """A board that has run a program in machine mode until it stood at `done`, which traps lead to."""
    made = engine(isa, RiscvVirt)
    made.core.ram_size = 1 << 20
    made.core.reset()

    def run(text):
        code = assemble(isa, PREPARE + text + DONE, RAM)
        made.core.ram[: len(code.code)] = code.code
        made.core.pc = made.core.next_pc = RAM
        made.advance(300)
        assert made.core.pc == code.symbols["done"]
        return made.core

    return run


def test_the_supervisor_timer_is_not_pending_by_software_once_it_has_a_comparison(run):
    core = run(
        """
        li t0, 0x20
        csrw mip, t0
        csrr a0, mip
        li t1, -1
        csrw stimecmp, t1
        slli t1, t1, 63
        csrw menvcfg, t1
        csrr a1, mip
        """
    )
    assert (core.x[10], core.x[11]) == (0x20, 0)


@pytest.mark.parametrize("store", ["sh", "sw", "sd"])
def test_a_store_across_pages_that_faults_in_the_second_names_its_first_byte_and_stores_nothing(run, store):
    core = run(
        f"""
        la t0, root
        srli t1, t0, 12
        li t2, 8 << 60
        or t2, t1, t2
        csrw satp, t2
        addi t1, t1, 1
        slli t1, t1, 10
        ori t1, t1, 1
        sd t1, 0(t0)                    # to the next table
        addi t1, t1, 1 << 10
        lui t2, 1
        add t0, t0, t2
        sd t1, 0(t0)                    # to the last one
        addi t1, t1, 1 << 10 | 0xc6
        add t0, t0, t2
        sd t1, 8(t0)                    # virtual page 1: readable, writable, accessed, dirty; page 2 is not there
        li t1, 0x20800                  # MPRV, MPP: supervisor
        li t2, -1
        csrw pmpaddr0, t2
        li t2, 0x1f
        csrw pmpcfg0, t2
        csrs mstatus, t1
        li a0, -1
        li t0, 0x1fff
        {store} a0, 0(t0)
        j done
        .balign 4096
root:   .space 4 * 4096
        """
    )
    assert (core.mcause, core.mtval) == (15, 0x2000)
    assert bytes(core.ram[0x4000:0x5000]) == bytes(4096)


def test_an_instruction_may_store_to_the_one_behind_it(run):
    core = run(
        """
        li a0, 0
        la t0, behind
        la t1, other
        lw t1, 0(t1)
        sw t1, 0(t0)
behind: li a0, 1
        li a1, 2
        j done
other:  addi a0, zero, 3
        """
    )
    assert (core.x[10], core.x[11]) == (3, 2)
