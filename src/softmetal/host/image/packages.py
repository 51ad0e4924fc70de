"""Debian packages, fetched once and kept on this computer.

Suites are tried in turn: a mirror whose index of one suite does not match its signed Release file may have another one whole.
What was fetched lies in the user's cache folder and is used again for as long as it is whole; then no mirror is asked.

    debian/packages/NAME.deb       as the mirror has them
    debian/lists/KEY.json          what a request came to: the suite, and each package with its size and SHA-256

apt has checked each package against Debian's keys when it came; from then on its digest stands for that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from softmetal.host.image.apt import Apt, ImageError, Progress, host_mirror
from softmetal.lang import cache

SUITES = ("trixie", "forky", "sid")
"""Debian's releases with riscv64, in the order in which they are tried."""

Notice = Callable[[str], None]
"""Takes a line for the user."""


class Fetched(NamedTuple):
    """Packages of one suite."""

    suite: str
    groups: list[list[Path]]
    """The files of each group that was asked for, with all that it needs."""


def store() -> Path:
    """Where packages are kept."""
    return cache.directory() / "debian"


def fetch(
    groups: Sequence[Sequence[str]], *, architecture: str = "riscv64", suite: str | None = None, suites: Sequence[str] = SUITES,
    mirror: str | None = None, newest: bool = False, progress: Progress = lambda *_: None, notice: Notice = lambda _: None,
) -> Fetched:  # fmt: skip
    """The packages of each group and all that they need, from one suite: `suite`, or the first of `suites` that is available.

    Packages that are kept and intact are taken without a mirror; with `newest` only if no mirror answers. `notice` is called
    for each suite that is not available. Raises ImageError, with the reason for each suite.
    """
    suites = (suite,) if suite else suites
    requests = {s: request(groups, architecture, s) for s in suites}
    with locked(store()):
        if not newest:
            for each, path in requests.items():
                if found := kept(path):
                    return Fetched(each, found)
        reasons = []
        for each, path in requests.items():
            try:
                found = download(groups, architecture, each, mirror or host_mirror(), progress)
            except OSError as error:  # the store's disk may be full, too
                reasons.append(f"Debian {each} is not available: {error}")
                notice(reasons[-1])
                continue
            keep(path, each, found)
            return Fetched(each, found)
        for each, path in requests.items():
            if found := kept(path):
                notice(f"using the packages of Debian {each} that were fetched before")
                return Fetched(each, found)
    raise ImageError(errno.EIO, "; ".join(reasons))


def request(groups: Sequence[Sequence[str]], architecture: str, suite: str) -> Path:
    """The file with the list of a request's packages."""
    asked = json.dumps([architecture, suite, [list(group) for group in groups]])
    return store() / "lists" / f"{suite}-{hashlib.sha256(asked.encode()).hexdigest()[:20]}.json"


def download(groups: Sequence[Sequence[str]], architecture: str, suite: str, mirror: str, progress: Progress) -> list[list[Path]]:
    """Let apt bring what is not kept yet."""
    drop_damaged()
    with tempfile.TemporaryDirectory(prefix="apt.", dir=store()) as state:
        progress(f"fetching the index of Debian {suite}", 0, 1)
        apt = Apt(Path(state), store() / "packages", architecture, suite, mirror)
        return [apt.fetch(list(group), progress) for group in groups]


def keep(path: Path, suite: str, groups: list[list[Path]]) -> None:
    """Note what was fetched, and drop the packages that no request needs any more."""
    entries = [[[file.name, file.stat().st_size, digest(file)] for file in group] for group in groups]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"suite": suite, "groups": entries}))
    os.replace(fresh, path)
    needed = {name for made in lists() for group in made["groups"] for name, _, _ in group}
    for file in (store() / "packages").glob("*.deb"):
        if file.name not in needed:
            file.unlink()


def lists() -> Iterator[dict[str, Any]]:
    """All that is noted. A note that cannot be read is none."""
    for path in sorted((store() / "lists").glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            yield json.loads(path.read_text())


def kept(path: Path) -> list[list[Path]] | None:
    """The packages of a request, if all of them are kept and intact."""
    try:
        noted = json.loads(path.read_text())["groups"]
    except (OSError, ValueError, KeyError):
        return None
    return [[store() / "packages" / name for name, _, _ in group] for group in noted] if all(map(whole, noted)) else None


def whole(group: list[list[Any]]) -> bool:
    """Are these packages as they came?"""
    files = [(store() / "packages" / name, size, sha256) for name, size, sha256 in group]
    return all(f.is_file() and f.stat().st_size == size and digest(f) == sha256 for f, size, sha256 in files)


def drop_damaged() -> None:
    """Remove packages that are no longer as they came: apt itself looks at their sizes only."""
    for made in lists():
        for group in made["groups"]:
            for entry in group:
                if not whole([entry]):
                    (store() / "packages" / entry[0]).unlink(missing_ok=True)


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "w")  # noqa: SIM115
    except OSError as error:
        raise ImageError(
            error.errno or errno.EIO, f"{folder}: {error.strerror}; SOFTMETAL_CACHE names another folder for what is fetched"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
