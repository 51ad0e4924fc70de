"""What less privileged modes may do with cache blocks and page table entries, on the virt board, by the book.

Truth: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 3.1.18 "menvcfg", 10.1.10 "senvcfg", 10.3.2, "Svnapot",
"Svpbmt", "Svinval"; Volume I, chapter "CMO".
"""

from __future__ import annotations

import itertools

import pytest

from softmetal.computers.riscv_virt import translation
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.hart import FETCH_PAGE, ILLEGAL, LOAD_ACCESS, LOAD_PAGE, STORE_ACCESS, STORE_PAGE
from softmetal.isa.riscv.privileged.state import MACHINE, SUPERVISOR, USER
from tests.conform.privileged_harness import RAM
from tests.isa.riscv.test_pmp import ALL, AREA, AROUND, NAPOT, R, W, guest, runners, trap_of

__all__ = ["guest", "runners"]

CBIE, CBCFE, CBZE, PBMTE = 3 << 4, 1 << 6, 1 << 7, 1 << 62
BLOCKS = {"cbo.inval": CBIE, "cbo.clean": CBCFE, "cbo.flush": CBCFE, "cbo.zero": CBZE}
V, X, U, A, D, N = 1, 8, 16, 64, 128, 1 << 63
ROOT = AREA + 0x10000
BEYOND = 0x4000_0000
"""A virtual address that the tables below map: 2 MiB from here by way of a table of pages."""


def environment(machine, supervisor):
    return f"li t0, {machine}\ncsrw menvcfg, t0\nli t0, {supervisor}\ncsrw senvcfg, t0\n"


@pytest.mark.parametrize("name", BLOCKS)
def test_cache_blocks_are_for_the_modes_that_the_environment_registers_say(guest, name):
    need = BLOCKS[name]
    code = int.from_bytes(assemble(isa, f"{name} (t1)").code, "little")
    for machine, supervisor, mode in itertools.product(
        (0, need, 0xF1 & ~need), (0, need, 0xF1 & ~need), (USER, SUPERVISOR, MACHINE)
    ):
        permitted = mode == MACHINE or (machine & need and (mode == SUPERVISOR or supervisor & need))
        core = guest.run([ALL], mode, f"li t1, {AREA + 77}\n{name} (t1)", environment(machine, supervisor))
        assert trap_of(core) == ((0, 0) if permitted else (ILLEGAL, code)), (machine, supervisor, mode)
        zeroed = bytes(core.ram[AREA - RAM + 64 : AREA - RAM + 128]) == bytes(64)
        assert zeroed == bool(permitted and name == "cbo.zero")
        rest = AROUND[:64] + core.ram[AREA - RAM + 64 : AREA - RAM + 128] + AROUND[128:]
        assert bytes(core.ram[AREA - RAM : AREA - RAM + len(AROUND)]) == bytes(rest)


def test_environment_registers_keep_what_is_there_and_never_the_reserved_value(guest):
    def kept(value, register="menvcfg"):
        core = guest.run([ALL], MACHINE, f"li t0, {value}\ncsrw {register}, t0\ncsrr a0, {register}")
        return core.x[10]

    assert kept((1 << 64) - 1) == 3 << 62 | 0xF1
    assert kept((1 << 64) - 1, "senvcfg") == 0xF1
    for register in ("menvcfg", "senvcfg"):
        assert kept(1 << 4, register) == 1 << 4
        assert kept(2 << 4, register) == 0  # what it was
        core = guest.run(
            [ALL], MACHINE, f"li t0, 0x10\ncsrw {register}, t0\nli t0, 0xa0\ncsrw {register}, t0\ncsrr a0, {register}"
        )
        assert core.x[10] == 0x90


def test_a_block_that_protection_refuses_names_the_address_in_the_register(guest):
    rules = [(NAPOT, R, (AREA + 64, 64)), (NAPOT, 0, (AREA + 128, 64)), (NAPOT, W | R, (AREA + 192, 32)), ALL]
    env = environment(0xF0, 0xF0)
    for mode in (USER, SUPERVISOR):
        for name in BLOCKS:
            needs_write = name == "cbo.zero"
            for at, refused in ((70, needs_write), (130, True), (200, True), (260, False)):
                core = guest.run(rules, mode, f"li t1, {AREA + at}\n{name} (t1)", env)
                assert trap_of(core) == ((STORE_ACCESS, AREA + at) if refused else (0, 0)), (name, at)


def test_no_device_takes_a_block_of_zeros(guest):
    assert trap_of(guest.run([ALL], MACHINE, "li t1, 0x10000004\ncbo.zero (t1)")) == (STORE_ACCESS, 0x1000_0004)
    assert trap_of(guest.run([ALL], MACHINE, "li t1, 0x10000004\ncbo.clean (t1)")) == (0, 0)
    assert trap_of(guest.run([ALL], MACHINE, "li t1, 0x50000004\ncbo.clean (t1)")) == (STORE_ACCESS, 0x5000_0004)


# --- page table entries


def tables(entries, large=0):
    """Code that builds Sv39 tables: memory at its own addresses, and from BEYOND pages with these entries, or one large page."""
    own = RAM >> 12 << 10 | V | 2 | 4 | X | A | D
    lines = [f"li t0, {ROOT}"]
    stores = {8 * 2: own, 8 * 1: large or (ROOT + 0x1000 >> 12 << 10 | V)}
    stores |= {0x1000: ROOT + 0x2000 >> 12 << 10 | V}
    stores |= {0x2000 + 8 * i: entry for i, entry in enumerate(entries)}
    for at, value in stores.items():
        lines += [f"li t0, {ROOT + at}", f"li t1, {value}", "sd t1, 0(t0)"]
    return "\n".join([*lines, f"li t0, {8 << 60 | ROOT >> 12}", "csrw satp, t0", "sfence.vma", ""])


def page(at, bits=0):
    return at >> 12 << 10 | V | 2 | 4 | A | D | bits  # readable and writable


SUPERVISOR_READS = f"li t1, {BEYOND + 0x123}\nlbu a0, 0(t1)"


def test_a_napot_entry_is_sixteen_pages_of_one_span(guest):
    """64 KiB from AREA & ~0xFFFF, by whichever of its 16 entries."""
    span = AREA & ~0xFFFF
    entry = page(span | 0x8000, N)
    for i in (0, 1, 7, 15):
        body = f"li t1, {BEYOND + 4096 * i + 8}\nli t2, {0x1111 * i + 1}\nsd t2, 0(t1)\nld a0, 0(t1)"
        core = guest.run([ALL], SUPERVISOR, body, tables([entry] * 16))
        assert trap_of(core) == (0, 0)
        assert core.ram.u64[span - RAM + 4096 * i + 8] == core.x[10] == 0x1111 * i + 1


@pytest.mark.parametrize("low", [n for n in range(16) if n != 8])
def test_other_sizes_of_a_napot_entry_are_reserved(guest, low):
    core = guest.run([ALL], SUPERVISOR, SUPERVISOR_READS, tables([page((AREA & ~0xFFFF) + 0x1000 * low, N)]))
    assert trap_of(core) == (LOAD_PAGE, BEYOND + 0x123)


def test_a_napot_entry_is_a_leaf_of_the_last_level_only(guest):
    large = page(RAM | 0x8000, N)
    assert trap_of(guest.run([ALL], SUPERVISOR, SUPERVISOR_READS, tables([], large))) == (LOAD_PAGE, BEYOND + 0x123)
    pointer = (ROOT + 0x1000 >> 12 << 10 | V) | N
    assert trap_of(guest.run([ALL], SUPERVISOR, SUPERVISOR_READS, tables([page(AREA)], pointer))) == (LOAD_PAGE, BEYOND + 0x123)


def test_a_fence_by_address_forgets_all_pages_of_a_napot_entry(guest):
    """Two of its pages are used, then all entries change and one address is fenced: the other one is looked up anew, too."""
    span = AREA & ~0xFFFF
    change = "\n".join(f"li t0, {ROOT + 0x2000 + 8 * i}\nli t1, {page(AREA + 0x1000)}\nsd t1, 0(t0)" for i in range(16))
    for fence in ("sfence.vma t3, zero", "sfence.w.inval\nsinval.vma t3, zero\nsfence.inval.ir"):
        first = f"li t3, {BEYOND}\nli t4, {BEYOND + 0x5000}\nld a1, 0(t3)\nld a2, 0(t4)"
        body = f"{first}\n{change}\n{fence}\nld a3, 0(t3)\nld a4, 0(t4)"
        core = guest.run([ALL], SUPERVISOR, body, tables([page(span | 0x8000, N)] * 16))
        assert trap_of(core) == (0, 0)
        assert core.x[13] == core.x[14] == int.from_bytes(AROUND[0x1000:0x1008], "little")


def test_a_debugger_finds_the_page_of_a_napot_entry(guest):
    span = AREA & ~0xFFFF
    core = guest.run([ALL], SUPERVISOR, "nop", tables([page(span | 0x8000, N)] * 16))
    assert translation.walk(core, core.satp, BEYOND + 0x7008) == span + 0x7008


@pytest.mark.parametrize("kind", range(4))
def test_memory_types_are_there_where_menvcfg_says_so_and_3_is_reserved(guest, kind):
    pages = tables([page(AREA, kind << 61)])
    for enabled, mode, body, fault in (
        (enabled, SUPERVISOR, body, fault)
        for enabled in (0, PBMTE)
        for body, fault in (
            (SUPERVISOR_READS, (LOAD_PAGE, BEYOND + 0x123)),
            (f"li t1, {BEYOND + 8}\nsd t1, 0(t1)", (STORE_PAGE, BEYOND + 8)),
        )
    ):
        good = kind == 0 or (enabled and kind < 3)
        assert trap_of(guest.run([ALL], mode, body, environment(enabled, 0) + pages)) == ((0, 0) if good else fault)
    pointer = (ROOT + 0x1000 >> 12 << 10 | V) | kind << 61
    core = guest.run([ALL], SUPERVISOR, SUPERVISOR_READS, environment(PBMTE, 0) + tables([page(AREA)], pointer))
    assert trap_of(core) == ((0, 0) if kind == 0 else (LOAD_PAGE, BEYOND + 0x123))  # types belong to leaves


@pytest.mark.parametrize("bit", range(54, 61))
def test_reserved_bits_of_an_entry_are_page_faults(guest, bit):
    core = guest.run([ALL], SUPERVISOR, SUPERVISOR_READS, environment(PBMTE, 0) + tables([page(AREA, 1 << bit)]))
    assert trap_of(core) == (LOAD_PAGE, BEYOND + 0x123)


# --- fences


@pytest.mark.parametrize("text", ["sinval.vma zero, zero", "sfence.w.inval", "sfence.inval.ir", "sfence.vma zero, zero"])
def test_fences_are_for_supervisors_and_virtual_memory_may_be_trapped(guest, text):
    code = int.from_bytes(assemble(isa, text).code, "little")
    trapped = "li t0, 1 << 20\ncsrs mstatus, t0\n"  # TVM
    for setup, mode in (("", USER), ("", SUPERVISOR), ("", MACHINE), (trapped, USER), (trapped, SUPERVISOR), (trapped, MACHINE)):
        refused = mode == USER or (mode == SUPERVISOR and setup and ".vma" in text)
        assert trap_of(guest.run([ALL], mode, text, setup)) == ((ILLEGAL, code) if refused else (0, 0))


# --- where an access that crosses pages faults


@pytest.mark.parametrize("below", [1, 2, 3, 5, 7])
def test_page_faults_across_pages_name_the_page_that_is_missing(guest, below):
    address = BEYOND + 0x1000 - below
    there, missing = page(AREA), 0
    for name, size, fault in (("ld", 8, LOAD_PAGE), ("lw", 4, LOAD_PAGE), ("sd", 8, STORE_PAGE), ("sh", 2, STORE_PAGE)):
        if size > below:
            body = f"li t1, {address}\nli t2, -1\n{name} t2, 0(t1)"
            assert trap_of(guest.run([ALL], SUPERVISOR, body, tables([missing, there]))) == (fault, address)
            assert trap_of(guest.run([ALL], SUPERVISOR, body, tables([there, missing]))) == (fault, BEYOND + 0x1000)
            assert bytes(guest.core.ram[AREA - RAM : AREA - RAM + len(AROUND)]) == AROUND
            device = page(0x5000_0000)  # mapped to nothing: an access fault, of the portion that lies there
            cause = LOAD_ACCESS if fault == LOAD_PAGE else STORE_ACCESS
            assert trap_of(guest.run([ALL], SUPERVISOR, body, tables([there, device]))) == (cause, BEYOND + 0x1000)
            assert trap_of(guest.run([ALL], SUPERVISOR, body, tables([device, there]))) == (cause, address)


def test_a_fetch_across_pages_names_the_half_that_is_missing_and_the_instruction(guest):
    code = assemble(isa, "addi a0, zero, 7").code
    setup = "\n".join(f"li t0, {AREA + 0xFFE + i}\nli t1, {b}\nsb t1, 0(t0)" for i, b in enumerate(code))
    body = f"li t1, {BEYOND + 0xFFE}\nli a0, 0\njr t1"
    executable = AREA >> 12 << 10 | V | 2 | X | A | D
    core = guest.run([ALL], SUPERVISOR, body, setup + "\n" + tables([executable, 0]))
    assert (trap_of(core), core.mepc, core.x[10]) == ((FETCH_PAGE, BEYOND + 0x1000), BEYOND + 0xFFE, 0)
    core = guest.run([ALL], SUPERVISOR, body, setup + "\n" + tables([0, executable]))
    assert (trap_of(core), core.mepc) == ((FETCH_PAGE, BEYOND + 0xFFE), BEYOND + 0xFFE)


def test_code_that_a_block_of_zeros_covers_is_gone_at_once(guest):
    code = assemble(isa, "addi a0, a0, 1\nret").code
    setup = "\n".join(f"li t0, {AREA + i}\nli t1, {b}\nsb t1, 0(t0)" for i, b in enumerate(code))
    body = f"li t1, {AREA}\nli a0, 0\njalr t1\njalr t1\ncbo.zero (t1)\njalr t1"
    core = guest.run([ALL], SUPERVISOR, body, environment(CBZE, 0) + setup)
    assert (trap_of(core), core.mepc, core.x[10]) == ((ILLEGAL, 0), AREA, 2)
