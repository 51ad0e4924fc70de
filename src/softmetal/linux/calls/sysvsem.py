"""System V semaphores. Sources: man 2 semget, semop, semctl; Linux ipc/sem.c for the order of errors.

A call that waits looks every millisecond, since another process may end its wait.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from ..abi import NS, TIMESPEC, s32
from ..nodes import fail
from ..process import Process
from ..sysvipc import (
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MOST_IDS,
    PERMISSIONS,
    SEMMNI,
    SEMMNS,
    SEMMSL,
    SEMOPM,
    SEMVMX,
    Semaphores,
    State,
    found_by_key,
    need,
    need_owner,
    new_number,
    of_number,
    owned_by_me,
    pack_owned,
    take_owned,
)
from ..table import syscall
from ..waits import NEVER, Result, Wait

GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL, SEM_STAT, SEM_INFO, SEM_STAT_ANY = range(11, 21)
SEM_UNDO = 0o10000
SEMBUF = struct.Struct("<Hhh")
SEMID_DS = struct.Struct("<qqQ16x")
"""struct semid64_ds after its permissions: last operation, last change, how many."""
SEMINFO = struct.Struct("<10i")


class Operation(NamedTuple):
    """What semop is to do with one semaphore."""

    semaphore: int
    change: int
    flags: int


@syscall(190, "semget")
def semget(p: Process, key: int, count: int, flags: int) -> Result:
    """See man 2 semget."""
    key, count, flags = key & 0xFFFFFFFF, s32(count), flags & 0xFFFFFFFF
    if not 0 <= count <= SEMMSL:
        return -errno.EINVAL
    with p.sysv.locked() as state:
        number = found_by_key(state.semaphores, key, flags)
        if number is not None:
            found = state.semaphores[number]
            if count > len(found.values):
                return -errno.EINVAL
            need(found.owned, flags)
            return number
        if not count:
            return -errno.EINVAL
        if len(state.semaphores) >= SEMMNI:
            return -errno.ENOSPC
        number = new_number(state, 1, state.semaphores)
        made = Semaphores(owned_by_me(key, flags), [0] * count, [0] * count, p.clock.wall() // NS)
        state.semaphores[number] = made
        return number


def perform(p: Process, state: State, number: int, operations: list[Operation]) -> Operation | None:
    """Do all operations, or none and answer the first that has to wait. Raises OSError(EINVAL, EFBIG, EACCES, ERANGE)."""
    found = of_number(state.semaphores, number)
    if any(o.semaphore >= len(found.values) for o in operations):
        raise fail(errno.EFBIG)
    need(found.owned, 0o222 if any(o.change for o in operations) else 0o444)
    values = list(found.values)
    undo = dict(state.undo.get(p.pid, {}).get(number, {}))
    for o in operations:
        value = values[o.semaphore] + o.change
        if value < 0 or (o.change == 0 and value):
            return o
        if value > SEMVMX:
            raise fail(errno.ERANGE)
        if o.flags & SEM_UNDO:
            undo[o.semaphore] = undo.get(o.semaphore, 0) - o.change
            if not -SEMVMX - 1 <= undo[o.semaphore] <= SEMVMX:
                raise fail(errno.ERANGE)
        values[o.semaphore] = value
    found.values = values
    for o in operations:
        found.pids[o.semaphore] = p.pid
    found.otime = p.clock.wall() // NS
    if any(o.flags & SEM_UNDO for o in operations):
        state.undo.setdefault(p.pid, {})[number] = undo
        p.sysv.involved = True
    return None


@syscall(193, "semop")
def semop(p: Process, number: int, operations: int, count: int) -> Result:
    """See man 2 semop."""
    return semtimedop(p, number, operations, count, 0)


@syscall(192, "semtimedop")
def semtimedop(p: Process, number: int, operations: int, count: int, timeout: int) -> Result:
    """See man 2 semop."""
    number, count = s32(number), count & 0xFFFFFFFF
    seconds, ns = p.space.unpack(TIMESPEC, timeout) if timeout else (0, 0)
    if count > SEMOPM:
        return -errno.E2BIG
    if not count:
        return -errno.EINVAL
    wanted = [Operation(*o) for o in SEMBUF.iter_unpack(p.space.read(operations, count * SEMBUF.size))]
    if number < 0 or seconds < 0 or not 0 <= ns < NS:
        return -errno.EINVAL
    deadline = p.clock.monotonic() + seconds * NS + ns if timeout else None
    me = (p.pid, p.thread.tid)
    began = False

    def attempt() -> Result:
        nonlocal began
        with p.sysv.locked() as state:
            state.waiting.pop(me, None)
            if began and number not in state.semaphores:
                return -errno.EIDRM
            stuck = perform(p, state, number, wanted)
            if stuck is not None:
                p.sysv.sweep(p, state)  # the end of another process may undo what it did
                stuck = perform(p, state, number, wanted)
            if stuck is None:
                return 0
            if stuck.flags & IPC_NOWAIT or (deadline is not None and p.clock.monotonic() >= deadline):
                return -errno.EAGAIN
            state.waiting[me] = (number, stuck.semaphore, stuck.change == 0)
            began = True
            return wait

    def cancel() -> None:
        with p.sysv.locked() as state:
            state.waiting.pop(me, None)

    wait = Wait(attempt, deadline=deadline, restart=NEVER, interval=True, cancel=cancel)
    return attempt()


@syscall(191, "semctl")
def semctl(p: Process, number: int, index: int, command: int, argument: int) -> Result:
    """See man 2 semctl."""
    number, index, command = s32(number), s32(index), s32(command)
    if number < 0:
        return -errno.EINVAL
    with p.sysv.locked() as state:
        p.sysv.sweep(p, state)
        if command in (IPC_INFO, SEM_INFO):
            used, total = 20, SEMVMX
            if command == SEM_INFO:
                used, total = len(state.semaphores), sum(len(s.values) for s in state.semaphores.values())
            values = (SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, used, SEMVMX, total)
            p.space.write(argument, SEMINFO.pack(*values))
            return max((n % MOST_IDS for n in state.semaphores), default=0)
        if command in (SEM_STAT, SEM_STAT_ANY):
            number = next((n for n in state.semaphores if n % MOST_IDS == number), -1)
        if command in (IPC_STAT, SEM_STAT, SEM_STAT_ANY):
            found = of_number(state.semaphores, number)
            if command != SEM_STAT_ANY:
                need(found.owned, 0o444)
            rest = SEMID_DS.pack(found.otime, found.ctime, len(found.values))
            p.space.write(argument, pack_owned(found.owned, number) + rest)
            return number if command != IPC_STAT else 0
        if command in (IPC_SET, IPC_RMID):
            if command == IPC_SET:
                p.space.view(argument, PERMISSIONS.size + SEMID_DS.size)
            found = of_number(state.semaphores, number)
            need_owner(found.owned)
            if command == IPC_SET:
                take_owned(p, found.owned, argument)
                found.ctime = p.clock.wall() // NS
            else:
                del state.semaphores[number]
                for changes in state.undo.values():
                    changes.pop(number, None)
            return 0
        if command in (GETALL, SETALL):
            return all_values(p, state, number, command, argument)
        if command not in (GETPID, GETVAL, GETNCNT, GETZCNT, SETVAL):
            return -errno.EINVAL
        return one_value(p, state, number, index, command, s32(argument))


def all_values(p: Process, state: State, number: int, command: int, address: int) -> int:
    """GETALL and SETALL: an array of 16-bit numbers."""
    found = of_number(state.semaphores, number)
    need(found.owned, 0o222 if command == SETALL else 0o444)
    layout = struct.Struct(f"<{len(found.values)}H")
    if command == GETALL:
        p.space.write(address, layout.pack(*found.values))
        return 0
    values = list(p.space.unpack(layout, address))
    if max(values) > SEMVMX:
        return -errno.ERANGE
    found.values = values
    found.pids = [p.pid] * len(values)
    found.ctime = p.clock.wall() // NS
    for changes in state.undo.values():
        changes.pop(number, None)
    return 0


def one_value(p: Process, state: State, number: int, index: int, command: int, value: int) -> int:
    """What is known of one semaphore, and SETVAL."""
    if command == SETVAL and not 0 <= value <= SEMVMX:
        return -errno.ERANGE
    found = of_number(state.semaphores, number)
    if command == SETVAL and not 0 <= index < len(found.values):
        return -errno.EINVAL
    need(found.owned, 0o222 if command == SETVAL else 0o444)
    if not 0 <= index < len(found.values):
        return -errno.EINVAL
    if command == SETVAL:
        found.values[index], found.pids[index] = value, p.pid
        found.ctime = p.clock.wall() // NS
        for changes in state.undo.values():
            changes.get(number, {}).pop(index, None)
        return 0
    if command == GETPID:
        return found.pids[index]
    if command == GETVAL:
        return found.values[index]
    return list(state.waiting.values()).count((number, index, command == GETZCNT))
