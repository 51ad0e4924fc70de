"""Wrong arguments get the errors that Linux gives: the same generated program natively and as a guest, call by call."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .wrong_arguments import CALLS, source

SEEDS = range(int(os.environ.get("SOFTMETAL_BATTERIES", "2")))


def native_errors(program: Path, folder: Path) -> list[str]:
    """What the host's own kernel answers; skips where it is older than the calls that are tried."""
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 10):
        pytest.skip("the host's kernel is older than 6.10 and lacks some of the calls")
    found = subprocess.run([program, folder], capture_output=True, text=True, timeout=60, check=False)
    return found.stdout.splitlines()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_with_wrong_arguments_answers_what_the_hosts_kernel_answers(
    seed: int, build: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    text = source(seed, 40)
    folders = [tmp_path / "native", tmp_path / "guest"]
    for folder in folders:
        folder.mkdir()
    name = f"wrong{seed}.c"
    expected = native_errors(build(name, "-static", prefix="", text=text), folders[0])
    found = run("--dir", f"{folders[1]}:/mnt/work", build(name, "-static", text=text), "/mnt/work", timeout=300)
    assert len(expected) > 30 * len(CALLS) // 2
    differing = [f"{a} | guest: {b}" for a, b in zip(expected, found.stdout.splitlines(), strict=True) if a != b]
    assert differing == []
