"""Where two runs diverge."""

from __future__ import annotations

import pytest

from softmetal.machine.divergence import find, open_run
from softmetal.machine.errors import MachineError
from tests.machine.kits import program


def record(kit, tmp_path, name, typed_at=None, typed="x", insns=5000):
    m = kit.machine(tmp_path, **kit.several)
    path = str(tmp_path / name)
    r = m.record(path, every=1000)
    if typed_at:
        m.run(insns=typed_at)
        m.send(typed)
    m.run(insns=insns - m.position)
    r.close()
    m.save(path + ".state")
    return path


def parted(*paths, **options):
    return find(*(open_run(path, lambda recording: [], **options) for path in paths))


def test_runs_of_the_same_inputs_are_the_same(tmp_path, kit):
    a, b = (record(kit, tmp_path, name, 1234) for name in "ab")
    found = parted(a, b)
    assert (found.differs, list(found.text(5))) == (False, ["the runs are the same up to position 5000"])
    short = record(kit, tmp_path, "c", 1234, insns=3210)
    assert list(parted(a, short).text(5)) == ["the runs are the same up to position 3210, where one of them ends"]


def test_the_first_position_at_which_something_else_enters_is_found(tmp_path, kit):
    a, b = record(kit, tmp_path, "a", 2345, "x"), record(kit, tmp_path, "b", 2345, "y")
    found = parted(a, b)
    lines = list(found.text(100))
    assert (found.differs, found.position) == (True, 2345)
    assert "the runs diverge at position 2345" in lines[0]
    assert f"a: {kit.console} b'x' enters here" in lines[0]
    assert f"b: {kit.console} b'y' enters here" in lines[0]
    assert any(line.startswith(f"  {kit.typed}: 0x78 and 0x79") for line in lines)


def test_other_software_differs_from_the_beginning_or_from_its_first_other_instruction(tmp_path, kit):
    a = record(kit, tmp_path, "a")
    program(kit, tmp_path, kit.guests.COUNTER)
    with pytest.raises(MachineError, match="changed since"):
        parted(a, a)


def test_states_are_compared_by_name(tmp_path, kit):
    a, b = record(kit, tmp_path, "a", 2345, "x"), record(kit, tmp_path, "b", 2345, "y")
    lines = list(parted(a + ".state", b + ".state").text(50))
    assert lines[0] == "the states differ (positions 5000 and 5000):"
    assert any(kit.sent in line for line in lines)
    assert list(parted(a + ".state", a).text(5)) == ["the states at position 5000 are the same"]
