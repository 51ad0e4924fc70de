"""Control messages: descriptors and credentials that are sent along.

Sources: man 7 unix, "Ancillary messages"; man 3 cmsg. Descriptors sent with SCM_RIGHTS arrive as what the host says they are:
pipes, sockets, regular files, event files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct

from .. import hostlibc
from ..files import O_ACCMODE, O_APPEND, File, RegularFile, StreamFile
from ..nodes import fail
from ..process import Process
from ..sockets import SocketFile
from .epoll import EpollFile
from .pidfd import PidFile

MSG_CMSG_CLOEXEC = 0x40000000
SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS, SCM_PIDFD = 1, 1, 2, 4
CMSG = struct.Struct("<QII")
CREDENTIALS = struct.Struct("<iII")

Ancillary = list[tuple[int, int, bytes]]


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
