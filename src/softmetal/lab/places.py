"""Where a running lab has its sockets: a folder of the user's, with a name short enough for a socket's path."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from softmetal.lab.errors import LabError

LONGEST = 32
"""Bytes of a folder's name that leave room for the longest names of machine and hardware in a socket's path, of 107 bytes."""


def base() -> Path:
    """The folder of all labs of this user."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) < LONGEST and os.access(runtime, os.W_OK):
        found = Path(runtime) / "softmetal"
    else:
        found = Path("/tmp") / f"softmetal-{os.getuid()}"
    found.mkdir(mode=0o700, exist_ok=True)
    if found.stat().st_uid != os.getuid():
        raise LabError(f"{found} belongs to another user: remove it, or set XDG_RUNTIME_DIR")
    return found


def folder_of(file: Path) -> Path:
    """The folder of the lab that a file describes."""
    return base() / hashlib.blake2b(os.fsencode(file.resolve()), digest_size=5).hexdigest()


def running(folder: Path) -> bool:
    """Does a lab run there? What one left that was killed is removed."""
    try:
        fd = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    shutil.rmtree(folder, ignore_errors=True)
    return False


def lock(folder: Path) -> int:
    """Make the folder, and be the one lab that runs there: a descriptor that keeps it. Raises LabError."""
    running(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LabError("this lab is running already") from None
    return fd
