"""One of our own machines in a lab: its console is standard input and output, its hardware the host layer's.

    python -m softmetal.lab.ours PLAN      PLAN: JSON, see `Parts`

Machine time does not run ahead of the wall clock. What comes from outside enters through the machine's ports, stamped as ever.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from softmetal.computers.riscv_virt import Virt
from softmetal.host.disks import open_disk
from softmetal.host.disks.disk import FileDisk
from softmetal.host.errors import HostError
from softmetal.host.nbd import NbdBase
from softmetal.machine.errors import LoadError, MachineError
from softmetal.machine.machine import Machine
from softmetal.machine.stop import Stop

SLICE = 4_000_000
"""Instructions between two looks at the outside world."""
CALLS = 16
IDLE = 0.01
"""Seconds for which an idle machine's process sleeps at most."""
PIECE = 1 << 18
PATIENCE = 60.0
"""Seconds that a disk waits for a host layer that was killed."""
RETRY = 0.05
"""Seconds between two looks for it, for other cables."""


@dataclass
class Parts:
    """What the machine is made of: `disks` are images, `exports` sockets of disks, `card` and `serial` sockets."""

    name: str
    memory: int
    cpus: int = 1
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    disks: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    card: str = ""
    mac: str = ""
    serial: str = ""


class Pipe:
    """A descriptor to which bytes go as it takes them."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.held = bytearray()
        os.set_blocking(fd, False)

    def put(self, data: bytes) -> None:
        """Send bytes, after those that wait."""
        self.held += data
        self.push()

    def push(self) -> None:
        """Send what waits."""
        try:
            while self.held:
                del self.held[: os.write(self.fd, self.held)]
        except BlockingIOError:
            pass
        except OSError:  # nobody is there any more
            self.held.clear()


class Cable(Pipe):
    """A socket of the host layer; it is connected again when there is another host layer. `came` takes what it sends."""

    def __init__(self, path: str, selector: selectors.BaseSelector, came: Callable[[bytes], object]) -> None:
        self.path, self.selector, self.came = path, selector, came
        super().__init__(self._connect())
        self.next_try = 0.0

    def _connect(self) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(self.path)
        except OSError as error:
            sock.close()
            raise HostError(error.errno or 0, f"{self.path}: {error.strerror}") from None
        fd = sock.detach()
        self.selector.register(fd, selectors.EVENT_READ, self.readable)
        return fd

    def readable(self, fd: int) -> None:
        """Take what has come."""
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.came(data)
            return
        self.selector.unregister(fd)
        os.close(fd)
        self.fd = -1
        self.held.clear()
        self.came(b"")

    def check(self) -> None:
        """Look for another host layer, if the last one is gone."""
        if self.fd >= 0 or time.monotonic() < self.next_try:
            return
        try:
            self.fd = self._connect()
            os.set_blocking(self.fd, False)
        except HostError:
            self.next_try = time.monotonic() + RETRY


class Runner:
    """The machine and its cables."""

    def __init__(self, parts: Parts) -> None:
        disks: list[Any] = [open_disk(spec) for spec in parts.disks]
        disks += [FileDisk(NbdBase(path, os.path.basename(path), PATIENCE)) for path in parts.exports]
        given: dict[str, Any] = {"memory": parts.memory, "cpus": parts.cpus, "disks": disks}
        if parts.card:
            given |= {"network": True, "mac": bytes.fromhex(parts.mac)}
        self.disks = disks
        computer = Virt(kernel=parts.kernel, initrd=parts.initrd, append=parts.append, **given)
        self.machine = Machine(computer, progress=lambda text: print(text, file=sys.stderr, flush=True))
        self.selector = selectors.DefaultSelector()
        self.out = Pipe(1)
        self.machine.console.on_output = self.out.put
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, self._typed)
        self.card = self._cable(parts.card, self._frames)
        self.serial = self._cable(parts.serial, self._serial)
        self.held = bytearray()
        if self.serial is not None:
            self.machine.consoles["hvc"].on_output = self.serial.put

    def _cable(self, path: str, came: Callable[[bytes], object]) -> Cable | None:
        return Cable(path, self.selector, came) if path else None

    def _typed(self, fd: int) -> None:
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return
        if data:
            self.machine.send(data)
        else:
            self.selector.unregister(fd)

    def _serial(self, data: bytes) -> None:
        self.machine.consoles["hvc"].send(data)

    def _frames(self, data: bytes) -> None:
        if not data:  # the cable is pulled out: half a frame is none
            self.held.clear()
        self.held += data
        at = 0
        while len(self.held) - at >= 4:
            size = int.from_bytes(self.held[at : at + 4], "little")
            if len(self.held) - at < 4 + size:
                break
            self.machine.post("net", bytes(self.held[at + 4 : at + 4 + size]))
            at += 4 + size
        del self.held[:at]

    def look(self, wait: float) -> None:
        """Exchange what there is with the outside world; wait so many seconds at most."""
        if self.card is not None and self.machine.sent:
            sent, self.machine.sent = self.machine.sent, []
            self.card.put(b"".join(len(r).to_bytes(4, "little") + r for r in sent))
        for pipe in (self.out, self.card, self.serial):
            if pipe is not None and pipe.held:
                pipe.push()
        for cable in (self.card, self.serial):
            if cable is not None:
                cable.check()
        for key, _ in self.selector.select(wait):
            key.data(key.fd)

    def run(self) -> int:
        """Until the guest powers off; the exit code."""
        machine, hz = self.machine, self.machine.computer.hz
        began, zero, wait, seen = time.monotonic(), machine.clock, 0.0, 0
        while True:
            self.look(wait)
            wait = 0.0
            horizon = zero + int((time.monotonic() - began) * hz)
            stop = None
            last = machine.position + SLICE
            for _ in range(CALLS):
                stop = machine.advance(last - machine.position, horizon)
                if stop is not None or machine.position == last:
                    break
            for line in machine.warnings[seen:]:
                print(line, file=sys.stderr, flush=True)
            seen = len(machine.warnings)
            behind = horizon - machine.clock
            match stop:
                case Stop.TIME:
                    wait = IDLE
                    if behind > hz // 20:
                        zero -= behind
                case Stop.OFF:
                    return 0
                case Stop.FAILED:
                    return min(machine.computer.exit_code(machine.board), 255) or 1
                case Stop.RESET:
                    machine.reset()
                case Stop.IDLE:
                    wait = 1.0  # only something from outside can wake it
                case _:
                    if behind > hz // 10:  # it is slower than the wall clock: do not catch up
                        zero -= behind

    def close(self) -> None:
        """Let go of the disks."""
        self.look(0)
        for disk in self.disks:
            disk.close()


def main() -> int:
    """See the module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        runner = Runner(Parts(**json.loads(sys.argv[1])))
    except (HostError, LoadError, MachineError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        return runner.run()
    finally:
        runner.close()


if __name__ == "__main__":
    sys.exit(main())
