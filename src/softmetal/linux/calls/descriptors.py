"""fcntl and flock. Sources: man 2 fcntl, flock; asm-generic/fcntl.h for the numbers.

Locks are the host's, since each guest process is a host process. A blocked lock is tried again and again, so the host
does not see a deadlock, and EDEADLK is never answered.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from ..abi import s32
from ..files import O_APPEND, O_NONBLOCK, File, RegularFile
from ..process import Process
from ..table import syscall
from ..waits import Result, Wait

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG = range(12)
F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS = 15, 16, 17
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
F_GETLEASE, F_DUPFD_QUERY, F_CREATED_QUERY = 1025, 1027, 1028
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS = 1030, 1031, 1032, 1033, 1034
F_GET_RW_HINT, F_SET_RW_HINT = 1035, 1036
WITH_PATH = frozenset({F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_QUERY})
"""What an O_PATH descriptor is good for."""
O_ASYNC, O_LARGEFILE, F_UNLCK = 0o20000, 0o100000, 2
FLOCK = struct.Struct("<hhxxxxqqixxxx")
OWNER = struct.Struct("<ii")


@syscall(25, "fcntl")
def fcntl_(p: Process, fd: int, command: int, argument: int) -> Result:
    """See man 2 fcntl. Owners and O_ASYNC are remembered; no SIGIO is ever sent."""
    file = p.fds.any(fd)
    slot = p.fds.slots[fd & 0xFFFFFFFF]
    command = s32(command)
    if file.is_path and command not in WITH_PATH:
        return -errno.EBADF
    if command in (F_DUPFD, F_DUPFD_CLOEXEC):
        if not 0 <= s32(argument) < p.fds.limit:
            return -errno.EINVAL
        return p.fds.add(file, command == F_DUPFD_CLOEXEC, s32(argument))
    if command == F_GETFD:
        return int(slot.cloexec)
    if command == F_SETFD:
        slot.cloexec = bool(argument & 1)
        return 0
    if command == F_GETFL:
        large = O_LARGEFILE if file.path[:1] == b"/" and not file.is_path else 0  # what `open` and memfd_create add
        return file.flags & ~O_NONBLOCK | large | (O_NONBLOCK if file.nonblocking else 0)
    if command == F_SETFL:
        return set_flags(file, argument)
    if command == F_DUPFD_QUERY:
        return int(p.fds.any(argument) is file)
    if command == F_CREATED_QUERY:
        return int(file.created)
    if command in (F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW):
        return lock(p, file, command, argument)
    if command in (F_SETPIPE_SZ, F_GETPIPE_SZ):
        return fcntl.fcntl(file.fd, command, s32(argument)) if file.fd >= 0 else -errno.EBADF
    if command == F_ADD_SEALS and not file.writable:
        return -errno.EPERM
    if command in (F_ADD_SEALS, F_GET_SEALS) and isinstance(file, RegularFile):
        return fcntl.fcntl(file.fd, command, s32(argument))
    if command in (F_GET_RW_HINT, F_SET_RW_HINT) and file.fd >= 0:
        data = fcntl.fcntl(file.fd, command, bytes(8) if command == F_GET_RW_HINT else p.space.read(argument, 8))
        p.space.write(argument, data)
        return 0
    if command == F_GETLEASE:
        return F_UNLCK
    return owner(p, file, command, argument)


def owner(p: Process, file: File, command: int, argument: int) -> Result:
    """Who would get SIGIO, and which signal instead of it."""
    if command == F_SETOWN:
        who = s32(argument)
        if who and p.pids.by_pid(abs(who)) is None:
            return -errno.ESRCH
        file.owner = (1, who) if who > 0 else (2, -who)
    elif command == F_GETOWN:
        return file.owner[1] if file.owner[0] < 2 else -file.owner[1]
    elif command == F_SETOWN_EX:
        kind, who = p.space.unpack(OWNER, argument)
        if kind not in (0, 1, 2):
            return -errno.EINVAL
        file.owner = (kind, who)
    elif command == F_GETOWN_EX:
        p.space.write(argument, OWNER.pack(*file.owner))
    elif command == F_GETOWNER_UIDS:
        p.space.write(argument, bytes(8) if not file.owner[1] else struct.pack("<II", os.getuid(), os.geteuid()))
    elif command == F_SETSIG:
        if not 0 <= s32(argument) <= 64:
            return -errno.EINVAL
        file.signal = s32(argument)
    elif command == F_GETSIG:
        return file.signal
    else:
        return -errno.EINVAL
    return 0


def set_flags(file: File, flags: int) -> Result:
    """F_SETFL: O_APPEND and O_NONBLOCK have an effect; O_DIRECT is refused, for nothing is ever moved directly."""
    if flags & 0o40000 and not file.flags & 0o40000:
        return -errno.EINVAL
    file.set_nonblocking(bool(flags & O_NONBLOCK))
    if (flags ^ file.flags) & O_APPEND and isinstance(file, RegularFile):
        host = fcntl.fcntl(file.fd, fcntl.F_GETFL)
        fcntl.fcntl(file.fd, fcntl.F_SETFL, host & ~os.O_APPEND | (os.O_APPEND if flags & O_APPEND else 0))
        file.flags = file.flags & ~O_APPEND | flags & O_APPEND
    file.flags = file.flags & ~O_ASYNC | flags & O_ASYNC
    return 0


def lock(p: Process, file: File, command: int, address: int) -> Result:
    """Record locks."""
    data = p.space.read(address, FLOCK.size)
    if file.fd < 0:
        return -errno.ENOLCK
    if command in (F_GETLK, F_OFD_GETLK):
        kind, whence, start, length, host = FLOCK.unpack(fcntl.fcntl(file.fd, command, data))
        record = p.pids.by_host(host) if host > 0 else None
        p.space.write(address, FLOCK.pack(kind, whence, start, length, record.pid if record else host))
        return 0
    blocking = command in (F_SETLKW, F_OFD_SETLKW)
    now = command - 1 if blocking else command

    def attempt() -> Result:
        try:
            fcntl.fcntl(file.fd, now, data)
        except OSError as error:
            if blocking and error.errno in (errno.EAGAIN, errno.EACCES):
                return wait
            raise
        return 0

    wait = Wait(attempt, interval=True)
    return attempt()


@syscall(32, "flock")
def flock(p: Process, fd: int, operation: int) -> Result:
    """See man 2 flock. On what exists only for the guest (`/proc`, `/dev`) there are no locks: ENOLCK."""
    operation = s32(operation)
    if operation & ~fcntl.LOCK_NB not in (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN):
        return -errno.EINVAL
    file = p.fds.get(fd)
    if file.fd < 0:
        return 0 if operation & ~fcntl.LOCK_NB == fcntl.LOCK_UN else -errno.ENOLCK

    def attempt() -> Result:
        try:
            fcntl.flock(file.fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if operation & fcntl.LOCK_NB:
                raise
            return wait
        return 0

    wait = Wait(attempt, interval=True)
    return attempt()
