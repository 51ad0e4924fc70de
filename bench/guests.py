"""What benches run that is fetched."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

TOOLS = Path(__file__).parent.parent / "tools"


@cache
def lab_guests() -> Path:
    """The folder with guests for labs: vmlinuz and initrd for QEMU, linux and initrd.uml for user-mode Linux.

    Ends the bench, with the reason, where they cannot be had.
    """
    return _made_by("lab_guests.py", "guests for labs")


@cache
def debian_kernel() -> Path:
    """The folder with Debian's riscv64 kernel (Image) and an initial file system for it (initrd), fetched the first time.

    Ends the bench, with the reason, where it cannot be had.
    """
    return _made_by("guest_kernel.py", "Debian's riscv64 kernel")


def _made_by(tool: str, what: str) -> Path:
    done = subprocess.run([sys.executable, str(TOOLS / tool)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{Path(sys.argv[0]).name}: needs {what}")
    return Path(done.stdout.strip())
