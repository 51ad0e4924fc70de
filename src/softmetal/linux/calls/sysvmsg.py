"""System V message queues. Sources: man 2 msgget, msgop, msgctl; Linux ipc/msg.c for the order of errors.

A call that waits looks every millisecond, since another process may end its wait.
"""

from __future__ import annotations

import errno
import os
import struct

from ..abi import NS, s32, s64
from ..cpu import W
from ..process import Process
from ..sysvipc import (
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MOST_IDS,
    MSGMAX,
    MSGMNB,
    MSGMNI,
    PERMISSIONS,
    Queue,
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
from ..waits import UNLESS_HANDLED, Result, Wait

MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
MSG_NOERROR, MSG_EXCEPT, MSG_COPY = 0o10000, 0o20000, 0o40000
MSQID_DS = struct.Struct("<qqqQQQii16x")
"""struct msqid64_ds after its permissions: three times, bytes, messages, most bytes, two pids, two unused."""
MSGINFO = struct.Struct("<7iH2x")


def used(queue: Queue) -> int:
    """Bytes in a queue."""
    return sum(len(text) for _, text in queue.messages)


@syscall(186, "msgget")
def msgget(p: Process, key: int, flags: int) -> Result:
    """See man 2 msgget."""
    key, flags = key & 0xFFFFFFFF, flags & 0xFFFFFFFF
    with p.sysv.locked() as state:
        number = found_by_key(state.queues, key, flags)
        if number is not None:
            need(state.queues[number].owned, flags)
            return number
        if len(state.queues) >= MSGMNI:
            return -errno.ENOSPC
        number = new_number(state, 2, state.queues)
        state.queues[number] = Queue(owned_by_me(key, flags), p.clock.wall() // NS)
        return number


@syscall(189, "msgsnd")
def msgsnd(p: Process, number: int, address: int, size: int, flags: int) -> Result:
    """See man 2 msgop."""
    number = s32(number)
    kind = s64(p.space.u64(address))
    if size > MSGMAX or number < 0 or kind < 1:
        return -errno.EINVAL
    text = p.space.read(address + 8, size)
    began = False

    def attempt() -> Result:
        nonlocal began
        with p.sysv.locked() as state:
            if began and number not in state.queues:
                return -errno.EIDRM
            queue = of_number(state.queues, number)
            need(queue.owned, 0o222)
            if used(queue) + size > queue.qbytes or len(queue.messages) + 1 > queue.qbytes:
                began = True
                return -errno.EAGAIN if flags & IPC_NOWAIT else wait
            queue.messages.append((kind, text))
            queue.lspid, queue.stime = p.pid, p.clock.wall() // NS
            return 0

    wait = Wait(attempt, restart=UNLESS_HANDLED, interval=True)
    return attempt()


def chosen(queue: Queue, kind: int, flags: int) -> int | None:
    """The index of the message that `kind` asks for."""
    kinds = [k for k, _ in queue.messages]
    if kind == 0:
        fitting = kinds
    elif kind < 0:
        fitting = [k for k in kinds if k <= -kind]
        fitting = [min(fitting)] if fitting else []
    elif flags & MSG_EXCEPT:
        fitting = [k for k in kinds if k != kind]
    else:
        fitting = [k for k in kinds if k == kind]
    return kinds.index(fitting[0]) if fitting else None


@syscall(188, "msgrcv")
def msgrcv(p: Process, number: int, address: int, size: int, kind: int, flags: int) -> Result:
    """See man 2 msgop. MSG_COPY is not there, as in a kernel without CONFIG_CHECKPOINT_RESTORE."""
    number, kind = s32(number), s64(kind)
    if number < 0 or size >> 63:
        return -errno.EINVAL
    if flags & MSG_COPY:
        return -errno.ENOSYS
    began = False

    def attempt() -> Result:
        nonlocal began
        with p.sysv.locked() as state:
            if began and number not in state.queues:
                return -errno.EIDRM
            queue = of_number(state.queues, number)
            need(queue.owned, 0o444)
            index = chosen(queue, kind, flags)
            if index is None:
                began = True
                return -errno.ENOMSG if flags & IPC_NOWAIT else wait
            got, text = queue.messages[index]
            if len(text) > size and not flags & MSG_NOERROR:
                return -errno.E2BIG
            text = text[:size]
            p.space.view(address, 8 + len(text), W)[:] = got.to_bytes(8, "little") + text
            del queue.messages[index]
            queue.lrpid, queue.rtime = p.pid, p.clock.wall() // NS
            return len(text)

    wait = Wait(attempt, restart=UNLESS_HANDLED, interval=True)
    return attempt()


@syscall(187, "msgctl")
def msgctl(p: Process, number: int, command: int, address: int) -> Result:
    """See man 2 msgctl."""
    number, command = s32(number), s32(command)
    if number < 0 or command < 0:
        return -errno.EINVAL
    with p.sysv.locked() as state:
        if command in (IPC_INFO, MSG_INFO):
            pool, headers, total = MSGMNI * MSGMNB // 1024, MSGMNB, MSGMNB
            if command == MSG_INFO:
                pool, headers = len(state.queues), sum(len(q.messages) for q in state.queues.values())
                total = sum(map(used, state.queues.values()))
            p.space.write(address, MSGINFO.pack(pool, headers, MSGMAX, MSGMNB, MSGMNI, 16, total, 0xFFFF))
            return max((n % MOST_IDS for n in state.queues), default=0)
        if command in (MSG_STAT, MSG_STAT_ANY):
            number = next((n for n in state.queues if n % MOST_IDS == number), -1)
        if command in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
            q = of_number(state.queues, number)
            if command != MSG_STAT_ANY:
                need(q.owned, 0o444)
            rest = MSQID_DS.pack(q.stime, q.rtime, q.ctime, used(q), len(q.messages), q.qbytes, q.lspid, q.lrpid)
            p.space.write(address, pack_owned(q.owned, number) + rest)
            return number if command != IPC_STAT else 0
        if command not in (IPC_SET, IPC_RMID):
            return -errno.EINVAL
        room = 0
        if command == IPC_SET:
            room = MSQID_DS.unpack(p.space.view(address, PERMISSIONS.size + MSQID_DS.size)[PERMISSIONS.size :])[5]
        queue = of_number(state.queues, number)
        need_owner(queue.owned)
        if command == IPC_RMID:
            del state.queues[number]
            return 0
        if room > MSGMNB and os.geteuid():
            return -errno.EPERM
        take_owned(p, queue.owned, address)
        queue.qbytes, queue.ctime = room, p.clock.wall() // NS
        return 0
