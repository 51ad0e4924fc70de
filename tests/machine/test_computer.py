"""The contract between a machine and a computer: what is missing is named, and a computer of the user's own is one like ours."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.boards.mos6502_sbc import Mos6502Sbc
from softmetal.computers.mos6502_sbc import Sbc
from softmetal.lang import u1
from softmetal.machine.computer import check, named, names, of_key
from softmetal.machine.divergence import find, open_run
from softmetal.machine.errors import LoadError, MachineError
from softmetal.machine.machine import Machine
from softmetal.machine.replay import Recording, replay
from softmetal.machine.stop import Stop
from tests.machine.kits import KITS, SBC, VIRT, program


def test_every_computer_on_the_shelf_fulfils_the_contract():
    assert names() == sorted(kit.name for kit in KITS)
    for name in names():
        check(named(name))
        assert named(name).name == name


def test_a_board_that_is_none_of_a_machine_is_refused_with_what_it_has_not(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Bare(Sbc):
        board = Flat6502

    missing = (
        "Flat6502 is not a machine's board: it lacks the field needs_host: u1, the field debug: Debug,"
        " the field unmodelled: UnmodelledAccesses, the entry ports_changed(), the entry wait_until(),"
        " the entry memory_changed(), the entry hooks_changed(), decoding = ByFrame(...) or Itself()"
    )
    with pytest.raises(MachineError) as error:
        Machine(Bare(rom=program(SBC, tmp_path, SBC.guests.HALT)))
    assert str(error.value) == missing


class Wider(Mos6502Sbc):
    """A board like ours, with one more field."""

    led: u1


@dataclass(frozen=True, kw_only=True)
class Mine(Sbc):
    """A computer of the user's own."""

    name = "mine"
    board = Wider

    def idle(self, board):
        return super().idle(board)


def test_a_computer_of_the_user_s_own_is_saved_recorded_and_compared_as_ours_are(tmp_path):
    m = Machine(Mine(rom=program(SBC, tmp_path, SBC.guests.TIMERS)))
    recorder = m.record(str(tmp_path / "log"), every=100)
    m.send("ab")
    m.run(insns=500)
    recorder.close()
    m.save(str(tmp_path / "saved"))
    assert type(Machine.load(str(tmp_path / "saved")).computer) is Mine
    recording = Recording(str(tmp_path / "log"))
    twin = recording.machine()
    assert replay(recording, twin) is Stop.END
    assert twin.hash() == m.hash()
    runs = [open_run(str(tmp_path / name), lambda recording: []) for name in ("log", "saved")]
    assert not find(*runs).differs


def test_machines_of_two_kinds_are_not_compared(tmp_path):
    for kit in KITS:
        kit.machine(tmp_path).save(str(tmp_path / kit.name))
    runs = [open_run(str(tmp_path / kit.name), lambda recording: []) for kit in KITS]
    with pytest.raises(MachineError, match=r"is of a riscv-virt, .* of a mos6502-sbc: nothing to compare"):
        find(*runs)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pc", "board pc: there are mos6502-sbc, riscv-virt; MODULE:CLASS names one of your own"),
        ("no.such.module:Mine", "board no.such.module:Mine: ModuleNotFoundError: No module named 'no'"),
        (f"{__name__}:Nothing", f"board {__name__}:Nothing: AttributeError: "),
        (f"{__name__}:Wider", f"board {__name__}:Wider: Wider is not a softmetal.machine.computer.Computer"),
    ],
)
def test_a_name_that_is_no_computer_s_is_refused_in_one_line(name, why):
    with pytest.raises(LoadError) as error:
        named(name)
    assert str(error.value).startswith(why)
    assert "\n" not in str(error.value)


def test_a_file_does_not_decide_what_is_imported(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("raise AssertionError('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LoadError, match=r"board elsewhere:Mine: import its module first \(on the command line: --board"):
        of_key("elsewhere:Mine")
    assert "elsewhere" not in sys.modules


def test_a_console_is_the_computer_s_first_one(tmp_path):
    assert [list(kit.machine(tmp_path).consoles) for kit in (VIRT, SBC)] == [["uart", "hvc"], ["serial"]]
    m = SBC.machine(tmp_path)
    assert m.console is m.consoles["serial"]
    assert (m.keyboard, m.pointer, m.picture) == (None, None, None)
