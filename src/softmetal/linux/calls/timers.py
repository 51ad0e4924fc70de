"""Timers that send signals. Sources: man 2 setitimer, timer_create, timer_settime; kernel/time for the order of errors.

A timer runs by the monotonic clock, or by the time that the process or one of its threads has used.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from ..abi import ITIMERSPEC, NS, SIGINFO_KILL, s32
from ..nodes import fail
from ..process import Process
from ..signals import SI_KERNEL, SI_TIMER, info
from ..table import syscall
from ..threads import Pending, Thread
from ..timers import Timer
from ..waits import Result
from .signals import LAST, thread_of
from .time import PROCESS_CPU, THREAD_CPU, thread_used
from .time import read as read_clock

ITIMER_SIGNALS = (14, 26, 27)
MOST_OVERRUNS = 0x7FFFFFFF
"""DELAYTIMER_MAX."""


def get_itimer(p: Process, which: int) -> bytes:
    """`struct itimerval`."""
    timer = p.timers.all.get(("itimer", which))
    left = timer.left(timer.now(p.clock.monotonic())) if timer else 0
    interval = timer.interval if timer else 0
    return ITIMERSPEC.pack(interval // NS, interval % NS // 1000, left // NS, (left % NS + 999) // 1000)


@syscall(102, "getitimer")
def getitimer(p: Process, which: int, value: int) -> Result:
    """See man 2 getitimer."""
    if s32(which) not in (0, 1, 2):
        return -errno.EINVAL
    p.space.write(value, get_itimer(p, s32(which)))
    return 0


@syscall(103, "setitimer")
def setitimer(p: Process, which: int, new: int, old: int) -> Result:
    """See man 2 setitimer. All time that a process uses is its own, so the virtual and the profiling timer run alike."""
    which = s32(which)
    interval_s, interval_us, s, us = p.space.unpack(ITIMERSPEC, new) if new else (0, 0, 0, 0)
    if which not in (0, 1, 2):
        return -errno.EINVAL
    before = get_itimer(p, which)
    if not (0 <= interval_us < 10**6 and 0 <= us < 10**6 and s >= 0 and interval_s >= 0):
        return -errno.EINVAL
    number = ITIMER_SIGNALS[which]
    timer = p.timers.all.get(("itimer", which))
    if timer is None:
        timer = Timer(lambda times: p.signals.post(Pending(number, info(number, SI_KERNEL, 0)), prefer=p.thread))
        timer.used = (lambda: read_clock(p, PROCESS_CPU)) if which else None
        p.timers.all[("itimer", which)] = timer
    value = s * NS + us * 1000
    now = timer.now(p.clock.monotonic())
    p.timers.set(timer, now + value if value else 0, interval_s * NS + interval_us * 1000)
    if old:
        p.space.write(old, before)
    return 0


@syscall(107, "timer_create")
def timer_create(p: Process, clock: int, event: int, out: int) -> Result:
    """See man 2 timer_create: SIGEV_SIGNAL, SIGEV_NONE and SIGEV_THREAD_ID."""
    value, number, how, tid = 0, 14, 0, 0
    if event:
        data = p.space.read(event, 64)
        value = int.from_bytes(data[:8], "little")
        number, how, tid = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (8, 12, 16))
    if s32(clock) in (4, 5, 6):
        return -errno.EOPNOTSUPP
    if s32(clock) >= 0:
        read_clock(p, clock)
    if how not in (0, 1, 4) or (how != 1 and not 1 <= number <= LAST):
        return -errno.EINVAL
    thread = thread_of(p, tid) if how == 4 else None
    if how == 4 and thread is None:
        return -errno.EINVAL
    key = 0
    while ("posix", key) in p.timers.all:
        key += 1
    if not event:
        value = key

    def fire(times: int) -> None:
        if how == 1:
            return
        queue = p.signals.pending if thread is None else thread.pending
        for index, earlier in enumerate(queue):
            _, _, code, _, of, overrun, _ = SIGINFO_KILL.unpack(earlier.info)
            if (earlier.number, code, of) == (number, SI_TIMER, key):  # it has not been taken: once more in vain
                timer.overrun = min(overrun + times, MOST_OVERRUNS)
                queue[index] = Pending(number, info(number, SI_TIMER, key, timer.overrun, value))
                return
        packed = info(number, SI_TIMER, key, timer.overrun, value)
        p.signals.post(Pending(number, packed), thread, prefer=p.thread)

    timer = Timer(fire)
    p.space.put32(out, key)
    timer.used, timer.thread = usage(p, s32(clock))
    p.timers.all[("posix", key)] = timer
    wall = clock & 0xFFFFFFFF in (0, 8, 11)
    p.wall_timers = p.wall_timers | {key} if wall else p.wall_timers - {key}
    return 0


def usage(p: Process, clock: int) -> tuple[Callable[[], int] | None, Thread | None]:
    """What a timer on this clock counts, if that is used time, and the thread whose time that is. Raises OSError."""
    read_clock(p, clock)
    if clock == THREAD_CPU or (clock < 0 and clock & 4):
        number = ~(clock >> 3) if clock < 0 else 0
        thread = thread_of(p, number) if number else p.thread
        if thread is None:
            raise fail(errno.EINVAL)
        return (lambda: thread_used(p, thread)), thread
    if clock == PROCESS_CPU or clock < 0:
        return (lambda: read_clock(p, PROCESS_CPU)), None
    return None, None


def posix_timer(p: Process, key: int) -> Timer:
    """A timer by its number. Raises OSError(EINVAL)."""
    timer = p.timers.all.get(("posix", s32(key)))
    if timer is None:
        raise fail(errno.EINVAL)
    return timer


@syscall(110, "timer_settime")
def timer_settime(p: Process, key: int, flags: int, new: int, old: int) -> Result:
    """See man 2 timer_settime."""
    if not new:
        return -errno.EINVAL
    interval_s, interval_ns, s, ns = p.space.unpack(ITIMERSPEC, new)
    if not (0 <= interval_ns < NS and 0 <= ns < NS and s >= 0 and interval_s >= 0):
        return -errno.EINVAL
    timer = posix_timer(p, key)
    now = timer.now(p.clock.monotonic())
    if old:
        p.space.write(old, ITIMERSPEC.pack(*divmod(timer.interval, NS), *divmod(timer.left(now), NS)))
    value = s * NS + ns
    if value:
        if flags & 1:
            value = max(1, value - (p.clock.wall() - now if s32(key) in p.wall_timers else 0))
        else:
            value += now
    p.timers.set(timer, value, interval_s * NS + interval_ns)
    return 0


@syscall(108, "timer_gettime")
def timer_gettime(p: Process, key: int, out: int) -> Result:
    """See man 2 timer_gettime."""
    timer = posix_timer(p, key)
    left = timer.left(timer.now(p.clock.monotonic()))
    p.space.write(out, ITIMERSPEC.pack(*divmod(timer.interval, NS), *divmod(left, NS)))
    return 0


@syscall(109, "timer_getoverrun")
def timer_getoverrun(p: Process, key: int) -> Result:
    """See man 2 timer_getoverrun."""
    return posix_timer(p, key).overrun


@syscall(111, "timer_delete")
def timer_delete(p: Process, key: int) -> Result:
    """See man 2 timer_delete."""
    posix_timer(p, key)
    p.timers.drop(("posix", s32(key)))
    return 0
