"""What the tests of the commands share."""

from __future__ import annotations

import pytest

from softmetal.linux.adapter import BoardCpu


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """The interpreter is in the cache: no command prints that it compiles it."""
    BoardCpu("native")
