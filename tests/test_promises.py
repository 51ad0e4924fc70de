"""The account of promises: what a run did not check is reported, and fails it where every promise has to be checked."""

from __future__ import annotations

import datetime

import pytest

from tests.promises import PROJECT, Promises, Specification

SPECIFICATION = """
| | promise | checked by |
| --- | --- | --- |
| A1 | One | `tests/one.py` |
| A2 | Two | `tests/two/`, `tests/one.py` |
| B1 | Three | `tests/three.py` |
| B2 | Fast | `bench/run.py` |

| | test | reason | until |
| --- | --- | --- | --- |
| B1 | `test_rare` | needs a rare thing | 2026-12-31 |
"""
TODAY = datetime.date(2026, 11, 25)


class Report:
    """What pytest says of a test."""

    def __init__(self, nodeid: str, outcome: str = "passed", reason: str = "") -> None:
        self.nodeid, self.when = nodeid, "call" if outcome == "passed" else "setup"
        self.skipped = outcome == "skipped"
        self.longrepr = ("file", 1, f"Skipped: {reason}")


def unchecked(*reports: Report, strict: bool = True, today: datetime.date = TODAY) -> dict[str, list[str]]:
    promises = Promises(Specification.parse(SPECIFICATION), strict, today)
    for report in reports:
        promises.pytest_runtest_logreport(report)
    return promises.unchecked()


ONE, TWO, THREE = Report("tests/one.py::test_a"), Report("tests/two/a.py::test_b[x]"), Report("tests/three.py::test_c")


def test_a_promise_is_checked_when_each_of_its_paths_has_run():
    assert unchecked(ONE, TWO, THREE) == {}
    assert unchecked(ONE, THREE) == {"A2": ["no test of tests/two/ has run"]}


def test_a_skipped_test_leaves_all_its_promises_unchecked_and_gives_its_reason():
    skip = Report("tests/one.py::test_d", "skipped", "no gdb")
    reason = "1 skipped: no gdb (tests/one.py::test_d)"
    assert unchecked(ONE, skip, TWO, THREE) == {"A1": [reason], "A2": [reason]}


def test_a_run_of_a_part_answers_for_that_part_only():
    assert unchecked(THREE, strict=False) == {}
    assert list(unchecked(ONE, strict=False)) == []
    assert list(unchecked(Report("tests/three.py::x", "skipped", "why"), strict=False)) == ["B1"]


def test_what_is_allowed_by_name_is_allowed_to_its_day():
    rare = Report("tests/three.py::test_rare[1]", "skipped", "not here")
    assert unchecked(ONE, TWO, THREE, rare) == unchecked(ONE, TWO, rare) == {}
    assert list(unchecked(ONE, TWO, THREE, rare, today=datetime.date(2026, 12, 31))) == []
    assert list(unchecked(ONE, TWO, THREE, rare, today=datetime.date(2027, 1, 1))) == ["B1"]
    assert list(unchecked(ONE, TWO, THREE, Report("tests/three.py::test_other", "skipped", "no"))) == ["B1"]


def test_a_promise_that_stands_twice_and_an_allowance_of_none_are_refused():
    with pytest.raises(ValueError, match="promise A1 stands twice"):
        Specification.parse(SPECIFICATION + "| A1 | Again | `tests/one.py` |\n")
    with pytest.raises(ValueError, match="C9 may stay unchecked, but is not promised"):
        Specification.parse(SPECIFICATION + "| C9 | `test_x` | why | 2027-01-01 |\n")


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--every-promise"], 1)])
def test_a_green_run_that_checked_too_little_fails_where_every_promise_counts(pytester, monkeypatch, options, code):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    pytester.makepyfile(test_skips="import pytest\ndef test_a():\n    pytest.skip('no mirror')\ndef test_b():\n    pass\n")
    pytester.makefile(".md", SPECIFICATION="| A1 | One | `tests/one.py` |\n")
    pytester.makeconftest(
        "import pathlib, tests.promises as plugin\n"
        "plugin.PROJECT = pathlib.Path(__file__).parent\n"
        "plugin.Specification.of = lambda self, path: ['A1']\n"
        "from tests.promises import pytest_addoption, pytest_configure\n"
    )
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
    assert done.ret == code
    done.stdout.fnmatch_lines(["A1 was NOT checked: 1 skipped: no mirror (test_skips.py::test_a)"])
