"""Socket calls. Unix sockets are always there, among the guest's own; the Internet's need `--net`.

Sources: man 2 socket and its family, man 7 socket, unix; net/socket.c for the order of errors. Bytes, addresses and
options are the host's; `sockets` says what names mean, `messages` sends and receives.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from .. import hostlibc
from ..abi import s32
from ..cpu import W
from ..files import O_CLOEXEC, O_NONBLOCK
from ..process import Process
from ..sockets import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    SocketFile,
    bind_unix,
    guest_address,
    inet_address,
    put_address,
    read_address,
    socket_of,
    target_of,
)
from ..table import syscall
from ..waits import POLLIN, POLLOUT, Result
from .ancillary import CREDENTIALS, SOL_SOCKET, adopt, guest_pid
from .messages import name_if_asked, retry

SO_PASSCRED, SO_PEERCRED, SO_BINDTODEVICE, SO_PEERPIDFD = 16, 17, 25, 77
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
