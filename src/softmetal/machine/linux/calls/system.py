"""The machine and its kernel: names, memory, randomness. Sources: man section 2."""

from __future__ import annotations

import errno

from ..abi import NS, RELEASE, SYSINFO, UTSNAME, VERSION
from ..cpu import W
from ..process import Process
from ..table import syscall
from ..waits import Result
from .io import TASK_SIZE_MAX


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


@syscall(97, "unshare")
def unshare(p: Process, flags: int) -> Result:
    """Nothing can be unshared."""
    return 0 if flags == 0 else -errno.EPERM


@syscall(117, "ptrace")
def ptrace(p: Process, request: int, pid: int, address: int, data: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


@syscall(270, "process_vm_readv")
def process_vm_readv(p: Process, pid: int, a: int, b: int, c: int, d: int, flags: int) -> Result:
    """Not allowed."""
    return -errno.EPERM
