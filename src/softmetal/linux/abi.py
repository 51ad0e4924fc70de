"""Layouts and numbers of Linux's riscv64 interface, as its uapi headers define them (asm-generic for the most part).

Every structure that crosses the boundary is written here, once.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import StatFs, Status

M32 = 0xFFFFFFFF
M64 = 0xFFFFFFFFFFFFFFFF
NS = 10**9

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000

STAT = struct.Struct("<QQIIIIQQqiiqQQQQQQII")
"""struct stat: dev ino mode nlink uid gid rdev pad size blksize pad blocks, three (s, ns) pairs, two unused."""
STATX = struct.Struct("<IIQIIIHHQQQQqIIqIIqIIqIIIIIIQII96x")
STATFS = struct.Struct("<qqQQQQQQqqq4q")
TIMESPEC = struct.Struct("<qq")
ITIMERSPEC = struct.Struct("<qqqq")
IOVEC = struct.Struct("<QQ")
POLLFD = struct.Struct("<ihh")
EPOLL_EVENT = struct.Struct("<IxxxxQ")
RUSAGE = struct.Struct("<qqqq14q")
TMS = struct.Struct("<qqqq")
RLIMIT = struct.Struct("<QQ")
SYSINFO = struct.Struct("<qQQQQQQQQQHHxxxxQQIxxxx")
STACK = struct.Struct("<QiIQ")
SIGACTION = struct.Struct("<QQQ")
SIGINFO_KILL = struct.Struct("<iiiIiIQ96x")
"""siginfo of kill and of a queued signal: signo errno code pad pid uid value."""
SIGINFO_CHILD = struct.Struct("<iiiIiIiIqq80x")
"""siginfo of SIGCHLD: signo errno code pad pid uid status pad utime stime."""
SIGINFO_FAULT = struct.Struct("<iiiIQ104x")
"""siginfo of a fault: signo errno code pad address."""
DIRENT = struct.Struct("<QqHB")
MSGHDR = struct.Struct("<QIxxxxQQQQiI")
CLONE_ARGS = struct.Struct("<8Q")
ROBUST_HEAD = struct.Struct("<QqQ")
HWPROBE = struct.Struct("<qQ")
UTSNAME = struct.Struct("65s65s65s65s65s65s")

RELEASE = b"6.12.0-softmetal"
VERSION = b"#1 SMP PREEMPT_DYNAMIC softmetal 2025-01-01"


def s32(value: int) -> int:
    """The low 32 bits as a signed number: what a C `int` argument means."""
    return (value & 0x7FFFFFFF) - (value & 0x80000000)


def s64(value: int) -> int:
    """A register as a signed number."""
    return (value & 0x7FFFFFFFFFFFFFFF) - (value & 0x8000000000000000)


def pack_stat(st: Status | os.stat_result) -> bytes:
    """A `struct stat`."""
    a, m, c = st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns
    return STAT.pack(
        st.st_dev & M64, st.st_ino & M64, st.st_mode, st.st_nlink, st.st_uid, st.st_gid, st.st_rdev & M64, 0,
        st.st_size, st.st_blksize, 0, st.st_blocks, a // NS & M64, a % NS, m // NS & M64, m % NS,
        c // NS & M64, c % NS, 0, 0,
    )  # fmt: skip


def pack_statx(st: Status | os.stat_result, birth: int | None = None) -> bytes:
    """A `struct statx` with the basic fields, and the time of birth in ns if there is one."""
    a, m, c = st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns
    mask, born = (0x7FF, 0) if birth is None else (0xFFF, birth)
    return STATX.pack(
        mask, st.st_blksize, 0, st.st_nlink, st.st_uid, st.st_gid, st.st_mode, 0, st.st_ino & M64, st.st_size,
        st.st_blocks, 0, a // NS, a % NS, 0, born // NS, born % NS, 0, c // NS, c % NS, 0, m // NS, m % NS, 0,
        os.major(st.st_rdev), os.minor(st.st_rdev), os.major(st.st_dev), os.minor(st.st_dev), 0, 0, 0,
    )  # fmt: skip


def pack_statfs(s: StatFs) -> bytes:
    """A `struct statfs`."""
    size = s.block_size
    return STATFS.pack(
        s.kind, size, s.blocks, s.free, s.available, s.files, s.files_free, 0, s.name_max, size, s.flags, 0, 0, 0, 0
    )


def pack_dirents(entries: list[tuple[bytes, int, int]], first: int, room: int) -> tuple[bytes, int]:
    """As many `linux_dirent64` records from index `first` on as fit; also the index after them."""
    parts = []
    used = 0
    index = first
    for name, inode, kind in entries[first:]:
        size = (19 + len(name) + 1 + 7) & ~7
        if used + size > room:
            break
        index += 1
        parts.append((DIRENT.pack(inode & M64, index, size, kind) + name).ljust(size, b"\0"))
        used += size
    return b"".join(parts), index
