"""Sockets and their addresses: the socket is the host's, the names of Unix sockets are the guest's.

A Unix socket's path is resolved in the guest's tree, one component at a time, like every other path. It is bound
under a key in the directory that was found and then renamed, so that no length of the way there counts against the
108 bytes of `sun_path`; it is connected to through a descriptor of its inode, so that no link swapped in meanwhile
can lead to a socket of the host. Abstract names live in a part of the host's abstract names that belongs to this
run alone. What the host says about an address is turned back with a table that the processes of a run share.

Sources: man 7 unix, man 7 ip; net/unix/af_unix.c for the errors and the lengths.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import secrets
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from .files import O_RDWR, StreamFile
from .nodes import fail
from .waits import POLLIN

if TYPE_CHECKING:
    from .nodes import Node
    from .process import Process

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 = 0, 1, 2, 10
SO_RCVTIMEO, SO_SNDTIMEO = 20, 21
TIMEVAL = struct.Struct("<qq")
KEY = 16
TEMPORARY = b".softmetal-"
LONGEST_NAME = 108


class SocketNames:
    """The guest's names of the Unix sockets of a run, by the keys under which the host knows them."""

    SLOT = struct.Struct(f"<{KEY}sB{LONGEST_NAME + 1}s")
    SLOTS = 4096

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 8 + self.SLOT.size * self.SLOTS)
        self.run = secrets.token_hex(8).encode()

    def _count(self, place: int, step: int) -> int:
        (value,) = struct.unpack_from("<I", self._map, place)
        struct.pack_into("<I", self._map, place, value + step & 0xFFFFFFFF)
        return int(value)

    def add(self, p: Process, key: bytes, name: bytes) -> None:
        """Remember the guest's name (what follows the family in its address) of the socket with this key.

        After 4,096 names the oldest is forgotten; such a socket then looks as if it had no name.
        """
        with p.pids.locked():
            at = self._at(key)
            if at is None:
                at = 8 + self._count(0, 1) % self.SLOTS * self.SLOT.size
            self.SLOT.pack_into(self._map, at, key, len(name), name)

    def _at(self, key: bytes) -> int | None:
        at = self._map.find(key, 8)
        while at >= 0 and (at - 8) % self.SLOT.size:
            at = self._map.find(key, at + 1)
        return at if at >= 0 else None

    def get(self, key: bytes) -> bytes:
        """The guest's name; empty if it is not known."""
        at = self._at(key)
        if at is None:
            return b""
        _, length, name = self.SLOT.unpack_from(self._map, at)
        return bytes(name[:length])

    def unused(self, p: Process) -> bytes:
        """The next abstract name for a socket that has asked for any (man 7 unix, autobind)."""
        with p.pids.locked():
            return b"\0%05x" % (self._count(4, 1) & 0xFFFFF)

    def abstract(self, name: bytes) -> tuple[bytes, bytes]:
        """The key and the host's address of an abstract name, which starts with a zero byte."""
        key = hashlib.sha256(name).digest()[:KEY]
        return key, b"\0softmetal-" + self.run + b"-" + key.hex().encode()

    def key_of(self, host: bytes) -> bytes | None:
        """The key in an address of the host; None if it is no name of this run."""
        head = b"\0softmetal-" + self.run + b"-"
        text = host[len(head) :] if host.startswith(head) else host.rpartition(b"/")[2].removeprefix(TEMPORARY)
        try:
            key = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            return None
        return key if len(key) == KEY else None


class SocketFile(StreamFile):
    """A host socket, non-blocking on the host."""

    def __init__(self, sock: socket.socket, flags: int, outside: bool) -> None:
        self.sock = sock
        name = b"socket:[%d]" % os.fstat(sock.fileno()).st_ino
        super().__init__(sock.fileno(), flags | O_RDWR, name, owned=True)
        self.outside = outside
        self.pass_credentials = False

    def close(self) -> None:
        """See `File.close`."""
        for fd in self._others:
            os.close(fd)
        self._others.clear()
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

    def time_limit(self, event: int) -> int | None:
        """See `File.time_limit`: SO_RCVTIMEO, SO_SNDTIMEO."""
        option = SO_RCVTIMEO if event == POLLIN else SO_SNDTIMEO
        seconds, us = TIMEVAL.unpack(self.sock.getsockopt(socket.SOL_SOCKET, option, TIMEVAL.size))
        return (seconds * 10**9 + us * 1000) or None


def socket_of(p: Process, fd: int) -> SocketFile:
    """The socket of a descriptor. Raises OSError(EBADF, ENOTSOCK)."""
    file = p.fds.get(fd)
    if not isinstance(file, SocketFile):
        raise fail(errno.ENOTSOCK)
    return file


def read_address(p: Process, address: int, size: int) -> bytes:
    """The guest's `struct sockaddr`. Raises Fault, OSError(EINVAL)."""
    if not 0 <= size <= 128:
        raise fail(errno.EINVAL)
    return p.space.read(address, size) if size else b""


def unix_name(data: bytes) -> bytes:
    """The name in a Unix address as Linux keeps it: a path without its zero byte, or an abstract name whole."""
    if int.from_bytes(data[:2], "little") != AF_UNIX or not 2 < len(data) <= 2 + LONGEST_NAME:
        raise fail(errno.EINVAL)
    return data[2:] if data[2] == 0 else data[2:].split(b"\0")[0]


class Target(NamedTuple):
    """Where to connect or send to."""

    host: object
    """The address in the host's form."""
    node: Node | None = None
    """The node whose descriptor the address names: it is open as long as this is kept."""


def target_of(p: Process, sock: socket.socket, data: bytes) -> Target:
    """The host's form of an address to connect or send to. Raises OSError."""
    if sock.family == socket.AF_UNIX:
        name = unix_name(data)
        if name[:1] == b"\0":
            return Target(p.socket_names.abstract(name)[1])
        node = p.vfs.walk(name, p.cwd).existing()
        return Target(node.connect_path(), node)
    return Target(inet_address(sock, data))


def inet_address(sock: socket.socket, data: bytes) -> object:
    """An IPv4 or IPv6 address. Raises OSError(EINVAL, EAFNOSUPPORT)."""
    family = int.from_bytes(data[:2], "little")
    port = int.from_bytes(data[2:4], "big")
    if len(data) < (16 if sock.family == socket.AF_INET else 24):
        raise fail(errno.EINVAL)
    if family == AF_INET:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), port
    if family == AF_INET6 and sock.family == socket.AF_INET6:
        flow = int.from_bytes(data[4:8], "big")
        scope = int.from_bytes(data[24:28], "little")
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), port, flow, scope
    raise fail(errno.EAFNOSUPPORT)


def bind_unix(p: Process, file: SocketFile, data: bytes) -> None:
    """Give a Unix socket its name. Raises OSError."""
    names = p.socket_names
    if data[:2] == b"\1\0" and len(data) == 2:
        if file.sock.getsockname():
            return
        name = names.unused(p)
    else:
        name = unix_name(data)
    if name[:1] == b"\0":
        key, host = names.abstract(name)
        file.sock.bind(host)
        names.add(p, key, name)
        return
    place = p.vfs.walk(name, p.cwd, follow=False)
    if place.node is not None or place.parent is None:
        raise fail(errno.EADDRINUSE)
    if file.sock.getsockname():
        raise fail(errno.EINVAL)
    key = os.urandom(KEY)
    names.add(p, key, name + b"\0")
    try:
        place.parent.bind_socket(file.sock.bind, TEMPORARY + key.hex().encode(), place.name)
    except FileExistsError:
        raise fail(errno.EADDRINUSE) from None


def guest_address(p: Process, sock: socket.socket, address: object) -> bytes:
    """`struct sockaddr` of a host address."""
    if sock.family == socket.AF_INET and isinstance(address, tuple):
        return struct.pack("<H", AF_INET) + struct.pack(">H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
    if sock.family == socket.AF_INET6 and isinstance(address, tuple):
        plain = address[0].partition("%")[0]
        head = struct.pack("<H", AF_INET6) + struct.pack(">HI", address[1], address[2])
        return head + socket.inet_pton(socket.AF_INET6, plain) + struct.pack("<I", address[3])
    text = os.fsencode(address) if isinstance(address, str) else address if isinstance(address, bytes) else b""
    key = p.socket_names.key_of(text)
    return struct.pack("<H", AF_UNIX) + (p.socket_names.get(key) if key else b"")


def put_address(p: Process, data: bytes, address: int, size: int) -> None:
    """Give the guest an address, cut to the room that it has. Raises Fault, OSError(EINVAL)."""
    room = p.space.u32(size)
    if room >> 31:
        raise fail(errno.EINVAL)
    if room:
        p.space.write(address, data[:room])
    p.space.put32(size, len(data))
