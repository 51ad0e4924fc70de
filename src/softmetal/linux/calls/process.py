"""Processes: exec, wait, identity, limits. Sources: man section 2."""

from __future__ import annotations

import contextlib
import errno
import os

from .. import hostlibc
from ..abi import AT_EMPTY_PATH, AT_FDCWD, RUSAGE, SIGINFO_CHILD, TMS, s32
from ..errors import RunError
from ..files import O_NONBLOCK
from ..loader import Where, execute, find
from ..nodes import fail
from ..pids import Record
from ..process import Process
from ..signals import SIGCHLD
from ..table import syscall
from ..waits import Result, Wait
from .paths import base
from .pidfd import pid_file
from .prctl import PR_SET_DUMPABLE

MOST_STRINGS = 1 << 17


def strings(p: Process, address: int) -> list[bytes]:
    """An array of strings that a null pointer ends. Raises Fault, OSError(E2BIG)."""
    result: list[bytes] = []
    while address and (pointer := p.space.u64(address)):
        result.append(p.space.text(pointer))
        address += 8
        if len(result) > MOST_STRINGS:
            raise fail(errno.E2BIG)
    return result


@syscall(221, "execve")
def execve(p: Process, path: int, arguments: int, environment: int) -> Result:
    """See man 2 execve."""
    return replace(p, p.space.path(path), strings(p, arguments), strings(p, environment))


@syscall(281, "execveat")
def execveat(p: Process, fd: int, path: int, arguments: int, environment: int, flags: int) -> Result:
    """See man 2 execveat."""
    name = p.space.path(path)
    if not name and flags & AT_EMPTY_PATH:
        name = b"/proc/self/fd/%d" % s32(fd)
    elif name[:1] != b"/" and s32(fd) != AT_FDCWD:
        name = base(p, fd, name).path + b"/" + name
    return replace(p, name, strings(p, arguments), strings(p, environment))


def replace(p: Process, path: bytes, arguments: list[bytes], environment: list[bytes]) -> Result:
    """Run another program in this process."""
    if not path:
        return -errno.ENOENT
    try:
        program = find(Where(p.vfs, p.cwd, busy=p.is_written), path, arguments or [b""], need_mode=True)
    except RunError as error:
        return -error.errno
    before = p.executed(program.main.file.fd)
    try:
        execute(p, program, environment)
    except (RunError, OSError):
        p.pids.me.device, p.pids.me.inode = before
        p.pids.save()
        raise
    p.enter_program(program)
    return None


@syscall(172, "getpid")
def getpid(p: Process) -> Result:
    """See man 2 getpid."""
    return p.pid


@syscall(173, "getppid")
def getppid(p: Process) -> Result:
    """See man 2 getppid; a subreaper or 1 when the parent has ended."""
    if p.is_first:
        return p.pids.me.parent
    record = p.pids.by_host(os.getppid())
    return record.pid if record is not None else 1


# Waiting for children. They are the host's children too.

WNOHANG, WUNTRACED, WEXITED, WCONTINUED, WNOWAIT = 1, 2, 4, 8, 0x1000000
P_ALL, P_PID, P_PGID, P_PIDFD = 0, 1, 2, 3
WNOTHREAD, WALL, WCLONE = 0x20000000, 0x40000000, 0x80000000
HOW = WNOTHREAD | WALL | WCLONE
"""Bits that any call of the family takes."""


def waitable(p: Process, record: Record, options: int) -> bool:
    """Whether a child is of the kind that is asked for: those whose end sends another signal than SIGCHLD need WCLONE."""
    return bool(options & WALL) or (p.exit_signals.get(record.pid, SIGCHLD) != SIGCHLD) == bool(options & WCLONE)


def wait_for(p: Process, kind: int, number: int, options: int) -> tuple[Record, os.waitid_result] | None:
    """A child of the wanted kind that has changed; None if none has yet. Raises ChildProcessError."""
    host_options = os.WNOHANG
    for bit, host_bit in ((WUNTRACED, os.WSTOPPED), (WEXITED, os.WEXITED), (WCONTINUED, os.WCONTINUED)):
        host_options |= host_bit if options & bit else 0
    if kind == P_ALL and not options & WCLONE and all(n == SIGCHLD for n in p.exit_signals.values()):
        found = os.waitid(os.P_ALL, 0, host_options | os.WNOWAIT)
    else:
        records = p.pids.all()
        if kind == P_PID:
            records = [r for r in records if r.pid == number]
        elif kind == P_PGID:
            records = [r for r in records if r.group == number]
        records = [r for r in records if r.pid != p.pid and waitable(p, r, options)]
        if not records:
            raise fail(errno.ECHILD)
        found = None
        children = 0
        for record in records:
            try:
                found = os.waitid(os.P_PID, record.host, host_options | os.WNOWAIT)
                children += 1
            except ChildProcessError:
                continue
            if found is not None:
                break
        if not children:
            raise fail(errno.ECHILD)
    if found is None:
        return None
    record_found = p.pids.by_host(found.si_pid)
    if record_found is None:
        raise fail(errno.ECHILD)
    if not options & WNOWAIT:
        p.signals.take_host()  # its SIGCHLD came first
        os.waitid(os.P_PID, found.si_pid, host_options & ~os.WNOHANG)
        if found.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
            p.clock.advance(record_found.clock)
            p.children_time += record_found.count
            p.pids.reaped(record_found)
    return record_found, found


@syscall(260, "wait4")
def wait4(p: Process, pid: int, status: int, options: int, usage: int) -> Result:
    """See man 2 wait4."""
    pid, options = s32(pid), options & 0xFFFFFFFF
    if options & ~(WNOHANG | WUNTRACED | WCONTINUED | HOW):
        return -errno.EINVAL
    if pid == -(1 << 31):
        return -errno.ESRCH
    if pid == -1:
        kind, number = P_ALL, 0
    elif pid > 0:
        kind, number = P_PID, pid
    else:
        kind, number = P_PGID, -pid or p.pids.me.group

    def attempt() -> Result:
        got = wait_for(p, kind, number, options | WEXITED)
        if got is None:
            return 0 if options & WNOHANG else wait
        record, info = got
        if status:
            code = info.si_status & 0xFF
            if info.si_code == os.CLD_EXITED:
                word = code << 8
            elif info.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
                word = code
            elif info.si_code == os.CLD_CONTINUED:
                word = 0xFFFF
            else:
                word = code << 8 | 0x7F
            p.space.put32(status, word)
        if usage:
            p.space.write(usage, rusage(record.count, 0))
        return record.pid

    wait = Wait(attempt, kick=True)
    return attempt()


@syscall(95, "waitid")
def waitid(p: Process, kind: int, number: int, info: int, options: int, usage: int) -> Result:
    """See man 2 waitid. Linux stores into `info` whatever the answer is."""
    try:
        result = wait_id(p, s32(kind), s32(number), info, options & 0xFFFFFFFF, usage)
    except OSError as error:
        result = p.error(error)
    if info and isinstance(result, int) and result < 0:
        p.space.write(info, bytes(24))
    return result


def wait_id(p: Process, kind: int, number: int, info: int, options: int, usage: int) -> Result:
    """What `waitid` answers."""
    if options & ~(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | HOW):
        return -errno.EINVAL
    if not options & (WEXITED | WUNTRACED | WCONTINUED):
        return -errno.EINVAL
    nothing_yet = 0
    if kind == P_PIDFD:
        if number < 0:
            return -errno.EINVAL
        file = pid_file(p, number)
        kind, number = P_PID, file.pid
        nothing_yet = -errno.EAGAIN if file.flags & O_NONBLOCK and not options & WNOHANG else 0
    elif kind == P_PID and number <= 0:
        return -errno.EINVAL
    elif kind == P_PGID:
        if number < 0:
            return -errno.EINVAL
        number = number or p.pids.me.group
    elif kind not in (P_ALL, P_PID):
        return -errno.EINVAL

    def attempt() -> Result:
        got = wait_for(p, kind, number, options)
        if got is None:
            if nothing_yet:
                return nothing_yet
            if not options & WNOHANG:
                return wait
            if info:
                p.space.write(info, bytes(128))
            return 0
        record, found = got
        if info:
            data = SIGINFO_CHILD.pack(SIGCHLD, 0, found.si_code, 0, record.pid, found.si_uid, found.si_status, 0, 0, 0)
            p.space.write(info, data)
        if usage:
            p.space.write(usage, rusage(record.count, 0))
        return 0

    wait = Wait(attempt, kick=True)
    return attempt()


# Groups and sessions: kept in the shared table, and mirrored on the host where a terminal cares.


@syscall(154, "setpgid")
def setpgid(p: Process, pid: int, group: int) -> Result:
    """See man 2 setpgid."""
    pid, group = s32(pid) or p.pid, s32(group)
    group = group or pid
    if group < 0:
        return -errno.EINVAL
    record = p.pids.by_pid(pid)
    if record is None or (record.pid != p.pid and record.parent != p.pid):
        return -errno.ESRCH
    session = p.pids.me.session
    if record.pid != p.pid and record.session != session:
        return -errno.EPERM
    if record.pid != p.pid and record.executed:
        return -errno.EACCES
    if record.session == record.pid:
        return -errno.EPERM
    if group != pid and not any(r.group == group and r.session == session for r in p.pids.all()):
        return -errno.EPERM
    p.pids.regroup(pid, group, session)
    leader = p.pids.by_pid(group)
    with contextlib.suppress(OSError):
        os.setpgid(record.host, leader.host if leader else record.host)
    return 0


@syscall(155, "getpgid")
def getpgid(p: Process, pid: int) -> Result:
    """See man 2 getpgid."""
    record = p.pids.by_pid(s32(pid) or p.pid)
    return -errno.ESRCH if record is None else record.group


@syscall(156, "getsid")
def getsid(p: Process, pid: int) -> Result:
    """See man 2 getsid."""
    record = p.pids.by_pid(s32(pid) or p.pid)
    return -errno.ESRCH if record is None else record.session


@syscall(157, "setsid")
def setsid(p: Process) -> Result:
    """See man 2 setsid."""
    me = p.pids.me
    if me.group == me.pid:
        return -errno.EPERM
    p.pids.regroup(me.pid, me.pid, me.pid)
    with contextlib.suppress(OSError):
        os.setsid()
    return me.pid


# Users: the host's, since what the guest may do with files is what its host process may do.


@syscall(174, "getuid")
def getuid(p: Process) -> Result:
    """See man 2 getuid."""
    return os.getuid()


@syscall(175, "geteuid")
def geteuid(p: Process) -> Result:
    """See man 2 geteuid."""
    return os.geteuid()


@syscall(176, "getgid")
def getgid(p: Process) -> Result:
    """See man 2 getgid."""
    return os.getgid()


@syscall(177, "getegid")
def getegid(p: Process) -> Result:
    """See man 2 getegid."""
    return os.getegid()


@syscall(148, "getresuid")
def getresuid(p: Process, real: int, effective: int, saved: int) -> Result:
    """See man 2 getresuid."""
    for address, value in zip((real, effective, saved), os.getresuid(), strict=True):
        p.space.put32(address, value)
    return 0


@syscall(150, "getresgid")
def getresgid(p: Process, real: int, effective: int, saved: int) -> Result:
    """See man 2 getresgid."""
    for address, value in zip((real, effective, saved), os.getresgid(), strict=True):
        p.space.put32(address, value)
    return 0


def changed(p: Process, before: tuple[int, ...]) -> int:
    """The process may have become another user's, who may not look into it. The host process goes on to look at itself
    (`/proc/self/pagemap` needs that)."""
    if before != ids():
        hostlibc.prctl(PR_SET_DUMPABLE, 1)
        p.dumpable = 0
    return 0


def ids() -> tuple[int, ...]:
    """What `changed` compares."""
    return (os.geteuid(), os.getegid())


@syscall(146, "setuid")
def setuid(p: Process, uid: int) -> Result:
    """See man 2 setuid; the host decides."""
    before = ids()
    os.setuid(uid & 0xFFFFFFFF)
    return changed(p, before)


@syscall(144, "setgid")
def setgid(p: Process, gid: int) -> Result:
    """See man 2 setgid."""
    before = ids()
    os.setgid(gid & 0xFFFFFFFF)
    return changed(p, before)


@syscall(145, "setreuid")
def setreuid(p: Process, real: int, effective: int) -> Result:
    """See man 2 setreuid."""
    before = ids()
    os.setreuid(s32(real), s32(effective))
    return changed(p, before)


@syscall(143, "setregid")
def setregid(p: Process, real: int, effective: int) -> Result:
    """See man 2 setregid."""
    before = ids()
    os.setregid(s32(real), s32(effective))
    return changed(p, before)


@syscall(147, "setresuid")
def setresuid(p: Process, real: int, effective: int, saved: int) -> Result:
    """See man 2 setresuid."""
    before = ids()
    os.setresuid(s32(real), s32(effective), s32(saved))
    return changed(p, before)


@syscall(149, "setresgid")
def setresgid(p: Process, real: int, effective: int, saved: int) -> Result:
    """See man 2 setresgid."""
    before = ids()
    os.setresgid(s32(real), s32(effective), s32(saved))
    return changed(p, before)


@syscall(151, "setfsuid")
def setfsuid(p: Process, uid: int) -> Result:
    """Changes nothing and answers the old one."""
    return os.geteuid()


@syscall(152, "setfsgid")
def setfsgid(p: Process, gid: int) -> Result:
    """Changes nothing and answers the old one."""
    return os.getegid()


@syscall(158, "getgroups")
def getgroups(p: Process, size: int, address: int) -> Result:
    """See man 2 getgroups."""
    groups = os.getgroups()
    if s32(size):
        if s32(size) < len(groups):
            return -errno.EINVAL
        p.space.write(address, b"".join(g.to_bytes(4, "little") for g in groups))
    return len(groups)


@syscall(159, "setgroups")
def setgroups(p: Process, size: int, address: int) -> Result:
    """See man 2 setgroups."""
    count = s32(size)
    if not 0 <= count <= 65536:
        return -errno.EINVAL
    os.setgroups([p.space.u32(address + 4 * i) for i in range(count)])
    return 0


CAPABILITY_VERSIONS = {0x19980330: 12, 0x20071026: 24, 0x20080522: 24}
"""By version of the header: the bytes of the sets."""


@syscall(90, "capget")
def capget(p: Process, header: int, data: int) -> Result:
    """See man 2 capget: no capabilities."""
    size = CAPABILITY_VERSIONS.get(p.space.u32(header))
    if size is None:
        p.space.put32(header, 0x20080522)
        return -errno.EINVAL if data else 0
    if data:
        p.space.write(data, bytes(size))
    return 0


CAPABILITIES = (1 << 41) - 1
"""All that there are, CAP_CHECKPOINT_RESTORE being the last; other bits are ignored."""


@syscall(91, "capset")
def capset(p: Process, header: int, data: int) -> Result:
    """See man 2 capset: a process without capabilities may set none, and gain none."""
    size = CAPABILITY_VERSIONS.get(p.space.u32(header))
    if size is None:
        p.space.put32(header, 0x20080522)
        return -errno.EINVAL
    if s32(p.space.u32(header + 4)) not in (0, p.pid, p.thread.tid):
        return -errno.EPERM
    sets = p.space.read(data, size)
    asked = 0
    for at in range(0, len(sets), 4):
        asked |= int.from_bytes(sets[at : at + 4], "little") << (at // 12 * 32)
    return -errno.EPERM if asked & CAPABILITIES else 0


# Accounts.


@syscall(165, "getrusage")
def getrusage(p: Process, who: int, address: int) -> Result:
    """See man 2 getrusage: user time from the instruction count, resident size from the mappings."""
    who = s32(who)
    if who not in (0, 1, -1):
        return -errno.EINVAL
    thread = p.thread.used + p.cpu.count - p.thread.began
    used = {0: p.clock.used() - p.children_used, 1: thread, -1: p.children_time}[who]
    p.space.write(address, rusage(used, p.space.used // 1024 if who >= 0 else 0))
    return 0


def rusage(used: int, resident: int) -> bytes:
    """`struct rusage`: ns of user time, resident size in KiB."""
    us = used // 1000
    return RUSAGE.pack(us // 10**6, us % 10**6, 0, 0, resident, *[0] * 13)


@syscall(153, "times")
def times(p: Process, address: int) -> Result:
    """See man 2 times; 100 ticks a second."""
    if address:
        own = p.clock.used() - p.children_used
        p.space.write(address, TMS.pack(own // 10**7, 0, p.children_time // 10**7, 0))
    return p.clock.monotonic() // 10**7


@syscall(166, "umask")
def umask(p: Process, mask: int) -> Result:
    """See man 2 umask; the host process's own."""
    return os.umask(mask & 0o777)
