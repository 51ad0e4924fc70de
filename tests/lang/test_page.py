"""The programs of docs/language.md are hardware Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from softmetal.lang import Chip
from softmetal.lang.native import Native
from tests.lang.programs import define

TEXT = (Path(__file__).parents[2] / "docs" / "language.md").read_text()
PROGRAMS = re.findall(
    r"^## ([^\n]*)$(?:(?!^## ).)*?^```python\n(.*?)^```$", "## Hardware Python\n" + TEXT, re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(("title", "program"), PROGRAMS, ids=[title for title, _ in PROGRAMS])
def test_the_programs_of_the_page_on_the_language_compile(title, program):
    made = define("from __future__ import annotations\n" + program, "page_" + re.sub(r"\W", "_", title))
    chips = [c for c in vars(made).values() if isinstance(c, type) and issubclass(c, Chip) and c.__module__ == made.__name__]
    assert chips
    Native(chips[-1])
