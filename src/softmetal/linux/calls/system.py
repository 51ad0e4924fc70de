"""The machine and its kernel: names, memory, randomness. Sources: man section 2."""

from __future__ import annotations

import errno

from ..abi import NS, RELEASE, SYSINFO, UTSNAME, VERSION, s32
from ..cpu import W
from ..process import Process
from ..table import syscall
from ..waits import Result
from .io import TASK_SIZE_MAX
from .signals import thread_of
from .threads import NAMESPACES


@syscall(160, "uname")
def uname(p: Process, out: int) -> Result:
    """See man 2 uname."""
    p.space.write(out, UTSNAME.pack(b"Linux", b"softmetal", RELEASE, VERSION, b"riscv64", b"(none)"))
    return 0


@syscall(161, "sethostname")
def sethostname(p: Process, name: int, size: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


@syscall(179, "sysinfo")
def sysinfo(p: Process, out: int) -> Result:
    """See man 2 sysinfo: the memory is the guest's limit."""
    total = p.options.memory
    uptime = p.clock.monotonic() // NS
    p.space.write(out, SYSINFO.pack(uptime, 0, 0, 0, total, max(0, total - p.space.used), *[0] * 4, 1, 0, 0, 0, 1))
    return 0


MOST_RANDOM = (1 << 25) - 1
"""Bytes of one getrandom at most, as man 4 random says."""


@syscall(278, "getrandom")
def getrandom(p: Process, buffer: int, count: int, flags: int) -> Result:
    """See man 2 getrandom: bytes from the seed."""
    if flags & ~7:
        return -errno.EINVAL
    count = min(count, MOST_RANDOM)
    if buffer + count > TASK_SIZE_MAX:
        return -errno.EFAULT
    if count == 0:
        return 0
    view = p.space.prefix(buffer, count, W)
    view[:] = p.entropy.take(len(view))
    return len(view)


ADDR_NO_RANDOMIZE = 0x0040000


@syscall(92, "personality")
def personality(p: Process, wanted: int) -> Result:
    """See man 2 personality: PER_LINUX; of its flags READ_IMPLIES_EXEC has an effect, the others are remembered."""
    before = p.personality
    if wanted & 0xFFFFFFFF != 0xFFFFFFFF:
        p.personality = wanted & 0xFFFFFFFF
    return before


@syscall(142, "reboot")
def reboot(p: Process, a: int, b: int, c: int, d: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


@syscall(40, "mount")
def mount(p: Process, a: int, b: int, c: int, d: int, e: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


@syscall(39, "umount2")
def umount2(p: Process, a: int, b: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


CLONE_FS, CLONE_FILES, CLONE_SYSVSEM = 0x200, 0x400, 0x40000
ALONE = 0x100 | 0x800 | 0x10000
"""CLONE_VM, CLONE_SIGHAND, CLONE_THREAD: a process with one thread shares none of it."""


@syscall(97, "unshare")
def unshare(p: Process, flags: int) -> Result:
    """See man 2 unshare. Processes share none of this and namespaces are not there; threads cannot part."""
    flags &= 0xFFFFFFFF
    if flags & ~(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | ALONE | NAMESPACES):
        return -errno.EINVAL
    if flags & ALONE and len(p.sched.threads) > 1:
        return -errno.EINVAL
    if flags & NAMESPACES:
        return -errno.EPERM
    if flags and len(p.sched.threads) > 1:
        p.once("unshare", "threads of one process with descriptors or directories of their own (unshare) are not implemented")
        return -errno.EPERM
    return 0


PTRACE_TRACEME = 0


@syscall(117, "ptrace")
def ptrace(p: Process, request: int, pid: int, address: int, data: int) -> Result:
    """Not allowed."""
    known = request == PTRACE_TRACEME or thread_of(p, s32(pid)) is not None or p.pids.by_pid(s32(pid)) is not None
    return -errno.EPERM if known else -errno.ESRCH
