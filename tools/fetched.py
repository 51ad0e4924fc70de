"""What a tool makes once from Debian's packages: a folder, kept in the user's cache folder for all clones, made anew when it is
no longer whole."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from softmetal.host.image.apt import ImageError, missing_tools
from softmetal.host.image.packages import SUITES, Fetched, fetch, locked
from softmetal.lang import cache

Build = Callable[[Fetched, Path], None]


def arguments(text: str | None) -> argparse.ArgumentParser:
    """The options that such tools share."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", nargs="?", type=Path, help="make it here (default: in the user's cache folder)")
    parser.add_argument("--suite", help="this suite of Debian only (default: the first that is available)")
    parser.add_argument("--mirror", help="a Debian mirror, instead of the one that apt uses here")
    return parser


def once(
    name: str, options: argparse.Namespace, groups: Sequence[Sequence[str]], build: Build, made_by: str, *,
    architecture: str = "riscv64", suites: Sequence[str] = SUITES,
) -> None:  # fmt: skip
    """Print the path of a folder: the one there is if it is whole and came from the same request, or a new one.

    `build(packages, folder)` fills an empty folder; `made_by` is the text of what does.
    """
    key = hashlib.sha256(repr((groups, options.suite, made_by)).encode()).hexdigest()
    folder = options.dir or cache.directory() / "guest" / f"{name}-{key[:12]}"
    tool = Path(sys.argv[0]).stem
    note = folder.with_name(folder.name + ".json")

    def say(text: str) -> None:
        print(f"{tool}: {text}", file=sys.stderr, flush=True)

    try:
        with locked(folder.parent):
            if not whole(folder, note, key):
                lacking = missing_tools("apt-get", "dpkg-deb")
                if lacking:
                    raise ImageError(2, f"this host lacks {', '.join(lacking)}: apt-get install {' '.join(lacking)}")
                say(f"fetching Debian's {architecture} packages")
                packages = fetch(
                    groups, architecture=architecture, suite=options.suite, suites=suites, mirror=options.mirror, notice=say
                )
                fresh = folder.with_name(folder.name + ".new")
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir()
                build(packages, fresh)
                if folder.exists():
                    shutil.rmtree(folder)
                fresh.rename(folder)
                note.write_text(json.dumps({"key": key, "suite": packages.suite, "files": inventory(folder)}))
                say(f"made of Debian {packages.suite}: {folder}")
    except ImageError as error:
        sys.exit(f"{tool}: {error}")
    print(folder)


def inventory(folder: Path) -> dict[str, int]:
    """All files and links below a folder, with their sizes."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(where, name)
            status = os.lstat(path)
            found[os.path.relpath(path, folder)] = -1 if os.path.isdir(path) else status.st_size
    return found


def whole(folder: Path, note: Path, key: str) -> bool:
    """Is the folder there, made from that, and nothing of it gone or cut? What was added does not matter."""
    try:
        noted = json.loads(note.read_text())
        there = inventory(folder)
        return bool(noted["key"] == key) and all(there.get(path) == size for path, size in noted["files"].items())
    except (OSError, ValueError, KeyError):
        return False
