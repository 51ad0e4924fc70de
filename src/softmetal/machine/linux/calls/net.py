"""Sockets. A pair of Unix sockets is always there; any other socket needs `--net`.

Sources: man 2 socket and its family. The socket's bytes, addresses and options are the host's; a Unix socket's path
is the guest's, and is resolved in the guest's tree. Descriptors sent with SCM_RIGHTS arrive as what the host
says they are: pipes, sockets, regular files.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct

from ..abi import MSGHDR, s32
from ..cpu import R, W
from ..files import O_CLOEXEC, O_NONBLOCK, O_RDWR, File, RegularFile, StreamFile
from ..process import Process
from ..table import syscall
from ..vfs import fail
from ..waits import POLLIN, POLLOUT, Result, Wait
from .io import vectors

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, MSG_CTRUNC = 0x40, 0x4000, 0x40000000, 8
SOL_SOCKET, SCM_RIGHTS = 1, 1
CMSG = struct.Struct("<QII")


class SocketFile(StreamFile):
    """A host socket, non-blocking on the host."""

    def __init__(self, sock: socket.socket, flags: int, outside: bool) -> None:
        self.sock = sock
        name = b"socket:[%d]" % os.fstat(sock.fileno()).st_ino
        super().__init__(sock.fileno(), flags | O_RDWR, name, owned=True)
        self.outside = outside

    def close(self) -> None:
        """See `File.close`."""
        self.fd = -1
        self.sock.close()

    def seek(self, offset: int, whence: int) -> int:
        """Not seekable."""
        raise fail(errno.ESPIPE)

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """See `File.write`."""
        if offset is not None:
            raise fail(errno.ESPIPE)
        return self.sock.sendmsg(views)

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        if offset is not None:
            raise fail(errno.ESPIPE)
        return self.sock.recvmsg_into(views)[0]


def socket_of(p: Process, fd: int) -> SocketFile:
    """The socket of a descriptor. Raises OSError(EBADF, ENOTSOCK)."""
    file = p.fds.get(fd)
    if not isinstance(file, SocketFile):
        raise fail(errno.ENOTSOCK)
    return file


def opened(family: int, kind: int, protocol: int) -> socket.socket:
    """A host socket. Raises OSError."""
    return socket.socket(family, kind & 0xF, protocol)


@syscall(198, "socket")
def socket_(p: Process, family: int, kind: int, protocol: int) -> Result:
    """See man 2 socket. Without --net there are no address families."""
    family, kind = s32(family), s32(kind)
    if not p.options.net:
        if family in (AF_INET, AF_INET6):
            p.once("net", "the program wants the network; --net gives it")
        return -errno.EAFNOSUPPORT
    if family not in (AF_UNIX, AF_INET, AF_INET6):
        return -errno.EAFNOSUPPORT
    file = SocketFile(opened(family, kind, s32(protocol)), kind & O_NONBLOCK, outside=True)
    return p.fds.add(file, bool(kind & O_CLOEXEC))


@syscall(199, "socketpair")
def socketpair(p: Process, family: int, kind: int, protocol: int, out: int) -> Result:
    """See man 2 socketpair: Unix sockets."""
    family, kind = s32(family), s32(kind)
    if family != AF_UNIX:
        return -errno.EOPNOTSUPP if family in (AF_INET, AF_INET6) else -errno.EAFNOSUPPORT
    p.space.view(out, 8, W)
    pair = socket.socketpair(family, kind & 0xF, s32(protocol))
    for index, sock in enumerate(pair):
        fd = p.fds.add(SocketFile(sock, kind & O_NONBLOCK, outside=False), bool(kind & O_CLOEXEC))
        p.space.put32(out + 4 * index, fd)
    return 0


# Addresses


def host_address(p: Process, address: int, size: int, make: bool) -> object:
    """The host's form of the guest's `struct sockaddr`. Raises OSError."""
    if not 2 <= size <= 128:
        raise fail(errno.EINVAL)
    data = p.space.read(address, size)
    family = int.from_bytes(data[:2], "little")
    if family == AF_INET and size >= 16:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), int.from_bytes(data[2:4], "big")
    if family == AF_INET6 and size >= 24:
        flow = int.from_bytes(data[4:8], "big")
        scope = int.from_bytes(data[24:28], "little")
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), int.from_bytes(data[2:4], "big"), flow, scope
    if family == AF_UNIX:
        if size == 2 or data[2] == 0:
            return data[2:]
        place = p.vfs.walk(data[2:].split(b"\0")[0], p.cwd)
        parent = place.fresh() if make else place.parent
        if parent is None or (not make and place.node is None):
            raise fail(errno.ENOENT)
        return parent.socket_path(place.name)
    raise fail(errno.EAFNOSUPPORT)


def guest_address(sock: socket.socket, address: object) -> bytes:
    """`struct sockaddr` of a host address."""
    if sock.family == socket.AF_INET and isinstance(address, tuple):
        return struct.pack("<H", AF_INET) + struct.pack(">H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
    if sock.family == socket.AF_INET6 and isinstance(address, tuple):
        plain = address[0].partition("%")[0]
        head = struct.pack("<H", AF_INET6) + struct.pack(">HI", address[1], address[2])
        return head + socket.inet_pton(socket.AF_INET6, plain) + struct.pack("<I", address[3])
    text = os.fsencode(address) if isinstance(address, str) else address if isinstance(address, bytes) else b""
    if text.startswith(b"/proc/self/fd/"):
        text = text.rpartition(b"/")[2]
    return struct.pack("<H", AF_UNIX) + (text + b"\0" if text and text[0] else text)


def put_address(p: Process, data: bytes, address: int, size: int) -> None:
    """Give the guest an address, cut to the room that it has."""
    if address and size:
        room = p.space.u32(size)
        p.space.write(address, data[:room])
        p.space.put32(size, len(data))


def retry(p: Process, file: File, event: int, flags: int, attempt_once: object) -> Result:
    """Do a socket call, waiting for the socket if it would block."""
    assert callable(attempt_once)

    def attempt() -> Result:
        try:
            result: Result = attempt_once()
        except BlockingIOError:
            if file.flags & O_NONBLOCK or flags & MSG_DONTWAIT:
                return -errno.EAGAIN
            return wait
        return result

    wait = Wait(attempt, fds=[(file.fd, event)], outside=file.outside)
    return attempt()


@syscall(200, "bind")
def bind(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 bind."""
    file = socket_of(p, fd)
    file.sock.bind(host_address(p, address, size & 0xFFFFFFFF, make=True))  # type: ignore[arg-type]
    return 0


@syscall(201, "listen")
def listen(p: Process, fd: int, backlog: int) -> Result:
    """See man 2 listen."""
    socket_of(p, fd).sock.listen(max(0, s32(backlog)))
    return 0


@syscall(202, "accept")
def accept(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 accept."""
    return accept4(p, fd, address, size, 0)


@syscall(242, "accept4")
def accept4(p: Process, fd: int, address: int, size: int, flags: int) -> Result:
    """See man 2 accept4."""
    file = socket_of(p, fd)

    def once() -> int:
        sock, peer = file.sock.accept()
        put_address(p, guest_address(sock, peer), address, size)
        return p.fds.add(SocketFile(sock, flags & O_NONBLOCK, outside=True), bool(flags & O_CLOEXEC))

    return retry(p, file, POLLIN, 0, once)


@syscall(203, "connect")
def connect(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 connect."""
    file = socket_of(p, fd)
    data = p.space.read(address, 2)
    if data == b"\0\0":
        return -errno.EOPNOTSUPP
    target = host_address(p, address, size & 0xFFFFFFFF, make=False)
    error = file.sock.connect_ex(target)  # type: ignore[arg-type]
    if error != errno.EINPROGRESS or file.flags & O_NONBLOCK:
        return -error

    def once() -> int:
        from .poll import revents

        if not revents([(file, POLLOUT)])[0]:
            raise BlockingIOError
        return -file.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    return retry(p, file, POLLOUT, 0, once)


@syscall(204, "getsockname")
def getsockname(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 getsockname."""
    sock = socket_of(p, fd).sock
    put_address(p, guest_address(sock, sock.getsockname()), address, size)
    return 0


@syscall(205, "getpeername")
def getpeername(p: Process, fd: int, address: int, size: int) -> Result:
    """See man 2 getpeername."""
    sock = socket_of(p, fd).sock
    put_address(p, guest_address(sock, sock.getpeername()), address, size)
    return 0


def send(p: Process, file: SocketFile, views: list[memoryview], control: list[bytes], flags: int, target: object) -> Result:
    """Send a message, all of it on a stream that may block."""
    sent = 0
    total = sum(map(len, views))
    ancillary = []
    if control:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(control))]

    def once() -> int:
        nonlocal sent, ancillary
        while True:
            skip, rest = sent, []
            for view in views:
                rest.append(view[min(skip, len(view)) :])
                skip = max(0, skip - len(view))
            host = flags & ~(MSG_NOSIGNAL | MSG_DONTWAIT)
            sent += file.sock.sendmsg(rest, ancillary, host, *([target] if target is not None else []))  # type: ignore[arg-type]
            ancillary = []
            if sent >= total or file.sock.type != socket.SOCK_STREAM or file.flags & O_NONBLOCK or flags & MSG_DONTWAIT:
                return sent

    try:
        return retry(p, file, POLLOUT, flags, once)
    except BrokenPipeError:
        if flags & MSG_NOSIGNAL:
            return -errno.EPIPE
        raise


@syscall(206, "sendto")
def sendto(p: Process, fd: int, buffer: int, length: int, flags: int, address: int, size: int) -> Result:
    """See man 2 sendto."""
    file = socket_of(p, fd)
    target = host_address(p, address, size & 0xFFFFFFFF, make=False) if address else None
    return send(p, file, [p.space.view(buffer, length, R)], [], s32(flags), target)


@syscall(207, "recvfrom")
def recvfrom(p: Process, fd: int, buffer: int, length: int, flags: int, address: int, size: int) -> Result:
    """See man 2 recvfrom."""
    file = socket_of(p, fd)
    flags = s32(flags)
    view = p.space.view(buffer, length, W)

    def once() -> int:
        got, _, _, peer = file.sock.recvmsg_into([view], 0, flags & ~MSG_DONTWAIT)
        if address:
            put_address(p, guest_address(file.sock, peer), address, size)
        return got

    return retry(p, file, POLLIN, flags, once)


def host_descriptors(p: Process, control: int, length: int) -> list[bytes]:
    """The host descriptors of a guest's SCM_RIGHTS messages. Raises OSError."""
    found = []
    at = 0
    data = p.space.read(control, length) if length else b""
    while at + CMSG.size <= len(data):
        size, level, kind = CMSG.unpack_from(data, at)
        if size < CMSG.size or at + size > len(data):
            raise fail(errno.EINVAL)
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            for i in range(at + CMSG.size, at + size - 3, 4):
                file = p.fds.get(int.from_bytes(data[i : i + 4], "little"))
                if file.fd < 0 or file.node is not None:
                    raise fail(errno.EINVAL)
                found.append(struct.pack("i", file.fd))
        at += (size + 7) & ~7
    return found


@syscall(211, "sendmsg")
def sendmsg(p: Process, fd: int, message: int, flags: int) -> Result:
    """See man 2 sendmsg; of control messages only SCM_RIGHTS."""
    file = socket_of(p, fd)
    name, name_size, iov, count, control, control_size, _ = p.space.unpack(MSGHDR_FIELDS, message)
    target = host_address(p, name, name_size, make=False) if name else None
    rights = host_descriptors(p, control, min(control_size, 1 << 16))
    return send(p, file, vectors(p, iov, count, R), rights, s32(flags), target)


MSGHDR_FIELDS = struct.Struct("<QIxxxxQQQQi")


@syscall(212, "recvmsg")
def recvmsg(p: Process, fd: int, message: int, flags: int) -> Result:
    """See man 2 recvmsg; of control messages only SCM_RIGHTS."""
    file = socket_of(p, fd)
    flags = s32(flags)
    name, name_size, iov, count, control, control_size, _ = p.space.unpack(MSGHDR_FIELDS, message)
    views = vectors(p, iov, count, W)
    p.space.view(message, MSGHDR.size, W)

    def once() -> int:
        got, extra, host_flags, peer = file.sock.recvmsg_into(
            views, socket.CMSG_SPACE(4 * 64) if control else 0, flags & ~(MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
        )
        received: list[int] = []
        for level, kind, data in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received += [p.fds.add(adopt(host), bool(flags & MSG_CMSG_CLOEXEC)) for (host,) in
                             struct.iter_unpack("i", data[: len(data) & -4])]  # fmt: skip
        used = 0
        if received:
            packed = CMSG.pack(CMSG.size + 4 * len(received), SOL_SOCKET, SCM_RIGHTS)
            packed += b"".join(fd.to_bytes(4, "little") for fd in received)
            if len(packed) <= control_size:
                p.space.write(control, packed)
                used = min(control_size, (len(packed) + 7) & ~7)
            else:
                host_flags |= MSG_CTRUNC
                for number in received:
                    p.fds.close(number)
        if name:
            data = guest_address(file.sock, peer) if peer else b""
            p.space.write(name, data[:name_size])
            p.space.put32(message + 8, len(data))
        p.space.put64(message + 40, used)
        p.space.put32(message + 48, host_flags)
        return got

    return retry(p, file, POLLIN, flags, once)


def adopt(host: int) -> File:
    """A guest file for a host descriptor that has arrived. A directory gives no access to what is in it."""
    os.set_inheritable(host, False)
    mode = os.fstat(host).st_mode
    if stat.S_ISSOCK(mode):
        return SocketFile(socket.socket(fileno=host), 0, outside=False)
    if stat.S_ISREG(mode):
        import fcntl

        return RegularFile(host, fcntl.fcntl(host, fcntl.F_GETFL) & 3, b"/unknown")
    return StreamFile(host, O_RDWR, b"/unknown", owned=stat.S_ISFIFO(mode))


@syscall(208, "setsockopt")
def setsockopt(p: Process, fd: int, level: int, option: int, value: int, size: int) -> Result:
    """See man 2 setsockopt; numbers and structures are the host's own (asm-generic)."""
    data = p.space.read(value, min(s32(size), 4096) if s32(size) > 0 else 0)
    socket_of(p, fd).sock.setsockopt(s32(level), s32(option), data)
    return 0


@syscall(209, "getsockopt")
def getsockopt(p: Process, fd: int, level: int, option: int, value: int, size: int) -> Result:
    """See man 2 getsockopt."""
    room = s32(p.space.u32(size))
    if room < 0:
        return -errno.EINVAL
    data = socket_of(p, fd).sock.getsockopt(s32(level), s32(option), min(room, 1024))
    if (s32(level), s32(option)) == (SOL_SOCKET, 17) and len(data) >= 4:  # SO_PEERCRED: guest numbers
        record = p.pids.by_host(int.from_bytes(data[:4], "little"))
        data = (record.pid if record else 0).to_bytes(4, "little") + data[4:]
    p.space.write(value, data)
    p.space.put32(size, len(data))
    return 0


@syscall(210, "shutdown")
def shutdown(p: Process, fd: int, how: int) -> Result:
    """See man 2 shutdown."""
    socket_of(p, fd).sock.shutdown(s32(how))
    return 0


MMSG = MSGHDR.size + 8


@syscall(269, "sendmmsg")
def sendmmsg(p: Process, fd: int, messages: int, count: int, flags: int) -> Result:
    """See man 2 sendmmsg: as many as go without waiting, at least one."""
    done = 0
    for index in range(min(count & 0xFFFFFFFF, 1024)):
        at = messages + index * MMSG
        result = sendmsg(p, fd, at, flags | (MSG_DONTWAIT if done else 0))
        if not isinstance(result, int):
            return -errno.EAGAIN
        if result < 0:
            return done or result
        p.space.put32(at + MSGHDR.size, result)
        done += 1
    return done
