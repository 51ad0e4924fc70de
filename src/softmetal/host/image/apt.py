"""Debian's packages, for another architecture than the host's.

apt resolves and downloads them, and checks them against Debian's keys, in a folder of its own: it touches neither the host's
packages nor its settings.
"""

from __future__ import annotations

import errno
import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from softmetal.host.errors import HostError

KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")

Progress = Callable[[str, int, int], None]
"""Takes how far a step is: its name, done, all."""


class ImageError(HostError):
    """Why an image cannot be made."""


def run(command: list[str], doing: str) -> str:
    """The output of a tool. Its last lines are the error's text."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )  # fmt: skip
    if done.returncode:
        raise ImageError(errno.EIO, f"{doing} failed: {reason(done.stdout)}")
    return done.stdout


def reason(output: str) -> str:
    """Why a tool failed, in one line, out of all that it printed."""
    lines = [" ".join(re.sub(r"\[IP: [^]]*\]", "", line).split()) for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "mke2fs:", "dpkg-deb: error"))]
    if len(errors) > 1:  # apt's last one only says that there were others
        errors = [line for line in errors if not line.startswith("E: Some index files failed")]
    return "; ".join(line.removeprefix("E: ") for line in errors or lines[-3:])


TOOLS = {"apt-get": "apt", "dpkg-deb": "dpkg", "mke2fs": "e2fsprogs"}
"""Programs of the host that images are made with, and the packages that have them."""


def missing_tools(*tools: str) -> list[str]:
    """The packages that the host lacks for these tools."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [TOOLS[tool] for tool in tools if not shutil.which(tool, path=path)]


def host_mirror() -> str:
    """The Debian mirror that SOFTMETAL_MIRROR names, or the first one that the host's own apt is set up for."""
    named = os.environ.get("SOFTMETAL_MIRROR")
    if named:
        return named
    for source in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if source.suffix not in (".list", ".sources") or not source.is_file():
            continue
        for line in source.read_text(errors="replace").splitlines():
            found = re.match(r"\s*(?:URIs:|deb\s+(?:\[[^]]*\]\s+)?)\s*(\S+/debian)/?(?:\s|$)", line)
            if found:
                return found[1]
    raise ImageError(errno.ENOENT, "this host's apt knows no Debian mirror: give one with --mirror URL or SOFTMETAL_MIRROR")


class Apt:
    """apt in a folder of its own, for one suite. What it downloads stays in `archives`, under the packages' own names."""

    def __init__(self, state: Path, archives: Path, architecture: str, suite: str, mirror: str) -> None:
        state, archives = state.resolve(), archives.resolve()  # apt looks for relative names under /
        self.state, self.archives = state, archives
        for folder in (state / "lists/partial", state / "none/partial", archives / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        keyring = next((k for k in KEYRINGS if Path(k).exists()), None)
        signed = f" signed-by={keyring}" if keyring else ""
        (state / "sources.list").write_text(f"deb [arch={architecture}{signed}] {mirror} {suite} main\n")
        self.command = [
            "apt-get", "-q", "-y", f"-oAPT::Architecture={architecture}", f"-oAPT::Architectures={architecture}",
            f"-oDir::State={state}", f"-oDir::State::status={state}/status", f"-oDir::Cache={state}/cache",
            f"-oDir::Cache::archives={archives}", f"-oDir::Etc::sourcelist={state}/sources.list",
            f"-oDir::Etc::sourceparts={state}/none", f"-oDir::Etc::preferencesparts={state}/none",
            "-oAPT::Sandbox::User=", "-oAPT::Install-Recommends=false", "-oDebug::NoLocking=true",
            "-oAcquire::Languages=none", "-oAcquire::Retries=3",
        ]  # fmt: skip
        run([*self.command, "update"], f"fetching the index of {suite} from {mirror}")

    def fetch(self, packages: list[str], progress: Progress) -> list[Path]:
        """The files of these packages and of all that they need. `?essential` is a name, too."""
        empty = f"-oDir::Cache::archives={self.state}/none"  # only what is not there yet is printed
        listed = run([*self.command, empty, "--print-uris", "install", *packages], "choosing packages")
        wanted = {m[1]: int(m[2]) for m in re.finditer(r"^'[^']*' (\S+\.deb) (\d+)", listed, re.M)}
        total = sum(wanted.values())
        process = subprocess.Popen(
            [*self.command, "--download-only", "install", *packages],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        while True:
            try:
                _, said = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                files = (folder / name for name in wanted for folder in (self.archives, self.archives / "partial"))
                progress("fetching packages", min(total, sum(f.stat().st_size for f in files if f.exists())), total)
        if process.returncode:
            raise ImageError(errno.EIO, f"fetching packages failed: {reason(said)}")
        progress("fetching packages", total, total)
        missing = [name for name in wanted if not (self.archives / name).exists()]
        if missing:
            raise ImageError(errno.EIO, f"fetching packages failed: apt did not bring {', '.join(sorted(missing))}")
        return sorted(self.archives / name for name in wanted)


def inflate(package: Path, target: Path) -> None:
    """The package with its data not compressed: the host does that work many times faster than the guest.

    A package is an ar archive (deb(5)); each member has a header of 60 bytes and begins at an even place.
    """
    data = package.read_bytes()
    if data[:8] != b"!<arch>\n":
        raise ImageError(errno.EINVAL, f"{package.name}: not a Debian package")
    out = bytearray(data[:8])
    at = 8
    while at + 60 <= len(data):
        header, size = data[at : at + 60], int(data[at + 48 : at + 58])
        content = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
        if header.startswith(b"data.tar.xz"):
            content = lzma.decompress(content)
            header = b"data.tar".ljust(16) + header[16:48] + b"%-10d" % len(content) + header[58:]
        out += header + content + b"\n" * (len(content) % 2)
    target.write_bytes(out)


def unpack(package: Path, folder: Path) -> None:
    """A package's files; none of its scripts runs."""
    run(["dpkg-deb", "-x", str(package), str(folder)], f"unpacking {package.name}")
