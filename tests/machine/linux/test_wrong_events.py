"""Wrong arguments of waiting, sockets, processes, signals and time get the errors that Linux gives, call by call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .test_wrong_arguments import native_errors
from .wrong_events import CALLS, source

SEEDS = range(int(os.environ.get("SOFTMETAL_BATTERIES", "2")))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_with_wrong_arguments_answers_what_the_hosts_kernel_answers(
    seed: int, build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    text = source(seed, 40)
    folders = [tmp_path / "native", tmp_path / "guest"]
    for folder in (tmp_path, *folders):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    name = f"events{seed}.c"
    expected = native_errors(build(name, "-static", prefix="", text=text), folders[0])
    found = run("--dir", f"{folders[1]}:/mnt/work", build(name, "-static", text=text), "/mnt/work", timeout=300)
    assert len(expected) > 30 * len(CALLS) // 2
    differing = [f"{a} | guest: {b}" for a, b in zip(expected, found.stdout.splitlines(), strict=True) if a != b]
    assert differing == []
