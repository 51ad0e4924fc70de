"""Debian's kernel, where it is to be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / ".guest" / "kernel"


def debian() -> tuple[str, str]:
    """The kernel and its initial file system: what SOFTMETAL_KERNEL and SOFTMETAL_INITRD name, or those in .guest/kernel."""
    found = [
        os.environ.get(f"SOFTMETAL_{part}") or str(HERE / name) for part, name in (("KERNEL", "Image"), ("INITRD", "initrd"))
    ]
    for path in found:
        if not Path(path).exists():
            pytest.skip(f"no Debian kernel: {path} is missing; tools/guest_kernel.py fetches it")
    return found[0], found[1]
