"""System V shared memory. Sources: man 2 shmget, shmop, shmctl; Linux ipc/shm.c for the order of errors."""

from __future__ import annotations

import errno
import struct

from ..abi import NS, s32
from ..areas import page_up
from ..cpu import PAGE
from ..process import Process
from ..space import LOWEST, PROT_EXEC, PROT_READ, PROT_WRITE, USER_END
from ..sysvipc import (
    IPC_INFO,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MOST_IDS,
    PERMISSIONS,
    SHM_DEST,
    SHM_LOCKED,
    SHMMAX,
    SHMMNI,
    Segment,
    SegmentFile,
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
from ..waits import Result

SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC, SHM_HUGETLB = 0o10000, 0o20000, 0o40000, 0o100000, 0o4000
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = range(11, 16)
SHMID_DS = struct.Struct("<QqqqiiQ16x")
"""struct shmid64_ds after its permissions: size, three times, two pids, attachments, two unused."""
SHMINFO = struct.Struct("<5Q32x")
SHM_INFO_NOW = struct.Struct("<i4x5Q")


@syscall(194, "shmget")
def shmget(p: Process, key: int, size: int, flags: int) -> Result:
    """See man 2 shmget. There are no huge pages (SHM_HUGETLB)."""
    key, flags = key & 0xFFFFFFFF, flags & 0xFFFFFFFF
    with p.sysv.locked() as state:
        p.sysv.sweep(p, state)
        number = found_by_key(state.segments, key, flags)
        if number is not None:
            segment = state.segments[number]
            if size > segment.size:
                return -errno.EINVAL
            need(segment.owned, flags)
            return number
        if not 1 <= size <= SHMMAX:
            return -errno.EINVAL
        total = sum(page_up(s.size) for s in state.segments.values())
        if flags & SHM_HUGETLB or total + page_up(size) > p.options.memory:
            return -errno.ENOMEM
        if len(state.segments) >= SHMMNI:
            return -errno.ENOSPC
        offset = p.sysv.place(state, page_up(size))
        number = new_number(state, 0, state.segments)
        state.segments[number] = Segment(owned_by_me(key, flags), size, offset, p.pid, p.clock.wall() // NS)
        return number


@syscall(196, "shmat")
def shmat(p: Process, number: int, address: int, flags: int) -> Result:
    """See man 2 shmop."""
    number, flags = s32(number), flags & 0xFFFFFFFF
    if number < 0:
        return -errno.EINVAL
    space = p.space
    fixed = bool(address)
    if fixed:
        if address % PAGE and not flags & SHM_RND:
            return -errno.EINVAL
        address &= -PAGE
    if not address and flags & SHM_REMAP:
        return -errno.EINVAL
    prot, wanted, max_prot = PROT_READ | PROT_WRITE, 0o666, 7
    if flags & SHM_RDONLY:
        prot, wanted, max_prot = PROT_READ, 0o444, 7 & ~PROT_WRITE
    if flags & SHM_EXEC:
        prot |= PROT_EXEC
        wanted |= 0o111
    with p.sysv.locked() as state:
        p.sysv.sweep(p, state)
        segment = of_number(state.segments, number)
        need(segment.owned, wanted)
        size = page_up(segment.size)
        if fixed:
            end = address + size
            if not flags & SHM_REMAP and (end >> 64 or next(space.overlapping(address, end), None) is not None):
                return -errno.EINVAL
            if end > USER_END:
                return -errno.ENOMEM
            if address < LOWEST or space.sealed(address, address + size):
                return -errno.EPERM
        start = address if fixed else space.gap(size)
        segment.atime = p.clock.wall() // NS
        segment.lpid = p.pid
        mine = state.attached.setdefault(p.pid, {})  # so that it is not freed before it is mapped
        mine[number] = mine.get(number, 0) + 1
    p.sysv.involved = True
    space.segments_changed = lambda: p.sysv.publish(p)
    file = SegmentFile(p.sysv.memory, number, segment)
    try:
        area = space.map(start, start + size, prot, name=file.path, shared=True, file=file, max_prot=max_prot)
        space.share(area, p.sysv.memory)
    finally:
        p.sysv.publish(p)
    return start


@syscall(197, "shmdt")
def shmdt(p: Process, address: int) -> Result:
    """See man 2 shmop: takes away all that is left of the attachment that began at `address`."""
    space = p.space
    area = space.find(address)
    if area is None or address % PAGE or not isinstance(area.file, SegmentFile) or area.start - area.offset != address:
        return -errno.EINVAL
    file = area.file
    parts = [
        (a.start, a.end)
        for a in space.overlapping(address, address + page_up(file.length))
        if a.file is file and a.start - a.offset == address
    ]
    if any(space.sealed(start, end) for start, end in parts):
        return -errno.EPERM
    for start, end in parts:
        space.unmap(start, end)
    return 0


@syscall(195, "shmctl")
def shmctl(p: Process, number: int, command: int, address: int) -> Result:
    """See man 2 shmctl. Locking keeps the mark; memory is never swapped out."""
    number, command = s32(number), s32(command)
    if number < 0 or command < 0:
        return -errno.EINVAL
    with p.sysv.locked() as state:
        p.sysv.sweep(p, state)
        if p.sysv.involved and p.vfork_pipe < 0:
            state.attached[p.pid] = p.sysv.counted(p)
        highest = max((n % MOST_IDS for n in state.segments), default=0)
        if command == IPC_INFO:
            p.space.write(address, SHMINFO.pack(SHMMAX, 1, SHMMNI, SHMMNI, SHMMAX))
            return highest
        if command == SHM_INFO:
            total = sum(page_up(s.size) for s in state.segments.values()) // PAGE
            p.space.write(address, SHM_INFO_NOW.pack(len(state.segments), total, total, 0, 0, 0))
            return highest
        if command in (SHM_STAT, SHM_STAT_ANY):
            number = next((n for n in state.segments if n % MOST_IDS == number), -1)
        if command in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
            s = of_number(state.segments, number)
            if command != SHM_STAT_ANY:
                need(s.owned, 0o444)
            rest = SHMID_DS.pack(s.size, s.atime, s.dtime, s.ctime, s.cpid, s.lpid, state.attachments(number))
            p.space.write(address, pack_owned(s.owned, number) + rest)
            return number if command != IPC_STAT else 0
        if command not in (IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK):
            return -errno.EINVAL
        if command == IPC_SET:
            p.space.view(address, PERMISSIONS.size + SHMID_DS.size)
        segment = of_number(state.segments, number)
        need_owner(segment.owned)
        if command == IPC_SET:
            take_owned(p, segment.owned, address)
            segment.ctime = p.clock.wall() // NS
        elif command == IPC_RMID:
            segment.owned.mode |= SHM_DEST
            segment.owned.key = IPC_PRIVATE
            p.sysv.sweep(p, state)
        elif command == SHM_LOCK:
            segment.owned.mode |= SHM_LOCKED
        else:
            segment.owned.mode &= ~SHM_LOCKED
        return 0
