"""Calls of the host's kernel that Python's library lacks, through the C library. Each raises OSError as `os` does.

Those that could wait do not: the descriptors that they are given are non-blocking, or the flags say so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.process_vm_readv.restype = _LIBC.process_vm_writev.restype = ctypes.c_ssize_t

EVENT = struct.Struct("<IQ" if platform.machine() in ("x86_64", "AMD64", "i686") else "<IxxxxQ")
"""The host's `struct epoll_event`; x86 packs it."""


def _done(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def epoll_create() -> int:
    """man 2 epoll_create1, close-on-exec."""
    return _done(_LIBC.epoll_create1(os.O_CLOEXEC))


def epoll_ctl(epoll: int, operation: int, fd: int, events: int, data: int) -> None:
    """man 2 epoll_ctl."""
    _done(_LIBC.epoll_ctl(epoll, operation, fd, EVENT.pack(events, data)))


def epoll_take(epoll: int, most: int) -> list[tuple[int, int]]:
    """man 2 epoll_wait without waiting: (events, data) pairs."""
    buffer = ctypes.create_string_buffer(most * EVENT.size)
    count = _done(_LIBC.epoll_wait(epoll, buffer, most, 0))
    return list(EVENT.iter_unpack(buffer.raw[: count * EVENT.size]))


def tee(source: int, sink: int, count: int, flags: int) -> int:
    """man 2 tee."""
    return _done(_LIBC.tee(source, sink, ctypes.c_size_t(count), ctypes.c_uint(flags)))


def splice(source: int, source_at: int | None, sink: int, sink_at: int | None, count: int, flags: int) -> int:
    """man 2 splice."""
    offsets = [None if at is None else ctypes.byref(ctypes.c_int64(at)) for at in (source_at, sink_at)]
    return _done(_LIBC.splice(source, offsets[0], sink, offsets[1], ctypes.c_size_t(count), ctypes.c_uint(flags)))


def queue_signal(host: int, number: int, code: int, value: int) -> None:
    """man 2 rt_sigqueueinfo: send a signal with its value to another process of ours."""
    info = struct.pack("<iiiIiIQ96x", number, 0, code, 0, os.getpid(), os.getuid(), value)
    system_call("rt_sigqueueinfo", host, number, info)


def prctl(option: int, value: int) -> None:
    """man 2 prctl."""
    _done(_LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def inotify_init() -> int:
    """man 2 inotify_init1, non-blocking and close-on-exec."""
    return _done(_LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))


def inotify_add_watch(fd: int, path: bytes, mask: int) -> int:
    """man 2 inotify_add_watch."""
    return _done(_LIBC.inotify_add_watch(fd, path, ctypes.c_uint32(mask)))


def inotify_rm_watch(fd: int, watch: int) -> None:
    """man 2 inotify_rm_watch."""
    _done(_LIBC.inotify_rm_watch(fd, watch))


def read_memory(host: int, address: int, length: int) -> bytes:
    """man 2 process_vm_readv: memory of another process of ours."""
    buffer = ctypes.create_string_buffer(length)
    _memory(_LIBC.process_vm_readv, host, address, buffer, length)
    return buffer.raw


def write_memory(host: int, address: int, data: bytes) -> None:
    """man 2 process_vm_writev."""
    _memory(_LIBC.process_vm_writev, host, address, ctypes.create_string_buffer(data, len(data)), len(data))


def _memory(call: Callable[..., int], host: int, address: int, buffer: ctypes.Array[ctypes.c_char], length: int) -> None:
    local = struct.pack("<QQ", ctypes.addressof(buffer), length)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    done = _done(call(host, local, one, struct.pack("<QQ", address, length), one, none))
    if done < length:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


_NUMBERS = {
    "x86_64": {"rt_sigqueueinfo": 129},
    "aarch64": {"rt_sigqueueinfo": 138},
    "riscv64": {"rt_sigqueueinfo": 138},
}
"""Numbers of the calls for which the C library has no function, by the host's architecture."""


def system_call(name: str, *arguments: int | bytes) -> int:
    """A system call of the host by its name. Raises OSError(ENOSYS) where its number is not known."""
    number = _NUMBERS.get(platform.machine(), {}).get(name)
    if number is None:
        raise OSError(38, f"{name} on {platform.machine()}")
    values = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    return _done(_LIBC.syscall(ctypes.c_long(number), *values))


def connect(fd: int, address: bytes) -> None:
    """man 2 connect with an address that Python has no form for."""
    _done(_LIBC.connect(fd, address, len(address)))


def pid_of(pidfd: int) -> int:
    """The process number of a pidfd (man 2 pidfd_open, `/proc/self/fdinfo`); -1 if it has been waited for."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as facts:
        for line in facts:
            if line.startswith(b"Pid:"):
                return int(line.split()[1])
    return -1


# Files. The numbers of modes, flags and structures here are the same on all architectures of Linux.

AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """man 2 fallocate."""
    _done(_LIBC.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def renameat2(old_fd: int, old: bytes, new_fd: int, new: bytes, flags: int) -> None:
    """man 2 renameat2."""
    _done(_LIBC.renameat2(old_fd, old, new_fd, new, ctypes.c_uint(flags)))


def chown_of(fd: int, uid: int, gid: int) -> None:
    """man 2 fchownat: change the owner of what `fd` is, a symbolic link too; -1 leaves it."""
    _done(_LIBC.fchownat(fd, b"", ctypes.c_uint(uid), ctypes.c_uint(gid), AT_EMPTY_PATH))


def statx_of(fd: int, mask: int) -> bytes:
    """man 2 statx: the `struct statx` of what `fd` is."""
    buffer = ctypes.create_string_buffer(256)
    _done(_LIBC.statx(fd, b"", AT_EMPTY_PATH, ctypes.c_uint(mask), buffer))
    return buffer.raw


def syncfs(fd: int) -> None:
    """man 2 syncfs."""
    _done(_LIBC.syncfs(fd))


def sync_file_range(fd: int, offset: int, length: int, flags: int) -> None:
    """man 2 sync_file_range."""
    _done(_LIBC.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(length), ctypes.c_uint(flags)))


def utimens(path: bytes, times: bytes | None) -> None:
    """man 2 utimensat: times are two `struct timespec`. The last component is followed."""
    _done(_LIBC.utimensat(AT_FDCWD, path, times, 0))
