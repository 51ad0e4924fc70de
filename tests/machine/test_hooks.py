"""Hooks: the same events on every engine, whatever the guest does, and nothing that the guest can see."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from softmetal.isa.assembler import assemble
from softmetal.isa.debug import BREAKS, EVENTS, WATCHES
from softmetal.isa.riscv import isa
from softmetal.machine.debugger import HookError
from softmetal.machine.stop import Stop
from softmetal.machine.symbols import SymbolError, Symbols
from tests.machine.guests import ENGINES, START, machine

LOOP = """
        la s0, data
        mv s1, s0
        li a2, 0
loop:   addi a0, a0, 1
        sd a0, 0(s0)
        ld a1, 8(s0)
target: addi a2, a2, 2
        csrw mscratch, a0
        lbu a3, 0(s1)
        j loop
        .balign 8
data:   .dword 0, 7
"""
UART = LOOP.replace("mv s1, s0", "li s1, 0x10000005")
TRAPS = """
        la t0, handler
        csrw mtvec, t0
        li a0, 0
loop:   addi a0, a0, 1
        ecall
        ld t0, 0(zero)
        j loop
        .balign 4
handler: csrr t1, mepc
        addi t1, t1, 4
        csrw mepc, t1
        mret
"""
PAGES = """
        # supervisor mode with Sv39: the first GiB and the third both mean the memory at 0x80000000
        la t0, handler
        csrw mtvec, t0
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 0x1f
        csrw pmpcfg0, t0
        la s0, table
        li t0, 0x200000cf
        sd t0, 0(s0)
        sd t0, 16(s0)
        srli t0, s0, 12
        li t1, 8 << 60
        or t0, t0, t1
        csrw satp, t0
        la t0, twice
        csrw mepc, t0
        li t0, 0x800
        csrs mstatus, t0
        mret
twice:  addi s1, s1, 1
        li t0, 0x80000000
        la t1, twice
        sub t1, t1, t0
        jr t1                   # the same code, where the first GiB maps it; from there on to what no page maps
        .balign 4
handler: ld t0, 8(s0)           # a page that was not mapped is mapped now
        li t1, 0x200000cf
        sd t1, 8(s0)
        sfence.vma
        mret
        .balign 4096
table:  .zero 4096
"""
FAR = PAGES.replace("sub t1, t1, t0", "sub t1, t1, t0\n        li t0, 0x40000000\n        add t1, t1, t0")
CHANGED = """
        # writes another instruction over `patch`, each time round
        la s0, patch
        la s1, words
loop:   addi s2, s2, 1
        andi t0, s2, 1
        slli t0, t0, 2
        add t0, t0, s1
        lw t1, 0(t0)
        sw t1, 0(s0)
        fence.i
patch:  addi a0, a0, 1
        j loop
        .balign 4
words:  .word 0x00150513, 0x00250513
"""
ACROSS = f"""
        j begin
        .zero {4096 - 4 - 2 - 4}
        c.nop
begin:  c.nop
across: addi a0, a0, 1          # two bytes in each of two pages
        c.nop
        j begin
"""


@pytest.fixture
def cross():
    """The cross compiler."""
    found = shutil.which("riscv64-linux-gnu-gcc")
    if found is None:
        pytest.skip("riscv64-linux-gnu-gcc is not installed")
    return found


def symbols(text):
    return assemble(isa, text, START).symbols


def told(events):
    return [(e.kind, e.cpu, e.count, e.pc, e.place, e.value) for e in events]


def everything(tmp_path, text, engine, setting, pieces, **parts):
    """What is told while a guest runs in pieces of some sizes, with what `setting` hooks; and the hash then."""
    m = machine(tmp_path, text, engine=engine, **parts)
    seen = []
    setting(m.debug, symbols(text), seen.append)
    for piece in pieces:
        m.run(insns=piece)
    return told(seen) + told(m.debug.drain()), m.hash(), m.position


def plain_hash(tmp_path, text, insns, **parts):
    m = machine(tmp_path, text, engine="native", **parts)
    m.run(insns=insns)
    return m.hash()


KINDS = {
    "address": (LOOP, lambda d, s, tell: d.on_address(s["target"], call=tell)),
    "condition": (LOOP, lambda d, s, tell: d.on_address(s["target"], when="a0 & 4", call=tell)),
    "counted": (LOOP, lambda d, s, tell: d.on_address(s["target"], stop=False)),
    "two at one address": (
        LOOP,
        lambda d, s, tell: (d.on_address(s["target"], call=tell), d.on_address(s["target"], when="a0 >= 9", call=tell)),
    ),
    "store": (LOOP, lambda d, s, tell: d.on_access(s["data"], 8, "w", call=tell)),
    "load": (LOOP, lambda d, s, tell: d.on_access(s["data"] + 12, 1, "r", call=tell)),
    "device": (UART, lambda d, s, tell: d.on_device(0x10000005, 1, "r", call=tell)),
    "register": (LOOP, lambda d, s, tell: d.on_register("mscratch", call=tell)),
    "exception": (TRAPS, lambda d, s, tell: d.on_trap(exceptions=[11], call=tell)),
    "trapping access": (TRAPS, lambda d, s, tell: (d.on_trap(exceptions=[5], call=tell), d.on_access(0, 8, "r", stop=False))),
    "code mapped twice": (
        PAGES,
        lambda d, s, tell: (d.on_address(s["twice"] - START, call=tell), d.on_address(s["twice"], call=tell)),
    ),
    "not mapped yet": (FAR, lambda d, s, tell: d.on_address(s["twice"] - START + 0x40000000, call=tell)),
    "changed code": (CHANGED, lambda d, s, tell: d.on_address(s["patch"], call=tell)),
    "across pages": (ACROSS, lambda d, s, tell: d.on_address(s["across"], call=tell)),
    "first of a page": (ACROSS, lambda d, s, tell: d.on_address(s["across"] + 4, call=tell)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_hook_tells_the_same_on_every_engine_however_the_run_is_cut(tmp_path, kind):
    text, setting = KINDS[kind]
    whole, pieces = [600], [1, 2, 3, 5, 7] * 33 + [6]
    golden = everything(tmp_path, text, "golden", setting, whole)
    assert golden[0], "nothing was told"
    assert golden[1] == plain_hash(tmp_path, text, 600)
    for engine, cut in (("golden", pieces), ("native", whole), ("native", pieces)):
        assert everything(tmp_path, text, engine, setting, cut) == golden


@pytest.mark.parametrize("engine", ENGINES)
def test_a_break_stops_before_its_instruction_and_the_next_run_goes_on_from_there(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine)
    target = symbols(LOOP)["target"]
    m.debug.on_address(target)
    for turn in range(1, 5):
        assert m.run(insns=1000) is Stop.HOOK
        assert (m.cpu.regs["pc"], m.cpu.regs["a0"], m.cpu.regs["a2"]) == (target, turn, 2 * turn - 2)
        assert m.debug.hits[0].pc == target
    assert m.step() is Stop.INSNS
    assert m.cpu.regs["a2"] == 8


@pytest.mark.parametrize("engine", ENGINES)
def test_a_break_at_the_very_first_instruction_is_met(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine, cpus=2)
    m.debug.on_address(START)
    assert (m.run(insns=100_000), m.position, m.debug.hits[0].cpu) == (Stop.HOOK, 0, 0)
    assert (m.run(insns=100_000), m.debug.hits[0].cpu) == (Stop.HOOK, 1)
    assert m.run(insns=100) is Stop.INSNS


@pytest.mark.parametrize("engine", ENGINES)
def test_a_watch_stops_before_the_store_and_the_next_run_does_it(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine)
    data = symbols(LOOP)["data"]
    m.debug.on_access(data, 8, "w")
    assert m.run(insns=1000) is Stop.HOOK
    event = m.debug.hits[0]
    assert (event.kind, event.place, event.value) == ("access", data, 1)
    assert m.cpu.regs["pc"] == event.pc
    assert m.memory[data : data + 8] == bytes(8)
    assert m.step() is Stop.INSNS
    assert m.memory[data : data + 8] == (1).to_bytes(8, "little")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("when", "first"), [("a0 == 7", 7), ("a0 != 1", 2), ("a0 >= 0x10", 16), ("a0 & 8", 8), ("a0 < 2", 1)])
def test_a_condition_decides(tmp_path, engine, when, first):
    m = machine(tmp_path, LOOP, engine=engine)
    m.debug.on_address(symbols(LOOP)["target"], when=when)
    assert m.run(insns=1000) is Stop.HOOK
    assert m.cpu.regs["a0"] == first


@pytest.mark.parametrize("engine", ENGINES)
def test_no_event_is_lost_when_there_are_more_than_the_ring_holds(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine)
    names = symbols(LOOP)
    counted = m.debug.on_address(names["target"], stop=False)
    m.debug.on_access(names["data"], 16, "rw", stop=False)
    turns = 3 * EVENTS
    m.run(insns=4 + 7 * turns)
    events = m.debug.drain()
    assert counted.count == turns
    assert len(events) == 4 * turns  # the break, a store, two loads
    assert {e.pc for e in events if e.hook is counted} == {names["target"]}
    assert [e.value for e in events if e.kind == "access" and e.value] == list(range(1, turns + 1))
    assert m.debug.drain() == []


@pytest.mark.parametrize("engine", ENGINES)
def test_each_hart_is_told_for_itself(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine, cpus=3)
    hook = m.debug.on_address(symbols(LOOP)["target"], when="a0 == 3")
    harts = []
    while m.run(insns=70_000) is Stop.HOOK:
        harts.append(m.debug.hits[0].cpu)
    assert harts == [0, 1, 2]
    assert hook.count == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_called_may_take_its_hook_away_and_set_another(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine)
    names, seen = symbols(LOOP), []

    def once(event):
        seen.append(event.kind)
        m.debug.remove(event.hook)
        m.debug.on_access(names["data"], 8, "w", call=lambda e: seen.append(e.value))

    m.debug.on_address(names["target"], when="a0 == 2", call=once)
    m.run(insns=7 * 4 + 4)
    assert seen == ["address", 3, 4]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restored_machine_meets_its_hooks_again(tmp_path, engine):
    m = machine(tmp_path, LOOP, engine=engine)
    m.debug.on_address(symbols(LOOP)["target"], when="a0 == 5")
    before = m.snapshot()
    assert m.run(insns=1000) is Stop.HOOK
    place, digest = m.position, m.hash()
    m.restore(before)
    assert m.run(insns=1000) is Stop.HOOK
    assert (m.position, m.hash()) == (place, digest)
    assert m.fork().run(insns=1000) is Stop.INSNS  # a twin has hooks of its own


def test_hooks_that_cannot_be_are_refused_in_one_line(tmp_path):
    d = machine(tmp_path, LOOP).debug
    for text in ("a0", "a0 = 1", "x99 == 1", "a0 == many"):
        with pytest.raises(HookError, match=r"^'.*' is no condition|not a number"):
            d.on_address(START, when=text)
    with pytest.raises(HookError, match="no control and status register 'nonsense'"):
        d.on_register("nonsense")
    with pytest.raises(HookError, match="at least one byte"):
        d.on_access(START, 0)
    for _ in range(BREAKS):
        d.on_address(START)
    with pytest.raises(HookError, match=f"more than {BREAKS} hooks on address"):
        d.on_address(START)
    for _ in range(WATCHES):
        d.on_access(START, 4)
    with pytest.raises(HookError, match=f"more than {WATCHES} hooks on access"):
        d.on_device(START, 4)
    d.clear()
    d.on_address(START)


def test_a_hook_takes_the_name_of_a_symbol(tmp_path):
    (tmp_path / "System.map").write_text("0000000080000008 t loop\n0000000080000000 T _start\n0000000080000014 T target\n")
    m = machine(tmp_path, LOOP)
    assert m.symbols.load(str(tmp_path / "System.map")) == 3
    assert m.debug.on_address("target").what == (START + 0x14,)
    with pytest.raises(SymbolError, match=r"^no symbol 'targt'; is it target"):
        m.debug.on_address("targt")


def test_symbols_name_addresses(tmp_path):
    path = tmp_path / "names"
    path.write_text("ffffffff80002000 T start_kernel\nffffffff80000000 t _text\n")
    s = Symbols()
    with pytest.raises(SymbolError, match="none are loaded"):
        s.address("start_kernel")
    s.load(str(path))
    assert s.address("start_kernel") == 0xFFFFFFFF80002000
    assert s.address("0x10") == s.address(16) == 16
    assert [s.at(a) for a in (0xFFFFFFFF80002004, 0xFFFFFFFF80000000, 5)] == ["start_kernel+0x4", "_text", ""]


def test_a_file_without_symbols_is_refused_in_one_line(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(SymbolError, match=f"^symbols {path}: damaged"):
        Symbols().load(str(path))
    path.write_text("hello\n")
    with pytest.raises(SymbolError, match="there are none; give an ELF file"):
        Symbols().load(str(path))
    with pytest.raises(SymbolError, match="No such file"):
        Symbols().load(str(tmp_path / "missing"))


def test_symbols_of_an_elf_file_are_those_that_nm_tells(tmp_path, cross):
    source, made = tmp_path / "a.c", tmp_path / "a.elf"
    source.write_text("int number = 1; static int hidden(void) { return number; } int main(void) { return hidden(); }")
    subprocess.run([cross, "-nostdlib", "-static", "-O0", "-Wl,-e,main", "-o", made, source], check=True)
    s = Symbols()
    s.load(str(made))
    listed = subprocess.run([cross.replace("gcc", "nm"), made], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        address, _, name = line.split()
        if name in ("number", "hidden", "main"):
            assert s.address(name) == int(address, 16)
            assert s.at(int(address, 16) + 1) == f"{name}+0x1"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("op", "met"),
    [("==", [5]), ("!=", [3, 4, 6, 7]), ("<", [3, 4]), (">=", [5, 6, 7]), ("&", [3, 4, 5, 6, 7])],
)
def test_a_condition_holds_for_exactly_the_values_that_it_says(tmp_path, engine, op, met):
    m = machine(tmp_path, "li a0, 2\n1: addi a0, a0, 1\nnop\nj 1b", engine=engine)
    m.debug.on_address(START + 8, when=f"a0 {op} {5 if op != '&' else 7}", stop=False)
    m.run(insns=1 + 3 * 5)
    assert [e.value for e in m.debug.drain()] == met


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("at", "length", "met"), [(8, 8, True), (7, 1, False), (7, 2, True), (16, 1, False), (15, 1, True), (9, 3, True)]
)
def test_a_watch_is_met_where_bytes_overlap_and_nowhere_else(tmp_path, engine, at, length, met):
    m = machine(tmp_path, "la s0, data\nsd s0, 8(s0)\n1: j 1b\n.balign 8\ndata: .zero 24", engine=engine)
    data = START + 16
    m.debug.on_access(data + at, length, "w", stop=False)
    m.run(insns=10)
    assert m.cpu.regs["s0"] == data
    assert bool(m.debug.drain()) is met


def test_counted_events_are_kept_up_to_a_limit_and_all_of_them_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("softmetal.machine.debugger.MOST_HEARD", 5000)
    m = machine(tmp_path, "1: addi a0, a0, 1\nj 1b")
    hook = m.debug.on_address(START, stop=False)
    m.run(insns=40_000)
    events = m.debug.drain()
    assert (hook.count, m.debug.lost + len(events)) == (20_000, 20_000)
    assert len(events) <= 5000
    assert events[-1].value == 0
    assert [e.count for e in events] == list(range(2 * m.debug.lost, 40_000, 2))


@pytest.mark.parametrize("where", ["kernel.symbols", "img.symbols"])
def test_a_kernel_s_symbols_are_those_of_a_file_beside_it(tmp_path, where):
    kernel = tmp_path / ("img.kernel" if where == "img.symbols" else "kernel")
    kernel.write_bytes(b"stripped")
    (tmp_path / where).write_text("ffffffff80001000 T panic\nffffffff80002000 t other\n")
    symbols = Symbols(str(kernel))
    assert symbols.address("panic") == 0xFFFFFFFF80001000
    assert symbols.at(0xFFFFFFFF80001010) == "panic+0x10"
    assert (len(symbols), "other" in symbols) == (2, True)
    (tmp_path / "map").write_text("ffffffff80003000 T panic\n")
    loaded = Symbols(str(kernel))
    loaded.load(str(tmp_path / "map"))
    assert (loaded.address("panic"), len(loaded)) == (0xFFFFFFFF80003000, 1)


def test_a_kernel_without_symbols_has_none(tmp_path):
    (tmp_path / "kernel").write_bytes(b"stripped")
    with pytest.raises(SymbolError, match="no symbol 'panic': none are loaded"):
        Symbols(str(tmp_path / "kernel")).address("panic")
    assert Symbols("").at(5) == ""
