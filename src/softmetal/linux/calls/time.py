"""Clocks and sleeping. Sources: man 2 clock_gettime, nanosleep."""

from __future__ import annotations

import errno
import struct

from ..abi import NS, TIMESPEC, s32
from ..nodes import fail
from ..process import Process
from ..table import syscall
from ..threads import Thread
from ..timers import Timer
from ..waits import UNLESS_HANDLED, Result, Wait

REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU = 0, 1, 2, 3
WALL = frozenset({0, 5, 8, 11})
"""CLOCK_REALTIME, its coarse and alarm forms, CLOCK_TAI."""
STEADY = frozenset({1, 4, 6, 7, 9})
"""CLOCK_MONOTONIC, raw, coarse, CLOCK_BOOTTIME and its alarm form."""

NO_SLEEP = frozenset({3, 4, 5, 6})
"""Clocks by which no call can sleep; all but the first also have no timers: those of threads, raw and coarse ones."""


def thread_used(p: Process, thread: Thread) -> int:
    """The time that a thread has run, in ns."""
    return thread.used + (p.cpu.count - thread.began if thread is p.sched.loaded else 0)


def read(p: Process, clock: int) -> int:
    """A clock in ns. Raises OSError(EINVAL)."""
    clock = s32(clock)
    if clock in WALL:
        return p.clock.wall()
    if clock in STEADY:
        return p.clock.monotonic()
    if clock < 0:  # man 3 clock_getcpuclockid: the number of a process or thread, inverted, and three bits
        number = ~(clock >> 3)
        if clock & 3 == 3:
            raise fail(errno.EINVAL)
        if clock & 4:
            thread = next((t for t in p.sched.threads if number in (0, t.tid)), None) if number else p.thread
            if thread is None:
                raise fail(errno.EINVAL)
            return thread_used(p, thread)
        if number not in (0, p.pid):
            raise fail(errno.EINVAL)
        clock = PROCESS_CPU
    if clock == THREAD_CPU:
        return thread_used(p, p.thread)
    if clock == PROCESS_CPU:
        return p.clock.used() - p.children_used
    raise fail(errno.EINVAL)


@syscall(113, "clock_gettime")
def clock_gettime(p: Process, clock: int, out: int) -> Result:
    """See man 2 clock_gettime."""
    now = read(p, clock)
    p.space.write(out, TIMESPEC.pack(now // NS, now % NS))
    return 0


@syscall(112, "clock_settime")
def clock_settime(p: Process, clock: int, value: int) -> Result:
    """See man 2 clock_settime: only the wall clock can be set, and not by this user."""
    seconds, ns = p.space.unpack(TIMESPEC, value) if s32(clock) == REALTIME else (0, 0)
    if s32(clock) > 0 or seconds < 0 or not 0 <= ns < NS:
        return -errno.EINVAL
    return -errno.EPERM


@syscall(114, "clock_getres")
def clock_getres(p: Process, clock: int, out: int) -> Result:
    """See man 2 clock_getres: 1 ns."""
    read(p, clock)
    if out:
        p.space.write(out, TIMESPEC.pack(0, 1))
    return 0


@syscall(169, "gettimeofday")
def gettimeofday(p: Process, out: int, zone: int) -> Result:
    """See man 2 gettimeofday."""
    now = p.clock.wall()
    if out:
        p.space.write(out, TIMESPEC.pack(now // NS, now % NS // 1000))
    if zone:
        p.space.write(zone, bytes(8))
    return 0


@syscall(170, "settimeofday")
def settimeofday(p: Process, value: int, zone: int) -> Result:
    """Not allowed."""
    return -errno.EPERM


TIMEX = struct.Struct("<I4x4qi4x6q112x")
"""`struct timex`: modes offset freq maxerror esterror status constant precision tolerance time(s, us) tick; pps and TAI are 0."""
ADJ_READ, ADJ_ADJTIME, STA_UNSYNC, TIME_ERROR = 0x2000, 0x8000, 0x40, 5


@syscall(171, "adjtimex")
def adjtimex(p: Process, address: int) -> Result:
    """See man 2 adjtimex: it shows a clock that is not disciplined; changing it is not allowed."""
    modes = p.space.u32(address)
    if modes & ADJ_ADJTIME and not modes & 1:
        return -errno.EINVAL
    if modes and modes & (ADJ_ADJTIME | ADJ_READ) != ADJ_ADJTIME | ADJ_READ:
        return -errno.EPERM
    seconds, ns = divmod(p.clock.wall(), NS)
    unknown = 16_000_000  # us, NTP's greatest error
    shown = (modes, 0, 0, unknown, unknown, STA_UNSYNC, 2, 1, 500 << 16, seconds, ns // 1000, 10_000)
    p.space.write(address, TIMEX.pack(*shown))
    return TIME_ERROR


@syscall(266, "clock_adjtime")
def clock_adjtime(p: Process, clock: int, address: int) -> Result:
    """See man 2 clock_adjtime: `adjtimex` for CLOCK_REALTIME; no other clock can be adjusted."""
    p.space.read(address, TIMEX.size)
    if s32(clock) == REALTIME:
        return adjtimex(p, address)
    read(p, clock)
    return -errno.EOPNOTSUPP


def sleep(p: Process, deadline: int, remaining: int) -> Result:
    """Sleep until the guest time `deadline`; write the remaining time if a signal ends it."""

    def attempt() -> Result:
        return 0 if p.clock.monotonic() >= deadline else wait

    def cancel() -> None:
        if remaining:
            left = max(0, deadline - p.clock.monotonic())
            p.space.write(remaining, TIMESPEC.pack(left // NS, left % NS))

    wait = Wait(attempt, deadline=deadline, restart=UNLESS_HANDLED, cancel=cancel)
    return attempt()


def cpu_sleep(p: Process, clock: int, deadline: int, remaining: int) -> Result:
    """Sleep until `clock`, of time that other threads use, reads `deadline` ns."""
    number = ~(clock >> 3)
    counted = next((t for t in p.sched.threads if t.tid == number), None) if clock < 0 and clock & 4 else None
    key = ("cpu sleep", p.thread.tid)

    def fire(times: int) -> None:
        wait.ready = True

    def attempt() -> Result:
        if read(p, clock) < deadline:
            return wait
        p.timers.drop(key)
        return 0

    def cancel() -> None:
        p.timers.drop(key)
        if remaining:
            left = max(0, deadline - read(p, clock))
            p.space.write(remaining, TIMESPEC.pack(left // NS, left % NS))

    timer = p.timers.all[key] = Timer(fire, used=lambda: read(p, clock), thread=counted)
    p.timers.set(timer, deadline, 0)
    wait = Wait(attempt, restart=UNLESS_HANDLED, cancel=cancel)
    return wait


@syscall(101, "nanosleep")
def nanosleep(p: Process, request: int, remaining: int) -> Result:
    """See man 2 nanosleep."""
    return clock_nanosleep(p, MONOTONIC, 0, request, remaining)


@syscall(115, "clock_nanosleep")
def clock_nanosleep(p: Process, clock: int, flags: int, request: int, remaining: int) -> Result:
    """See man 2 clock_nanosleep."""
    now = read(p, clock) if s32(clock) >= 0 else 0
    if s32(clock) in NO_SLEEP:
        return -errno.EOPNOTSUPP
    seconds, ns = p.space.unpack(TIMESPEC, request)
    if seconds < 0 or not 0 <= ns < NS:
        return -errno.EINVAL
    if s32(clock) < 0:
        if s32(clock) & 4 and ~(s32(clock) >> 3) in (0, p.thread.tid):
            return -errno.EINVAL  # a thread cannot sleep by its own CPU time
        now = read(p, clock)
    amount = seconds * NS + ns
    if flags & 1:
        amount -= now
        remaining = 0
    if amount <= 0:
        return 0
    if s32(clock) == PROCESS_CPU or s32(clock) < 0:
        return cpu_sleep(p, s32(clock), now + amount, remaining)
    return sleep(p, p.clock.monotonic() + amount, remaining)
