"""inotify: the host's, on the inodes that the guest's paths lead to. Sources: man 7 inotify.

A generated file (of `/proc`, `/dev`) changes without an event, as on Linux; a watch on it reports nothing.
"""

from __future__ import annotations

import errno
import os

from .. import hostlibc
from ..abi import s32
from ..files import O_CLOEXEC, O_NONBLOCK, StreamFile
from ..hostfs import HostNode
from ..nodes import Node, fail
from ..process import Process
from ..table import syscall
from ..waits import Result

IN_ONLYDIR, IN_DONT_FOLLOW, IN_MASK_CREATE, IN_MASK_ADD = 0x01000000, 0x02000000, 0x10000000, 0x20000000
IN_ALL_BITS = 0xFFF | 0x6000 | IN_ONLYDIR | IN_DONT_FOLLOW | 0x04000000 | IN_MASK_CREATE | IN_MASK_ADD | 0x40000000 | 0x80000000


class InotifyFile(StreamFile):
    """An inotify instance."""

    def __init__(self, flags: int) -> None:
        super().__init__(hostlibc.inotify_init(), flags, b"anon_inode:inotify", owned=True)
        self._stand_ins: dict[bytes, int] = {}

    def close(self) -> None:
        """See `File.close`."""
        for fd in self._stand_ins.values():
            os.close(fd)
        self._stand_ins.clear()
        super().close()

    def watch(self, node: Node, mask: int) -> int:
        """Watch a node. Raises OSError."""
        if isinstance(node, HostNode):
            path = node.magic
        else:
            if node.path not in self._stand_ins:
                self._stand_ins[node.path] = os.memfd_create("softmetal-watched", os.MFD_CLOEXEC)
            path = b"/proc/self/fd/%d" % self._stand_ins[node.path]
        return hostlibc.inotify_add_watch(self.fd, path, mask & ~(IN_ONLYDIR | IN_DONT_FOLLOW))


def inotify_of(p: Process, fd: int) -> InotifyFile:
    """The inotify instance of a descriptor. Raises OSError."""
    file = p.fds.get(fd)
    if not isinstance(file, InotifyFile):
        raise fail(errno.EINVAL)
    return file


@syscall(26, "inotify_init1")
def inotify_init1(p: Process, flags: int) -> Result:
    """See man 2 inotify_init."""
    if flags & 0xFFFFFFFF & ~(O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    return p.fds.add(InotifyFile(flags & O_NONBLOCK), bool(flags & O_CLOEXEC))


@syscall(27, "inotify_add_watch")
def inotify_add_watch(p: Process, fd: int, path: int, mask: int) -> Result:
    """See man 2 inotify_add_watch."""
    mask &= 0xFFFFFFFF
    if not mask & IN_ALL_BITS:
        return -errno.EINVAL
    file = p.fds.get(fd)
    if mask & IN_MASK_ADD and mask & IN_MASK_CREATE:
        return -errno.EINVAL
    if not isinstance(file, InotifyFile):
        return -errno.EINVAL
    node = p.vfs.walk(p.space.path(path), p.cwd, not mask & IN_DONT_FOLLOW).existing()
    if mask & IN_ONLYDIR and not node.is_dir:
        return -errno.ENOTDIR
    return file.watch(node, mask)


@syscall(28, "inotify_rm_watch")
def inotify_rm_watch(p: Process, fd: int, watch: int) -> Result:
    """See man 2 inotify_rm_watch."""
    hostlibc.inotify_rm_watch(inotify_of(p, fd).fd, s32(watch))
    return 0
