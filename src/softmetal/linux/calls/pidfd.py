"""Processes as files: pidfd_open and what takes its descriptors; kcmp.

Sources: man 2 pidfd_open, pidfd_send_signal, pidfd_getfd, process_mrelease, kcmp. A pidfd is the host's, of the host process that
runs the guest's; so it becomes readable when that ends, for poll and epoll, in whichever process it is.
"""

from __future__ import annotations

import errno
import os
import re

from ..abi import s32
from ..files import O_NONBLOCK, O_RDWR, DirectoryFile, File, StreamFile
from ..nodes import fail
from ..pids import Record, host_state
from ..process import Process
from ..signals import SI_TKILL, SI_USER, info
from ..table import syscall
from ..threads import Pending
from ..waits import Result

PIDFD_THREAD = 0o200


class PidFile(StreamFile):
    """A pidfd."""

    def __init__(self, fd: int, pid: int, flags: int) -> None:
        super().__init__(fd, flags | O_RDWR, b"anon_inode:[pidfd]", owned=True)
        self.pid = pid


def pidfd_of_process(p: Process, record: Record, flags: int = 0) -> int:
    """A new descriptor for a process. Raises OSError(ESRCH, EMFILE)."""
    return p.fds.add(PidFile(os.pidfd_open(record.host), record.pid, flags), True)


def pid_file(p: Process, fd: int) -> PidFile:
    """The pidfd of a descriptor. Raises OSError(EBADF)."""
    file = p.fds.get(fd)
    if not isinstance(file, PidFile):
        raise fail(errno.EBADF)
    return file


def process_at(p: Process, fd: int) -> int:
    """The process of a pidfd or of an open `/proc/PID` (`pidfd_to_pid`). Raises OSError(EBADF)."""
    file = p.fds.get(fd)
    place = re.fullmatch(rb"/proc/(\d+)", file.path) if isinstance(file, DirectoryFile) else None
    return int(place[1]) if place else pid_file(p, fd).pid


@syscall(434, "pidfd_open")
def pidfd_open(p: Process, pid: int, flags: int) -> Result:
    """See man 2 pidfd_open: processes of this run."""
    pid = s32(pid)
    if flags & 0xFFFFFFFF & ~(O_NONBLOCK | PIDFD_THREAD) or pid <= 0:
        return -errno.EINVAL
    record = p.pids.by_pid(pid)
    if record is None:
        thread = any(t.tid == pid for t in p.sched.threads)
        if thread and flags & PIDFD_THREAD:
            p.once("pidfd of a thread", "a pidfd of a thread (PIDFD_THREAD) is not implemented")
        return -errno.EINVAL if thread else -errno.ESRCH
    return pidfd_of_process(p, record, flags & O_NONBLOCK)


@syscall(424, "pidfd_send_signal")
def pidfd_send_signal(p: Process, fd: int, number: int, address: int, flags: int) -> Result:
    """See man 2 pidfd_send_signal."""
    from .signals import queue, send

    number = s32(number)
    if flags & 0xFFFFFFFF:
        return -errno.EINVAL
    pid = process_at(p, fd)
    if address:
        data = p.space.read(address, 128)
        given, _, code = (s32(int.from_bytes(data[i : i + 4], "little")) for i in (0, 4, 8))
        if given != number:
            return -errno.EINVAL
        if pid != p.pid and (code >= 0 or code == SI_TKILL):
            return -errno.EPERM
        if not 0 <= number <= 64:
            return -errno.EINVAL
        queue(p, pid, number, data)
    elif not 0 <= number <= 64:
        return -errno.EINVAL
    elif pid == p.pid and number:
        p.signals.post(Pending(number, info(number, SI_USER, p.pid, os.getuid())))
    else:
        send(p, pid, number)
    return 0


@syscall(438, "pidfd_getfd")
def pidfd_getfd(p: Process, fd: int, target: int, flags: int) -> Result:
    """See man 2 pidfd_getfd: of this process itself. Another one's needs ptrace, which is not there: EPERM."""
    if flags & 0xFFFFFFFF:
        return -errno.EINVAL
    file = pid_file(p, fd)
    if file.pid == p.pid:
        return p.fds.add(p.fds.any(target), True)
    return -errno.EPERM if p.pids.by_pid(file.pid) else -errno.ESRCH


@syscall(448, "process_mrelease")
def process_mrelease(p: Process, fd: int, flags: int) -> Result:
    """See man 2 process_mrelease: a process that has been killed is gone at once, and its memory with it."""
    if flags & 0xFFFFFFFF:
        return -errno.EINVAL
    record = p.pids.by_pid(pid_file(p, fd).pid)
    return -errno.ESRCH if record is None or host_state(record.host) in ("Z", "X", "") else -errno.EINVAL


KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM, KCMP_EPOLL_TFD = range(8)


@syscall(272, "kcmp")
def kcmp(p: Process, pid1: int, pid2: int, kind: int, index1: int, index2: int) -> Result:
    """See man 2 kcmp: of threads of this process. Two processes share nothing but files, which need ptrace: EPERM."""
    pids = [s32(pid1), s32(pid2)]
    kind = s32(kind)
    own = {p.pid, *(t.tid for t in p.sched.threads)}
    if any(pid not in own and p.pids.by_pid(pid) is None for pid in pids):
        return -errno.ESRCH
    if any(pid not in own for pid in pids):
        return -errno.EPERM
    if kind == KCMP_FILE:
        return order(p.fds.get(index1), p.fds.get(index2))
    if kind == KCMP_EPOLL_TFD:
        return kcmp_watched(p, index1, index2)
    return 0 if kind in (KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM) else -errno.EINVAL


def order(a: File, b: File) -> int:
    """0 if they are one file, else 1 or 2: the same way each time, by when the descriptors were made."""
    return 0 if a is b else 1 if a.serial < b.serial else 2


def kcmp_watched(p: Process, fd: int, slot: int) -> int:
    """Whether descriptor `fd` is the one that an epoll set watches: `struct kcmp_epoll_slot` efd, tfd, toff."""
    from .epoll import EpollFile

    file = p.fds.get(fd)
    efd, tfd, toff = (p.space.u32(slot + 4 * i) for i in range(3))
    epoll = p.fds.get(efd)
    if not isinstance(epoll, EpollFile):
        return -errno.EINVAL
    watched = [f for number, f in epoll.keys if number == tfd and f.refs > 0]
    if toff >= len(watched):
        return -errno.ENOENT
    return order(file, watched[toff])
