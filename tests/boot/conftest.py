"""Debian's riscv64 kernel and programs, as Debian ships them, for tests that boot and run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


class Kernel(NamedTuple):
    """The kernel, and an initial file system with a shell (/init) and an end (/off)."""

    image: str
    initrd: str


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """Debian's kernel, fetched the first time. SOFTMETAL_KERNEL_FOLDER names a folder that has it already."""
    folder = os.environ.get("SOFTMETAL_KERNEL_FOLDER", "")
    if not folder:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            pytest.skip("apt-get and dpkg-deb are needed to fetch Debian's riscv64 kernel")
        done = subprocess.run([sys.executable, str(TOOLS / "guest_kernel.py")], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no kernel: {done.stderr.strip().splitlines()[-1]}")
        folder = done.stdout.strip()
    return Kernel(f"{folder}/Image", f"{folder}/initrd")


@pytest.fixture(scope="session")
def root() -> Path:
    """The guest root, built the first time."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("apt-get and dpkg-deb are needed to fetch Debian's riscv64 packages")
    done = subprocess.run([sys.executable, str(TOOLS / "guest_root.py")], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no guest root: {done.stderr.strip().splitlines()[-1]}")
    return Path(done.stdout.strip())
