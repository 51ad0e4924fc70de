"""Scheduling parameters: there is one CPU, and threads take turns whatever they ask for.

Sources: man 2 sched_setscheduler, sched_setattr, setpriority, ioprio_set; kernel/sched/syscalls.c for what a user without
capabilities may set. What is set is kept, inherited and answered, and changes nothing: docs/running.md says so.
"""

from __future__ import annotations

import errno
import struct

from ..abi import TIMESPEC, s32
from ..nodes import fail
from ..process import Process
from ..sched import QUANTUM
from ..table import syscall
from ..threads import Thread
from ..waits import Result

SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE = 0, 1, 2, 3, 5, 6
POLICIES = (SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE)
RESET_ON_FORK = 0x40000000
SCHED_ATTR = struct.Struct("<IIQiIQQQII")
SCHED_ATTR_V0 = 48


def thread_at(p: Process, tid: int) -> Thread | None:
    """The thread with this number, the caller for 0; None for another process's. Raises OSError(EINVAL, ESRCH)."""
    tid = s32(tid)
    if tid < 0:
        raise fail(errno.EINVAL)
    if tid == 0:
        return p.thread
    thread = next((t for t in p.sched.threads if t.tid == tid), None)
    if thread is None and p.pids.by_pid(tid) is None:
        raise fail(errno.ESRCH)
    return thread


def own(p: Process, tid: int) -> Thread:
    """A thread of this process. Raises OSError(EINVAL, ESRCH, EPERM)."""
    thread = thread_at(p, tid)
    if thread is None:
        raise fail(errno.EPERM)
    return thread


def set_policy(thread: Thread, policy: int, priority: int, nice: int | None) -> int:
    """Set a policy as a user without capabilities may; 0 or a negative errno."""
    plain = policy & ~RESET_ON_FORK
    if plain not in POLICIES:
        return -errno.EINVAL
    real_time = plain in (SCHED_FIFO, SCHED_RR)
    if priority > 99 or real_time != (priority != 0):
        return -errno.EINVAL
    if real_time or plain == SCHED_DEADLINE:
        return -errno.EPERM
    if nice is not None:
        if nice < thread.nice:
            return -errno.EPERM
        thread.nice = nice
    thread.policy = policy
    return 0


@syscall(124, "sched_yield")
def sched_yield(p: Process) -> Result:
    """Let the other threads run: the quantum ends here."""
    p.sched.give_up = True
    return 0


@syscall(122, "sched_setaffinity")
def sched_setaffinity(p: Process, pid: int, size: int, mask: int) -> Result:
    """See man 2 sched_setaffinity; there is CPU 0 only."""
    size &= 0xFFFFFFFF
    data = p.space.read(mask, min(size, 8)) if size else b""
    if s32(pid) < 0:
        return -errno.ESRCH
    own(p, pid)
    return 0 if data and data[0] & 1 else -errno.EINVAL


@syscall(123, "sched_getaffinity")
def sched_getaffinity(p: Process, pid: int, size: int, mask: int) -> Result:
    """See man 2 sched_getaffinity; the system call answers the bytes written."""
    size &= 0xFFFFFFFF
    if size < 8 or size % 8:
        return -errno.EINVAL
    if s32(pid) < 0:
        return -errno.ESRCH
    thread_at(p, pid)
    p.space.put64(mask, 1)
    return 8


@syscall(168, "getcpu")
def getcpu(p: Process, cpu: int, node: int) -> Result:
    """See man 2 getcpu."""
    for address in (cpu, node):
        if address:
            p.space.put32(address, 0)
    return 0


@syscall(120, "sched_getscheduler")
def sched_getscheduler(p: Process, pid: int) -> Result:
    """See man 2 sched_getscheduler."""
    thread = thread_at(p, pid)
    return thread.policy if thread is not None else SCHED_OTHER


@syscall(119, "sched_setscheduler")
def sched_setscheduler(p: Process, pid: int, policy: int, parameters: int) -> Result:
    """See man 2 sched_setscheduler."""
    if s32(policy) < 0 or not parameters or s32(pid) < 0:
        return -errno.EINVAL
    priority = p.space.u32(parameters)
    return set_policy(own(p, pid), s32(policy), priority, None)


@syscall(121, "sched_getparam")
def sched_getparam(p: Process, pid: int, out: int) -> Result:
    """See man 2 sched_getparam: priority 0, since no thread has a real-time policy."""
    if not out or s32(pid) < 0:
        return -errno.EINVAL
    thread_at(p, pid)
    p.space.put32(out, 0)
    return 0


@syscall(118, "sched_setparam")
def sched_setparam(p: Process, pid: int, value: int) -> Result:
    """See man 2 sched_setparam."""
    if not value or s32(pid) < 0:
        return -errno.EINVAL
    priority = p.space.u32(value)
    own(p, pid)
    return 0 if priority == 0 else -errno.EINVAL


@syscall(274, "sched_setattr")
def sched_setattr(p: Process, pid: int, attr: int, flags: int) -> Result:
    """See man 2 sched_setattr."""
    if not attr or s32(pid) < 0 or flags & 0xFFFFFFFF:
        return -errno.EINVAL
    size = p.space.u32(attr) or SCHED_ATTR_V0
    if size < SCHED_ATTR_V0 or size > 4096 or any(p.space.read(attr + SCHED_ATTR.size, max(0, size - SCHED_ATTR.size))):
        p.space.put32(attr, SCHED_ATTR.size)
        return -errno.E2BIG
    data = p.space.read(attr, min(size, SCHED_ATTR.size)).ljust(SCHED_ATTR.size, b"\0")
    _, policy, extra, nice, priority, _, _, _, _, _ = SCHED_ATTR.unpack(data)
    if s32(policy) < 0 or extra & ~0x7F:
        return -errno.EINVAL
    reset = RESET_ON_FORK if extra & 1 else 0
    return set_policy(own(p, pid), policy | reset, priority, min(19, max(-20, nice)) if policy != SCHED_IDLE else None)


@syscall(275, "sched_getattr")
def sched_getattr(p: Process, pid: int, attr: int, size: int, flags: int) -> Result:
    """See man 2 sched_getattr."""
    size &= 0xFFFFFFFF
    if not attr or s32(pid) < 0 or not SCHED_ATTR_V0 <= size <= 4096 or flags & 0xFFFFFFFF:
        return -errno.EINVAL
    thread = thread_at(p, pid)
    policy, nice = (thread.policy, thread.nice) if thread is not None else (SCHED_OTHER, 0)
    used = min(size, SCHED_ATTR.size)
    flags = 1 if policy & RESET_ON_FORK else 0
    data = SCHED_ATTR.pack(used, policy & ~RESET_ON_FORK, flags, nice, 0, QUANTUM, 0, 0, 0, 1024)
    p.space.write(attr, data[:used])
    return 0


@syscall(125, "sched_get_priority_max")
def sched_get_priority_max(p: Process, policy: int) -> Result:
    """See man 2 sched_get_priority_max."""
    if s32(policy) not in POLICIES:
        return -errno.EINVAL
    return 99 if s32(policy) in (SCHED_FIFO, SCHED_RR) else 0


@syscall(126, "sched_get_priority_min")
def sched_get_priority_min(p: Process, policy: int) -> Result:
    """See man 2 sched_get_priority_min."""
    if s32(policy) not in POLICIES:
        return -errno.EINVAL
    return 1 if s32(policy) in (SCHED_FIFO, SCHED_RR) else 0


@syscall(127, "sched_rr_get_interval")
def sched_rr_get_interval(p: Process, pid: int, out: int) -> Result:
    """See man 2 sched_rr_get_interval: the quantum of every thread."""
    thread_at(p, pid)
    p.space.write(out, TIMESPEC.pack(0, QUANTUM))
    return 0


PRIO_PROCESS, PRIO_PGRP, PRIO_USER = range(3)


def chosen(p: Process, which: int, who: int) -> list[Thread]:
    """The threads of this process that `which` and `who` name. Raises OSError(EINVAL, ESRCH, EPERM)."""
    which, who = s32(which), s32(who)
    if which not in (PRIO_PROCESS, PRIO_PGRP, PRIO_USER):
        raise fail(errno.EINVAL)
    if which == PRIO_PROCESS:
        if who < 0:
            raise fail(errno.ESRCH)
        return [own(p, who)]
    if which == PRIO_PGRP and who not in (0, p.pids.me.group):
        raise fail(errno.EPERM if any(r.group == who for r in p.pids.all()) else errno.ESRCH)
    import os

    if which == PRIO_USER and who not in (0, os.getuid()):
        raise fail(errno.ESRCH)
    return p.sched.threads


@syscall(140, "setpriority")
def setpriority(p: Process, which: int, who: int, value: int) -> Result:
    """See man 2 setpriority: only upwards, as without CAP_SYS_NICE."""
    nice = min(19, max(-20, s32(value)))
    threads = chosen(p, which, who)
    if any(nice < thread.nice for thread in threads):
        return -errno.EACCES
    for thread in threads:
        thread.nice = nice
    return 0


@syscall(141, "getpriority")
def getpriority(p: Process, which: int, who: int) -> Result:
    """See man 2 getpriority; the system call answers 20 - nice."""
    return max(20 - thread.nice for thread in chosen(p, which, who))


IOPRIO_CLASS_RT, IOPRIO_CLASS_IDLE = 1, 3


@syscall(31, "ioprio_get")
def ioprio_get(p: Process, which: int, who: int) -> Result:
    """See man 2 ioprio_get."""
    if s32(which) not in (1, 2, 3):
        return -errno.EINVAL
    return chosen(p, s32(which) - 1, who)[0].io_priority


@syscall(30, "ioprio_set")
def ioprio_set(p: Process, which: int, who: int, value: int) -> Result:
    """See man 2 ioprio_set."""
    kind, level = s32(value) >> 13 & 7, value & 7
    if kind == IOPRIO_CLASS_RT:
        return -errno.EPERM
    if s32(which) not in (1, 2, 3) or kind > IOPRIO_CLASS_IDLE or (kind == 0 and level):
        return -errno.EINVAL
    for thread in chosen(p, s32(which) - 1, who):
        thread.io_priority = value & 0xFFFF
    return 0
