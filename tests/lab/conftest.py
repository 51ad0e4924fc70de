"""Guests for labs: Debian's kernels for riscv64 and amd64, and user-mode Linux, as the project's tools make them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def made_by(tool):
    """The folder that a tool makes; a skip with its reason where it cannot."""
    done = subprocess.run([sys.executable, TOOLS / tool], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


@pytest.fixture(scope="session")
def riscv():
    """A folder with Image and initrd."""
    return made_by("guest_kernel.py")


@pytest.fixture(scope="session")
def others():
    """A folder with vmlinuz and initrd for QEMU, linux and initrd.uml for user-mode Linux."""
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed (./dev setup installs it)")
    return made_by("lab_guests.py")


@pytest.fixture(scope="module", autouse=True)
def runtime():
    """Labs of these tests have a folder of their own, which is empty in the end."""
    folder = Path(tempfile.mkdtemp(prefix="sm-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder
    left = list((folder / "softmetal").glob("*")) if (folder / "softmetal").exists() else []
    shutil.rmtree(folder)
    assert left == [], "a lab has left something behind"
