"""The benches: each figure that is promised is measured, and one that is missed makes its bench fail."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
sys.path.append(str(PROJECT / "bench"))
from promised import Figures  # noqa: E402

TABLE = """
| A1 | speed | at least 0.5 | `bench/x.py` |
| A1 | time | at most 50 ms | `bench/x.py` |
| A2 | other | at most 1 s | `bench/y.py` |
"""


@pytest.mark.parametrize(
    ("speed", "time", "missed"),
    [(0.5, 50, []), (0.4, 50, ["A1, speed: 0.4, promised at least 0.5: 20 % off"]),
     (9, 75, ["A1, time: 75 ms, promised at most 50: 50 % off"])],
)  # fmt: skip
def test_a_bench_fails_and_says_by_how_much_a_figure_is_missed(speed, time, missed, capsys):
    figures = Figures("x.py", TABLE)
    figures.measured("A1", "speed", speed)
    figures.measured("A1", "time", time)
    assert figures.missed() == missed
    assert figures.end() == bool(missed)
    assert capsys.readouterr().err.splitlines() == [f"NOT REACHED: {line}" for line in missed]


def test_what_was_not_measured_is_named_and_a_figure_that_nobody_promised_is_refused(capsys):
    figures = Figures("x.py", TABLE)
    assert figures.end() == 0
    assert "A1   speed: not measured in this run (promised at least 0.5)" in capsys.readouterr().out
    with pytest.raises(KeyError, match="no figure A1, 'spede'"):
        figures.measured("A1", "spede", 1)


def test_every_promise_that_only_a_bench_checks_has_figures_and_its_bench_measures_each():
    text = (PROJECT / "SPECIFICATION.md").read_text()
    benches = dict(re.findall(r"^\| ([A-Z]\d+) \| [^|]* \| `bench/([a-z]+\.py)` \|$", text, re.M))
    assert len(benches) >= 5
    for promise, bench in benches.items():
        figures = [name for number, name in Figures(bench).limits if number == promise]
        source = (PROJECT / "bench" / bench).read_text()
        assert figures, promise
        for name in figures:
            assert f'"{name}"' in source or re.search(rf'f"{name.split()[0]} {{\w+}}"', source), f"{bench} measures no {name}"


def test_dev_bench_runs_every_bench_that_has_figures():
    text = (PROJECT / "SPECIFICATION.md").read_text()
    script = (PROJECT / "dev").read_text()
    for bench in set(re.findall(r"`bench/([a-z]+)\.py`", text)):
        assert re.search(rf"for bench in [a-z ]*\b{bench}\b", script), bench
