"""The tour: its file runs, is as short as it says, and does what its page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOUR = Path(__file__).parent.parent / "docs" / "tour"
TOY = TOUR / "toy.py"
PAGE = (TOUR / "README.md").read_text()


def run(*args: object) -> str:
    done = subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_file_is_under_100_lines() -> None:
    assert len(TOY.read_text().splitlines()) < 100


def test_the_program_gives_what_the_page_shows() -> None:
    assert run(TOY) in PAGE


def test_looking_at_an_instruction_gives_what_the_page_shows() -> None:
    shown = run("-m", "softmetal", "insn", "--isa", TOY, "add r1, r2", "--set", "r1=3", "--set", "r2=4")
    assert shown in PAGE


def test_the_changed_instruction_gives_what_the_page_shows(tmp_path: Path) -> None:
    old, new = re.search(r"    (cpu\.r\[d\] \+= .*)\n", PAGE), re.search(r"    (cpu\.r\[d\] = min.*)\n", PAGE)
    assert old
    assert new
    changed = tmp_path / "toy.py"
    changed.write_text(TOY.read_text().replace(old[1], new[1]))
    assert f"`{run(changed).strip()}`" in PAGE


def test_golden_and_native_agree_on_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOUR))
    import toy

    from softmetal.engines.golden import golden_engine
    from softmetal.engines.native import native_engine, new_board
    from softmetal.isa.assembler import assemble

    code = assemble(toy.isa, toy.PROGRAM).code
    ends = []
    for make in (golden_engine, native_engine):
        board = new_board(toy.isa, toy.Toy)
        board.ram[0 : len(code)] = code
        assert make(toy.isa, board).run(5000) is None
        ends.append((list(board.r), board.pc, board.next_pc, board.count))
    assert ends[0] == ends[1]
