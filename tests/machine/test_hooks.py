"""Hooks: the same events on every engine, whatever the guest does, and nothing that the guest can see."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from softmetal.isa.debug import BREAKS, EVENTS, WATCHES
from softmetal.machine.debugger import HookError
from softmetal.machine.stop import Stop
from softmetal.machine.symbols import SymbolError, Symbols
from tests.machine import guests, guests_6502
from tests.machine.guests import ACROSS, CHANGED, FAR, LOOP, PAGES, TRAPS, UART
from tests.machine.kits import ENGINES, SBC, VIRT


@pytest.fixture
def cross():
    """The cross compiler."""
    found = shutil.which("riscv64-linux-gnu-gcc")
    if found is None:
        pytest.skip("riscv64-linux-gnu-gcc is not installed")
    return found


def reported(events):
    return [(e.kind, e.cpu, e.count, e.pc, e.place, e.value) for e in events]


def everything(kit, tmp_path, text, engine, setting, pieces):
    """What is reported while a guest runs in pieces of some sizes, with what `setting` hooks; and the hash then."""
    m = kit.machine(tmp_path, text, engine=engine)
    seen = []
    setting(m.debug, kit.symbols(text), seen.append)
    for piece in pieces:
        m.run(insns=piece)
    return reported(seen) + reported(m.debug.drain()), m.hash(), m.position


def plain_hash(kit, tmp_path, text, insns):
    m = kit.machine(tmp_path, text)
    m.run(insns=insns)
    return m.hash()


VIRT_KINDS = {
    "address": (LOOP, lambda d, s, call: d.on_address(s["target"], call=call)),
    "condition": (LOOP, lambda d, s, call: d.on_address(s["target"], when="a0 & 4", call=call)),
    "counted": (LOOP, lambda d, s, call: d.on_address(s["target"], stop=False)),
    "two at one address": (
        LOOP,
        lambda d, s, call: (d.on_address(s["target"], call=call), d.on_address(s["target"], when="a0 >= 9", call=call)),
    ),
    "store": (LOOP, lambda d, s, call: d.on_access(s["data"], 8, "w", call=call)),
    "load": (LOOP, lambda d, s, call: d.on_access(s["data"] + 12, 1, "r", call=call)),
    "device": (UART, lambda d, s, call: d.on_device(0x10000005, 1, "r", call=call)),
    "register": (LOOP, lambda d, s, call: d.on_register("mscratch", call=call)),
    "exception": (TRAPS, lambda d, s, call: d.on_trap(exceptions=[11], call=call)),
    "trapping access": (TRAPS, lambda d, s, call: (d.on_trap(exceptions=[5], call=call), d.on_access(0, 8, "r", stop=False))),
    "code mapped twice": (
        PAGES,
        lambda d, s, call: (d.on_address(s["twice"] - guests.START, call=call), d.on_address(s["twice"], call=call)),
    ),
    "not mapped yet": (FAR, lambda d, s, call: d.on_address(s["twice"] - guests.START + 0x40000000, call=call)),
    "changed code": (CHANGED, lambda d, s, call: d.on_address(s["patch"], call=call)),
    "across pages": (ACROSS, lambda d, s, call: d.on_address(s["across"], call=call)),
    "first of a page": (ACROSS, lambda d, s, call: d.on_address(s["across"] + 4, call=call)),
}


SBC_LOOP, DATA = guests_6502.LOOP, 0x0200
SBC_KINDS = {
    "address": (SBC_LOOP, lambda d, s, call: d.on_address(s["target"], call=call)),
    "condition": (SBC_LOOP, lambda d, s, call: d.on_address(s["target"], when="x & 4", call=call)),
    "flags": (SBC_LOOP, lambda d, s, call: d.on_address(s["loop"], when="p & 2", call=call)),
    "counted": (SBC_LOOP, lambda d, s, call: d.on_address(s["target"], stop=False)),
    "two at one address": (
        SBC_LOOP,
        lambda d, s, call: (d.on_address(s["target"], call=call), d.on_address(s["target"], when="x >= 9", call=call)),
    ),
    "store": (SBC_LOOP, lambda d, s, call: d.on_access(DATA, 8, "w", call=call)),
    "load": (SBC_LOOP, lambda d, s, call: d.on_access(DATA + 8, 1, "r", call=call)),
    "code as it is fetched": (SBC_LOOP, lambda d, s, call: d.on_access(s["target"], 1, "r", call=call)),
    "device": (guests_6502.TIMERS, lambda d, s, call: d.on_device(0x5001, 1, "r", call=call)),
    "interrupt": (guests_6502.INTERRUPTED, lambda d, s, call: d.on_trap(interrupts=[1], call=call)),
    "interrupt's stack": (guests_6502.INTERRUPTED, lambda d, s, call: d.on_access(0x1F0, 16, "w", call=call)),
    "handler": (guests_6502.INTERRUPTED, lambda d, s, call: d.on_address(s["irq"], call=call)),
    "exception": (guests_6502.TRAPS, lambda d, s, call: d.on_trap(exceptions=[1], call=call)),
    "jam": (guests_6502.STORE_AND_HALT, lambda d, s, call: d.on_trap(exceptions=[2], call=call)),
    "changed code": (guests_6502.CHANGED, lambda d, s, call: d.on_address(0x400, call=call)),
}
EVERY_KIND = [
    pytest.param(kit, *kinds[k], id=f"{kit.name}-{k}") for kit, kinds in ((VIRT, VIRT_KINDS), (SBC, SBC_KINDS)) for k in kinds
]


@pytest.mark.parametrize(("kit", "text", "setting"), EVERY_KIND)
def test_every_kind_of_hook_reports_the_same_on_every_engine_however_the_run_is_cut(tmp_path, kit, text, setting):
    whole, pieces = [600], [1, 2, 3, 5, 7] * 33 + [6]
    golden = everything(kit, tmp_path, text, "golden", setting, whole)
    assert golden[0], "nothing was reported"
    assert golden[1] == plain_hash(kit, tmp_path, text, 600)
    for engine, cut in (("golden", pieces), ("native", whole), ("native", pieces)):
        assert everything(kit, tmp_path, text, engine, setting, cut) == golden


@pytest.mark.parametrize("engine", ENGINES)
def test_a_break_stops_before_its_instruction_and_the_next_run_goes_on_from_there(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    target, (register, step) = kit.symbols(kit.guests.LOOP)["target"], kit.second
    m.debug.on_address(target)
    for turn in range(1, 5):
        assert m.run(insns=1000) is Stop.HOOK
        assert (m.cpu.pc, m.cpu.regs[kit.turns], m.cpu.regs[register]) == (target, turn, step * (turn - 1))
        assert m.debug.hits[0].pc == target
    assert m.step() is Stop.INSNS
    assert m.cpu.regs[register] == 4 * step


@pytest.mark.parametrize("engine", ENGINES)
def test_a_break_at_the_very_first_instruction_is_met(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine, **kit.several)
    m.debug.on_address(kit.start)
    assert (m.run(insns=100_000), m.position, m.debug.hits[0].cpu) == (Stop.HOOK, 0, 0)
    for cpu in range(1, len(m.cpus)):
        assert (m.run(insns=100_000), m.debug.hits[0].cpu) == (Stop.HOOK, cpu)
    assert m.run(insns=100) is Stop.INSNS


@pytest.mark.parametrize("engine", ENGINES)
def test_a_watch_stops_at_the_store_before_it_where_the_instruction_can_begin_anew(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    data, size = kit.symbols(kit.guests.LOOP)["data"], kit.bits // 8
    place = slice(data, data + size)
    m.debug.on_access(data, size, "w")
    assert m.run(insns=1000) is Stop.HOOK
    event = m.debug.hits[0]
    assert (event.kind, event.place, event.value) == ("access", data, 1)
    before = m.computer.watch_stops_before
    assert (m.cpu.pc == event.pc) is before
    assert m.memory[place] == (0 if before else 1).to_bytes(size, "little")
    assert m.step() is Stop.INSNS
    assert m.memory[place] == (1).to_bytes(size, "little")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("when", "first"), [("== 7", 7), ("!= 1", 2), (">= 0x10", 16), ("& 8", 8), ("< 2", 1)])
def test_a_condition_decides(tmp_path, kit, engine, when, first):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    m.debug.on_address(kit.symbols(kit.guests.LOOP)["target"], when=f"{kit.turns} {when}")
    assert m.run(insns=1000) is Stop.HOOK
    assert m.cpu.regs[kit.turns] == first


@pytest.mark.parametrize("engine", ENGINES)
def test_no_event_is_lost_when_there_are_more_than_the_ring_holds(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    names = kit.symbols(kit.guests.LOOP)
    counted = m.debug.on_address(names["target"], stop=False)
    m.debug.on_access(names["data"], 16, "rw", stop=False)
    turns = 3 * EVENTS
    m.run(insns=4 + 7 * turns)
    events, most = m.debug.drain(), (1 << kit.bits) - 1
    assert counted.count == turns
    assert len(events) == 4 * turns  # the break, a store, two loads
    assert {e.pc for e in events if e.hook is counted} == {names["target"]}
    stored = [e.value for e in events if e.kind == "access" and e.value]
    assert stored == [i & most for i in range(1, turns + 1) if i & most]
    assert m.debug.drain() == []


@pytest.mark.parametrize("engine", ENGINES)
def test_each_cpu_s_events_are_its_own(tmp_path, engine):
    m = VIRT.machine(tmp_path, LOOP, engine=engine, cpus=3)
    hook = m.debug.on_address(VIRT.symbols(LOOP)["target"], when="a0 == 3")
    cpus = []
    while m.run(insns=70_000) is Stop.HOOK:
        cpus.append(m.debug.hits[0].cpu)
    assert cpus == [0, 1, 2]
    assert hook.count == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_called_may_take_its_hook_away_and_set_another(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    names, seen = kit.symbols(kit.guests.LOOP), []

    def once(event):
        seen.append(event.kind)
        m.debug.remove(event.hook)
        m.debug.on_access(names["data"], 8, "w", call=lambda e: seen.append(e.value))

    m.debug.on_address(names["target"], when=f"{kit.turns} == 2", call=once)
    m.run(insns=7 * 4 + 4)
    assert seen == ["address", 3, 4]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_restored_machine_meets_its_hooks_again(tmp_path, kit, engine):
    m = kit.machine(tmp_path, kit.guests.LOOP, engine=engine)
    m.debug.on_address(kit.symbols(kit.guests.LOOP)["target"], when=f"{kit.turns} == 5")
    before = m.snapshot()
    assert m.run(insns=1000) is Stop.HOOK
    place, digest = m.position, m.hash()
    m.restore(before)
    assert m.run(insns=1000) is Stop.HOOK
    assert (m.position, m.hash()) == (place, digest)
    assert m.fork().run(insns=1000) is Stop.INSNS  # a twin has hooks of its own


def test_hooks_that_cannot_be_are_refused_in_one_line(tmp_path, kit):
    d, start = kit.machine(tmp_path, kit.guests.LOOP).debug, kit.start
    for text in (kit.turns, f"{kit.turns} = 1", "x99 == 1", f"{kit.turns} == many"):
        with pytest.raises(HookError, match=r"^'.*' is not a condition: give REGISTER OP NUMBER, as in '\w+ == 5'|not a number"):
            d.on_address(start, when=text)
    refusal = "this computer's CPU has no registers to hook" if kit is SBC else "no control and status register 'nonsense'"
    with pytest.raises(HookError, match=refusal):
        d.on_register("nonsense")
    with pytest.raises(HookError, match="at least one byte"):
        d.on_access(start, 0)
    for _ in range(BREAKS):
        d.on_address(start)
    with pytest.raises(HookError, match=f"more than {BREAKS} hooks on address"):
        d.on_address(start)
    for _ in range(WATCHES):
        d.on_access(start, 4)
    with pytest.raises(HookError, match=f"more than {WATCHES} hooks on access"):
        d.on_device(start, 4)
    d.clear()
    d.on_address(start)


def test_a_hook_takes_the_name_of_a_symbol(tmp_path, kit):
    target = kit.start + 0x14
    (tmp_path / "System.map").write_text(f"{target - 12:016x} t loop\n{kit.start:016x} T _start\n{target:016x} T target\n")
    m = kit.machine(tmp_path, kit.guests.LOOP)
    assert m.symbols.load(str(tmp_path / "System.map")) == 3
    assert m.debug.on_address("target").what == (target,)
    with pytest.raises(SymbolError, match=r"^no symbol 'targt'; did you mean target"):
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
    with pytest.raises(SymbolError, match="no symbols found; give an ELF file"):
        Symbols().load(str(path))
    with pytest.raises(SymbolError, match="No such file"):
        Symbols().load(str(tmp_path / "missing"))


def test_symbols_of_an_elf_file_are_those_that_nm_prints(tmp_path, cross):
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
def test_a_condition_holds_for_exactly_the_values_that_it_says(tmp_path, kit, engine, op, met):
    m = kit.machine(tmp_path, kit.guests.FROM_TWO, engine=engine)
    place = kit.symbols(kit.guests.FROM_TWO)["counted"]
    m.debug.on_address(place, when=f"{kit.turns} {op} {5 if op != '&' else 7}", stop=False)
    m.run(insns=1 + 3 * 5)
    assert [e.value for e in m.debug.drain()] == met


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("at", "length", "met"), [(8, 8, True), (7, 1, False), (7, 2, True), (16, 1, False), (15, 1, True), (9, 3, True)]
)
def test_a_watch_is_met_where_bytes_overlap_and_nowhere_else(tmp_path, engine, at, length, met):
    m = VIRT.machine(tmp_path, "la s0, data\nsd s0, 8(s0)\n1: j 1b\n.balign 8\ndata: .zero 24", engine=engine)
    data = guests.START + 16
    m.debug.on_access(data + at, length, "w", stop=False)
    m.run(insns=10)
    assert m.cpu.regs["s0"] == data
    assert bool(m.debug.drain()) is met


def test_counted_events_are_kept_up_to_a_limit_and_all_of_them_counted(tmp_path, kit, monkeypatch):
    monkeypatch.setattr("softmetal.machine.debugger.MOST_KEPT", 5000)
    m = kit.machine(tmp_path, kit.guests.TWO)
    hook = m.debug.on_address(kit.start, stop=False)
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
