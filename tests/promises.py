"""A pytest plugin: which promises of SPECIFICATION.md a run has checked, and which not.

A promise is a row `| C1 | ... | `tests/boot/test_computer.py` |`. It is checked when every test below the paths that the row
names has run and passed; what was skipped, or was not there, is reported at the end of the run with the reason.

    pytest                     reports; what this run was not asked for does not count
    pytest --every-promise     what is not checked fails the run: in CI a green run has checked all that is promised

A row `| C1 | test name | reason | 2027-01-31 |` of the table "Not checked everywhere" allows, to that day, that the tests whose
name holds these words are skipped. Promises of speed name a bench instead of a test; it is run before a release.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent
PROMISE = re.compile(r"\| ([A-Z]\d+) \| ([^|]*) \| ([^|]*`(?:tests|bench)/[^|]*) \|$")
ALLOWED = re.compile(r"\| ([A-Z]\d+) \| `([^`]+)` \| (.+) \| (\d{4}-\d\d-\d\d) \|$")


@dataclass
class Allowance:
    """That a promise may stay unchecked in some tests, to a day."""

    promise: str
    words: str
    reason: str
    until: datetime.date


@dataclass
class Specification:
    """The promises, and what they allow."""

    checks: dict[str, list[str]] = field(default_factory=dict)
    """The tests and benches that each promise names."""
    allowed: list[Allowance] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Specification:
        """Raises ValueError where a promise stands twice, or what is allowed belongs to none."""
        made = cls()
        for line in text.splitlines():
            if found := ALLOWED.match(line):
                made.allowed.append(Allowance(found[1], found[2], found[3], datetime.date.fromisoformat(found[4])))
            elif found := PROMISE.match(line):
                if found[1] in made.checks:
                    raise ValueError(f"promise {found[1]} stands twice")
                made.checks[found[1]] = re.findall(r"`((?:tests|bench)/[^`]*)`", found[3])
        for each in made.allowed:
            if each.promise not in made.checks:
                raise ValueError(f"{each.promise} may stay unchecked, but is not promised")
        return made

    def of(self, path: str) -> list[str]:
        """The promises that a test file checks."""
        return [
            number for number, checks in self.checks.items()
            if any(path == check or (check.endswith("/") and path.startswith(check)) for check in checks)
        ]  # fmt: skip

    def only_benched(self, number: str) -> bool:
        """Is it a promise of speed, which no test checks?"""
        return all(check.startswith("bench/") for check in self.checks[number])

    def allows(self, number: str, test: str, today: datetime.date) -> Allowance | None:
        """What allows that a test is skipped today."""
        return next((a for a in self.allowed if a.promise == number and a.words in test and today <= a.until), None)


class Promises:
    """Collects the reports of all workers and prints at the end what was not checked."""

    def __init__(self, specification: Specification, strict: bool, today: datetime.date) -> None:
        self.specification, self.strict, self.today = specification, strict, today
        self.ran: set[str] = set()
        """Files of which a test has passed or failed."""
        self.skipped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        """Tests that were skipped, by promise and reason."""
        self.allowed: dict[tuple[str, str], Allowance] = {}
        self.ended: set[str] = set()
        self.excused: set[str] = set()
        """Files of which a test was skipped as is allowed."""

    def pytest_runtest_logreport(self, report: Any) -> None:
        path = report.nodeid.split("::")[0]
        self.ended.add(path)
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            for number in self.specification.of(path):
                if allowance := self.specification.allows(number, report.nodeid, self.today):
                    self.allowed[number, allowance.words] = allowance
                    self.excused.add(path)
                else:
                    self.skipped[number][reason.removeprefix("Skipped: ")].append(report.nodeid)
        elif report.when == "call":
            self.ran.add(path)

    def unchecked(self) -> dict[str, list[str]]:
        """Why promises were not checked. Of a run of a part only those count that it has to do with."""
        found: dict[str, list[str]] = {}
        for number, checks in self.specification.checks.items():
            if self.specification.only_benched(number):
                continue
            reasons = [
                f"{len(tests)} skipped: {reason} ({tests[0]}{', ...' if len(tests) > 1 else ''})"
                for reason, tests in self.skipped.get(number, {}).items()
            ]
            for check in checks:
                touched = [path for path in self.ended if path == check or path.startswith(check.rstrip("/") + "/")]
                ran = any(path in self.ran or path in self.excused for path in touched)
                if check.startswith("tests/") and not ran and (self.strict or touched):
                    reasons.append(f"no test of {check} has run")
            if reasons:
                found[number] = reasons
        return found

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        unchecked = self.unchecked()
        write = terminalreporter.write_line
        if unchecked or self.allowed or self.strict:
            terminalreporter.section("promises of SPECIFICATION.md")
        for number, reasons in unchecked.items():
            for reason in reasons:
                write(f"{number} was NOT checked: {reason}", red=True)
        for (number, words), allowance in self.allowed.items():
            write(f"{number}: {words} was skipped, which is allowed until {allowance.until}: {allowance.reason}")
        if self.strict:
            benched = [number for number in self.specification.checks if self.specification.only_benched(number)]
            checked = len(self.specification.checks) - len(benched) - len(unchecked)
            write(f"{checked} checked, {len(unchecked)} not; {', '.join(benched)} are figures, which ./dev bench compares")

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        if self.strict and exitstatus == pytest.ExitCode.OK and self.unchecked():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-promise", action="store_true", help="fail where a promise of SPECIFICATION.md was not checked")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers' reports reach the process that started them
        specification = Specification.parse((PROJECT / "SPECIFICATION.md").read_text())
        strict = bool(config.getoption("--every-promise"))
        config.pluginmanager.register(Promises(specification, strict, datetime.date.today()), "promises")
