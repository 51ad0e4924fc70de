"""Looking into a machine and changing it: every change from outside is an input, or an error."""

from __future__ import annotations

import pytest

from softmetal.machine.replay import Recording, replay
from tests.machine.guests import COUNTER, ENGINES, machine

CHANGES = {
    "pc": lambda m: setattr(m.cpu, "pc", m.cpu.pc + 4),
    "regs": lambda m: m.cpu.regs.update(s2=1234, t0=-1),
    "regs pc": lambda m: m.cpu.regs.__setitem__("pc", 0x8000_0000),
    "x": lambda m: m.cpu.x.__setitem__(18, 99),
    "f": lambda m: m.cpu.f.__setitem__(3, 0x4000_0000_0000_0000),
    "set": lambda m: m.cpus[1].set("a0", 5),
    "csr": lambda m: m.cpus[1].set_csr("mscratch", 77),
    "memory": lambda m: m.memory.__setitem__(slice(0x8000_1000, 0x8000_1004), b"abcd"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_change_is_kept_by_a_timeline_and_a_recording(tmp_path, engine, change):
    m = machine(tmp_path, COUNTER, engine=engine, cpus=2)
    m.keep_timeline(every=50)
    recorder = m.record(str(tmp_path / "log"), every=60)
    m.run(insns=100)
    before = m.hash()
    CHANGES[change](m)
    assert m.hash() != before
    m.run(insns=100)
    after = m.hash()
    recorder.close()
    m.goto(150)
    m.goto(200)
    assert m.hash() == after
    recording = Recording(str(tmp_path / "log"))
    assert len(recording.inputs) in (1, 2)
    twin = recording.machine(engine=engine)
    replay(recording, twin)
    assert twin.hash() == after


def test_registers_read_as_they_were_set(tmp_path):
    m = machine(tmp_path, COUNTER)
    m.cpu.regs["a0"] = -2
    m.cpu.x[11] = 7
    m.cpu.f[1] = 3
    m.cpu.pc = 0x8000_0004
    assert (m.cpu.regs["a0"], m.cpu.regs["a1"], m.cpu.x[10], m.cpu.f[1]) == ((1 << 64) - 2, 7, (1 << 64) - 2, 3)
    assert m.cpu.pc == m.cpu.regs["pc"] == 0x8000_0004
    assert dict(m.cpu.regs)["a1"] == 7
    m.cpu.set_csr("mscratch", 5)
    assert m.cpu.csr("mscratch") == m.cpu.csr(0x340) == 5


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda m: m.cpu.regs.__setitem__("zero", 1), ValueError, "zero is always 0"),
        (lambda m: m.cpu.regs.__setitem__("a9", 1), KeyError, "no register 'a9': there are ra, sp"),
        (lambda m: m.cpu.regs["b"], KeyError, "no register 'b'"),
        (lambda m: m.cpu.regs.__setitem__("a0", 1 << 64), ValueError, "a0 = 0x10000000000000000: more than 64 bits"),
        (lambda m: m.cpu.regs.__setitem__("a0", "1"), TypeError, "str"),
        (lambda m: m.cpu.regs.clear(), TypeError, "cannot be deleted"),
        (lambda m: setattr(m.cpu, "mode", 3), AttributeError, r"cpu.mode can only be read; set pc, regs\[...\]"),
        (lambda m: setattr(m.cpu, "count", 3), AttributeError, "cpu.count can only be read"),
        (lambda m: setattr(m.cpu, "regs", {}), AttributeError, "cpu.regs can only be read|no attribute 'regs'"),
        (lambda m: setattr(m.cpu, "nonsense", 3), AttributeError, "nonsense"),
        (lambda m: m.cpu.pmpaddr.__setitem__(0, 1), AttributeError, "cpu.pmpaddr can only be read"),
        (lambda m: m.cpu.set_csr("mhartid", 1), ValueError, "mhartid: this hart has no .* that can be written"),
        (lambda m: m.cpu.set_csr(0x5C0, 1), ValueError, "1472: this hart has no"),
        (lambda m: m.ram.__setitem__(0, 1), TypeError, "cannot modify read-only memory"),
        (lambda m: m.cpu.csr("nonsense"), KeyError, "no control and status register 'nonsense'"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_is_an_error_that_says_what_can(tmp_path, wrong, error, text):
    m = machine(tmp_path, COUNTER)
    before = m.hash()
    with pytest.raises(error, match=text):
        wrong(m)
    assert m.hash() == before
