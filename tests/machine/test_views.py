"""Looking into a machine and changing it: every change from outside is an input, or an error."""

from __future__ import annotations

import pytest

from softmetal.machine.replay import Recording, replay
from tests.machine.kits import ENGINES, KITS, SBC, VIRT

CHANGES = [pytest.param(kit, kit.changes[name], id=f"{kit.name}-{name}") for kit in KITS for name in kit.changes]


@pytest.mark.parametrize(("kit", "change"), CHANGES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_change_is_kept_by_a_timeline_and_a_recording(tmp_path, engine, kit, change):
    m = kit.machine(tmp_path, kit.guests.COUNTER, engine=engine, **kit.several)
    m.keep_timeline(every=50)
    recorder = m.record(str(tmp_path / "log"), every=60)
    m.run(insns=100)
    before = m.hash()
    change(m)
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


def test_registers_of_a_hart_read_as_they_were_set(tmp_path):
    m = VIRT.machine(tmp_path, VIRT.guests.COUNTER)
    m.cpu.regs["a0"] = -2
    m.cpu.x[11] = 7
    m.cpu.f[1] = 3
    m.cpu.pc = 0x8000_0004
    assert (m.cpu.regs["a0"], m.cpu.regs["a1"], m.cpu.x[10], m.cpu.f[1]) == ((1 << 64) - 2, 7, (1 << 64) - 2, 3)
    assert m.cpu.pc == m.cpu.regs["pc"] == 0x8000_0004
    assert dict(m.cpu.regs)["a1"] == 7
    m.cpu.set_csr("mscratch", 5)
    assert m.cpu.csr("mscratch") == m.cpu.csr(0x340) == 5


def test_registers_of_a_6502_read_as_they_were_set(tmp_path):
    m = SBC.machine(tmp_path, SBC.guests.COUNTER)
    m.cpu.regs["a"] = -2
    m.cpu.pc = 0xC004
    m.cpu.p = 0xFF
    assert dict(m.cpu.regs) == {"a": 0xFE, "x": 0, "y": 0, "s": m.board.s, "p": 0xEF, "pc": 0xC004}
    assert (m.cpu.a, m.cpu.p, m.cpu.pc, m.board.n, m.board.c) == (0xFE, 0xEF, 0xC004, 1, 1)


WRONG = {
    VIRT: [
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
    SBC: [
        (lambda m: m.cpu.regs.__setitem__("q", 1), KeyError, "no register 'q': there are a, x, y, s, p, pc"),
        (lambda m: m.cpu.regs["q"], KeyError, "no register 'q'"),
        (lambda m: m.cpu.regs.__setitem__("a", 256), ValueError, "a = 0x100: more than 8 bits"),
        (lambda m: m.cpu.regs.__setitem__("pc", 1 << 16), ValueError, "pc = 0x10000: more than 16 bits"),
        (lambda m: m.cpu.regs.clear(), TypeError, "cannot be deleted"),
        (lambda m: setattr(m.cpu, "cycles", 3), AttributeError, "cpu.cycles can only be read; set a, x, y, s, p, pc"),
        (lambda m: setattr(m.cpu, "nonsense", 3), AttributeError, "nonsense"),
        (lambda m: m.enter("nonsense", b""), ValueError, "mos6502-sbc has no port 'nonsense'; there are memory, nmi, pa, pb"),
        (lambda m: m.ram.__setitem__(0, 1), TypeError, "cannot modify read-only memory"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kit", "wrong", "error", "text"), [(kit, *each) for kit in KITS for each in WRONG[kit]])
def test_what_cannot_be_changed_is_an_error_that_says_what_can(tmp_path, kit, wrong, error, text):
    m = kit.machine(tmp_path, kit.guests.COUNTER)
    before = m.hash()
    with pytest.raises(error, match=text):
        wrong(m)
    assert m.hash() == before
