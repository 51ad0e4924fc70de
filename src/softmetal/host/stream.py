"""A character device of the host that guests use one at a time: a serial port, an instrument, a pseudo-terminal.

Each guest has a line to it: a Unix socket, to which its emulator connects a serial port, or a virtio console. What it sends
while another guest holds the device waits: to the guest the device has not answered yet. What the device sends goes to the
holder; without one it is dropped, and counted.

A lease lasts for one transaction where the hardware's frames are known: from a guest's first byte until the device has sent the
frames that answer its request. A guest that sends several requests at once gets a lease for each.

Sources for the settings of a line: man 3 termios.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import socket
import subprocess
import termios
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from softmetal.host.arbiter import End, Exclusive, FrameRule, Frames, Party
from softmetal.host.errors import HostError
from softmetal.host.processes import die_with_parent
from softmetal.host.sockets import forget, listen

PIECE = 4096
"""Bytes that are moved at once."""
MOST_HELD = 1 << 16
"""Bytes for one side that does not take them."""
RETRY = 0.5
"""Seconds between two looks for a device that is gone."""


class StreamError(HostError):
    """Why a device cannot be used."""


def open_device(path: str, speed: int = 0) -> int:
    """A descriptor of a character device that never blocks; a terminal line is set to raw, at `speed` bits a second if that
    is given. Raises StreamError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StreamError(error.errno or errno.EIO, f"device {path}: {error.strerror}") from None
    try:
        if os.isatty(fd):
            tty.setraw(fd)
            if speed:
                rate = getattr(termios, f"B{speed}", None)
                if rate is None:
                    raise StreamError(errno.EINVAL, f"device {path}: there is no line speed of {speed} bits a second")
                settings = termios.tcgetattr(fd)
                settings[4] = settings[5] = rate
                termios.tcsetattr(fd, termios.TCSANOW, settings)
    except (OSError, termios.error) as error:
        os.close(fd)
        if isinstance(error, StreamError):
            raise
        raise StreamError(errno.EIO, f"device {path}: {error}") from None
    return fd


def run_device(command: str, folder: str) -> tuple[int, subprocess.Popen[bytes]]:
    """A program that behaves like a device: its standard input and output are a terminal line, whose other end this is. Raises
    StreamError."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        process = subprocess.Popen(shlex.split(command), cwd=folder, stdin=theirs, stdout=theirs, preexec_fn=die_with_parent)
    except (OSError, ValueError) as error:
        os.close(ours)
        raise StreamError(errno.ENOEXEC, f"device {command!r}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return ours, process


class Sink:
    """A descriptor to which bytes go as it takes them."""

    def __init__(self, fd: int, loop: asyncio.AbstractEventLoop, failed: Callable[[OSError], None]) -> None:
        self.fd, self.loop, self.failed = fd, loop, failed
        self.held = bytearray()
        os.set_blocking(fd, False)

    def put(self, data: bytes) -> None:
        """Send bytes, after those that wait."""
        self.held += data
        self._push()

    def _push(self) -> None:
        try:
            while self.held:
                del self.held[: os.write(self.fd, self.held)]
        except BlockingIOError:
            self.loop.add_writer(self.fd, self._push)
            return
        except OSError as error:
            self.held.clear()
            self.loop.remove_writer(self.fd)
            self.failed(error)
            return
        self.loop.remove_writer(self.fd)

    def close(self) -> None:
        """Drop what waits."""
        self.held.clear()
        self.loop.remove_writer(self.fd)


class StreamDevice:
    """The device and its arbiter. `warn` takes a line of text for the user."""

    def __init__(
        self, path: str, arbiter: Exclusive, rule: FrameRule, loop: asyncio.AbstractEventLoop, warn: Callable[[str], None],
        speed: int = 0, command: str = "", folder: str = ".",
    ) -> None:  # fmt: skip
        self.path, self.arbiter, self.rule, self.loop, self.warn, self.speed = path or command, arbiter, rule, loop, warn, speed
        self.command, self.folder = command, folder
        self.process: subprocess.Popen[bytes] | None = None
        self.guests: dict[str, StreamGuest] = {}
        self.stray = 0
        """Bytes that the device sent while nobody held it."""
        self.timer: asyncio.TimerHandle | None = None
        self.fd = -1
        self._open()

    def _open(self) -> None:
        if self.command:
            self.fd, self.process = run_device(self.command, self.folder)
        else:
            self.fd = open_device(self.path, self.speed)
        self.sink = Sink(self.fd, self.loop, self._lost)
        self.loop.add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, PIECE)
        except BlockingIOError:
            return
        except OSError as error:  # EIO: the line was hung up, or the adapter pulled out
            self._lost(error)
            return
        if not data:
            self._lost(OSError(errno.EIO, "hung up"))
            return
        holder = self.arbiter.holder
        self.arbiter.used(len(data))
        if holder is None:
            self.stray += len(data)
        else:
            self.guests[holder.guest].answer(data)
        self.plan()

    def _lost(self, error: OSError) -> None:
        """The device is gone: who holds it keeps its lease; it is looked for until it comes back."""
        if self.fd < 0:
            return
        self.loop.remove_reader(self.fd)
        self.sink.close()
        os.close(self.fd)
        self.fd = -1
        self._end_process()
        why = os.strerror(error.errno or errno.EIO)
        self.warn(f"{self.arbiter.name}: {self.path} is gone ({why}); waiting for it to come back")
        self.loop.call_later(RETRY, self._again)

    def _end_process(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _again(self) -> None:
        try:
            self._open()
        except StreamError:
            self.loop.call_later(RETRY, self._again)
            return
        self.warn(f"{self.arbiter.name}: {self.path} is back")
        holder = self.arbiter.holder
        if holder is not None:
            self.guests[holder.guest].go_on()

    def plan(self) -> None:
        """Look at the arbiter again when something is due there."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
        due = self.arbiter.due()
        if due is not None:
            self.timer = self.loop.call_later(max(0.0, due - self.arbiter.clock()), self._tick)

    def _tick(self) -> None:
        self.timer = None
        self.arbiter.tick()
        self.plan()

    def release(self) -> bool:
        """Take the lease away from its holder, by hand. Was there one?"""
        holder = self.arbiter.holder
        found = holder is not None and self.arbiter.release(holder, End.RELEASED)
        self.plan()
        return found

    def close(self) -> None:
        """Let go of the device and of all guests."""
        for guest in list(self.guests.values()):
            guest.close()
        if self.timer:
            self.timer.cancel()
        if self.fd >= 0:
            self.loop.remove_reader(self.fd)
            self.sink.close()
            os.close(self.fd)
            self.fd = -1
        self._end_process()


class Line(ABC):
    """How a guest is reached."""

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Send the guest something."""

    @abstractmethod
    def more(self) -> None:
        """The guest may send again, after `came` gave false."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the guest."""


class StreamGuest:
    """One guest's part of a device. Its `line` calls `came` and `gone`."""

    def __init__(self, guest: str, device: StreamDevice, priority: int = 0) -> None:
        self.device, self.loop = device, device.loop
        self.party = Party(guest, self._granted, self._ended, priority)
        self.requests, self.answers = Frames(device.rule.of_requests), Frames(device.rule)
        self.unsent = bytearray()
        """What the guest has sent and the device has not got yet."""
        self.answered = 0
        """Frames that the device has sent in this lease."""
        self.complete = False
        """Has the request of this lease been sent?"""
        self.line: Line | None = None
        device.guests[guest] = self

    def came(self, data: bytes) -> bool:
        """The guest has sent something. False: it shall wait with more."""
        self.unsent += data
        if self.device.arbiter.want(self.party):
            self.go_on()
        self.device.plan()
        return len(self.unsent) < MOST_HELD

    def gone(self) -> None:
        """The guest has closed its end, or has died."""
        self.unsent.clear()
        self.device.arbiter.release(self.party, End.DIED)
        self.device.plan()

    def _granted(self) -> None:
        self.loop.call_soon(self.go_on)  # not inside of what ended the lease before

    def go_on(self) -> None:
        """Send what the guest has for the device, as far as the lease goes."""
        if self.device.arbiter.holder is not self.party or self.device.fd < 0 or self.complete or not self.unsent:
            return
        data, self.unsent = bytes(self.unsent), bytearray()
        ends = self.requests.feed(data)
        if ends:
            data, self.unsent = data[: ends[0]], bytearray(data[ends[0] :])
            self.requests.clear()
            self.complete = True
        self.device.sink.put(data)
        self.device.arbiter.used(len(data))
        if self.complete and self.device.rule.answers == 0:
            self._transaction_over()
        self._more()
        self.device.plan()

    def _more(self) -> None:
        if self.line is not None and len(self.unsent) < MOST_HELD:
            self.line.more()

    def answer(self, data: bytes) -> None:
        """The device has sent something while this guest holds it."""
        ends = self.answers.feed(data)
        if self.line is not None:
            self.line.put(data)
        self.answered += len(ends)
        if self.complete and self.answered >= self.device.rule.answers:
            self._transaction_over()

    def _transaction_over(self) -> None:
        self.device.arbiter.release(self.party, End.FRAME)

    def _ended(self, why: End) -> None:
        """The lease is over, or the wait for one."""
        self.complete = False
        self.answered = 0
        self.requests.clear()
        self.answers.clear()
        if why in (End.DEADLINE, End.LEFT):  # what it asked is not sent any more
            self.unsent.clear()
            self._more()
        self.loop.call_soon(self._again)

    def _again(self) -> None:
        """Ask for another lease, if there is more to send."""
        if self.unsent and self.device.arbiter.want(self.party):
            self.go_on()
        self.device.plan()

    def leave(self) -> bool:
        """Leave the queue. Was the guest in it?"""
        arbiter = self.device.arbiter
        found = arbiter.holder is not self.party and arbiter.release(self.party, End.LEFT)
        self.device.plan()
        return found

    def close(self) -> None:
        """Let go of the guest."""
        if self.line is not None:
            self.line.close()
        self.device.guests.pop(self.party.guest, None)


class SocketLine(Line):
    """A Unix socket, to which one serial port of a guest connects: QEMU's, or our own machine's."""

    def __init__(self, guest: StreamGuest, path: Path) -> None:
        self.guest, self.path, self.loop = guest, path, guest.loop
        guest.line = self
        self.sock: socket.socket | None = None
        self.sink: Sink | None = None
        self.reading = False
        self.listener = listen(path)
        self.loop.add_reader(self.listener.fileno(), self._accept)

    def _accept(self) -> None:
        sock, _ = self.listener.accept()
        if self.sock is not None:  # one serial port, one cable
            sock.close()
            return
        sock.setblocking(False)
        self.sock = sock
        self.sink = Sink(sock.fileno(), self.loop, lambda error: self._gone())
        self.more()

    def more(self) -> None:
        """See `Line.more`."""
        if self.sock is not None and not self.reading:
            self.reading = True
            self.loop.add_reader(self.sock.fileno(), self._readable)

    def _readable(self) -> None:
        assert self.sock is not None
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone()
        elif not self.guest.came(data):
            self.loop.remove_reader(self.sock.fileno())
            self.reading = False

    def put(self, data: bytes) -> None:
        """See `Line.put`."""
        if self.sink is not None:
            self.sink.put(data)

    def _gone(self) -> None:
        if self.sock is not None and self.sink is not None:
            self.loop.remove_reader(self.sock.fileno())
            self.sink.close()
            self.sock.close()
        self.sock, self.sink, self.reading = None, None, False
        self.guest.gone()

    def close(self) -> None:
        """See `Line.close`."""
        self._gone()
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()
        forget(self.path)
