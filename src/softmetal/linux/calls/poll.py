"""Waiting for several files: poll and select. Sources: man 2 poll, select; fs/select.c for what wins against what.

Of three things that may be true at once, a ready file wins against a signal, and a signal against the time-out.
"""

from __future__ import annotations

import errno
import select as host_select
from collections.abc import Callable

from ..abi import M64, NS, POLLFD, TIMESPEC, s32
from ..cpu import W
from ..errors import Fault
from ..files import File, StreamFile
from ..nodes import fail
from ..process import Process
from ..signals import UNBLOCKABLE
from ..table import syscall
from ..waits import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, UNLESS_HANDLED, Result, Wait

RDNORM, RDBAND, WRNORM, WRBAND = 0x40, 0x80, 0x100, 0x200


def revents(files: list[tuple[File, int]]) -> list[int]:
    """The events that are true now, of those asked for (and POLLERR, POLLHUP)."""
    result = [0] * len(files)
    hosted: dict[int, int] = {}
    for index, (file, events) in enumerate(files):
        file.refresh()
        events &= file.event_mask
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
                result[index] = found[file.fd] & (events & file.event_mask | POLLERR | POLLHUP)
    return result


def with_mask(p: Process, mask: int | None, attempt: Callable[[], Result]) -> Result:
    """Do a call with another signal mask for its duration.

    The old mask is back before the call returns, so a signal that the new one let in is delivered only if the
    call found nothing else to answer (`restore_saved_sigmask_unless`).
    """
    if mask is None:
        return attempt()
    thread = p.thread
    before = thread.mask
    thread.restore_mask, thread.mask = before, mask & ~UNBLOCKABLE
    thread.signalled = p.sched.attention = True
    result: Result = 0
    try:
        result = attempt()
    finally:
        if not isinstance(result, Wait):
            thread.mask, thread.restore_mask = before, None
    return result


def mask_at(p: Process, address: int, size: int) -> int | None:
    """The signal mask of a call that takes one; None for a null pointer. Raises Fault, OSError(EINVAL)."""
    if not address:
        return None
    if size != 8:
        raise fail(errno.EINVAL)
    return p.space.u64(address)


def await_files(
    p: Process,
    files: list[tuple[File, int]],
    deadline: int | None,
    report: Callable[[list[int]], int],
    mask: int | None,
    timeout: int,
) -> Result:
    """Wait until one of `files` is ready; `report` stores the events and answers how many are.

    `timeout` is where the time that is left is stored, as Linux does.
    """
    thread = p.thread

    def left(result: int) -> int:
        if timeout and deadline is not None:
            rest = max(0, deadline - p.clock.monotonic())
            try:
                p.space.write(timeout, TIMESPEC.pack(*divmod(rest, NS)))
            except Fault:  # it may be read-only; Linux lets that pass, too
                return result
        return result

    def attempt() -> Result:
        events = revents(files)
        if any(events):
            return left(report(events))
        if deadline is not None and p.clock.monotonic() >= deadline and not p.signals.deliverable(thread):
            return left(report(events))
        wait.fds = [pair for file, wanted in files for pair in file.host_waits(wanted & file.event_mask)]
        times = [t for file, _ in files if (t := file.wake_time()) is not None]
        wait.deadline = min([*times, *([deadline] if deadline is not None else [])], default=None)
        return wait

    wait = Wait(
        attempt, restart=UNLESS_HANDLED, outside=any(f.outside for f, _ in files),
        interval=any(isinstance(f, StreamFile) and f.needs_interval() for f, _ in files), cancel=lambda: [left(0)].clear(),
    )  # fmt: skip
    return with_mask(p, mask, attempt)


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
    deadline = deadline_of(p, timeout)
    new_mask = mask_at(p, mask, size)
    if count > p.fds.limit:
        return -errno.EINVAL
    table = p.space.view(fds, count * POLLFD.size, W)
    asked: list[tuple[int, int, int]] = []
    files: list[tuple[File, int]] = []
    bad: list[tuple[int, int, int]] = []
    for index, (fd, events, _) in enumerate(POLLFD.iter_unpack(table)):
        slot = p.fds.slots.get(fd)
        if slot is None:
            bad.append((index, fd, events))
        else:
            asked.append((index, fd, events))
            files.append((slot.file, events & 0xFFFF))

    def report(found: list[int]) -> int:
        for (index, fd, events), value in zip(asked, found, strict=True):
            POLLFD.pack_into(table, index * 8, fd, events, value)
        for index, fd, events in bad:
            POLLFD.pack_into(table, index * 8, fd, events, POLLNVAL if fd >= 0 else 0)
        return sum(value != 0 for value in found) + sum(fd >= 0 for _, fd, _ in bad)

    if any(fd >= 0 for _, fd, _ in bad):
        return report(revents(files))
    return await_files(p, files, deadline, report, new_mask, timeout)


@syscall(72, "pselect6")
def pselect6(p: Process, count: int, read: int, write: int, error: int, timeout: int, mask: int) -> Result:
    """See man 2 pselect."""
    count = s32(count)
    pointer, mask_size = p.space.unpack(TIMESPEC, mask) if mask else (0, 0)
    deadline = deadline_of(p, timeout)
    new_mask = mask_at(p, pointer & M64, mask_size)
    if count < 0:
        return -errno.EINVAL
    count = min(count, p.fds.capacity)
    size = (count + 63) // 64 * 8
    sets = [p.space.view(a, size, W) if a else None for a in (read, write, error)]
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

    return await_files(p, files, deadline, report, new_mask, timeout)
