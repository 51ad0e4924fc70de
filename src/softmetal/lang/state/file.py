"""State files: a snapshot, and bytes of its owner's, in one file that another process or host can open.

    header    magic, version, length of the file, BLAKE2b-256 digest of all that follows
    sections  kind, length of the name, size, packed size; the name; Zstandard-compressed bytes

A section of pages is a count, as many offsets, as many pages. All numbers are little-endian, as the state itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from softmetal.lang.mapping import PAGE, Image
from softmetal.lang.state.snapshot import Snapshot, StateError, check

MAGIC = b"softmetal state\n"
VERSION = 1
HEADER = struct.Struct("<16s I Q 32s")
SECTION = struct.Struct("<B H Q Q")
BOARD, LAYOUT, BLOCK, PAGES, EXTRA = range(1, 6)
BATCH = 256
"""Pages in a section."""


def _zstd() -> Any:
    """Zstandard: loaded only when a file is, and in Python itself from 3.14 on."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


class Saved(NamedTuple):
    """What a state file holds."""

    snapshot: Snapshot
    extras: dict[str, bytes]


def save(snap: Snapshot, path: str | os.PathLike[str], extras: Mapping[str, bytes] | None = None) -> None:
    """Write a state file: all of it, or, where that fails, nothing; a file of that name is replaced."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w+b") as file:
            _write(file, snap, extras or {})
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _write(file: IO[bytes], snap: Snapshot, extras: Mapping[str, bytes]) -> None:
    file.write(bytes(HEADER.size))
    digest, zstd = hashlib.blake2b(digest_size=32), _zstd()
    for kind, name, data in _sections(snap, extras):
        packed, title = zstd.compress(data, 1), name.encode()
        for part in (SECTION.pack(kind, len(title), len(data), len(packed)), title, packed):
            digest.update(part)
            file.write(part)
    length = file.tell()
    file.seek(0)
    file.write(HEADER.pack(MAGIC, VERSION, length, digest.digest()))


def _sections(snap: Snapshot, extras: Mapping[str, bytes]) -> Iterator[tuple[int, str, bytes]]:
    yield BOARD, "", snap.board.encode()
    yield LAYOUT, "", "\n".join(snap.layout).encode()
    yield BLOCK, "", snap.block
    pages = snap.each_page()
    while batch := list(itertools.islice(pages, BATCH)):
        offsets = struct.pack(f"<{1 + len(batch)}Q", len(batch), *(at for at, _ in batch))
        yield PAGES, "", offsets + b"".join(page for _, page in batch)
    for name, data in extras.items():
        yield EXTRA, name, data


def load(path: str | os.PathLike[str], cls: type | None = None) -> Saved:
    """Read a state file. Raises StateError, in one line, where it is not whole, or (given a class) of another board."""
    data = memoryview(Path(path).read_bytes())
    try:
        return _read(data, cls)
    except StateError as error:
        raise StateError(f"{os.fspath(path)}: {error}") from None


def _read(data: memoryview, cls: type | None) -> Saved:
    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise StateError("this is no state file")
    if len(data) < HEADER.size:
        raise StateError("the file ends inside its header")
    _, version, length, digest = HEADER.unpack_from(data)
    if version != VERSION:
        raise StateError(f"the file is of version {version}, this softmetal reads version {VERSION}: save the state again")
    if len(data) < length:
        raise StateError(f"the file is truncated: it has {len(data)} of {length} bytes")
    if len(data) > length or hashlib.blake2b(data[HEADER.size :], digest_size=32).digest() != digest:
        raise StateError("the file was altered: its checksum does not fit")
    parts: dict[int, bytes] = {}
    extras: dict[str, bytes] = {}
    image = None
    try:
        for kind, name, part in _parts(data[HEADER.size :]):
            if kind == PAGES:
                image = image or Image(0)
                _put(image, part)
            elif kind == EXTRA:
                extras[name] = part
            else:
                parts[kind] = part
        board, lines, block = parts[BOARD].decode(), tuple(parts[LAYOUT].decode().split("\n")), parts[BLOCK]
    except (KeyError, OSError, OverflowError, UnicodeDecodeError, struct.error, _zstd().ZstdError) as error:
        raise StateError(f"the file is damaged: {error}") from None
    if cls is not None:
        check(cls, board, lines)
    return Saved(Snapshot(board, lines, block, image, {}), extras)


def _parts(data: memoryview) -> Iterator[tuple[int, str, bytes]]:
    """Kind, name and content of each section."""
    at, zstd = 0, _zstd()
    while at < len(data):
        kind, title, size, packed = SECTION.unpack_from(data, at)
        start = at + SECTION.size + title
        at = start + packed
        unpacker = zstd.ZstdDecompressor()
        found = unpacker.decompress(data[start:at], size)
        if len(found) != size or not unpacker.eof:
            raise StateError("the file is damaged: a section has another size than it says")
        yield kind, bytes(data[start - title : start]).decode(), found


def _put(image: Image, part: bytes) -> None:
    (number,) = struct.unpack_from("<Q", part)
    first = 8 + 8 * number
    if number > BATCH or len(part) != first + number * PAGE:
        raise StateError("the file is damaged: pages are missing")
    offsets = struct.unpack_from(f"<{number}Q", part, 8)
    start = 0
    for i in range(1, number + 1):  # pages that lie side by side are written at once
        if i == number or offsets[i] != offsets[i - 1] + PAGE:
            image.write(offsets[start], part[first + start * PAGE : first + i * PAGE])
            start = i
