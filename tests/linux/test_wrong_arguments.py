"""Wrong arguments get the errors that Linux gives: the same generated program natively and as a guest, call by call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .batteries import SEEDS, differing
from .wrong_arguments import CALLS, source


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_with_wrong_arguments_answers_what_the_hosts_kernel_answers(
    seed: int, build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    assert differing(source(seed, 40), f"wrong{seed}.c", CALLS, build, run, tmp_path) == []
