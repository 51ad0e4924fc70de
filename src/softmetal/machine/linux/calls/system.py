"""The machine and its kernel: names, memory, randomness. Sources: man section 2."""

from __future__ import annotations

import errno

from ..abi import HWPROBE, NS, RELEASE, SYSINFO, UTSNAME, VERSION
from ..cpu import W
from ..process import Process
from ..table import syscall
from ..waits import Result


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


@syscall(278, "getrandom")
def getrandom(p: Process, buffer: int, count: int, flags: int) -> Result:
    """See man 2 getrandom: bytes from the seed."""
    if flags & ~7:
        return -errno.EINVAL
    if count == 0:
        return 0
    view = p.space.prefix(buffer, min(count, 1 << 20), W)
    view[:] = p.entropy.take(len(view))
    return len(view)


HWPROBE_IMA = 1
HWPROBE_KEYS = {
    0: 0,  # mvendorid
    1: 0,  # marchid
    2: 0,  # mimpid
    3: HWPROBE_IMA,  # base behaviour
    4: 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5,  # IMA extensions: FD, C, Zba, Zbb, Zbs
    5: 3,  # misaligned scalar accesses are fast
    9: 3,
}
"""`RISCV_HWPROBE_KEY_*` from the uapi header and what this CPU answers."""


@syscall(258, "riscv_hwprobe")
def riscv_hwprobe(p: Process, pairs: int, count: int, size: int, cpus: int, flags: int) -> Result:
    """Tell which extensions the CPU has; unknown keys become -1, as the kernel's documentation says."""
    if flags & ~1 or count > 4096:
        return -errno.EINVAL
    for index in range(count):
        at = pairs + index * HWPROBE.size
        key, _ = p.space.unpack(HWPROBE, at)
        value = HWPROBE_KEYS.get(key)
        if flags & 1:
            continue
        p.space.write(at, HWPROBE.pack(key if value is not None else -1, value or 0))
    return 0


ADDR_NO_RANDOMIZE = 0x0040000


@syscall(92, "personality")
def personality(p: Process, wanted: int) -> Result:
    """See man 2 personality. PER_LINUX is all there is; addresses come from the seed, whatever ADDR_NO_RANDOMIZE says."""
    wanted &= 0xFFFFFFFF
    before = p.personality
    if wanted != 0xFFFFFFFF:
        if wanted & ~ADDR_NO_RANDOMIZE:
            p.once(f"personality {wanted:x}", f"personality {wanted:#x} is not implemented")
            return -errno.EINVAL
        p.personality = wanted
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


for _number, _name in ((5, "setxattr"), (6, "lsetxattr"), (7, "fsetxattr"), (8, "getxattr"), (9, "lgetxattr"),
                       (10, "fgetxattr"), (11, "listxattr"), (12, "llistxattr"), (13, "flistxattr"),
                       (14, "removexattr"), (15, "lremovexattr"), (16, "fremovexattr")):  # fmt: skip

    @syscall(_number, _name)
    def no_attributes(p: Process) -> Result:
        """As on a file system without extended attributes."""
        return -errno.EOPNOTSUPP
