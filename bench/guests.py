"""What benches run that is fetched."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

TOOLS = Path(__file__).parent.parent / "tools"


@cache
def debian_kernel() -> Path:
    """The folder with Debian's riscv64 kernel (Image) and an initial file system for it (initrd), fetched the first time.

    Ends the bench, with the reason, where it cannot be had.
    """
    done = subprocess.run([sys.executable, str(TOOLS / "guest_kernel.py")], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{Path(sys.argv[0]).name}: needs Debian's riscv64 kernel")
    return Path(done.stdout.strip())
