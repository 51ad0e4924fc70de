"""Recordings: a machine's inputs, and hashes on the way, in a file. (`replay` reads it.)

    magic, then records: kind, length, payload, CRC-32 of all of it and of the records before

A recording is written as the machine runs; if the process ends early, the part that was written is valid. Its first record
describes the machine, with digests of all files; it holds the state that it begins with, unless that is
power-on.
"""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from xxhash import xxh3_128

from softmetal import __version__
from softmetal.lang.state.snapshot import layout_lines
from softmetal.machine.computer import Computer, key
from softmetal.machine.errors import MachineError
from softmetal.machine.inputs import Input

if TYPE_CHECKING:
    from softmetal.machine.machine import Machine

MAGIC = b"softmetal log 2\n"
HEAD, START, INPUT, CHECKPOINT, END = range(1, 6)
RECORD = struct.Struct("<BI")
CRC = struct.Struct("<I")
PLACE = struct.Struct("<QQB")  # position, clock, flags: 1 = all harts had waited; then the length of the port's name
WAITED = 1


class RecordingError(MachineError):
    """A recording that cannot be written, read or replayed, in one line."""


def digest(path: str) -> str:
    """A digest of a file's content. Raises OSError."""
    found = xxh3_128()
    with open(path, "rb") as file:
        while piece := file.read(1 << 22):
            found.update(piece)
    return found.hexdigest()


def layout_digest(computer: type[Computer]) -> str:
    """A digest of the board's layout: recordings of different layouts cannot be compared."""
    return xxh3_128("\n".join(layout_lines(computer.board)).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """The machine's hash at a position, before anything entered there."""

    position: int
    clock: int
    hash: str


class Recorder:
    """Writes a recording of a machine from here on, until `close`."""

    follows_back = False

    def __init__(self, machine: Machine, path: str, every: int) -> None:
        for disk in machine.computer.disks:
            if disk.commits or (not disk.read_only and not disk.overlaid):
                raise RecordingError(
                    f"disk {disk.name}: its file is written directly, so a replay would find it changed; use {disk.name},overlay"
                )
        self.machine, self.path, self.every = machine, path, every
        self._from = machine.position
        head = describe(machine) | {"every": every, "position": machine.position}
        start = _saved(machine) if machine.position or machine.waited is not None else b""
        try:
            self._file: BinaryIO = open(path, "wb", buffering=0)  # noqa: SIM115  (it stays open)
        except OSError as error:
            raise RecordingError(f"recording {path}: {error.strerror}") from None
        self._crc = 0
        self._write_all(MAGIC)
        self._write(HEAD, json.dumps(head).encode())
        if start:
            self._write(START, start)
        self.next = machine.position
        self.reached()
        machine.observers.append(self)

    def _write(self, kind: int, payload: bytes) -> None:
        data = RECORD.pack(kind, len(payload)) + payload
        self._crc = zlib.crc32(data, self._crc)
        self._write_all(data + CRC.pack(self._crc))

    def _write_all(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view and not self._file.closed:
                view = view[self._file.write(view) :]
        except OSError as error:
            if self in self.machine.observers:
                self.machine.observers.remove(self)
            self._file.close()
            self.machine.warn(f"recording {self.path}: {error.strerror}; it ends at position {self.machine.position}")

    def _place(self) -> bytes:
        machine = self.machine
        return PLACE.pack(machine.position, machine.clock, WAITED if machine.waited is not None else 0)

    def entered(self, item: Input) -> None:
        """See `Observer`."""
        place = PLACE.pack(item.position, item.clock, WAITED if item.waited else 0)
        self._write(INPUT, place + bytes([len(item.port)]) + item.port.encode() + item.data)

    def reached(self) -> None:
        """See `Observer`."""
        self._write(CHECKPOINT, self._place() + bytes.fromhex(self.machine.hash()))
        self.next = self.machine.position - self.machine.position % self.every + self.every

    def close(self) -> None:
        """End the recording here. A second time does nothing."""
        if self in self.machine.observers:
            self.machine.observers.remove(self)
            self._write(END, self._place() + bytes.fromhex(self.machine.hash()))
            self._file.close()

    @property
    def summary(self) -> str:
        """Its contents, as a line for the user."""
        count = self.machine.position - self._from
        return f"{self.path}: {count} instructions recorded; run them again with: softmetal replay {self.path}"


def _saved(machine: Machine) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "start"
        machine.save(str(path))
        return path.read_bytes()


def describe(machine: Machine) -> dict[str, Any]:
    """The description of a machine in a recording."""
    computer = machine.computer
    files = {part: [str(Path(p).resolve()), digest(p)] for part, p in computer.files().items()}
    return {
        "version": __version__, "computer": key(type(computer)), "layout": layout_digest(type(computer)),
        "parts": computer.parts(), "files": files,
        "disks": [[str(Path(d.name).resolve()), _kind(d), digest(d.name)] for d in computer.disks],
        "shares": [s.tag for s in computer.shares],
    }  # fmt: skip


def _kind(disk: Any) -> str:
    """A disk's options, as `open_disk` takes them."""
    kind = "ro" if disk.read_only else "overlay"
    return f"raw,{kind}" if disk.raw else kind
