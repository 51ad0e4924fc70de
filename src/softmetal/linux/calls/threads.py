"""Threads: clone, exit, futex. Sources: man 2 clone, futex, get_robust_list."""

from __future__ import annotations

import errno
import os
import struct

from .. import rseq
from ..abi import CLONE_ARGS, NS, TIMESPEC, s32
from ..cpu import PAGE, W
from ..errors import GuestExit
from ..limits import NPROC
from ..nodes import fail
from ..process import Process
from ..table import syscall
from ..threads import Thread
from ..vforks import take_back
from ..waits import POLLIN, Result, Wait
from .pidfd import pidfd_of_process

(CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VFORK, CLONE_PARENT, CLONE_THREAD, CLONE_SETTLS) = (
    0x100, 0x200, 0x400, 0x800, 0x4000, 0x8000, 0x10000, 0x80000,
)  # fmt: skip
CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x100000, 0x200000, 0x1000000
CLONE_CLEAR_SIGHAND = 0x100000000
CLONE_PIDFD, CLONE_PTRACE, CLONE_DETACHED, CLONE_INTO_CGROUP = 0x1000, 0x2000, 0x400000, 0x200000000
NAMESPACES = 0x7E020080


@syscall(220, "clone")
def clone(p: Process, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> Result:
    """See man 2 clone: threads, forks and vforks; no namespaces."""
    flags &= 0xFFFFFFFF
    if flags & CLONE_PIDFD and flags & (CLONE_PARENT_SETTID | CLONE_DETACHED):
        return -errno.EINVAL
    pidfd = parent_tid if flags & CLONE_PIDFD else 0
    return start(p, flags & ~0xFF, flags & 0xFF, stack, parent_tid, tls, child_tid, pidfd)


@syscall(435, "clone3")
def clone3(p: Process, address: int, size: int) -> Result:
    """See man 2 clone3. A chosen tid needs a capability; there are no cgroups."""
    if size > PAGE:
        return -errno.E2BIG
    if size < CLONE_ARGS.size:
        return -errno.EINVAL
    flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = p.space.unpack(CLONE_ARGS, address)
    rest = p.space.read(address + CLONE_ARGS.size, size - CLONE_ARGS.size) if size > CLONE_ARGS.size else b""
    if any(rest[24:]):
        return -errno.E2BIG
    if any(rest[:16]):  # set_tid, set_tid_size
        return -errno.EPERM if all((any(rest[:8]), any(rest[8:16]))) else -errno.EINVAL
    if exit_signal > 64 or flags & (CLONE_DETACHED | 0xFF) or flags >> 34 or (not stack) != (not stack_size):
        return -errno.EINVAL
    if flags & CLONE_INTO_CGROUP:
        return -errno.EBADF
    if flags & (CLONE_THREAD | CLONE_PARENT) and exit_signal:
        return -errno.EINVAL
    pidfd = pidfd if flags & CLONE_PIDFD else 0
    return start(p, flags, exit_signal, stack + stack_size, parent_tid, tls, child_tid, pidfd)


def start(
    p: Process, flags: int, exit_signal: int, stack: int, parent_tid: int, tls: int, child_tid: int, pidfd: int
) -> Result:  # fmt: skip
    """Start a thread or a process. The order of the errors is `copy_process`'s."""
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        return -errno.EINVAL
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        return -errno.EINVAL
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        return -errno.EINVAL
    if flags & NAMESPACES:
        return -errno.EINVAL if flags & CLONE_THREAD else -errno.EPERM
    if p.limits.get(NPROC)[0] <= len(p.pids.all()) + len(p.sched.threads) - 1 and os.getuid():
        return -errno.EAGAIN
    if flags & CLONE_THREAD:
        if flags & CLONE_PIDFD:
            p.once("pidfd of a thread", "a pidfd of a thread is not implemented")
            return -errno.EINVAL
        return start_thread(p, flags, stack, parent_tid, tls, child_tid)
    if flags & CLONE_VM and not flags & CLONE_VFORK:
        p.once("clone", "a process that shares its parent's memory (CLONE_VM without CLONE_VFORK) is not implemented")
        return -errno.ENOSYS
    for bit, name in ((CLONE_FILES, "descriptors (CLONE_FILES)"), (CLONE_FS, "directory (CLONE_FS)"), (CLONE_PARENT, "parent")):
        if flags & bit and not flags & CLONE_VFORK:
            p.once(name, f"a process that shares its parent's {name} is not implemented")
            return -errno.ENOSYS
    return start_process(p, flags, exit_signal, stack, parent_tid, tls, child_tid, pidfd)


def start_thread(p: Process, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int) -> Result:
    """A new thread of this process: a copy of the caller's registers with another stack."""
    caller = p.thread
    thread = Thread(p.pids.next_id())
    thread.save(p.cpu)
    thread.used = 0
    thread.mask = caller.mask
    thread.name = caller.name
    thread.policy, thread.nice, thread.io_priority = caller.policy, caller.nice, caller.io_priority
    thread.x[10] = 0
    if stack:
        thread.x[2] = stack
    if flags & CLONE_SETTLS:
        thread.x[4] = tls
    if flags & CLONE_PARENT_SETTID:
        p.space.put32(parent_tid, thread.tid)
    if flags & CLONE_CHILD_SETTID:
        p.space.put32(child_tid, thread.tid)
    if flags & CLONE_CHILD_CLEARTID:
        thread.clear_tid = child_tid
    p.sched.start(thread)
    return thread.tid


def start_process(
    p: Process, flags: int, exit_signal: int, stack: int, parent_tid: int, tls: int, child_tid: int, pidfd: int
) -> Result:  # fmt: skip
    """A fork, of the host too."""
    vfork = bool(flags & CLONE_VFORK)
    if pidfd:
        p.space.view(pidfd, 4, W)
        p.fds.check_room()
    try:
        number, pipe = p.fork(vfork)
    except OSError:
        return -errno.EAGAIN
    if number:
        p.exit_signals[number] = exit_signal
        record = p.pids.by_pid(number)
        if pidfd and record is not None:
            p.space.put32(pidfd, pidfd_of_process(p, record))
        if flags & CLONE_PARENT_SETTID:
            p.space.put32(parent_tid, number)
        if not vfork:
            return number
        os.set_blocking(pipe, False)
        thread = p.thread
        p.sched.frozen_for = thread
        received = bytearray()

        def attempt() -> Result:
            while True:
                try:
                    data = os.read(pipe, 1 << 16)
                except BlockingIOError:
                    return wait
                if not data:
                    break
                received.extend(data)
            os.close(pipe)
            p.sched.frozen_for = None
            take_back(p, bytes(received))
            return number

        wait = Wait(attempt, fds=[(pipe, POLLIN)], firm=True)
        return wait
    thread = p.thread
    cpu = p.cpu
    if stack:
        cpu.x[2] = stack
    if flags & CLONE_SETTLS:
        cpu.x[4] = tls
    if flags & CLONE_CHILD_SETTID:
        p.space.put32(child_tid, thread.tid)
    thread.clear_tid = child_tid if flags & CLONE_CHILD_CLEARTID else 0
    thread.robust = 0
    if flags & CLONE_CLEAR_SIGHAND:
        p.signals.after_exec()
    p.children_used = cpu.count
    return 0


@syscall(93, "exit")
def exit_(p: Process, status: int) -> Result:
    """End the calling thread; the last one takes the process with it."""
    thread = p.thread
    p.futexes.thread_ends(thread)
    if len(p.sched.threads) == 1:
        raise GuestExit(status & 0xFF)
    p.sched.remove(thread)
    return None


@syscall(94, "exit_group")
def exit_group(p: Process, status: int) -> Result:
    """End the process."""
    raise GuestExit(status & 0xFF)


@syscall(96, "set_tid_address")
def set_tid_address(p: Process, address: int) -> Result:
    """See man 2 set_tid_address."""
    p.thread.clear_tid = address
    return p.thread.tid


@syscall(99, "set_robust_list")
def set_robust_list(p: Process, head: int, size: int) -> Result:
    """See man 2 set_robust_list."""
    if size != 24:
        return -errno.EINVAL
    p.thread.robust = head
    return 0


@syscall(100, "get_robust_list")
def get_robust_list(p: Process, tid: int, head: int, size: int) -> Result:
    """See man 2 get_robust_list."""
    wanted = s32(tid) or p.thread.tid
    for thread in p.sched.threads:
        if thread.tid == wanted:
            p.space.put64(head, thread.robust)
            p.space.put64(size, 24)
            return 0
    return -errno.ESRCH


@syscall(178, "gettid")
def gettid(p: Process) -> Result:
    """See man 2 gettid."""
    return p.thread.tid


@syscall(293, "rseq")
def rseq_(p: Process, address: int, size: int, flags: int, signature: int) -> Result:
    """See kernel/rseq.c; the area has the 32 bytes that all versions know."""
    thread = p.thread
    flags, size, signature = flags & 0xFFFFFFFF, size & 0xFFFFFFFF, signature & 0xFFFFFFFF
    wanted = rseq.Registration(address, size, signature)
    if flags:
        if flags & ~1 or thread.rseq is None or wanted[:2] != thread.rseq[:2]:
            return -errno.EINVAL
        if signature != thread.rseq.signature:
            return -errno.EPERM
        rseq.unregister(p, thread)
        return 0
    if thread.rseq is not None:
        if wanted[:2] != thread.rseq[:2]:
            return -errno.EINVAL
        return -errno.EPERM if signature != thread.rseq.signature else -errno.EBUSY
    if size < rseq.SIZE or address % rseq.SIZE:
        return -errno.EINVAL
    rseq.register(p, thread, wanted)
    return 0


FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 128, 256


@syscall(98, "futex")
def futex(p: Process, address: int, operation: int, value: int, timeout: int, address2: int, value3: int) -> Result:
    """See man 2 futex: wait, wake, their bitset forms, requeue, wake_op, and the lock forms of PI."""
    operation &= 0xFFFFFFFF
    command = operation & 127
    value &= 0xFFFFFFFF
    f = p.futexes
    if command not in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 13):
        return -errno.ENOSYS
    if command in (0, 6, 9, 13) and timeout:
        moment(p, timeout)
    if operation & FUTEX_CLOCK_REALTIME and command not in (9, 13):
        return -errno.ENOSYS
    if command in (9, 10) and not value3 & 0xFFFFFFFF:
        return -errno.EINVAL
    if address % 4:
        return -errno.EINVAL
    if command in (1, 10, 3, 4, 5) and not operation & FUTEX_PRIVATE:
        p.space.u32(address)  # a futex that processes may share is found by its page
        if command in (3, 4, 5):
            p.space.u32(address2)
    if command in (0, 9):
        deadline = None
        if timeout:
            deadline = moment(p, timeout)
            if command == 0:
                deadline += p.clock.monotonic()
            elif operation & FUTEX_CLOCK_REALTIME:
                deadline -= p.clock.wall() - p.clock.monotonic()
        bits = value3 & 0xFFFFFFFF if command == 9 else 0xFFFFFFFF
        return f.wait(address, value, bits, deadline) if bits else -errno.EINVAL
    if command in (1, 10):
        bits = value3 & 0xFFFFFFFF if command == 10 else 0xFFFFFFFF
        if not bits:
            return -errno.EINVAL
        return f.wake(address, max(s32(value), 0) or (1 if command == 1 and s32(value) < 0 else 0), bits)
    if command in (3, 4):
        if s32(value) < 0 or s32(timeout) < 0:
            return -errno.EINVAL
        if command == 4 and p.space.u32(address) != value3 & 0xFFFFFFFF:
            return -errno.EAGAIN
        woken, moved = f.requeue(address, value, address2, timeout & 0xFFFFFFFF)
        return woken + moved
    if command == 5:
        return wake_op(p, address, value, timeout & 0xFFFFFFFF, address2, value3 & 0xFFFFFFFF)
    if command in (6, 13):
        deadline = None
        if timeout:
            deadline = moment(p, timeout)
            if command == 6 or operation & FUTEX_CLOCK_REALTIME:
                deadline -= p.clock.wall() - p.clock.monotonic()
        return f.lock_pi(address, deadline, False)
    if command == 8:
        return f.lock_pi(address, None, True)
    if command == 7:
        return f.unlock_pi(address)
    return -errno.ENOSYS


def moment(p: Process, address: int) -> int:
    """A timespec as ns. Raises OSError(EINVAL)."""
    seconds, ns = p.space.unpack(TIMESPEC, address)
    if seconds < 0 or not 0 <= ns < NS:
        raise fail(errno.EINVAL)
    return seconds * NS + ns


def wake_op(p: Process, address: int, count: int, count2: int, address2: int, code: int) -> int:
    """FUTEX_WAKE_OP: change a second word and wake those of it as well if a comparison holds."""
    operation, compare = code >> 28 & 15, code >> 24 & 15
    operand = ((code >> 12 & 0xFFF) ^ 0x800) - 0x800
    against = ((code & 0xFFF) ^ 0x800) - 0x800
    if operation & 8:
        operand = 1 << (operand & 31)
    old = s32(p.space.u32(address2))
    new = {0: operand, 1: old + operand, 2: old | operand, 3: old & ~operand, 4: old ^ operand}.get(operation & 7)
    holds = {
        0: old == against, 1: old != against, 2: old < against, 3: old <= against, 4: old > against, 5: old >= against,
    }.get(compare)  # fmt: skip
    if new is None or holds is None:
        return -errno.ENOSYS
    p.space.put32(address2, new)
    woken = p.futexes.wake(address, count)
    return woken + p.futexes.wake(address2, count2) if holds else woken


@syscall(283, "membarrier")
def membarrier(p: Process, command: int, flags: int, cpu: int) -> Result:
    """See man 2 membarrier: all threads run on one host thread, so every barrier holds already."""
    command = s32(command)
    if flags:
        return -errno.EINVAL
    known = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40
    if command == 0:
        return known
    if command & ~known or command & (command - 1) or command < 0:
        return -errno.EINVAL
    if command in (0x10, 0x40):
        p.membarriers |= command
    return -errno.EPERM if command in (0x8, 0x20) and not p.membarriers & command << 1 else 0


WAITV = struct.Struct("<QQII")
"""struct futex_waitv: value, address, flags, reserved."""
FUTEX2_SIZE, FUTEX2_U32 = 3, 2
MOST_WAITS = 128


@syscall(449, "futex_waitv")
def futex_waitv(p: Process, waiters: int, count: int, flags: int, timeout: int, clock: int) -> Result:
    """See kernel/futex/syscalls.c: words of 32 bits; the time-out is absolute, of either clock."""
    count, clock = count & 0xFFFFFFFF, s32(clock)
    if flags & 0xFFFFFFFF or not 0 < count <= MOST_WAITS or not waiters:
        return -errno.EINVAL
    deadline = None
    if timeout:
        if clock not in (0, 1):
            return -errno.EINVAL
        deadline = moment(p, timeout)
        if clock == 0:
            deadline -= p.clock.wall() - p.clock.monotonic()
    wanted = []
    for value, address, kind, reserved in WAITV.iter_unpack(p.space.read(waiters, count * WAITV.size)):
        if kind & ~(FUTEX2_SIZE | FUTEX_PRIVATE) or reserved or kind & FUTEX2_SIZE != FUTEX2_U32 or value >> 32 or address % 4:
            return -errno.EINVAL
        wanted.append((address, value))
    return p.futexes.wait_any(wanted, deadline)
