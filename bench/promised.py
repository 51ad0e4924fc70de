"""Figures that SPECIFICATION.md promises, compared with what a bench has measured.

    figures = Figures("run.py")
    figures.measured("E3", "geometric mean of qemu's time to ours", 0.44)
    return figures.end()          # 0, or 1 with a line for each that was not reached

A figure is a row `| E3 | geometric mean of qemu's time to ours | at least 0.4 | `bench/run.py` |` of the table "Figures".
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SPECIFICATION = Path(__file__).parent.parent / "SPECIFICATION.md"
ROW = re.compile(r"\| ([A-Z]\d+) \| ([^|]+) \| (at least|at most) ([0-9.]+)( [A-Za-z]+)? \| `bench/([a-z]+\.py)` \|$")


class Figures:
    """What one bench has to reach."""

    def __init__(self, bench: str, text: str | None = None) -> None:
        rows = filter(None, map(ROW.match, (text or SPECIFICATION.read_text()).splitlines()))
        self.limits = {(r[1], r[2]): (r[3], float(r[4]), (r[5] or "").strip()) for r in rows if r[6] == bench}
        """At least or at most, how much, and its unit."""
        self.found: dict[tuple[str, str], float] = {}

    def measured(self, promise: str, name: str, value: float) -> None:
        """Keep a figure. Raises KeyError where the specification has none of that name."""
        if (promise, name) not in self.limits:
            raise KeyError(f"SPECIFICATION.md promises no figure {promise}, {name!r}")
        self.found[promise, name] = value

    def missed(self) -> list[str]:
        """A line for each figure that was not reached, with how far off it is."""
        lines = []
        for key, value in self.found.items():
            bound, limit, unit = self.limits[key]
            if value < limit if bound == "at least" else value > limit:
                off = abs(value - limit) / limit * 100
                shown = f"{value:.3g} {unit}".rstrip()
                lines.append(f"{key[0]}, {key[1]}: {shown}, promised {bound} {limit:g}: {off:.0f} % off")
        return lines

    def end(self) -> int:
        """Print how the figures compare; the exit code of the bench."""
        for (promise, name), (bound, limit, unit) in self.limits.items():
            value = self.found.get((promise, name))
            shown = "not measured in this run" if value is None else f"{value:.3g} {unit}".rstrip()
            print(f"{promise:4} {name}: {shown} (promised {bound} {limit:g}{' ' * bool(unit)}{unit})")
        missed = self.missed()
        for line in missed:
            print(f"NOT REACHED: {line}", file=sys.stderr)
        return 1 if missed else 0
