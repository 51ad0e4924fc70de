"""A guest's own tests, followed line by line: each line is shown as it comes, and a guest that falls silent fails."""

from __future__ import annotations

import re
from typing import Any

import pytest

FAILURE = re.compile(r"FAIL|\bERROR\b|[Pp]anic|PANIC|[Aa]ssertion failed")


def follow(m: Any, capsys: pytest.CaptureFixture[str], end: str, silence: float) -> str:
    """What the guest prints up to the line that holds `end`.

    Fails at the first line that reports a failure, and where no line comes for `silence` seconds of machine time: the end of
    what has come names the test that hangs.
    """
    text = line = ""
    while end not in line:
        line = m.expect("\n", seconds=silence)
        text += line
        with capsys.disabled():
            print(line.replace("\r", ""), end="", flush=True)
        assert not FAILURE.search(line), text[-2000:]
    return text
