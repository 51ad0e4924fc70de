"""The cache of compiled code, in the user's cache directory.

An entry's file name is a digest of what was asked for (board, engine, versions, host CPU). The entry holds the digests
of the compiler, of all source files it was made from and of the constants in it, the facts and code, and a checksum of
itself; one that does not match, for whatever reason, is built anew in its place. Entries are written to the side and
renamed, so processes may start at once.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import linecache
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from softmetal.lang.progress import shown

VERSION = 1
MAGIC = b"softmetal code\n"


@dataclass
class Compiled:
    """Object code, what else has to be known to use it, and the digests of its sources."""

    code: bytes
    facts: dict[str, Any]
    sources: dict[str, str]


def digest_of(filename: str) -> str:
    """The digest of a source file, or of a constant ("=module:name"), as it is now ("" if it is gone)."""
    if filename.startswith("="):
        module, _, name = filename[1:].partition(":")
        try:
            value: Any = sys.modules[module]
            for part in name.split("."):
                value = getattr(value, part)
        except (KeyError, AttributeError):
            return ""
        return hashlib.sha256(repr(value).encode()).hexdigest()
    try:
        with open(filename, "rb") as file:
            data = file.read().replace(b"\r\n", b"\n")
        data += b"\n" if data and not data.endswith(b"\n") else b""
        return hashlib.sha256(data).hexdigest() if data else ""
    except OSError:
        return _digest_of_text(filename)


def _digest_of_text(filename: str) -> str:
    """The digest of a source file as the compiler has read it, which may be another than on the disk by now."""
    lines = linecache.getlines(filename)
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def sources_of(program: Any) -> dict[str, str]:
    """The files from which a program's functions come, and all that these import of the same packages; its constants too,

    for a constant need not be written as such: `LINES = int(os.environ["LINES"])`."""
    todo = {f.key[0].__module__ for f in program.functions.values()}
    todo |= {c.cls.__module__ for f in program.functions.values() for _, c in f.chips}
    files = {f.key[0].__code__.co_filename for f in program.functions.values()}
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        filename = getattr(module, "__file__", None)
        if name in seen or not filename or _foreign(filename):
            continue
        seen.add(name)
        files.add(filename)
        for node in ast.walk(ast.parse("".join(linecache.getlines(filename)))):
            if isinstance(node, ast.ImportFrom):
                home = _imported_from(module, node)
                todo |= {home, *(f"{home}.{a.name}" for a in node.names)}
            elif isinstance(node, ast.Import):
                todo |= {a.name for a in node.names}
    made = {f: _digest_of_text(f) for f in sorted(files)}
    constants = {f"={module}:{name}" for module, name in program.constants if "<locals>" not in name}
    return made | {c: digest_of(c) for c in sorted(constants)}


def _imported_from(module: Any, node: ast.ImportFrom) -> str:
    """The full name of the module that `from ... import` names."""
    if not node.level:
        return node.module or ""
    package = (getattr(module, "__package__", None) or "").split(".")
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def identity(cls: type) -> tuple[str, ...]:
    """What distinguishes a chip class from others of its name: two scripts are both `__main__`, a function may make several."""
    from softmetal.lang.chip import layout

    fields = hashlib.sha256(repr(layout(cls)).encode()).hexdigest()
    methods = [m for base in cls.__mro__ for m in base.__dict__.get("__hw_methods__", {}).values()]
    return cls.__module__, cls.__qualname__, fields, *sorted({m.__code__.co_filename for m in methods})


def _foreign(filename: str) -> bool:
    return "site-packages" in filename or filename.startswith(os.path.dirname(os.__file__))


TABLES = ("decoding", "step", "table", "tree")
"""What of `softmetal.isa` decides how a table is compiled."""


@cache
def compiler_digest() -> str:
    """The digest of this compiler."""
    here = Path(__file__).parent
    files = sorted(
        [*here.rglob("*.py"), *(here.parent / "engines").rglob("*.py"), *(here.parent / "isa" / f"{n}.py" for n in TABLES)]
    )
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


@cache
def host_digest() -> str:
    """What the host's CPU is, and the version of LLVM. (Importing llvmlite alone does not load LLVM.)"""
    import platform

    import llvmlite

    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            cpu = "".join(sorted({line for line in file.read().split("\n\n")[0].splitlines() if _describes(line)}))
    except OSError:
        cpu = platform.processor()
    return "|".join((llvmlite.__version__, platform.machine(), sys.platform, cpu))


def _describes(line: str) -> bool:
    return line.split("\t")[0] in ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part")


def directory() -> Path:
    """Where the cache lies; `SOFTMETAL_CACHE` names another place."""
    import platformdirs

    return Path(os.environ.get("SOFTMETAL_CACHE") or platformdirs.user_cache_dir("softmetal"))


def read(path: Path) -> Compiled | None:
    """An entry, if it is whole and its sources are as they were."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[len(MAGIC) + 32 :]
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(body).digest() != data[len(MAGIC) : len(MAGIC) + 32]:
        return None
    head, _, code = body.partition(b"\n")
    fields = json.loads(head)
    if fields["compiler"] != compiler_digest() or any(digest_of(f) != d for f, d in fields["sources"].items()):
        return None
    return Compiled(code, fields["facts"], fields["sources"])


def write(path: Path, made: Compiled) -> None:
    """Store an entry; a cache that cannot be written to is no error."""
    body = json.dumps({"compiler": compiler_digest(), "facts": made.facts, "sources": made.sources}).encode() + b"\n" + made.code
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + hashlib.sha256(body).digest() + body)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)


def cached(what: tuple[Any, ...], build: Callable[[], Compiled], doing: str = "") -> Compiled:
    """The compiled form of `what`, from the cache or built now; `doing` is what a terminal shows if that takes long."""
    key = repr((VERSION, what, sys.version_info[:2], str(Path(__file__).parent), host_digest()))
    path = directory() / (hashlib.sha256(key.encode()).hexdigest()[:40] + ".bin")
    found = read(path)
    if found is None:
        with shown(doing) if doing else contextlib.nullcontext():
            found = build()
        write(path, found)
    return found
