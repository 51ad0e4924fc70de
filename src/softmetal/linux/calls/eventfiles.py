"""Files that exist to be waited for: eventfd, timerfd, signalfd.

Sources: man 2 eventfd, timerfd_create, signalfd; fs/timerfd.c for when an expiry is an event.

Each has a host eventfd, so that poll, epoll and forked processes see it as the host's own. The host knows neither
the guest's clock nor its signals: `refresh` makes the descriptor readable when one of them has come.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct

from ..abi import ITIMERSPEC, NS, s32
from ..files import O_CLOEXEC, O_NONBLOCK, O_RDWR, StreamFile
from ..nodes import fail
from ..process import Process
from ..signals import UNBLOCKABLE
from ..table import syscall
from ..waits import Result


@syscall(19, "eventfd2")
def eventfd2(p: Process, initial: int, flags: int) -> Result:
    """See man 2 eventfd; the host's."""
    if flags & 0xFFFFFFFF & ~(O_CLOEXEC | O_NONBLOCK | 1):
        return -errno.EINVAL
    fd = os.eventfd(initial & 0xFFFFFFFF, os.EFD_CLOEXEC | os.EFD_NONBLOCK | (flags & 1))
    file = StreamFile(fd, flags & O_NONBLOCK | O_RDWR, b"anon_inode:[eventfd]", owned=True)
    return p.fds.add(file, bool(flags & O_CLOEXEC))


class SoftFile(StreamFile):
    """A file whose events the personality makes: a host eventfd that is readable while there is one."""

    soft_events = True
    event_mask = ~0x304  # an eventfd is writable, and these are not

    def __init__(self, p: Process, flags: int, name: bytes) -> None:
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        super().__init__(fd, flags | O_RDWR, b"anon_inode:[" + name + b"]", owned=True)
        self._process = p

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """Not writable."""
        raise fail(errno.EINVAL)

    def _drain(self) -> None:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return


class TimerFile(SoftFile):
    """A timerfd on the guest's clock. Its setting is in memory that forked processes share."""

    def __init__(self, p: Process, flags: int, wall: bool) -> None:
        super().__init__(p, flags, b"timerfd")
        self.wall = wall
        self._words = memoryview(mmap.mmap(-1, 24)).cast("Q")

    @property
    def deadline(self) -> int:
        """When it runs out next, or did, in guest monotonic ns; 0 if it is not set."""
        return self._words[0]

    @property
    def interval(self) -> int:
        """Its period in ns, or 0."""
        return self._words[1]

    def set(self, deadline: int, interval: int) -> None:
        """Set it anew; expiries that were not read are forgotten."""
        self._drain()
        self._words[0], self._words[1], self._words[2] = deadline, interval, 0

    def refresh(self) -> None:
        """See `File.refresh`. It runs out once; a periodic one goes on when that has been read."""
        words = self._words
        if words[0] and not words[2] and self._process.clock.monotonic() >= words[0]:
            words[2] = 1
            os.eventfd_write(self.fd, 1)

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`: how often it has run out since it was last read."""
        if not views or len(views[0]) < 8:
            raise fail(errno.EINVAL)
        self.refresh()
        os.eventfd_read(self.fd)
        words = self._words
        deadline, interval, count = words[0], words[1], 1
        if interval:
            count += max(0, self._process.clock.monotonic() - deadline) // interval
        words[0], words[2] = (deadline + count * interval if interval else 0), 0
        views[0][:8] = count.to_bytes(8, "little")
        return 8

    def wake_time(self) -> int | None:
        """See `File.wake_time`."""
        return self.deadline if self.deadline and not self._words[2] else None


def timer_of(p: Process, fd: int) -> TimerFile:
    """The timerfd of a descriptor. Raises OSError."""
    file = p.fds.get(fd)
    if not isinstance(file, TimerFile):
        raise fail(errno.EINVAL)
    return file


TIMER_CLOCKS = (0, 1, 7, 8, 9)
WALL_CLOCKS = (0, 8)


@syscall(85, "timerfd_create")
def timerfd_create(p: Process, clock: int, flags: int) -> Result:
    """See man 2 timerfd_create. The alarm clocks need CAP_WAKE_ALARM."""
    clock = s32(clock)
    if clock not in TIMER_CLOCKS or flags & 0xFFFFFFFF & ~(O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    if clock in (8, 9):
        return -errno.EPERM
    return p.fds.add(TimerFile(p, flags & O_NONBLOCK, clock in WALL_CLOCKS), bool(flags & O_CLOEXEC))


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
    """See man 2 timerfd_settime. The wall clock is never set, so TFD_TIMER_CANCEL_ON_SET has nothing to do."""
    interval_s, interval_ns, s, ns = p.space.unpack(ITIMERSPEC, new)
    if flags & 0xFFFFFFFF & ~3 or not (0 <= interval_ns < NS and 0 <= ns < NS and s >= 0 and interval_s >= 0):
        return -errno.EINVAL
    timer = timer_of(p, fd)
    now = p.clock.monotonic()
    before = timer_setting(timer, now)
    value = s * NS + ns
    if flags & 1:
        value = max(1, value - (p.clock.wall() - now if timer.wall else 0)) if value else 0
    elif value:
        value += now
    timer.set(min(value, (1 << 63) - 1), min(interval_s * NS + interval_ns, (1 << 63) - 1))
    if old:
        p.space.write(old, before)
    p.sched.retry_all()  # a thread that waits for it has another deadline now
    return 0


@syscall(87, "timerfd_gettime")
def timerfd_gettime(p: Process, fd: int, setting: int) -> Result:
    """See man 2 timerfd_gettime."""
    p.space.write(setting, timer_setting(timer_of(p, fd), p.clock.monotonic()))
    return 0


SIGNALFD = struct.Struct("<IiiIIiIIIIiiQQQQ48x")


class SignalFile(SoftFile):
    """A signalfd: it reads the signals of the reading process."""

    def __init__(self, p: Process, flags: int, mask: int) -> None:
        super().__init__(p, flags, b"signalfd")
        self.mask = mask
        p.signals.watchers.add(self)

    def arrived(self, number: int) -> None:
        """A signal is pending now: an event, also if others were before."""
        if self.mask >> (number - 1) & 1 and self.fd >= 0:
            os.eventfd_write(self.fd, 1)

    def refresh(self) -> None:
        """See `File.refresh`."""
        p = self._process
        self._drain_unless(bool(p.signals.pending_set(p.thread) & self.mask))

    def _drain_unless(self, pending: bool) -> None:
        # Looking must make no event, so the counter is written only when it was 0.
        import select

        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        readable = bool(poller.poll(0))
        if pending and not readable:
            os.eventfd_write(self.fd, 1)
        elif readable and not pending:
            self._drain()

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        view = views[0] if views else memoryview(b"")
        done = 0
        if len(view) < SIGNALFD.size:
            raise fail(errno.EINVAL)
        p = self._process
        while done + SIGNALFD.size <= len(view):
            pending = p.signals.take(p.thread, self.mask)
            if pending is None:
                break
            view[done : done + SIGNALFD.size] = signalfd_info(pending.info)
            done += SIGNALFD.size
        self.refresh()
        if not done:
            raise BlockingIOError(errno.EAGAIN, "no signal")
        return done

    def forked(self) -> None:
        """See `File.forked`: the child's signals are its own."""
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.dup2(fd, self.fd, inheritable=False)
        os.close(fd)


def signalfd_info(info: bytes) -> bytes:
    """`struct signalfd_siginfo` of a siginfo: which fields there are depends on its code (man 2 sigaction)."""
    number, error, code = struct.unpack_from("<iii", info)
    fields = [number, error, code, *[0] * 13]
    if number == 17 and code > 0:  # SIGCHLD: pid uid status utime stime
        fields[3], fields[4], fields[10] = struct.unpack_from("<IIi", info, 16)
        fields[13], fields[14] = struct.unpack_from("<QQ", info, 32)
    elif code == -2:  # SI_TIMER: timer id, overrun, value
        fields[6], fields[8], fields[12] = struct.unpack_from("<IIQ", info, 16)
        fields[11] = s32(fields[12])
    else:
        fields[3], fields[4], fields[12] = struct.unpack_from("<IIQ", info, 16)
        fields[11] = s32(fields[12])
    return SIGNALFD.pack(*fields)


@syscall(74, "signalfd4")
def signalfd4(p: Process, fd: int, mask: int, size: int, flags: int) -> Result:
    """See man 2 signalfd."""
    if size != 8:
        return -errno.EINVAL
    bits = p.space.u64(mask) & ~UNBLOCKABLE
    if flags & 0xFFFFFFFF & ~(O_CLOEXEC | O_NONBLOCK):
        return -errno.EINVAL
    if s32(fd) != -1:
        file = p.fds.get(fd)
        if not isinstance(file, SignalFile):
            return -errno.EINVAL
        file.mask = bits
        file.refresh()
        return s32(fd)
    return p.fds.add(SignalFile(p, flags & O_NONBLOCK, bits), bool(flags & O_CLOEXEC))
