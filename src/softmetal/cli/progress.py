"""What the commands show while something is compiled: on a terminal the default, elsewhere lines on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable


def compiling() -> Callable[[str], None] | None:
    """What engines are given to report with; None lets them draw on the terminal."""
    return None if sys.stderr.isatty() else line


def line(text: str) -> None:
    """A line on stderr."""
    print(f"softmetal: {text}", file=sys.stderr, flush=True)
