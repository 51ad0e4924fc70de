"""Debian's riscv64 kernel, as Debian ships it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


class Kernel(NamedTuple):
    """The kernel, and an initial file system with a shell (/init) and an end (/off)."""

    image: str
    initrd: str


@cache
def made(tool: str) -> tuple[str, str]:
    """What a tool that fetches packages has made, or why it has not."""
    done = subprocess.run([sys.executable, str(TOOLS / tool)], capture_output=True, text=True, check=False)
    return ("", done.stderr.strip().splitlines()[-1]) if done.returncode else (done.stdout.strip(), "")


def folder(tool: str) -> Path:
    """The folder that a tool makes, the first time it is asked for; a skip where it cannot."""
    path, why = made(tool)
    if not path:
        pytest.skip(f"{tool}: {why}")
    return Path(path)


def debian() -> Kernel:
    """The kernel and its initial file system: what SOFTMETAL_KERNEL and SOFTMETAL_INITRD name, or fetched."""
    image, initrd = os.environ.get("SOFTMETAL_KERNEL"), os.environ.get("SOFTMETAL_INITRD")
    if image and initrd:
        return Kernel(image, initrd)
    kernel = folder("guest_kernel.py")
    return Kernel(image or str(kernel / "Image"), initrd or str(kernel / "initrd"))
