"""Waiting for several files: poll, select, epoll, and the files that exist to be waited for.

Sources: man 2 poll, select, epoll_ctl, eventfd, timerfd_create, signalfd. A timerfd and an epoll set belong to the
process that made them; a forked child has its own copy from then on.
"""

from __future__ import annotations

import errno
import os
import select as host_select
import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..abi import EPOLL_EVENT, ITIMERSPEC, M64, NS, POLLFD, TIMESPEC, s32
from ..cpu import W
from ..files import O_CLOEXEC, O_NONBLOCK, O_RDWR, File, StreamFile
from ..process import Process
from ..signals import UNBLOCKABLE
from ..table import syscall
from ..vfs import fail
from ..waits import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, Result, Wait

RDNORM, RDBAND, WRNORM, WRBAND = 0x40, 0x80, 0x100, 0x200


def revents(files: list[tuple[File, int]]) -> list[int]:
    """The events that are true now, of those asked for (and POLLERR, POLLHUP)."""
    result = [0] * len(files)
    hosted: dict[int, int] = {}
    for index, (file, events) in enumerate(files):
        known = file.ready(events)
        if known is not None:
            result[index] = known
        else:
            hosted[file.fd] = hosted.get(file.fd, 0) | events
    if hosted:
        poller = host_select.poll()
        for fd, events in hosted.items():
            poller.register(fd, events)
        found = dict(poller.poll(0))
        for index, (file, events) in enumerate(files):
            if file.fd in found and file.ready(events) is None:
                result[index] = found[file.fd] & (events | POLLERR | POLLHUP)
    return result


def await_files(
    p: Process,
    files: list[tuple[File, int]],
    deadline: int | None,
    report: Callable[[list[int]], int],
    mask: int | None,
) -> Result:
    """Wait until one of `files` is ready; `report` tells the guest and answers how many are."""

    def attempt() -> Result:
        events = revents(files)
        if any(events):
            return report(events)
        if deadline is not None and p.clock.monotonic() >= deadline:
            return report(events)
        wait.fds = [pair for file, wanted in files for pair in file.host_waits(wanted)]
        times = [t for file, _ in files if (t := file.wake_time()) is not None]
        wait.deadline = min([*times, *([deadline] if deadline is not None else [])], default=None)
        return wait

    wait = Wait(
        attempt, restart=False, kick=any(f.fd < 0 for f, _ in files), outside=any(f.outside for f, _ in files),
        interval=any(isinstance(f, StreamFile) and f.needs_interval() for f, _ in files),
    )  # fmt: skip
    thread = p.thread
    if mask is not None:
        thread.restore_mask, thread.mask = thread.mask, mask & ~UNBLOCKABLE
        p.sched.attention = True
        if p.signals.deliverable(thread):
            return wait
    return attempt()


def deadline_of(p: Process, timespec: int) -> int | None:
    """The guest time at which a relative timeout ends; None for a null pointer. Raises OSError(EINVAL)."""
    if not timespec:
        return None
    seconds, ns = p.space.unpack(TIMESPEC, timespec)
    if seconds < 0 or not 0 <= ns < NS:
        raise fail(errno.EINVAL)
    return p.clock.monotonic() + seconds * NS + ns


@syscall(73, "ppoll")
def ppoll(p: Process, fds: int, count: int, timeout: int, mask: int, size: int) -> Result:
    """See man 2 ppoll."""
    count &= 0xFFFFFFFF
    if count > p.fds.limit:
        return -errno.EINVAL
    table = p.space.view(fds, count * POLLFD.size, W)
    deadline = deadline_of(p, timeout)
    new_mask = p.space.u64(mask) if mask else None
    asked: list[tuple[int, int, int]] = []
    files: list[tuple[File, int]] = []
    bad = 0
    for index, (fd, events, _) in enumerate(POLLFD.iter_unpack(table)):
        POLLFD.pack_into(table, index * 8, fd, events, 0)
        if fd < 0:
            continue
        slot = p.fds.slots.get(fd)
        if slot is None:
            POLLFD.pack_into(table, index * 8, fd, events, POLLNVAL)
            bad += 1
            continue
        asked.append((index, fd, events))
        files.append((slot.file, events & 0xFFFF))

    def report(found: list[int]) -> int:
        ready = bad
        for (index, fd, events), value in zip(asked, found, strict=True):
            POLLFD.pack_into(table, index * 8, fd, events, value)
            ready += value != 0
        return ready

    if bad:
        return report(revents(files))
    return await_files(p, files, deadline, report, new_mask)


@syscall(72, "pselect6")
def pselect6(p: Process, count: int, read: int, write: int, error: int, timeout: int, mask: int) -> Result:
    """See man 2 pselect."""
    count = s32(count)
    if count < 0:
        return -errno.EINVAL
    size = (count + 63) // 64 * 8
    sets = [p.space.view(a, size, W) if a else None for a in (read, write, error)]
    deadline = deadline_of(p, timeout)
    new_mask = None
    if mask:
        pointer, _ = p.space.unpack(TIMESPEC, mask)
        new_mask = p.space.u64(pointer & M64) if pointer else None
    wanted: dict[int, int] = {}
    kinds = (POLLIN | RDNORM | RDBAND, POLLOUT | WRNORM | WRBAND, POLLPRI)
    truths = (POLLIN | RDNORM | RDBAND | POLLHUP | POLLERR, POLLOUT | WRNORM | WRBAND | POLLERR, POLLPRI)
    bits = [int.from_bytes(s, "little") & ((1 << count) - 1) if s is not None else 0 for s in sets]
    for events, value in zip(kinds, bits, strict=True):
        while value:
            low = value & -value
            wanted[low.bit_length() - 1] = wanted.get(low.bit_length() - 1, 0) | events
            value ^= low
    numbers = sorted(wanted)
    files = [(p.fds.get(fd), wanted[fd]) for fd in numbers]

    def report(found: list[int]) -> int:
        total = 0
        for view, truth, asked in zip(sets, truths, bits, strict=True):
            if view is None:
                continue
            value = 0
            for fd, events in zip(numbers, found, strict=True):
                if asked >> fd & 1 and events & truth:
                    value |= 1 << fd
                    total += 1
            view[:] = value.to_bytes(size, "little")
        return total

    return await_files(p, files, deadline, report, new_mask)


# epoll


EPOLLET, EPOLLONESHOT = 1 << 31, 1 << 30


@dataclass(slots=True)
class Interest:
    """One file in an epoll set."""

    file: File
    events: int
    data: int
    seen: int = 0
    """For EPOLLET: the events that have been reported and have not gone away since."""
    off: bool = False


class EpollFile(File):
    """An epoll set."""

    def __init__(self, p: Process) -> None:
        super().__init__(O_RDWR, b"anon_inode:[eventpoll]")
        self.interests: dict[int, Interest] = {}
        self._process = p

    def living(self) -> list[Interest]:
        """The interests whose descriptor still is open, as Linux forgets the others."""
        for fd in [fd for fd, i in self.interests.items() if i.file.refs <= 0]:
            del self.interests[fd]
        return [i for i in self.interests.values() if not i.off]

    def found(self, most: int, *, take: bool) -> list[tuple[int, int]]:
        """Up to `most` (events, data) pairs that are true now; `take` marks them as reported."""
        living = self.living()
        result: list[tuple[int, int]] = []
        for interest, value in zip(living, revents([(i.file, i.events & 0x3FFF) for i in living]), strict=True):
            fresh = value
            if interest.events & EPOLLET:
                fresh = value & ~interest.seen
                if take or not value:
                    interest.seen = value
            if fresh and len(result) < most:
                result.append((fresh if not interest.events & EPOLLET else value, interest.data))
                if take and interest.events & EPOLLONESHOT:
                    interest.off = True
        return result

    def ready(self, events: int) -> int | None:
        """See `File.ready`."""
        return events & POLLIN if self.found(1, take=False) else 0

    def wake_time(self) -> int | None:
        """See `File.wake_time`."""
        return min((t for i in self.living() if (t := i.file.wake_time()) is not None), default=None)

    def host_waits(self, events: int) -> list[tuple[int, int]]:
        """See `File.host_waits`."""
        return [pair for i in self.living() for pair in i.file.host_waits(i.events & 0x3FFF & ~i.seen)]


@syscall(20, "epoll_create1")
def epoll_create1(p: Process, flags: int) -> Result:
    """See man 2 epoll_create."""
    if flags & ~O_CLOEXEC:
        return -errno.EINVAL
    return p.fds.add(EpollFile(p), bool(flags & O_CLOEXEC))


def epoll_of(p: Process, fd: int) -> EpollFile:
    """The epoll set of a descriptor. Raises OSError."""
    file = p.fds.get(fd)
    if not isinstance(file, EpollFile):
        raise fail(errno.EINVAL)
    return file


@syscall(21, "epoll_ctl")
def epoll_ctl(p: Process, epfd: int, operation: int, fd: int, event: int) -> Result:
    """See man 2 epoll_ctl."""
    file = p.fds.get(fd)
    epoll = epoll_of(p, epfd)
    operation, fd = s32(operation), s32(fd)
    if file is epoll:
        return -errno.EINVAL
    if not isinstance(file, (StreamFile, EpollFile, TimerFile, SignalFile)):
        return -errno.EPERM
    old = epoll.interests.get(fd)
    if old is not None and old.file is not file and old.file.refs <= 0:
        old = None
    if operation == 2:
        if old is None:
            return -errno.ENOENT
        del epoll.interests[fd]
        return 0
    events, data = p.space.unpack(EPOLL_EVENT, event)
    if operation == 1:
        if old is not None:
            return -errno.EEXIST
    elif operation != 3:
        return -errno.EINVAL
    elif old is None:
        return -errno.ENOENT
    epoll.interests[fd] = Interest(file, events, data)
    for thread in p.sched.threads:
        if thread.wait is not None:
            thread.wait.ready = True
    return 0


@syscall(22, "epoll_pwait")
def epoll_pwait(p: Process, epfd: int, events: int, most: int, timeout: int, mask: int, size: int) -> Result:
    """See man 2 epoll_wait."""
    epoll = epoll_of(p, epfd)
    most, timeout = s32(most), s32(timeout)
    if most <= 0:
        return -errno.EINVAL
    most = min(most, 4096)
    p.space.view(events, most * EPOLL_EVENT.size, W)
    deadline = None if timeout < 0 else p.clock.monotonic() + timeout * 10**6
    new_mask = p.space.u64(mask) if mask else None

    def attempt() -> Result:
        found = epoll.found(most, take=True)
        if found or (deadline is not None and p.clock.monotonic() >= deadline):
            p.space.write(events, b"".join(EPOLL_EVENT.pack(e, d) for e, d in found))
            return len(found)
        wait.fds = epoll.host_waits(POLLIN)
        wait.outside = any(i.file.outside for i in epoll.living())
        times = [t for t in (deadline, epoll.wake_time()) if t is not None]
        wait.deadline = min(times, default=None)
        return wait

    wait = Wait(attempt, restart=False, kick=True)
    thread = p.thread
    if new_mask is not None:
        thread.restore_mask, thread.mask = thread.mask, new_mask & ~UNBLOCKABLE
        p.sched.attention = True
        if p.signals.deliverable(thread):
            return wait
    return attempt()


@syscall(19, "eventfd2")
def eventfd2(p: Process, initial: int, flags: int) -> Result:
    """See man 2 eventfd; the host's."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | 1):
        return -errno.EINVAL
    fd = os.eventfd(initial & 0xFFFFFFFF, os.EFD_CLOEXEC | os.EFD_NONBLOCK | (flags & 1))
    file = StreamFile(fd, flags & O_NONBLOCK | O_RDWR, b"anon_inode:[eventfd]", owned=True)
    return p.fds.add(file, bool(flags & O_CLOEXEC))


class TimerFile(File):
    """A timerfd on the guest's clock."""

    def __init__(self, p: Process, flags: int, wall: bool) -> None:
        super().__init__(flags | O_RDWR, b"anon_inode:[timerfd]")
        self._process = p
        self.wall = wall
        self.deadline = 0
        self.interval = 0

    def expired(self, now: int) -> int:
        """How often it has run out since it was last read."""
        if not self.deadline or now < self.deadline:
            return 0
        return 1 + ((now - self.deadline) // self.interval if self.interval else 0)

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        count = self.expired(self._process.clock.monotonic())
        if len(views[0]) < 8:
            raise fail(errno.EINVAL)
        if not count:
            raise BlockingIOError(errno.EAGAIN, "not yet")
        self.deadline = self.deadline + count * self.interval if self.interval else 0
        views[0][:8] = count.to_bytes(8, "little")
        return 8

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """Not writable."""
        raise fail(errno.EINVAL)

    def ready(self, events: int) -> int | None:
        """See `File.ready`."""
        return events & (POLLIN | RDNORM) if self.expired(self._process.clock.monotonic()) else 0

    def wake_time(self) -> int | None:
        """See `File.wake_time`."""
        return self.deadline or None


def timer_of(p: Process, fd: int) -> TimerFile:
    """The timerfd of a descriptor. Raises OSError."""
    file = p.fds.get(fd)
    if not isinstance(file, TimerFile):
        raise fail(errno.EINVAL)
    return file


@syscall(85, "timerfd_create")
def timerfd_create(p: Process, clock: int, flags: int) -> Result:
    """See man 2 timerfd_create."""
    if clock not in (0, 1, 7, 8, 9) or flags & ~(O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    return p.fds.add(TimerFile(p, flags & O_NONBLOCK, clock in (0, 8)), bool(flags & O_CLOEXEC))


def timer_setting(timer: TimerFile, now: int) -> bytes:
    """`struct itimerspec` of a timerfd."""
    left = 0
    if timer.deadline:
        left = timer.deadline - now
        if left <= 0:
            left = timer.interval - (-left % timer.interval) if timer.interval else 0
    return ITIMERSPEC.pack(*divmod(timer.interval, NS), *divmod(left, NS))


@syscall(86, "timerfd_settime")
def timerfd_settime(p: Process, fd: int, flags: int, new: int, old: int) -> Result:
    """See man 2 timerfd_settime."""
    timer = timer_of(p, fd)
    interval_s, interval_ns, s, ns = p.space.unpack(ITIMERSPEC, new)
    if not (0 <= interval_ns < NS and 0 <= ns < NS and s >= 0 and interval_s >= 0):
        return -errno.EINVAL
    now = p.clock.monotonic()
    if old:
        p.space.write(old, timer_setting(timer, now))
    value = s * NS + ns
    if flags & 1:
        value = max(1, value - (p.clock.wall() - now if timer.wall else 0)) if value else 0
    elif value:
        value += now
    timer.deadline = value
    timer.interval = interval_s * NS + interval_ns
    return 0


@syscall(87, "timerfd_gettime")
def timerfd_gettime(p: Process, fd: int, setting: int) -> Result:
    """See man 2 timerfd_gettime."""
    p.space.write(setting, timer_setting(timer_of(p, fd), p.clock.monotonic()))
    return 0


SIGNALFD = struct.Struct("<IiiIIiIIIIiiQQQQ48x")


class SignalFile(File):
    """A signalfd."""

    def __init__(self, p: Process, flags: int, mask: int) -> None:
        super().__init__(flags | O_RDWR, b"anon_inode:[signalfd]")
        self._process = p
        self.mask = mask

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        view = views[0]
        done = 0
        if len(view) < SIGNALFD.size:
            raise fail(errno.EINVAL)
        while done + SIGNALFD.size <= len(view):
            pending = self._process.signals.take(self._process.thread, self.mask)
            if pending is None:
                break
            number, error, code, _, pid, uid, value = struct.unpack_from("<iiiIiIQ", pending.info)
            packed = SIGNALFD.pack(
                number, error, code, pid & 0xFFFFFFFF, uid, 0, 0, 0, 0, 0, s32(value), s32(value), value, 0, 0, 0
            )
            view[done : done + SIGNALFD.size] = packed
            done += SIGNALFD.size
        if not done:
            raise BlockingIOError(errno.EAGAIN, "no signal")
        return done

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """Not writable."""
        raise fail(errno.EINVAL)

    def ready(self, events: int) -> int | None:
        """See `File.ready`."""
        p = self._process
        return events & (POLLIN | RDNORM) if p.signals.pending_set(p.thread) & self.mask else 0


@syscall(74, "signalfd4")
def signalfd4(p: Process, fd: int, mask: int, size: int, flags: int) -> Result:
    """See man 2 signalfd."""
    if size != 8 or flags & ~(O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    bits = p.space.u64(mask) & ~UNBLOCKABLE
    if s32(fd) != -1:
        file = p.fds.get(fd)
        if not isinstance(file, SignalFile):
            return -errno.EINVAL
        file.mask = bits
        return s32(fd)
    return p.fds.add(SignalFile(p, flags & O_NONBLOCK, bits), bool(flags & O_CLOEXEC))
