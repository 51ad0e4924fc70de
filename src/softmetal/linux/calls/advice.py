"""Calls about the use of memory: madvise, msync, mincore, mlock and mseal.

Source: man 2 of each; Linux mm/madvise.c, mm/mlock.c and mm/mseal.c for which advice which kind of memory refuses.
Advice that changes nothing a program can see is noted in `VmFlags` of `/proc/self/smaps`, as on Linux.
"""

from __future__ import annotations

import errno

from ..abi import M64
from ..areas import (
    DONT_DUMP,
    DONT_FORK,
    HUGE,
    LOCKED,
    MERGEABLE,
    NOT_HUGE,
    RANDOM,
    SEALED,
    SEQUENTIAL,
    WIPE_ON_FORK,
    Area,
    page_up,
)
from ..cpu import PAGE
from ..nodes import fail
from ..process import Process
from ..space import PROT_READ, PROT_WRITE, USER_END
from ..table import syscall
from ..waits import Result
from .io import TASK_SIZE_MAX

NORMAL, ADVISE_RANDOM, ADVISE_SEQUENTIAL, WILLNEED, DONTNEED, FREE, REMOVE = 0, 1, 2, 3, 4, 8, 9
DONTFORK, DOFORK, MERGE, UNMERGE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP = range(10, 18)
WIPEONFORK, KEEPONFORK, COLD, PAGEOUT, POPULATE_READ, POPULATE_WRITE, DONTNEED_LOCKED, COLLAPSE = range(18, 26)
KNOWN = frozenset((*range(5), *range(8, 26)))
CHANGES = {
    NORMAL: (0, RANDOM | SEQUENTIAL), ADVISE_RANDOM: (RANDOM, SEQUENTIAL), ADVISE_SEQUENTIAL: (SEQUENTIAL, RANDOM),
    DONTFORK: (DONT_FORK, 0), DOFORK: (0, DONT_FORK), MERGE: (MERGEABLE, 0), UNMERGE: (0, MERGEABLE),
    HUGEPAGE: (HUGE, NOT_HUGE), NOHUGEPAGE: (NOT_HUGE, HUGE), DONTDUMP: (DONT_DUMP, 0), DODUMP: (0, DONT_DUMP),
    WIPEONFORK: (WIPE_ON_FORK, 0), KEEPONFORK: (0, WIPE_ON_FORK),
}  # fmt: skip
"""The marks that an advice sets and clears."""


def apply(p: Process, area: Area, start: int, end: int, advice: int) -> None:
    """Follow `advice` for `[start, end)`, a part of `area`. Raises OSError where this memory refuses it."""
    space = p.space
    anonymous = area.file is None
    if advice in CHANGES:
        if advice == WIPEONFORK and not (anonymous and not area.shared):
            raise fail(errno.EINVAL)
        space.mark(start, end, *CHANGES[advice])
    elif advice in (DONTNEED, DONTNEED_LOCKED, FREE):
        if area.marks & LOCKED and advice != DONTNEED_LOCKED:
            raise fail(errno.EINVAL)
        if advice == FREE and (area.shared or not anonymous):
            raise fail(errno.EINVAL)
        if area.marks & SEALED and not area.prot & PROT_WRITE and anonymous:
            raise fail(errno.EPERM)
        if not area.shared:
            space.read_again(area, start, end)
    elif advice == REMOVE:
        if area.marks & LOCKED or not area.shared:
            raise fail(errno.EINVAL)
        if not area.max_prot & PROT_WRITE:
            raise fail(errno.EACCES)
        space.host().advise(start, end - start, REMOVE)
    elif advice in (COLD, PAGEOUT):
        if area.marks & LOCKED:
            raise fail(errno.EINVAL)
    elif advice in (POPULATE_READ, POPULATE_WRITE):
        if not area.prot & (PROT_READ if advice == POPULATE_READ else PROT_WRITE):
            raise fail(errno.EINVAL)
        if space.beyond(area, end - 1) and not space.grown(end - 1):
            raise fail(errno.EFAULT)
    elif advice == COLLAPSE and (end - 1 >> 21) - (start + (1 << 21) - 1 >> 21) < 0:
        raise fail(errno.EINVAL)


@syscall(233, "madvise")
def madvise(p: Process, address: int, length: int, advice: int) -> Result:
    """See man 2 madvise. What is mapped gets the advice even if the call answers ENOMEM for a hole."""
    advice &= 0xFFFFFFFF
    rounded = page_up(length) & M64
    end = address + rounded
    if advice not in KNOWN or address % PAGE or (length and not rounded) or end >> 64:
        return -errno.EINVAL
    position = address
    holes = False
    for area in list(p.space.overlapping(address, min(end, USER_END))):
        start, stop = max(area.start, address), min(area.end, end)
        if start > position:
            holes = True
            if advice in (POPULATE_READ, POPULATE_WRITE):
                break
        apply(p, area, start, stop, advice)
        position = stop
    return -errno.ENOMEM if holes or position < end else 0


MS_ASYNC, MS_INVALIDATE, MS_SYNC = 1, 2, 4


@syscall(227, "msync")
def msync(p: Process, address: int, length: int, flags: int) -> Result:
    """See man 2 msync: MS_SYNC makes the host write the pages of files back."""
    if flags & ~7 or address % PAGE or (flags & MS_ASYNC and flags & MS_SYNC):
        return -errno.EINVAL
    end = address + (page_up(length) & M64)
    if end >> 64:
        return -errno.ENOMEM
    position = address
    holes = False
    for area in p.space.overlapping(address, min(end, USER_END)):
        start, stop = max(area.start, address), min(area.end, end)
        holes |= start > position
        if flags & MS_INVALIDATE and area.marks & LOCKED:
            return -errno.EBUSY
        if flags & MS_SYNC and area.hosted:
            p.space.host().sync(start, stop - start, MS_SYNC)
        position = stop
    return -errno.ENOMEM if holes or position < end else 0


@syscall(232, "mincore")
def mincore(p: Process, address: int, length: int, vector: int) -> Result:
    """See man 2 mincore. Pages of files are in memory; an anonymous page is as soon as a byte of it is not zero.

    (The host could say which pages were touched, but its answer depends on its huge pages, and a run must not.)
    """
    if address % PAGE:
        return -errno.EINVAL
    end = page_up(address + length)
    if address + length > TASK_SIZE_MAX:
        return -errno.ENOMEM
    if vector + length // PAGE > TASK_SIZE_MAX:
        return -errno.EFAULT
    space = p.space
    answer = bytearray()
    position = address
    zero = bytes(PAGE)
    for area in space.overlapping(address, end):
        start, stop = max(area.start, address), min(area.end, end)
        if start > position:
            break
        if area.file is not None:
            answer += bytes(not space.beyond(area, page) for page in range(start, stop, PAGE))
        else:
            answer += bytes(space.ram[page : page + PAGE] != zero for page in range(start, stop, PAGE))
        position = stop
    space.write(vector, answer)
    return 0 if position >= end else -errno.ENOMEM


MLOCK_ONFAULT = 1
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


def lock(p: Process, address: int, length: int) -> Result:
    """Lock the pages of a range; a hole answers ENOMEM after the part before it was locked."""
    start = address & -PAGE
    end = start + (page_up(length + address % PAGE) & M64)
    if end >> 64:
        return -errno.EINVAL
    space = p.space
    if space.lock_limit == 0:
        return -errno.EPERM
    if space.locked() + end - start > space.lock_limit:
        return -errno.ENOMEM
    return set_locked(p, start, end, LOCKED, 0)


def set_locked(p: Process, start: int, end: int, on: int, off: int) -> Result:
    """Mark or unmark the mapped pages from `start` on, up to the first hole."""
    position = start
    for area in list(p.space.overlapping(start, min(end, USER_END))):
        if area.start > position:
            break
        position = min(area.end, end)
    if position > start:
        p.space.mark(start, position, on, off)
    return 0 if position >= end else -errno.ENOMEM


@syscall(228, "mlock")
def mlock(p: Process, address: int, length: int) -> Result:
    """See man 2 mlock. Guest memory is never swapped out by softmetal; the lock is counted and limited."""
    return lock(p, address, length)


@syscall(284, "mlock2")
def mlock2(p: Process, address: int, length: int, flags: int) -> Result:
    """See man 2 mlock2."""
    return -errno.EINVAL if flags & ~MLOCK_ONFAULT & 0xFFFFFFFF else lock(p, address, length)


@syscall(229, "munlock")
def munlock(p: Process, address: int, length: int) -> Result:
    """See man 2 munlock."""
    start = address & -PAGE
    end = start + (page_up(length + address % PAGE) & M64)
    return -errno.EINVAL if end >> 64 else set_locked(p, start, end, 0, LOCKED)


@syscall(230, "mlockall")
def mlockall(p: Process, flags: int) -> Result:
    """See man 2 mlockall."""
    if not flags or flags & ~7 or flags == MCL_ONFAULT:
        return -errno.EINVAL
    space = p.space
    if space.lock_limit == 0:
        return -errno.EPERM
    if flags & MCL_CURRENT and space.total() > space.lock_limit:
        return -errno.ENOMEM
    if flags & MCL_CURRENT:
        space.mark(0, USER_END, LOCKED)
    space.new_marks = LOCKED if flags & MCL_FUTURE else 0
    return 0


@syscall(231, "munlockall")
def munlockall(p: Process) -> Result:
    """See man 2 munlockall."""
    p.space.mark(0, USER_END, 0, LOCKED)
    p.space.new_marks = 0
    return 0


@syscall(462, "mseal")
def mseal(p: Process, address: int, length: int, flags: int) -> Result:
    """See man 2 mseal: from now on these mappings cannot be changed or removed."""
    if flags or address % PAGE:
        return -errno.EINVAL
    end = page_up(address + length)
    if end >> 64:
        return -errno.EINVAL
    if end <= address:
        return 0
    if not p.space.covered(address, end):
        return -errno.ENOMEM
    p.space.mark(address, end, SEALED)
    return 0
