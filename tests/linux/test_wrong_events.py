"""Wrong arguments of waiting, sockets, processes, signals and time get the errors that Linux gives, call by call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .batteries import SEEDS, differing
from .wrong_events import CALLS, source


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_with_wrong_arguments_answers_what_the_hosts_kernel_answers(
    seed: int, build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    assert differing(source(seed, 40), f"events{seed}.c", CALLS, build, run, tmp_path) == []
