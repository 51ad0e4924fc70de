"""Calls of the host's C library that Python's `os` has not. All raise OSError with the host's errno.

The numbers of modes, flags and structures here are the same on all architectures of Linux.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    word, long, text = ctypes.c_int, ctypes.c_int64, ctypes.c_char_p
    libc.fallocate.argtypes = [word, word, long, long]
    libc.renameat2.argtypes = [word, text, word, text, ctypes.c_uint]
    libc.fchownat.argtypes = [word, text, ctypes.c_uint, ctypes.c_uint, word]
    libc.statx.argtypes = [word, text, word, ctypes.c_uint, ctypes.c_void_p]
    libc.syncfs.argtypes = [word]
    libc.utimensat.argtypes = [word, text, text, word]
    libc.sync_file_range.argtypes = [word, long, long, ctypes.c_uint]
    return libc


def _check(result: int) -> None:
    if result == -1:
        error = ctypes.get_errno() or errno.EIO
        raise OSError(error, os.strerror(error))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """See man 2 fallocate."""
    _check(_libc().fallocate(fd, mode, offset, length))


def renameat2(old_fd: int, old: bytes, new_fd: int, new: bytes, flags: int) -> None:
    """See man 2 renameat2."""
    _check(_libc().renameat2(old_fd, old, new_fd, new, flags))


def chown_of(fd: int, uid: int, gid: int) -> None:
    """Change the owner of what `fd` is, a symbolic link too; -1 leaves it. See man 2 fchownat, AT_EMPTY_PATH."""
    _check(_libc().fchownat(fd, b"", uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, 0x1000))


def statx_of(fd: int, mask: int) -> bytes:
    """The `struct statx` of what `fd` is. See man 2 statx, AT_EMPTY_PATH."""
    buffer = ctypes.create_string_buffer(256)
    _check(_libc().statx(fd, b"", 0x1000, mask, buffer))
    return buffer.raw


def syncfs(fd: int) -> None:
    """See man 2 syncfs."""
    _check(_libc().syncfs(fd))


def sync_file_range(fd: int, offset: int, length: int, flags: int) -> None:
    """See man 2 sync_file_range."""
    _check(_libc().sync_file_range(fd, offset, length, flags))


def utimens(path: bytes, times: bytes | None) -> None:
    """Set times, given as two `struct timespec`; see man 2 utimensat. The last component is followed."""
    _check(_libc().utimensat(-100, path, times, 0))
