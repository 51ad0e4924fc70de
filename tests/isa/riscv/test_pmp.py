"""Physical memory protection at four bytes, and where an access that crosses a border is refused, on the virt board.

Truth: The RISC-V Instruction Set Manual, Volume II (20240411), chapters 3.1.16 "mtval" and 3.7 "Physical Memory Protection".
"""

from __future__ import annotations

import itertools
import random

import pytest

from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.privileged.state import MACHINE, SUPERVISOR, USER
from tests.conform.privileged_harness import RAM
from tests.conform.privileged_machines import Runner

AREA, SIZE = RAM + 0x40000, 1 << 20
OFF, TOR, NA4, NAPOT = 0, 1, 2, 3
R, W, X, LOCKED = 1, 2, 4, 0x80
AROUND = bytes(range(256)) * 48
"""What lies in the three pages from AREA."""
LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS = 5, 7, 1
ALL = (NAPOT, R | W | X, (0, 1 << 57))
"""The entry that permits everything; as the last one."""


@pytest.fixture(scope="module")
def runners():
    """A board of each engine, made once."""
    return {}


@pytest.fixture
def guest(engine, runners, request):
    name = request.node.callspec.params["engine"]
    runners[name] = runners.get(name) or Runner(engine, SIZE)
    return Guest(runners[name])


class Guest:
    """A program in machine mode that sets protection up, goes to a mode and does one thing; then what it trapped with."""

    def __init__(self, runner):
        self.runner, self.core = runner, runner.core

    def run(self, entries, mode, body, setup=""):
        """Run `body` with the rules of `entries`: (kind, permissions, address or (address, size)). The core, in `done`."""
        config, lines = 0, []
        for i, (kind, allowed, where) in enumerate(entries):
            value = where >> 2 if kind != NAPOT else where[0] >> 2 | where[1] // 8 - 1
            config |= (kind << 3 | allowed) << 8 * i
            lines.append(f"li t0, {value}\ncsrw pmpaddr{i}, t0")
        assert len(entries) <= 8
        text = f"""
            la t0, done
            csrw mtvec, t0
            csrw mcause, zero
            csrw mtval, zero
            {setup}
            {chr(10).join(lines)}
            li t0, {config}
            csrw pmpcfg0, t0
            li t0, 0x1800
            csrc mstatus, t0
            li t0, {mode << 11}
            csrs mstatus, t0
            la t0, body
            csrw mepc, t0
            mret
body:       {body}
            ecall
            .balign 4
done:       j done
        """
        code = assemble(isa, text, RAM)
        core, ram = self.core, bytearray(SIZE)
        ram[: len(code.code)] = code.code
        ram[AREA - RAM : AREA - RAM + 0x3000] = AROUND
        self.runner.load(ram)
        for _ in range(100):
            self.runner.engine.advance(20)
            if core.pc == code.symbols["done"]:
                break
        assert core.pc == code.symbols["done"]
        return core


LOADS = {"lb": 1, "lh": 2, "lw": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}


def trap_of(core):
    """(cause, tval) of what ended the body; (0, 0) where it came to its end."""
    return (0, 0) if core.mcause in (8, 9, 11) else (core.mcause, core.mtval)


def refused(permitted, address, size):
    """Where an access is refused, by the specification; None if it is not. `permitted(first, size)` judges one access."""
    if address % size == 0:
        return None if permitted(address, size) else address
    return next((a for a in range(address, address + size) if not permitted(a, 1)), None)


BORDERS = [
    pytest.param([(NA4, R | W, AREA + 0x104), (OFF, 0, 0)], id="NA4"),
    pytest.param([(NA4, 0, AREA + 0x104), ALL], id="NA4 closed"),
    pytest.param([(NAPOT, 0, (AREA + 0x108, 8)), ALL], id="NAPOT of 8"),
    pytest.param([(NAPOT, R, (AREA + 0x100, 32)), ALL], id="NAPOT of 32"),
    pytest.param([(TOR, R | W | X, AREA + 0x10C), (TOR, 0, AREA + 0x114), ALL], id="TOR"),
    pytest.param([(OFF, 0, AREA + 0xFFC), (TOR, 0, AREA + 0x1004), ALL], id="TOR over a page's border"),
    pytest.param([(OFF, 0, AREA + 0x104), (TOR, 0, AREA + 0x104), (NA4, 0, AREA + 0x200), ALL], id="TOR of nothing"),
]


def rule(entries, address, size, need):
    """What chapter 3.7.1 says of an access by user or supervisor mode: the first entry that has any of its bytes decides."""
    below = 0
    for kind, allowed, where in entries:
        if kind == NAPOT:
            first, behind = where[0], where[0] + where[1]
        elif kind == NA4:
            first, behind = where, where + 4
        else:
            first, behind = (below, where) if kind == TOR else (0, 0)
        below = where if kind != NAPOT else where[0] | where[1] // 2 - 4  # what its register holds
        if max(first, address) < min(behind, address + size):
            return first <= address and address + size <= behind and allowed & need == need
    return False


@pytest.mark.parametrize("entries", BORDERS)
def test_loads_and_stores_around_a_border_are_refused_where_the_rule_says(guest, entries):
    draw = random.Random(repr(entries))
    code = (TOR, R | W | X, AREA)
    around = AREA + (0xFF0 if entries[0][2] == AREA + 0xFFC else 0xFC)
    for mode in (USER, SUPERVISOR):
        for name, size in [*LOADS.items(), *STORES.items()]:
            for address in (*draw.sample(range(around, around + 0x20), 6), around + 4 & ~7):
                rules = [code, *entries]
                need = R if name in LOADS else W
                core = guest.run(rules, mode, f"li t1, {address}\nli t2, -1\n{name} t2, 0(t1)")
                where = refused(lambda a, n, r=rules, need=need: rule(r, a, n, need), address, size)
                cause = LOAD_ACCESS if name in LOADS else STORE_ACCESS
                assert trap_of(core) == ((0, 0) if where is None else (cause, where)), (name, hex(address))
                if where is not None:  # nothing of it was stored
                    assert bytes(core.ram[AREA - RAM : AREA - RAM + 0x3000]) == AROUND


def test_an_aligned_access_that_an_entry_covers_in_part_fails_even_where_all_parts_permit_it_and_in_machine_mode(guest):
    rules = [(NA4, R | W | X, AREA + 0x104), ALL]
    for mode in (USER, SUPERVISOR, MACHINE):
        assert trap_of(guest.run(rules, mode, f"li t1, {AREA + 0x100}\nld t2, 0(t1)")) == (LOAD_ACCESS, AREA + 0x100)
        assert trap_of(guest.run(rules, mode, f"li t1, {AREA + 0x100}\nlw t2, 4(t1)")) == (0, 0)
        assert trap_of(guest.run(rules, mode, f"li t1, {AREA + 0x100}\nld t2, 1(t1)")) == (0, 0)  # as bytes


def test_machine_mode_is_bound_by_locked_entries_only(guest):
    for lock, trap in ((0, (0, 0)), (LOCKED, (STORE_ACCESS, AREA + 0x104))):
        core = guest.run([(NA4, lock | R, AREA + 0x104), ALL], MACHINE, f"li t1, {AREA + 0x104}\nsw zero, 0(t1)")
        assert trap_of(core) == trap


@pytest.mark.parametrize("atomic", ["amoadd.d t2, t2, (t1)", "amoswap.w t2, t2, (t1)", "sc.d t2, t2, (t1)", "lr.d t2, (t1)"])
def test_atomics_ask_for_all_of_their_bytes(guest, atomic):
    rules = [(TOR, R | W | X, AREA + 0x104), (NA4, R, AREA + 0x104), ALL]
    offset = 0x104 if ".w" in atomic else 0x100
    reserve = "lr.d zero, (t1)\n" if atomic.startswith("sc") else ""
    core = guest.run(rules, USER, f"li t1, {AREA + offset}\n{reserve}{atomic}")
    expected = LOAD_ACCESS if atomic.startswith(("lr", "sc")) else STORE_ACCESS
    assert trap_of(core) == (expected, AREA + offset)


CROSSING = [(n, o) for n, size in {**LOADS, **STORES}.items() if size > 1 for o in range(1, size)]


@pytest.mark.parametrize(("name", "below"), CROSSING)
def test_of_an_access_across_pages_the_portion_that_is_refused_is_named(guest, name, below):
    """Both ways round: the first page closed, and the second one."""
    cause = LOAD_ACCESS if name in LOADS else STORE_ACCESS
    address = AREA + 0x1000 - below
    body = f"li t1, {address}\nli t2, -1\n{name} t2, 0(t1)"
    first = [(TOR, R | W | X, AREA), (TOR, 0, AREA + 0x1000), ALL]
    second = [(TOR, R | W | X, AREA + 0x1000), (TOR, 0, AREA + 0x2000), ALL]
    assert trap_of(guest.run(first, USER, body)) == (cause, address)
    assert trap_of(guest.run(second, USER, body)) == (cause, AREA + 0x1000)
    assert bytes(guest.core.ram[AREA - RAM : AREA - RAM + 0x3000]) == AROUND


@pytest.mark.parametrize("below", [1, 3, 7])
def test_machine_mode_on_a_supervisors_behalf_is_refused_the_same_portion(guest, below):
    """With MPRV; and behind an entry whose top is not above its bottom, which matches nothing (3.7.1, "Address Matching")."""
    address = AREA + 0x1000 - below
    body = f"li t0, 0x20800\ncsrs mstatus, t0\nli t1, {address}\nld t2, 0(t1)\nli t0, 0x20000\ncsrc mstatus, t0"
    empty, code = (TOR, R | W | X, 0), (TOR, R | W | X, AREA)
    first = [empty, code, (TOR, 0, AREA + 0x1000), (TOR, R | W | X, AREA + 0x2000), ALL]
    second = [empty, code, (TOR, R | W | X, AREA + 0x1000), (TOR, 0, AREA + 0x2000), ALL]
    assert trap_of(guest.run(first, MACHINE, body)) == (LOAD_ACCESS, address)
    assert trap_of(guest.run(second, MACHINE, body)) == (LOAD_ACCESS, AREA + 0x1000)
    assert trap_of(guest.run([empty, ALL], MACHINE, body)) == (0, 0)


def code_at(at, *lines):
    """Machine-mode code that puts instructions into memory."""
    code = assemble(isa, "\n".join(lines)).code
    return "\n".join(f"li t0, {at + i}\nli t1, {b}\nsb t1, 0(t0)" for i, b in enumerate(code))


@pytest.mark.parametrize(
    ("start", "closed", "tval"),
    [
        (0xFFC, (0x1000, 0x1008), 0x1000),  # a page's border, aligned
        (0xFFA, (0x1000, 0x1008), 0x1000),  # the second half of an instruction behind a page's border
        (0x0FA, (0x100, 0x108), 0x100),  # the same inside of a page
        (0x0FC, (0x100, 0x108), 0x100),
        (0x0F8, (0x0F8, 0x100), 0x0F8),  # the first one
    ],
)
def test_code_runs_up_to_the_border_and_the_fetch_that_is_refused_is_named(guest, start, closed, tval):
    """Two instructions of 4 bytes; the second one is refused, or a half of it. `mepc` is where it begins."""
    rules = [(TOR, R | W | X, AREA + closed[0]), (TOR, R | W, AREA + closed[1]), ALL]
    setup = code_at(AREA + start, "addi a0, a0, 1", "addi a0, a0, 1", "ecall")
    core = guest.run(rules, USER, f"li t1, {AREA + start}\nli a0, 0\njr t1", setup)
    runs = tval - start >= 4
    assert trap_of(core) == (FETCH_ACCESS, AREA + tval)
    assert core.mepc - AREA == (start + 4 if runs else start)
    assert core.x[10] == runs


def test_a_loop_in_a_page_that_is_cut_runs_as_elsewhere_and_machine_mode_may_open_more(guest):
    """1000 turns in the open part of a page, then the closed one, which the handler opens."""
    rules = [(TOR, R | W | X, AREA + 0x80), (TOR, R | W, AREA + 0x100), ALL]
    setup = (
        code_at(AREA + 0x60, "addi a0, zero, 100", "again: addi a1, a1, 3", "addi a0, a0, -1", "bnez a0, again", "j 0x20")
        + "\n"
        + code_at(AREA + 0x80, "addi a2, zero, 7", "ecall")
        + "\nla t0, open\ncsrw mtvec, t0\nj over\n"
        + """
        .balign 4
open:   csrr a3, mcause
        csrr a4, mtval
        csrr a5, mepc
        li t0, 0x1f
        csrw pmpcfg0, t0                # everything
        li t0, -1
        csrw pmpaddr0, t0
        la t0, done
        csrw mtvec, t0
        mret
over:
    """
    )
    core = guest.run(rules, USER, f"li t1, {AREA + 0x60}\nli a1, 0\nli a2, 0\njr t1", setup)
    assert (core.x[13], core.x[14], core.x[15]) == (FETCH_ACCESS, AREA + 0x80, AREA + 0x80)
    assert (core.x[11], core.x[12], core.mcause) == (300, 7, 8)


def test_page_tables_are_read_and_marked_through_protection_at_eight_bytes(guest):
    """Sv39, one gigapage entry for each gigabyte: the walk's access is refused as the access that needs it would be."""
    root = AREA + 0x2000
    entry = root + 8 * 2  # addresses from 0x8000_0000
    tree = f"li t0, {entry}\nli t1, {RAM >> 12 << 10 | 0x0F}\nsd t1, 0(t0)\n"  # V R W X, not accessed, not dirty
    on = f"li t0, {8 << 60 | root >> 12}\ncsrw satp, t0\nsfence.vma\n"
    body = f"li t1, {AREA + 0x10}\n{{}} t2, 0(t1)"
    sees = [(OFF, 0, entry), (NA4, 0, entry + 4), ALL]
    assert trap_of(guest.run(sees, SUPERVISOR, body.format("ld"), tree + on))[0] == FETCH_ACCESS
    marks = [(NAPOT, R, (entry, 8)), ALL]
    assert trap_of(guest.run(marks, SUPERVISOR, body.format("ld"), tree + on))[0] == FETCH_ACCESS
    marked = tree.replace("0x0F", "0x4F").replace(str(RAM >> 12 << 10 | 0x0F), str(RAM >> 12 << 10 | 0x4F))
    assert trap_of(guest.run(marks, SUPERVISOR, body.format("ld"), marked + on)) == (0, 0)
    assert trap_of(guest.run(marks, SUPERVISOR, body.format("sd"), marked + on)) == (STORE_ACCESS, AREA + 0x10)


def test_registers_keep_every_bit_and_every_kind(guest):
    core = guest.run([ALL], MACHINE, "nop")
    for kind, allowed in itertools.product(range(4), (0, R, R | W, X, R | X, R | W | X)):
        core = guest.run(
            [ALL],
            MACHINE,
            f"""
            li t0, {0x12345678A5A5A5}
            csrw pmpaddr7, t0
            csrr a0, pmpaddr7
            li t0, {kind << 3 | allowed}
            slli t0, t0, 56
            csrs pmpcfg0, t0
            csrr a1, pmpcfg0
            csrr a2, pmpaddr7
            srli a1, a1, 56
        """,
        )
        assert (core.x[10], core.x[11], core.x[12]) == (0x12345678A5A5A5, kind << 3 | allowed, 0x12345678A5A5A5)


def test_writable_and_not_readable_is_reserved_and_becomes_neither(guest):
    core = guest.run([ALL], MACHINE, f"li t0, {(NA4 << 3 | W) << 56}\ncsrs pmpcfg0, t0\ncsrr a1, pmpcfg0\nsrli a1, a1, 56")
    assert core.x[11] == NA4 << 3


@pytest.mark.parametrize("kind", [OFF, TOR, NA4, NAPOT])
@pytest.mark.parametrize("entry", [1, 7, 8, 15])
def test_a_locked_entry_stays_and_if_it_is_tor_so_does_the_address_below(guest, entry, kind):
    """Chapter 3.7.1: writes to pmpicfg and pmpaddri of a locked entry are ignored; for TOR also those to pmpaddr i-1."""
    setup = "".join(f"li t0, {0x100000 + i}\ncsrw pmpaddr{i}, t0\n" for i in range(16))
    where, shift = ("pmpcfg2", 8 * (entry - 8)) if entry > 7 else ("pmpcfg0", 8 * entry)
    body = f"""
        li t0, {(LOCKED | kind << 3 | R) << shift}
        csrs {where}, t0
        li t1, -1
        {"".join(f"csrw pmpaddr{i}, t1{chr(10)}" for i in range(16))}
        csrc {where}, t0
        csrr a7, {where}
        li t0, {(R | W | X) << shift}
        csrs {where}, t0
        csrr a6, {where}
    """
    core = guest.run([], MACHINE, body, setup)
    config = LOCKED | kind << 3 | R
    assert (core.x[17] >> shift & 0xFF, core.x[16] >> shift & 0xFF) == (config, config)
    kept = {entry, entry - 1} if kind == TOR else {entry}
    assert [i for i in range(16) if core.pmpaddr[i] == 0x100000 + i] == sorted(kept)
    assert {core.pmpaddr[i] for i in range(16) if i not in kept} == {(1 << 54) - 1}


def test_a_break_stops_a_machine_in_a_page_that_is_cut_at_each_arrival_once(guest):
    code = assemble(isa, f"""
        li t0, {RAM + 0x800 >> 2}
        csrw pmpaddr0, t0
        li t0, {TOR << 3 | R | W | X}
        csrw pmpcfg0, t0
        li a0, 3
again:  addi a0, a0, -1
        bnez a0, again
done:   j done
    """, RAM)  # fmt: skip
    core, ram = guest.core, bytearray(SIZE)
    ram[: len(code.code)] = code.code
    guest.runner.load(ram)
    debug, at = core.debug, code.symbols["again"]
    debug.breaks, debug.break_at[0], debug.break_stops[0] = 1, at, 1
    debug.offsets[(at & 4095) >> 7] = 1 << ((at & 127) >> 1)
    stops = []
    for _ in range(20):
        guest.runner.engine.advance(7)
        if debug.stop:
            stops.append((core.pc - at, core.x[10]))
            debug.stop, debug.taken = 0, debug.events
    assert stops == [(0, 3), (0, 2), (0, 1)]
    assert core.pc == code.symbols["done"]
