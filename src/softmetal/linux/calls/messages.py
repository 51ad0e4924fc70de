"""Messages: what sends and receives on sockets, one message or several.

Sources: man 2 send, recv, sendmmsg, recvmmsg; net/socket.c for the order of errors.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable

from ..abi import MSGHDR, s32
from ..cpu import MEMORY_SIZE, R, W
from ..errors import Fault
from ..nodes import fail
from ..process import Process
from ..sockets import SocketFile, Target, bind_unix, guest_address, put_address, read_address, socket_of, target_of
from ..table import syscall
from ..waits import AS_ASKED, NEVER, POLLIN, POLLOUT, Result, Wait
from .ancillary import MSG_CMSG_CLOEXEC, Ancillary, control_to_guest, control_to_host
from .io import MOST, vectors
from .poll import deadline_of

MSG_PEEK, MSG_CTRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = 2, 8, 0x40, 0x100, 0x4000
MSG_WAITFORONE = 0x10000
OURS = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL | MSG_WAITFORONE | MSG_CMSG_CLOEXEC
"""Flags that are this module's business and not the host's, whose sockets never block."""


def retry(
    p: Process, file: SocketFile, event: int, flags: int, once: Callable[[], int],
    progress: Callable[[], int] = lambda: 0, interval: bool = False, late: int = errno.EAGAIN,
) -> Result:  # fmt: skip
    """Do a socket call, waiting for the socket if it would block, up to the socket's time limit.

    `progress` says what has been done when it is interrupted; `late` is the error when the time is up.
    """
    blocking = not (flags & MSG_DONTWAIT or file.nonblocking)

    def attempt() -> Result:
        try:
            return once()
        except BlockingIOError as error:
            done = progress()
            if not blocking:
                return done or -(error.errno or errno.EAGAIN)
        if wait.deadline is not None and p.clock.monotonic() >= wait.deadline:
            return done or -late
        wait.partial = done
        return wait

    limit = file.time_limit(event) if blocking else None
    wait = Wait(
        attempt, fds=[(file.fd, event)], outside=file.outside, holds=(file,), restart=NEVER if limit else AS_ASKED,
        deadline=p.clock.monotonic() + limit if limit else None, interval=interval,
    )  # fmt: skip
    return attempt()


def name_if_asked(p: Process, file: SocketFile) -> None:
    """A Unix socket that passes credentials gets a name before it sends (man 7 unix, autobind)."""
    if file.pass_credentials and file.sock.family == socket.AF_UNIX and not file.sock.getsockname():
        bind_unix(p, file, b"\1\0")


# Sending


def send(p: Process, file: SocketFile, views: list[memoryview], control: Ancillary, flags: int, target: Target | None) -> Result:
    """Send a message, all of it on a stream that may block."""
    sent = 0
    total = sum(map(len, views))
    rest = list(views)
    blocking = not (flags & MSG_DONTWAIT or file.nonblocking)
    name_if_asked(p, file)

    def once() -> int:
        nonlocal sent, rest, control
        while True:
            try:
                step = file.sock.sendmsg(rest, control, flags & ~OURS, *([target.host] if target is not None else []))  # type: ignore[arg-type]
            except BlockingIOError:
                raise
            except BrokenPipeError:
                if sent or flags & MSG_NOSIGNAL:
                    return sent or -errno.EPIPE
                raise
            except OSError:
                if sent:
                    return sent
                raise
            sent += step
            control = []
            if sent >= total or file.sock.type != socket.SOCK_STREAM or not blocking:
                return sent
            while rest and step >= len(rest[0]):
                step -= len(rest.pop(0))
            if step:
                rest[0] = rest[0][step:]

    return retry(p, file, POLLOUT, flags, once, lambda: sent)


@syscall(206, "sendto")
def sendto(p: Process, fd: int, buffer: int, length: int, flags: int, address: int, size: int) -> Result:
    """See man 2 sendto."""
    length = in_range(buffer, length)
    file = socket_of(p, fd)
    target = destination(p, file, read_address(p, address, s32(size)) if address else b"")
    return send(p, file, [p.space.view(buffer, length, R)], [], s32(flags), target)


def in_range(buffer: int, length: int) -> int:
    """The length of a buffer, cut as Linux cuts it. Raises Fault if it ends beyond all user space."""
    length = min(length, MOST)
    if buffer + length > MEMORY_SIZE:
        raise Fault(buffer)
    return length


def destination(p: Process, file: SocketFile, data: bytes) -> Target | None:
    """Where a message is sent. Raises OSError: a Unix stream takes no address, and has to be connected."""
    if file.sock.family == socket.AF_UNIX and file.sock.type != socket.SOCK_DGRAM:
        connected = True
        try:
            file.sock.getpeername()
        except OSError:
            connected = False
        if file.sock.type == socket.SOCK_STREAM and data:
            raise fail(errno.EISCONN if connected else errno.EOPNOTSUPP)
        if not connected:
            raise fail(errno.ENOTCONN)
        return None
    return target_of(p, file.sock, data) if data else None


MSGHDR_FIELDS = struct.Struct("<QIxxxxQQQQi")


def header(p: Process, message: int) -> tuple[int, int, int, int, int, int]:
    """The fields of a `struct msghdr` but its flags. Raises Fault, OSError(EINVAL, EMSGSIZE)."""
    name, name_size, iov, count, control, control_size, _ = p.space.unpack(MSGHDR_FIELDS, message)
    if s32(name_size) < 0 or control_size > 0x7FFFFFFF:
        raise fail(errno.EINVAL if s32(name_size) < 0 else errno.ENOBUFS)
    if count > 1024:
        raise fail(errno.EMSGSIZE)
    return name, name_size, iov, count, control, control_size


@syscall(211, "sendmsg")
def sendmsg(p: Process, fd: int, message: int, flags: int) -> Result:
    """See man 2 sendmsg."""
    file = socket_of(p, fd)
    name, name_size, iov, count, control, control_size = header(p, message)
    views = vectors(p, iov, count, R)
    data = read_address(p, name, min(name_size, 128)) if name and name_size else b""
    sent_along = control_to_host(p, control, min(control_size, 1 << 16))
    return send(p, file, views, sent_along, s32(flags), destination(p, file, data))


# Receiving


@syscall(207, "recvfrom")
def recvfrom(p: Process, fd: int, buffer: int, length: int, flags: int, address: int, size: int) -> Result:
    """See man 2 recvfrom."""
    length = in_range(buffer, length)
    file = socket_of(p, fd)

    def store(peer: object) -> None:
        if address:
            put_address(p, guest_address(p, file.sock, peer) if peer else b"", address, size)

    got = 0
    flags = s32(flags)
    whole = waits_for_all(file, flags)

    def once() -> int:
        nonlocal got
        try:
            view = p.space.prefix(buffer, length, W) if length else memoryview(bytearray())
        except Fault:
            file.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)  # whether there is anything comes first
            raise
        while True:
            step, _, _, peer = file.sock.recvmsg_into([view[got:]], 0, flags & ~OURS)
            got += step
            if not whole or not step or got >= len(view):
                store(peer)
                return got

    return retry(p, file, POLLIN, flags, once, lambda: got)


def waits_for_all(file: SocketFile, flags: int) -> bool:
    """Whether a receiving call goes on until its buffer is full (MSG_WAITALL on a stream that may block)."""
    stream = file.sock.type == socket.SOCK_STREAM
    return stream and bool(flags & MSG_WAITALL) and not (flags & (MSG_DONTWAIT | MSG_PEEK) or file.nonblocking)


def receiver(p: Process, file: SocketFile, message: int, flags: int) -> tuple[Callable[[], int], Callable[[], int]]:
    """How to receive one message into a `struct msghdr`, and how much has been received. Raises Fault, OSError."""
    name, name_size, iov, count, control, control_size = header(p, message)
    views = vectors(p, iov, count, W)
    p.space.view(message, MSGHDR.size, W)
    whole = waits_for_all(file, flags)
    total = sum(map(len, views))
    got = 0
    rest = list(views)

    def once() -> int:
        nonlocal got
        while True:
            room = max(control_size, socket.CMSG_SPACE(4 * 64)) if control and control_size else 0
            step, extra, host_flags, peer = file.sock.recvmsg_into(rest, min(room, 1 << 16), flags & ~OURS)
            got += step
            if whole and step and got < total:
                while rest and step >= len(rest[0]):
                    step -= len(rest.pop(0))
                if step:
                    rest[0] = rest[0][step:]
                if not extra:
                    continue
            break
        packed, cut = control_to_guest(p, extra, flags, control_size)
        if packed:
            p.space.write(control, packed)
        if cut:
            host_flags |= MSG_CTRUNC
        if name:
            data = guest_address(p, file.sock, peer) if peer else b""
            p.space.write(name, data[:name_size])
            p.space.put32(message + 8, len(data))
        p.space.put64(message + 40, len(packed))
        p.space.put32(message + 48, host_flags | flags & MSG_CMSG_CLOEXEC)
        return got

    return once, lambda: got


@syscall(212, "recvmsg")
def recvmsg(p: Process, fd: int, message: int, flags: int) -> Result:
    """See man 2 recvmsg."""
    file = socket_of(p, fd)
    once, progress = receiver(p, file, message, s32(flags))
    return retry(p, file, POLLIN, s32(flags), once, progress)


# Several messages in one call

MMSG = MSGHDR.size + 8


def several(
    p: Process, file: SocketFile, event: int, flags: int, count: int, step: Callable[[int], int], last: Callable[[], bool]
) -> Result:
    """Do `step` for each of `count` messages until one fails, or would block after `last` has said so."""
    done = 0

    def once() -> int:
        nonlocal done
        while done < count:
            try:
                step(done)
            except BlockingIOError:
                if done and last():
                    return done
                raise
            except (OSError, Fault):
                if done:
                    return done
                raise
            done += 1
            if done < count and last() and flags & MSG_WAITFORONE == 0:
                return done
        return done

    return retry(p, file, event, flags, once, lambda: done)


@syscall(269, "sendmmsg")
def sendmmsg(p: Process, fd: int, messages: int, count: int, flags: int) -> Result:
    """See man 2 sendmmsg."""
    file = socket_of(p, fd)
    flags = s32(flags)

    def step(index: int) -> int:
        at = messages + index * MMSG
        result = sendmsg(p, fd, at, flags | MSG_DONTWAIT)
        assert isinstance(result, int)
        if result < 0:
            error = BlockingIOError if result == -errno.EAGAIN else OSError
            raise error(-result, os.strerror(-result))
        p.space.put32(at + MSGHDR.size, result)
        return result

    return several(p, file, POLLOUT, flags, min(count & 0xFFFFFFFF, 1024), step, lambda: False)


@syscall(243, "recvmmsg")
def recvmmsg(p: Process, fd: int, messages: int, count: int, flags: int, timeout: int) -> Result:
    """See man 2 recvmmsg. As on Linux the time-out is looked at after each message only."""
    deadline = deadline_of(p, timeout)
    file = socket_of(p, fd)
    flags = s32(flags)
    steps: dict[int, Callable[[], int]] = {}

    def step(index: int) -> int:
        at = messages + index * MMSG
        if index not in steps:
            steps[index] = receiver(p, file, at, flags & ~MSG_WAITALL)[0]
        got = steps[index]()
        p.space.put32(at + MSGHDR.size, got)
        return got

    def last() -> bool:
        return bool(flags & MSG_WAITFORONE) or (deadline is not None and p.clock.monotonic() >= deadline)

    return several(p, file, POLLIN, flags, min(count & 0xFFFFFFFF, 1024), step, last)
