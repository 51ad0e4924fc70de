"""What a guest is made of, whatever runs it, and what it takes to start it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from softmetal.host.errors import HostError


class GuestError(HostError):
    """Why a guest cannot be run."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ENOEXEC, text)


@dataclass(frozen=True)
class Attached:
    """A piece of hardware that a guest uses, and the socket of the host layer where it is: `kind` is disk, card or serial."""

    name: str
    kind: str
    socket: Path
    mac: bytes = b""


@dataclass(frozen=True)
class Guest:
    """A machine for a hypervisor. Its main console is the process's standard input and output."""

    name: str
    folder: Path
    """For its sockets; short, for a socket's path has 107 bytes at most."""
    memory: int = 256 << 20
    cpus: int = 1
    arch: str = "x86_64"
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    disk: str = ""
    iso: str = ""
    floppy: str = ""
    root: str = ""
    """A folder of the host as root file system (user-mode Linux)."""
    legacy: bool = False
    """The system has no virtio drivers."""
    attached: list[Attached] = field(default_factory=list)


@dataclass(frozen=True)
class Launch:
    """How a guest is started: a command, additions to the environment, the socket by which it is controlled, and why so."""

    command: list[str]
    environment: dict[str, str]
    control: Path | None
    why: list[str]


def program(names: tuple[str, ...], package: str) -> str:
    """The first of some programs that the host has. Raises GuestError, with the package that has it."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise GuestError(f"{names[0]} is not installed: install the package {package}")


def version(command: str, least: tuple[int, ...]) -> tuple[int, ...]:
    """A program's version. Raises GuestError where it is older than `least`, or says none."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GuestError(f"{command} does not run: {error}") from None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    if not found:
        raise GuestError(f"{command} says no version: {(done.stdout + done.stderr).strip()[:200]!r}")
    made = tuple(int(part) for part in found.groups(default="0"))
    if made < least:
        raise GuestError(f"{command} is version {'.'.join(map(str, made))}; {'.'.join(map(str, least))} or later is needed")
    return made


def readable(what: str, path: str) -> str:
    """The absolute path of a file that has to be there. Raises GuestError."""
    if os.path.isdir(path):
        raise GuestError(f"{what} {path}: is a folder")
    if not os.access(path, os.R_OK):
        raise GuestError(f"{what} {path}: {'may not be read' if os.path.exists(path) else 'there is no such file'}")
    return os.path.abspath(path)
