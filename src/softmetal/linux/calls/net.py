"""Socket calls. Unix sockets are always there, among the guest's own; the Internet's need `--net`.

Sources: man 2 socket and its family, man 7 socket, unix; net/socket.c for the order of errors. Bytes, addresses and
options are the host's; `sockets` says what names mean. Descriptors sent with SCM_RIGHTS arrive as what the host
says they are: pipes, sockets, regular files, event files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable

from .. import hostlibc
from ..abi import MSGHDR, s32
from ..cpu import MEMORY_SIZE, R, W
from ..errors import Fault
from ..files import O_ACCMODE, O_APPEND, O_CLOEXEC, O_NONBLOCK, File, RegularFile, StreamFile
from ..nodes import fail
from ..process import Process
from ..sockets import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    SocketFile,
    Target,
    bind_unix,
    guest_address,
    inet_address,
    put_address,
    read_address,
    socket_of,
    target_of,
)
from ..table import syscall
from ..waits import AS_ASKED, NEVER, POLLIN, POLLOUT, Result, Wait
from .epoll import EpollFile
from .io import MOST, vectors
from .pidfd import PidFile
from .poll import deadline_of

MSG_PEEK, MSG_CTRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = 2, 8, 0x40, 0x100, 0x4000
MSG_WAITFORONE, MSG_CMSG_CLOEXEC = 0x10000, 0x40000000
OURS = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL | MSG_WAITFORONE | MSG_CMSG_CLOEXEC
"""Flags that are this module's business and not the host's, whose sockets never block."""
SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS, SCM_PIDFD = 1, 1, 2, 4
SO_PASSCRED, SO_PEERCRED, SO_BINDTODEVICE, SO_PEERPIDFD = 16, 17, 25, 77
CMSG = struct.Struct("<QII")
CREDENTIALS = struct.Struct("<iII")
WITH_POINTERS = frozenset({(1, 26), (1, 50), (1, 51), (1, 52), (6, 31), (6, 35), (0, 64), (41, 64)})
"""Options whose value points to more, or names a BPF program: filters, TCP_ULP, zero-copy receiving, netfilter."""


@syscall(198, "socket")
def socket_(p: Process, family: int, kind: int, protocol: int) -> Result:
    """See man 2 socket."""
    family, kind, protocol = s32(family), s32(kind), s32(protocol)
    if kind & ~(0xF | O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    if not 0 <= family < 46:
        return -errno.EAFNOSUPPORT
    if kind & 0xF > 10:
        return -errno.EINVAL
    if family in (AF_INET, AF_INET6) and not p.options.net:
        p.once("net", "the program wants the network; --net gives it")
        return -errno.EAFNOSUPPORT
    if family not in (AF_UNIX, AF_INET, AF_INET6):
        return -errno.EAFNOSUPPORT
    if protocol < 0 or (family == AF_UNIX and protocol > 1):
        return -errno.EPROTONOSUPPORT if family == AF_UNIX else -errno.EINVAL
    sock = socket.socket(family, kind & 0xF, protocol)
    return p.fds.add(SocketFile(sock, kind & O_NONBLOCK, outside=family != AF_UNIX), bool(kind & O_CLOEXEC))


@syscall(199, "socketpair")
def socketpair(p: Process, family: int, kind: int, protocol: int, out: int) -> Result:
    """See man 2 socketpair: Unix sockets."""
    family, kind, protocol = s32(family), s32(kind), s32(protocol)
    if kind & ~(0xF | O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    p.space.view(out, 8, W)
    if not 0 <= family < 46:
        return -errno.EAFNOSUPPORT
    if kind & 0xF > 10:
        return -errno.EINVAL
    if family != AF_UNIX:
        return -errno.EOPNOTSUPP if p.options.net and family in (AF_INET, AF_INET6) else -errno.EAFNOSUPPORT
    if protocol not in (0, 1):
        return -errno.EPROTONOSUPPORT
    pair = socket.socketpair(family, kind & 0xF, protocol)
    fds: list[int] = []
    try:
        for sock in pair:
            fds.append(p.fds.add(SocketFile(sock, kind & O_NONBLOCK, outside=False), bool(kind & O_CLOEXEC)))
    except OSError:
        pair[1].close()
        for fd in fds:
            p.fds.close(fd)
        raise
    p.space.write(out, struct.pack("<ii", *fds))
    return 0


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


@syscall(200, "bind")
def bind(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 bind."""
    file = socket_of(p, fd)
    data = read_address(p, address, s32(size))
    if file.sock.family == socket.AF_UNIX:
        bind_unix(p, file, data)
    else:
        file.sock.bind(inet_address(file.sock, data))  # type: ignore[arg-type]
    return 0


@syscall(201, "listen")
def listen(p: Process, fd: int, backlog: int) -> Result:
    """See man 2 listen; a backlog beyond `somaxconn` (4096) is cut to it."""
    wanted = s32(backlog)
    socket_of(p, fd).sock.listen(wanted if 0 <= wanted <= 4096 else 4096)
    return 0


@syscall(202, "accept")
def accept(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 accept."""
    return accept4(p, fd, address, size, 0)


@syscall(242, "accept4")
def accept4(p: Process, fd: int, address: int, size: int, flags: int) -> Result:
    """See man 2 accept4."""
    p.fds.get(fd)
    if s32(flags) & ~(O_NONBLOCK | O_CLOEXEC):
        return -errno.EINVAL
    file = socket_of(p, fd)

    def once() -> int:
        sock, peer = file.sock.accept()
        outside = file.outside or (sock.family == socket.AF_UNIX and not of_this_run(p, sock))
        try:
            if address:
                put_address(p, guest_address(p, sock, peer), address, size)
        except OSError:
            sock.close()
            raise
        return p.fds.add(SocketFile(sock, flags & O_NONBLOCK, outside), bool(flags & O_CLOEXEC))

    return retry(p, file, POLLIN, 0, once)


def of_this_run(p: Process, sock: socket.socket) -> bool:
    """Whether the peer of a Unix socket is a process of this run, whose time is the guest's."""
    data = sock.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, CREDENTIALS.size)
    return p.pids.by_host(CREDENTIALS.unpack(data)[0]) is not None


@syscall(203, "connect")
def connect(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 connect."""
    p.fds.get(fd)
    data = read_address(p, address, s32(size))
    file = socket_of(p, fd)
    sock = file.sock
    if data[:2] == b"\0\0" and (sock.type == socket.SOCK_DGRAM or sock.family != socket.AF_UNIX):
        hostlibc.connect(file.fd, data.ljust(16, b"\0"))  # dissolve the association
        return 0
    name_if_asked(p, file)
    target = target_of(p, sock, data)
    unix = sock.family == socket.AF_UNIX

    def once() -> int:
        error = sock.connect_ex(target.host)  # type: ignore[arg-type]
        if error in (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN):
            raise BlockingIOError(error, os.strerror(error))
        if error == 0 and unix and sock.type != socket.SOCK_DGRAM:
            file.outside = not of_this_run(p, sock)
        return -error

    return retry(p, file, POLLOUT, 0, once, interval=unix, late=errno.EAGAIN if unix else errno.EINPROGRESS)


def name_if_asked(p: Process, file: SocketFile) -> None:
    """A Unix socket that passes credentials gets a name before it sends (man 7 unix, autobind)."""
    if file.pass_credentials and file.sock.family == socket.AF_UNIX and not file.sock.getsockname():
        bind_unix(p, file, b"\1\0")


@syscall(204, "getsockname")
def getsockname(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 getsockname."""
    sock = socket_of(p, fd).sock
    put_address(p, guest_address(p, sock, sock.getsockname()), address, size)
    return 0


@syscall(205, "getpeername")
def getpeername(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 getpeername."""
    sock = socket_of(p, fd).sock
    put_address(p, guest_address(p, sock, sock.getpeername()), address, size)
    return 0


# Sending

Ancillary = list[tuple[int, int, bytes]]


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


def control_to_host(p: Process, control: int, length: int) -> Ancillary:
    """The guest's control messages with the host's descriptors and process numbers. Raises OSError."""
    found: Ancillary = []
    at = 0
    data = p.space.read(control, length) if length else b""
    while at + CMSG.size <= len(data):
        size, level, kind = CMSG.unpack_from(data, at)
        if size < CMSG.size or at + size > len(data):
            raise fail(errno.EINVAL)
        body = data[at + CMSG.size : at + size]
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            files = [p.fds.get(fd) for (fd,) in struct.iter_unpack("<I", body[: len(body) & -4])]
            if any(file.fd < 0 or file.node is not None for file in files):
                raise fail(errno.EINVAL)
            body = b"".join(struct.pack("i", file.fd) for file in files)
        elif (level, kind) == (SOL_SOCKET, SCM_CREDENTIALS) and len(body) >= CREDENTIALS.size:
            pid, uid, gid = CREDENTIALS.unpack_from(body)
            record = p.pids.by_pid(pid)
            if record is None:
                raise fail(errno.EPERM)
            body = CREDENTIALS.pack(record.host, uid, gid)
        found.append((level, kind, body))
        at += (size + 7) & ~7
    return found


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


def control_to_guest(p: Process, extra: Ancillary, flags: int, room: int) -> tuple[bytes, bool]:
    """The host's control messages with the guest's descriptors and process numbers; whether some had no room."""
    packed = b""
    cut = False
    for level, kind, body in extra:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            hosts = [host for (host,) in struct.iter_unpack("i", body[: len(body) & -4])]
            fit = max(0, min(len(hosts), (room - len(packed) - CMSG.size) // 4))
            for host in hosts[fit:]:
                os.close(host)
                cut = True
            received = [p.fds.add(adopt(p, host), bool(flags & MSG_CMSG_CLOEXEC)) for host in hosts[:fit]]
            body = b"".join(fd.to_bytes(4, "little") for fd in received)
            if not received:
                continue
        elif (level, kind) == (SOL_SOCKET, SCM_CREDENTIALS):
            host, uid, gid = CREDENTIALS.unpack_from(body)
            body = CREDENTIALS.pack(guest_pid(p, host), uid, gid)
        elif (level, kind) == (SOL_SOCKET, SCM_PIDFD):
            fd = p.fds.add(adopt(p, int.from_bytes(body[:4], "little")), bool(flags & MSG_CMSG_CLOEXEC))
            body = fd.to_bytes(4, "little")
        if len(packed) + CMSG.size + len(body) > room:
            cut = True
            break
        packed += CMSG.pack(CMSG.size + len(body), level, kind) + body
        packed += bytes(min(-len(body) % 8, room - len(packed)))
    return packed, cut


def guest_pid(p: Process, host: int) -> int:
    """The guest's number of a host process; 0 for one that is not of this run."""
    record = p.pids.by_host(host) if host else None
    return record.pid if record else 0


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


def adopt(p: Process, host: int) -> File:
    """A guest file for a host descriptor that has arrived. A directory gives no access to what is in it."""
    os.set_inheritable(host, False)
    mode = os.fstat(host).st_mode
    if stat.S_ISSOCK(mode):
        return SocketFile(socket.socket(fileno=host), 0, outside=False)
    host_flags = fcntl.fcntl(host, fcntl.F_GETFL)
    flags = host_flags & (O_ACCMODE | O_APPEND)
    if stat.S_ISREG(mode):
        return RegularFile(host, flags, b"/unknown")
    link = os.readlink(b"/proc/self/fd/%d" % host)
    if link == b"anon_inode:[eventpoll]":
        return EpollFile(host)
    if link in (b"anon_inode:[pidfd]", b"pidfd:[0]") or link.startswith(b"pidfd:"):
        return PidFile(host, guest_pid(p, hostlibc.pid_of(host)), 0)
    anonymous = link.startswith(b"anon_inode:")
    return StreamFile(host, flags, link if anonymous else b"/unknown", owned=stat.S_ISFIFO(mode) or anonymous)


# Options


@syscall(208, "setsockopt")
def setsockopt(p: Process, fd: int, level: int, option: int, value: int, size: int) -> Result:
    """See man 2 setsockopt; numbers and structures are the host's own (asm-generic)."""
    level, option, size = s32(level), s32(option), s32(size)
    file = socket_of(p, fd)
    if size < 0:
        return -errno.EINVAL
    if level != SOL_SOCKET and file.sock.family == socket.AF_UNIX:
        return -errno.EOPNOTSUPP
    if level == SOL_SOCKET and size < 4 and option != SO_BINDTODEVICE:
        return -errno.EINVAL
    if (level, option) in WITH_POINTERS:
        p.once(f"option {level} {option}", f"socket option {option} of level {level} is not implemented")
        return -errno.ENOPROTOOPT
    data = p.space.read(value, min(size, 4096)) if size else b""
    file.sock.setsockopt(level, option, data)
    if (level, option) == (SOL_SOCKET, SO_PASSCRED):
        file.pass_credentials = any(data[:4])
    return 0


@syscall(209, "getsockopt")
def getsockopt(p: Process, fd: int, level: int, option: int, value: int, size: int) -> Result:
    """See man 2 getsockopt."""
    level, option = s32(level), s32(option)
    file = socket_of(p, fd)
    if (level, option) in WITH_POINTERS:
        return -errno.ENOPROTOOPT
    if level != SOL_SOCKET and file.sock.family == socket.AF_UNIX:
        return -errno.EOPNOTSUPP
    room = s32(p.space.u32(size))
    if room < 0:
        return -errno.EINVAL
    data = file.sock.getsockopt(level, option, min(max(room, 1), 1024))[:room]
    if (level, option) == (SOL_SOCKET, SO_PEERCRED) and len(data) >= 4:
        data = guest_pid(p, int.from_bytes(data[:4], "little")).to_bytes(4, "little") + data[4:]
    elif (level, option) == (SOL_SOCKET, SO_PEERPIDFD) and len(data) >= 4:
        data = p.fds.add(adopt(p, int.from_bytes(data[:4], "little")), True).to_bytes(4, "little")
    p.space.write(value, data)
    p.space.put32(size, len(data))
    return 0


@syscall(210, "shutdown")
def shutdown(p: Process, fd: int, how: int) -> Result:
    """See man 2 shutdown."""
    socket_of(p, fd).sock.shutdown(s32(how))
    return 0


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
