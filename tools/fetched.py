"""What a tool makes once: a folder, made anew when the tool has changed, by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from softmetal.host.image.apt import ImageError

GUEST = Path(__file__).resolve().parent.parent / ".guest"


def once(folder: Path, what: str, build: Callable[[Path, Path], None]) -> None:
    """Print the path of a folder, which `build(folder, room to work in)` makes unless it is there from the same `what`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(what.encode()).hexdigest()
    stamp = folder.with_name(folder.name + ".stamp")
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder.is_dir() and stamp.is_file() and stamp.read_text() == key):
            try:
                build(folder, folder.with_name(folder.name + ".apt"))
            except ImageError as error:
                sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
            stamp.write_text(key)
    print(folder)
