"""Signal calls. Sources: man 2 sigaction, sigprocmask, kill, sigaltstack."""

from __future__ import annotations

import errno
import os

from .. import hostlibc
from ..abi import M64, NS, SIGACTION, STACK, TIMESPEC, s32
from ..nodes import fail
from ..process import Process
from ..signals import (
    SI_TKILL,
    SI_USER,
    SIGKILL,
    SIGSTOP,
    SS_DISABLE,
    UNBLOCKABLE,
    info,
)
from ..table import syscall
from ..threads import Pending, Thread
from ..waits import NEVER, UNLESS_HANDLED, Result, Wait

SA_KNOWN = 0xD8000807
"""The flags of an action that Linux keeps (asm-generic/signal-defs.h); a program finds out which there are by asking for them."""
LAST = 64
"""The greatest signal."""


@syscall(134, "rt_sigaction")
def rt_sigaction(p: Process, number: int, new: int, old: int, size: int) -> Result:
    """See man 2 sigaction; riscv64's structure has no restorer."""
    number = s32(number)
    if size != 8:
        return -errno.EINVAL
    handler, flags, mask = p.space.unpack(SIGACTION, new) if new else (0, 0, 0)
    if not 1 <= number <= LAST or (new and number in (SIGKILL, SIGSTOP)):
        return -errno.EINVAL
    before = p.signals.actions[number]
    if new:
        p.signals.take_host()  # what has arrived until now belongs to the old action
        p.signals.actions[number] = (handler, flags & SA_KNOWN, mask & ~UNBLOCKABLE)
        if p.signals.disposition(number) == "ignore":
            for queue in (p.signals.pending, *(t.pending for t in p.sched.threads)):
                for pending in [q for q in queue if q.number == number]:
                    queue.remove(pending)
    if old:
        p.space.write(old, SIGACTION.pack(*before))
    return 0


@syscall(135, "rt_sigprocmask")
def rt_sigprocmask(p: Process, how: int, new: int, old: int, size: int) -> Result:
    """See man 2 sigprocmask."""
    if size != 8:
        return -errno.EINVAL
    thread = p.thread
    before = thread.mask
    if new:
        bits = p.space.u64(new)
        how = s32(how)
        if how == 0:
            after = before | bits
        elif how == 1:
            after = before & ~bits
        elif how == 2:
            after = bits
        else:
            return -errno.EINVAL
        thread.mask = after & ~UNBLOCKABLE & M64
        p.signals.retarget()
    if old:
        p.space.put64(old, before)
    return 0


@syscall(136, "rt_sigpending")
def rt_sigpending(p: Process, address: int, size: int) -> Result:
    """See man 2 sigpending."""
    if size > 8:
        return -errno.EINVAL
    p.signals.take_host()
    p.space.write(address, (p.signals.pending_set(p.thread) & p.thread.mask).to_bytes(8, "little")[:size])
    return 0


@syscall(133, "rt_sigsuspend")
def rt_sigsuspend(p: Process, mask: int, size: int) -> Result:
    """See man 2 sigsuspend."""
    if size != 8:
        return -errno.EINVAL
    bits = p.space.u64(mask)
    thread = p.thread
    thread.restore_mask, thread.mask = thread.mask, bits & ~UNBLOCKABLE
    wait = Wait(lambda: wait, restart=UNLESS_HANDLED)
    return wait


@syscall(137, "rt_sigtimedwait")
def rt_sigtimedwait(p: Process, mask: int, out: int, timeout: int, size: int) -> Result:
    """See man 2 sigtimedwait."""
    if size != 8:
        return -errno.EINVAL
    wanted = p.space.u64(mask) & ~UNBLOCKABLE
    deadline = None
    if timeout:
        seconds, ns = p.space.unpack(TIMESPEC, timeout)
        if seconds < 0 or not 0 <= ns < NS:
            return -errno.EINVAL
        deadline = p.clock.monotonic() + seconds * NS + ns
    thread = p.thread
    p.signals.take_host()

    def attempt() -> Result:
        pending = p.signals.take(thread, wanted)
        if pending is not None:
            if out:
                p.space.write(out, pending.info)
            return pending.number
        if deadline is not None and p.clock.monotonic() >= deadline:
            return -errno.EAGAIN
        return wait

    wait = Wait(attempt, deadline=deadline, restart=NEVER, kick=True)
    return attempt()


@syscall(139, "rt_sigreturn")
def rt_sigreturn(p: Process) -> Result:
    """See man 2 sigreturn."""
    p.signals.leave(p.thread)
    return None


@syscall(132, "sigaltstack")
def sigaltstack(p: Process, new: int, old: int) -> Result:
    """See man 2 sigaltstack."""
    thread = p.thread
    before = p.signals.stack_of(thread)
    if new:
        base, flags, _, size = STACK.unpack(p.space.view(new, STACK.size))
        if p.signals.on_stack(thread, p.cpu.x[2]):
            return -errno.EPERM
        if flags & ~(SS_DISABLE | 1 | 0x80000000):
            return -errno.EINVAL
        if flags & SS_DISABLE:
            thread.stack = (0, SS_DISABLE, 0)
        elif size < 2048:
            return -errno.ENOMEM
        else:
            thread.stack = (base, 0, size)
    if old:
        p.space.write(old, before)
    return 0


# Sending. A signal for this process is posted here; others get it through the host, which the guest never sees.


def send(p: Process, pid: int, number: int) -> None:
    """Send to one process. Raises OSError(ESRCH, EPERM)."""
    if pid == p.pid:
        if number:
            p.signals.post(Pending(number, info(number, SI_USER, p.pid, os.getuid())))
        return
    record = p.pids.by_pid(pid)
    if record is None or not record.host:
        raise fail(errno.ESRCH)
    if number == SIGSTOP:
        p.pids.stop(pid)
    os.kill(record.host, number)


def queue(p: Process, pid: int, number: int, data: bytes) -> None:
    """Send a signal with its siginfo to a process. Raises OSError(ESRCH, EPERM, EAGAIN)."""
    if pid == p.pid:
        if number:
            p.signals.post(Pending(number, number.to_bytes(4, "little") + data[4:]))
        return
    record = p.pids.by_pid(pid)
    if record is None or not record.host:
        raise fail(errno.ESRCH)
    code = s32(int.from_bytes(data[8:12], "little"))
    if code >= 0 or code == SI_TKILL:
        raise fail(errno.EPERM)
    if number:
        hostlibc.queue_signal(record.host, number, code, int.from_bytes(data[24:32], "little"))


@syscall(129, "kill")
def kill(p: Process, pid: int, number: int) -> Result:
    """See man 2 kill. Groups are walked by the guest's table: no process outside is ever reached."""
    pid, number = s32(pid), s32(number)
    if pid > 0:
        if p.pids.by_pid(pid) is None:
            return -errno.ESRCH
        if not 0 <= number <= LAST:
            return -errno.EINVAL
        send(p, pid, number)
        return 0
    group = p.pids.me.group if pid == 0 else -pid
    targets = [r.pid for r in p.pids.all() if (r.pid != p.pid if pid == -1 else r.group == group)]
    if not targets:
        return -errno.ESRCH
    if not 0 <= number <= LAST:
        return -errno.EINVAL
    for target in sorted(targets, key=lambda number: number == p.pid):
        try:
            send(p, target, number)
        except ProcessLookupError:
            continue
    return 0


def thread_of(p: Process, tid: int) -> Thread | None:
    """A thread of this process."""
    return next((t for t in p.sched.threads if t.tid == tid), None)


@syscall(130, "tkill")
def tkill(p: Process, tid: int, number: int) -> Result:
    """See man 2 tkill."""
    return to_thread(p, 0, s32(tid), s32(number))


@syscall(131, "tgkill")
def tgkill(p: Process, group: int, tid: int, number: int) -> Result:
    """See man 2 tgkill."""
    if s32(group) <= 0:
        return -errno.EINVAL
    return to_thread(p, s32(group), s32(tid), s32(number))


def to_thread(p: Process, group: int, tid: int, number: int, data: bytes | None = None) -> int:
    """Send to a thread of the process `group` (0: of any); of other processes only the first one can be reached."""
    if tid <= 0:
        return -errno.EINVAL
    thread = thread_of(p, tid)
    if thread is not None:
        if group not in (0, p.pid):
            return -errno.ESRCH
        if not 0 <= number <= LAST:
            return -errno.EINVAL
        if number:
            packed = info(number, SI_TKILL, p.pid, os.getuid()) if data is None else number.to_bytes(4, "little") + data[4:]
            p.signals.post(Pending(number, packed), thread)
        return 0
    if p.pids.by_pid(tid) is None or group not in (0, tid):
        return -errno.ESRCH
    if not 0 <= number <= LAST:
        return -errno.EINVAL
    if data is None:
        send(p, tid, number)
    else:
        queue(p, tid, number, data)
    return 0


@syscall(138, "rt_sigqueueinfo")
def rt_sigqueueinfo(p: Process, pid: int, number: int, address: int) -> Result:
    """See man 2 rt_sigqueueinfo."""
    pid, number = s32(pid), s32(number)
    data = p.space.read(address, 128)
    code = s32(int.from_bytes(data[8:12], "little"))
    if pid != p.pid and (code >= 0 or code == SI_TKILL):
        return -errno.EPERM
    if p.pids.by_pid(pid) is None:
        return -errno.ESRCH
    if not 0 <= number <= LAST:
        return -errno.EINVAL
    queue(p, pid, number, data)
    return 0


@syscall(240, "rt_tgsigqueueinfo")
def rt_tgsigqueueinfo(p: Process, group: int, tid: int, number: int, address: int) -> Result:
    """See man 2 rt_tgsigqueueinfo."""
    number, tid = s32(number), s32(tid)
    data = p.space.read(address, 128)
    if s32(group) <= 0 or tid <= 0:
        return -errno.EINVAL
    code = s32(int.from_bytes(data[8:12], "little"))
    if tid != p.thread.tid and (code >= 0 or code == SI_TKILL):
        return -errno.EPERM
    return to_thread(p, s32(group), tid, number, data)
