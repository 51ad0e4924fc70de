"""Virtual memory as a debugger sees it: where the guest would find it, and without a trace."""

from __future__ import annotations

import random

import pytest

from softmetal.computers.riscv_virt.translation import physical
from softmetal.isa.riscv.hart import RiscvTrap
from softmetal.isa.riscv.privileged.mmu import LOAD
from softmetal.isa.riscv.privileged.state import MACHINE, RAM_BASE, SUPERVISOR, USER, Csr
from softmetal.machine import virtual
from tests.machine.guests import COUNTER, machine

TABLES, FRAMES = RAM_BASE + 0x100000, RAM_BASE + 0x200000
POINTER, LEAF = 0x01, 0xCF


@pytest.fixture
def m(tmp_path):
    made = machine(tmp_path, COUNTER, cpus=2)
    made.cpus[0].set_csr(Csr.PMPADDR0, (1 << 54) - 1)
    made.cpus[0].set_csr(Csr.PMPCFG0, 0x1F)
    return made


def put(m, address, value):
    m.memory[address : address + 8] = value.to_bytes(8, "little")


def random_tables(m, chance, levels):
    """A chain of tables with random leaves among their first entries; the value of satp."""
    for level in range(levels):
        for i in range(8):
            leaf = chance.choice((0, RAM_BASE, FRAMES, FRAMES + 0x1000))
            entry = (leaf >> 12) << 10 | LEAF if leaf else 0
            if level + 1 < levels and chance.random() < 0.6:
                entry = ((TABLES >> 12) + level + 1) << 10 | POINTER
            elif level + 1 == levels and chance.random() < 0.4:  # one of 64 KiB, by Svnapot
                entry = 1 << 63 | (FRAMES >> 12 | 8) << 10 | LEAF
            put(m, TABLES + 0x1000 * level + 8 * i, entry)
    return (levels + 5) << 60 | TABLES >> 12


@pytest.mark.parametrize("levels", [3, 4, 5])
def test_an_address_is_found_where_the_guest_finds_it(m, levels):
    chance, board, found = random.Random(levels), m.board, 0
    for _ in range(20):
        board.satp, board.mode = random_tables(m, chance, levels), SUPERVISOR
        before = m.hash()
        for _ in range(50):
            address = sum(chance.randrange(8) << 12 + 9 * level for level in range(levels)) + chance.randrange(4096)
            mine = physical(m, 0, address)
            assert m.hash() == before if chance.random() < 0.02 else True
            try:
                theirs, _ = board.translate(address, LOAD, SUPERVISOR)
            except RiscvTrap:
                continue
            if 0 <= theirs - RAM_BASE < len(m.ram):
                assert mine == theirs
                found += 1
    assert found > 50


def test_what_is_not_mapped_is_tried_as_a_physical_address(m):
    board = m.board
    board.satp, board.mode = 8 << 60 | TABLES >> 12, USER
    assert physical(m, 0, FRAMES + 5) == FRAMES + 5
    assert physical(m, 0, 0x1000_0000) is None  # a device: reading it may change it
    assert virtual.read(m, 0, RAM_BASE + len(m.ram) - 4, 8) == bytes(4)


def test_in_machine_mode_addresses_are_physical_unless_nothing_is_there(m):
    put(m, TABLES, (RAM_BASE >> 12) << 10 | LEAF)  # the first GiB means memory
    m.board.satp, m.board.mode = 8 << 60 | TABLES >> 12, MACHINE
    assert physical(m, 0, RAM_BASE + 8) == RAM_BASE + 8
    assert physical(m, 0, 0x2000) == RAM_BASE + 0x2000


def test_pages_that_are_neighbours_may_lie_apart(m):
    put(m, TABLES, (TABLES + 0x1000 >> 12) << 10 | POINTER)
    put(m, TABLES + 0x1000, (TABLES + 0x2000 >> 12) << 10 | POINTER)
    put(m, TABLES + 0x2000, (FRAMES + 0x3000 >> 12) << 10 | LEAF)
    put(m, TABLES + 0x2008, (FRAMES >> 12) << 10 | LEAF)
    m.board.satp, m.board.mode = 8 << 60 | TABLES >> 12, SUPERVISOR
    assert virtual.write(m, 0, 0xFFC, b"abcdefgh")
    assert m.memory[FRAMES + 0x3FFC : FRAMES + 0x4000] + m.memory[FRAMES : FRAMES + 4] == b"abcdefgh"
    assert virtual.read(m, 0, 0xFFC, 8) == b"abcdefgh"
    assert not virtual.write(m, 0, 0x1FFC, b"abcdefgh")  # the third is not mapped: nothing is written
    assert virtual.read(m, 0, 0x1FFC, 8) == bytes(4)
    assert virtual.read(m, 1, FRAMES, 4) == b"efgh"  # the other hart has no page table
