"""Recordings, read and run again: the machine gets the recorded inputs, and is compared at each checkpoint."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from softmetal.machine.computer import of_key
from softmetal.machine.errors import Diverged
from softmetal.machine.inputs import Input
from softmetal.machine.machine import Machine
from softmetal.machine.record import (
    CRC,
    END,
    HEAD,
    INPUT,
    MAGIC,
    PLACE,
    RECORD,
    START,
    WAITED,
    Checkpoint,
    RecordingError,
    digest,
    layout_digest,
)
from softmetal.machine.stop import FOREVER, Stop


class RecordedShare:
    """A directory that was shared when a recording was made: its answers are in the recording."""

    path, read_only = "", True

    def __init__(self, tag: str) -> None:
        self.tag = tag

    def handle(self, message: bytes, room: int) -> bytes:
        """Answers EIO: there is no directory."""
        return struct.pack("<IBHI", 11, 7, int.from_bytes(message[5:7], "little"), 5)

    def fork(self) -> RecordedShare:
        """Another of the kind."""
        return RecordedShare(self.tag)

    def state(self) -> Any:
        """Nothing is open."""
        return (0, ())

    def restore(self, state: Any) -> list[str]:
        """Nothing has to be opened."""
        return []

    def close(self) -> None:
        """Nothing is open."""


class Recording:
    """A recording, read from its file. Raises RecordingError."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise RecordingError(f"recording {path}: {error.strerror}") from None
        self.inputs: list[Input] = []
        self.checkpoints: list[Checkpoint] = []
        self.head: dict[str, Any] = {}
        self.start = b""
        self.whole = False
        self.end = Input(0, 0, False, "end", b"")
        """Where it ends."""
        if data[: len(MAGIC)] != MAGIC:
            raise RecordingError(f"recording {path}: not a recording, or one of another version")
        at, crc = len(MAGIC), 0
        while at + RECORD.size <= len(data):
            kind, length = RECORD.unpack_from(data, at)
            end = at + RECORD.size + length
            if end + CRC.size > len(data):
                break
            crc = zlib.crc32(data[at:end], crc)
            if CRC.unpack_from(data, end)[0] != crc:
                raise RecordingError(f"recording {path}: altered: the checksum at byte {end} does not fit")
            self._take(kind, data[at + RECORD.size : end])
            at = end + CRC.size
        if not self.checkpoints:
            raise RecordingError(f"recording {path}: truncated in its header")

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == HEAD:
            self.head = json.loads(payload)
            return
        if kind == START:
            self.start = payload
            return
        position, clock, flags = PLACE.unpack_from(payload)
        rest = payload[PLACE.size :]
        waited = bool(flags & WAITED)
        if kind == INPUT:
            name = rest[1 : 1 + rest[0]].decode()
            self.inputs.append(Input(position, clock, waited, name, rest[1 + rest[0] :]))
        else:
            self.checkpoints.append(Checkpoint(position, clock, rest.hex()))
            self.whole = kind == END
        self.end = Input(position, clock, waited, "end", b"")

    def check(self) -> None:
        """Check that all files are unchanged. Raises RecordingError."""
        if self.head["layout"] != layout_digest(of_key(self.head["computer"])):
            raise RecordingError(
                f"recording {self.path}: made by softmetal {self.head['version']}, whose board differs; record again"
            )
        named = [(part, path, had) for part, (path, had) in self.head["files"].items()]
        for what, path, had in named + [("disk", path, had) for path, _, had in self.head["disks"]]:
            try:
                if digest(path) != had:
                    raise RecordingError(f"{what} {path}: changed since the recording was made")
            except OSError as error:
                raise RecordingError(f"{what} {path}: {error.strerror}; the recording needs it as it was") from None

    @property
    def disks(self) -> list[str]:
        """The disks that its machine had, as `open_disk` takes them."""
        return [f"{path},{kind}" for path, kind, _ in self.head["disks"]]

    def machine(
        self, disks: Sequence[Any] = (), *, engine: str = "native", progress: Callable[[str], None] | None = None
    ) -> Machine:
        """Its machine where the recording begins, following it. `disks`: those that `self.disks` names, opened."""
        self.check()
        shares = tuple(RecordedShare(tag) for tag in self.head["shares"])
        if self.start:
            handle, path = tempfile.mkstemp()
            try:
                with open(handle, "wb") as file:
                    file.write(self.start)
                made = Machine.load(path, disks=disks, shares=shares, engine=engine, progress=progress)
            finally:
                os.unlink(path)
        else:
            parts = self.head["parts"] | {part: path for part, (path, _) in self.head["files"].items()}
            computer = of_key(self.head["computer"]).of_parts(parts, disks=tuple(disks), shares=shares)
            made = Machine(computer, engine=engine, progress=progress)
        made.waiting.clear()  # these inputs are in the recording
        made.follow([*self.inputs, self.end], bound=True)
        return made


class Checker:
    """Compares a machine that follows a recording with it. Raises Diverged where it differs."""

    def __init__(self, recording: Recording, machine: Machine, report: Callable[[Checkpoint], None] | None = None) -> None:
        self.machine, self.report, self._whole = machine, report, recording.whole
        self._left = list(reversed([c for c in recording.checkpoints if c.position >= machine.position]))
        self.good: Checkpoint | None = None
        """The last checkpoint at which the hash was as recorded."""
        machine.observers.append(self)
        self.next = machine.position
        self.reached()

    follows_back = True

    def entered(self, item: Input) -> None:
        """See `Observer`."""

    def reached(self) -> None:
        """See `Observer`."""
        while self._left and self._left[-1].position <= self.machine.position and not self._later(self._left[-1]):
            expected = self._left.pop()
            found = self.machine.hash()
            if expected.position != self.machine.position or found != expected.hash:
                since = f"after position {self.good.position} where the hashes were equal" if self.good else "at its beginning"
                raise Diverged(
                    expected.position,
                    f"the replay differs at position {self.machine.position}: hash {found}, recorded {expected.hash};"
                    f" the difference arose {since}",
                )
            self.good = expected
            if self.report:
                self.report(expected)
        self.next = self._left[-1].position if self._left and self._left[-1].position > self.machine.position else FOREVER

    def _later(self, checkpoint: Checkpoint) -> bool:
        """Is it the end's, and the machine not yet there?"""
        return self._whole and len(self._left) == 1 and not self.machine.at_end


def replay(
    recording: Recording, machine: Machine, until: int | None = None, report: Callable[[Checkpoint], None] | None = None
) -> Stop:
    """Run a machine of a recording to its end, or to a position, and compare it at each checkpoint. Raises Diverged."""
    checker = Checker(recording, machine, report)
    try:
        while True:
            here = machine.position
            stop = machine.run(insns=None if until is None else max(0, until - here))
            if stop is Stop.RESET and machine.position == here:
                raise Diverged(here, f"at position {here} the guest waits for a reset, which it did not when recorded")
            if stop in (Stop.OFF, Stop.FAILED):
                raise Diverged(
                    machine.position, f"the guest powers off at position {machine.position}, which it did not when recorded"
                )
            if stop is Stop.END:
                checker.reached()
            if stop is not Stop.RESET:
                return stop
    finally:
        machine.observers.remove(checker)
