"""epoll: the host's own. Sources: man 2 epoll_ctl, epoll_wait, man 7 epoll; fs/eventpoll.c.

An epoll set of the guest is one of the host, and every file that can be watched has a host descriptor (`eventfiles`
gives timers and signals one). So edges, one-shot and exclusive entries, nesting, the order among ready files, what
closing or duplicating a descriptor means and what a forked process shares are Linux's own.
"""

from __future__ import annotations

import errno

from .. import hostlibc
from ..abi import EPOLL_EVENT, NS, s32
from ..files import O_CLOEXEC, O_PATH, O_RDWR, StreamFile
from ..process import Process
from ..synthfs import PlainDevice
from ..table import syscall
from ..waits import NEVER, POLLIN, Result, Wait
from .poll import deadline_of, mask_at, with_mask

EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3
EPOLLWAKEUP = 1 << 29
EVENTS = 0xDFFFFFFF
"""The bits that are handed on: EPOLLWAKEUP needs a capability that no guest has, and is ignored without it."""


class EpollFile(StreamFile):
    """An epoll set."""

    soft_events = True

    def __init__(self, fd: int) -> None:
        super().__init__(fd, O_RDWR, b"anon_inode:[eventpoll]", owned=True)
        self.keys: dict[tuple[int, StreamFile], int] = {}
        """The host descriptor under which each (guest descriptor, file) is registered."""
        self.soft: list[StreamFile] = []
        """Those of them that become ready by the guest's clock or signals, which the host does not know."""
        self._prune_at = 64

    def close(self) -> None:
        """See `File.close`."""
        self.keys.clear()
        self.soft.clear()
        super().close()

    def control(self, operation: int, fd: int, file: StreamFile, events: int, data: int) -> None:
        """Add, change or remove `file` under the guest's number `fd`. Raises OSError."""
        host = self.keys.get((fd, file))
        if host is None:
            taken = [h for (_, f), h in self.keys.items() if f is file] if operation == EPOLL_CTL_ADD else []
            host = file.another(taken)
        hostlibc.epoll_ctl(self.fd, operation, host, events & EVENTS & file.event_mask, data)
        if operation == EPOLL_CTL_ADD:
            self.keys[fd, file] = host
            if file.soft_events:
                self.soft.append(file)
            if len(self.keys) >= self._prune_at:
                self.keys = {key: h for key, h in self.keys.items() if key[1].refs > 0}
                self.soft = [f for f in self.soft if f.refs > 0]
                self._prune_at = max(64, 2 * len(self.keys))
        elif operation == EPOLL_CTL_DEL:
            self.keys.pop((fd, file), None)
            if file in self.soft:
                self.soft.remove(file)

    def refresh(self) -> None:
        """See `File.refresh`."""
        for file in self.soft:
            if file.refs > 0:
                file.refresh()

    def wake_time(self) -> int | None:
        """See `File.wake_time`."""
        return min((t for f in self.soft if f.refs > 0 and (t := f.wake_time()) is not None), default=None)

    def awaits_outside(self) -> bool:
        """Whether one of its files waits for the world outside."""
        return any(f.outside for _, f in self.keys if f.refs > 0)


@syscall(20, "epoll_create1")
def epoll_create1(p: Process, flags: int) -> Result:
    """See man 2 epoll_create."""
    if flags & 0xFFFFFFFF & ~O_CLOEXEC:
        return -errno.EINVAL
    return p.fds.add(EpollFile(hostlibc.epoll_create()), bool(flags & O_CLOEXEC))


@syscall(21, "epoll_ctl")
def epoll_ctl(p: Process, epfd: int, operation: int, fd: int, event: int) -> Result:
    """See man 2 epoll_ctl."""
    operation = s32(operation)
    events, data = p.space.unpack(EPOLL_EVENT, event) if operation != EPOLL_CTL_DEL else (0, 0)
    epoll = p.fds.get(epfd)
    file = p.fds.get(fd)
    if O_PATH & (epoll.flags | file.flags):
        return -errno.EBADF
    if not isinstance(file, StreamFile) or isinstance(file, PlainDevice):
        return -errno.EPERM
    if not isinstance(epoll, EpollFile):
        return -errno.EINVAL
    epoll.control(operation, s32(fd), file, events, data)
    return 0


def wait(p: Process, epfd: int, events: int, most: int, deadline: int | None, mask: int | None) -> Result:
    """Wait for up to `most` events. A signal ends it even if no handler runs (man 7 signal, after a stop)."""
    most = s32(most)
    epoll = p.fds.get(epfd)
    if most <= 0 or most > 0x7FFFFFFF // EPOLL_EVENT.size:
        return -errno.EINVAL
    if not isinstance(epoll, EpollFile):
        return -errno.EINVAL
    most = min(most, 1024)

    def attempt() -> Result:
        epoll.refresh()
        found = hostlibc.epoll_take(epoll.fd, most)
        if found or (deadline is not None and p.clock.monotonic() >= deadline):
            p.space.write(events, b"".join(EPOLL_EVENT.pack(e, d) for e, d in found))
            return len(found)
        times = [t for t in (deadline, epoll.wake_time()) if t is not None]
        waiting.deadline = min(times, default=None)
        waiting.outside = epoll.awaits_outside()
        return waiting

    waiting = Wait(attempt, restart=NEVER, fds=[(epoll.fd, POLLIN)], holds=(epoll,))
    return with_mask(p, mask, attempt)


@syscall(22, "epoll_pwait")
def epoll_pwait(p: Process, epfd: int, events: int, most: int, timeout: int, mask: int, size: int) -> Result:
    """See man 2 epoll_wait."""
    new_mask = mask_at(p, mask, size)
    timeout = s32(timeout)
    deadline = None if timeout < 0 else p.clock.monotonic() + timeout * (NS // 1000)
    return wait(p, epfd, events, most, deadline, new_mask)


@syscall(441, "epoll_pwait2")
def epoll_pwait2(p: Process, epfd: int, events: int, most: int, timeout: int, mask: int, size: int) -> Result:
    """See man 2 epoll_wait: the timeout is a timespec."""
    deadline = deadline_of(p, timeout)
    return wait(p, epfd, events, most, deadline, mask_at(p, mask, size))
