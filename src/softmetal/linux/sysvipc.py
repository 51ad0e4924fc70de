"""System V IPC: the segments, semaphores and messages of one run, which all of its processes share.

Sources: man 7 sysvipc; Linux ipc/util.c for permissions and the order of errors.

What is known of them is one small value, kept in memory that every process of the run has (it is made before the first
fork) and changed under a lock. The contents of all segments are parts of a second such memory. Both have no name and no
owner on the host: they end with the last process, however that ends, and the host's own IPC is never reached.

A process may be killed without notice, so there are no counters that it would have to decrement: attachments, undo values and
waiters are kept by process, and those of processes that have ended are removed before any are read.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from .abi import NS
from .areas import Mapped, page_up
from .hostlibc import fallocate
from .nodes import fail
from .pids import host_state

if TYPE_CHECKING:
    from .process import Process

IPC_PRIVATE, IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0, 0o1000, 0o2000, 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = range(4)
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
"""Bits of a segment's mode: removed but still attached, locked."""
MOST_IDS = 1 << 15
"""Linux's IPCMNI: an identifier is a number below it, and above it how often those have been used up."""
SHMMAX, SHMMNI = (1 << 64) - 1 - (1 << 24), 4096
SEMMNI, SEMMSL, SEMMNS, SEMOPM, SEMVMX = 32000, 32000, 1024000000, 500, 32767
MSGMAX, MSGMNB, MSGMNI = 8192, 16384, 32000

PERMISSIONS = struct.Struct("<iIIIIIHH4x16x")
"""struct ipc64_perm: key uid gid cuid cgid mode seq pad, two unused."""
WHICH = struct.Struct("<QQ")
"""At the start of the value's memory: which of the two halves holds it, and its length in bytes."""
HALF = 1 << 30


@dataclass(slots=True)
class Owned:
    """Whose it is, and who may use it."""

    key: int
    uid: int
    gid: int
    cuid: int
    cgid: int
    mode: int


@dataclass(slots=True)
class Segment:
    """Shared memory. Times are in s of the wall clock; 0 is never."""

    owned: Owned
    size: int
    offset: int
    """Where its contents begin in the memory of all segments."""
    cpid: int
    ctime: int
    lpid: int = 0
    atime: int = 0
    dtime: int = 0


@dataclass(slots=True)
class Semaphores:
    """A set of semaphores."""

    owned: Owned
    values: list[int]
    pids: list[int]
    """Who changed each last."""
    ctime: int
    otime: int = 0


@dataclass(slots=True)
class Queue:
    """A queue of messages."""

    owned: Owned
    ctime: int
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    qbytes: int = MSGMNB
    lspid: int = 0
    lrpid: int = 0
    stime: int = 0
    rtime: int = 0


Thing: TypeAlias = "Segment | Semaphores | Queue"


@dataclass(slots=True)
class State:
    """All of it."""

    segments: dict[int, Segment] = field(default_factory=dict)
    semaphores: dict[int, Semaphores] = field(default_factory=dict)
    queues: dict[int, Queue] = field(default_factory=dict)
    given: list[int] = field(default_factory=lambda: [0, 0, 0])
    """How many identifiers of segments, sets and queues have been given out."""
    attached: dict[int, dict[int, int]] = field(default_factory=dict)
    """By process: how often it has each segment."""
    undo: dict[int, dict[int, dict[int, int]]] = field(default_factory=dict)
    """By process and set: what its end adds to each semaphore."""
    waiting: dict[tuple[int, int], tuple[int, int, bool]] = field(default_factory=dict)
    """By process and thread: the semaphore that it waits for, and whether for its being 0."""

    def attachments(self, number: int) -> int:
        """How often a segment is attached."""
        return sum(counts.get(number, 0) for counts in self.attached.values())


class SegmentFile(Mapped):
    """A segment as the file behind mappings."""

    def __init__(self, fd: int, number: int, segment: Segment) -> None:
        super().__init__(fd, b"/SYSV%08x (deleted)" % (segment.owned.key & 0xFFFFFFFF))
        self.identity = (0, number)
        self.base = segment.offset
        self.length = segment.size
        self.number = number

    def size(self) -> int:
        """See `Backing.size`."""
        return self.length


class SysvIpc:
    """One process's way to what all share."""

    def __init__(self) -> None:
        self._value = os.memfd_create("softmetal-ipc", os.MFD_CLOEXEC)
        self.memory = os.memfd_create("softmetal-segments", os.MFD_CLOEXEC)
        self.involved = False
        """The process, or one that it was forked from, has attached a segment or left something to undo."""

    @contextmanager
    def locked(self) -> Iterator[State]:
        """The state, to look at and to change, while no other process does."""
        fcntl.lockf(self._value, fcntl.LOCK_EX)
        try:
            head = os.pread(self._value, WHICH.size, 0)
            half, length = WHICH.unpack(head) if head else (1, 0)
            before = os.pread(self._value, length, 4096 + half * HALF)
            state = pickle.loads(before) if before else State()
            yield state
            after = pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
            if after != before:  # into the other half, and only then is it valid: a process may be killed at any moment
                os.pwrite(self._value, after, 4096 + (1 - half) * HALF)
                os.pwrite(self._value, WHICH.pack(1 - half, len(after)), 0)
        finally:
            fcntl.lockf(self._value, fcntl.LOCK_UN)

    def sweep(self, p: Process, state: State) -> None:
        """Do for processes that have ended what they could not: detach, undo, forget."""
        pids = {*state.attached, *state.undo, *(pid for pid, _ in state.waiting)} - {p.pid}
        for pid in sorted(pid for pid in pids if not alive(p, pid)):
            self._gone(state, pid)
        self._free(state)

    def _gone(self, state: State, pid: int) -> None:
        state.attached.pop(pid, None)
        for number, changes in state.undo.pop(pid, {}).items():
            values = state.semaphores[number].values if number in state.semaphores else []
            for index, change in changes.items():
                if index < len(values):
                    values[index] = min(max(values[index] + change, 0), SEMVMX)
        for who in [who for who in state.waiting if who[0] == pid]:
            del state.waiting[who]

    def _free(self, state: State) -> None:
        for number, segment in list(state.segments.items()):
            if segment.owned.mode & SHM_DEST and not state.attachments(number):
                fallocate(self.memory, 3, segment.offset, page_up(segment.size))  # PUNCH_HOLE | KEEP_SIZE
                del state.segments[number]

    # Attaching: which of its mappings are segments, the process's own list of areas knows.

    def counted(self, p: Process) -> dict[int, int]:
        """How often this process has each segment attached."""
        counts: dict[int, int] = {}
        for area in p.space.areas:
            if isinstance(area.file, SegmentFile):
                counts[area.file.number] = counts.get(area.file.number, 0) + 1
        return counts

    def publish(self, p: Process) -> None:
        """Mappings of segments have come or gone. (What a vfork child maps is its parent's.)"""
        if p.vfork_pipe >= 0:
            return
        with self.locked() as state:
            before = state.attached.get(p.pid, {})
            now = state.attached[p.pid] = self.counted(p)
            for number, segment in state.segments.items():
                if now.get(number, 0) != before.get(number, 0):
                    segment.lpid = p.pid
                    if now.get(number, 0) < before.get(number, 0):
                        segment.dtime = p.clock.wall() // NS
            self._free(state)

    def forking(self, p: Process, child: int) -> None:
        """The child with this number is about to be forked: it has what its parent has."""
        with self.locked() as state:
            state.attached[child] = self.counted(p)

    def ends(self, p: Process) -> None:
        """The process has ended."""
        if self.involved:
            with self.locked() as state:
                if p.vfork_pipe < 0:
                    for number in state.attached.get(p.pid, {}):
                        if number in state.segments:
                            state.segments[number].lpid, state.segments[number].dtime = p.pid, p.clock.wall() // NS
                self._gone(state, p.pid)
                self._free(state)

    def place(self, state: State, size: int) -> int:
        """Where in the memory of all segments there is room. Raises OSError(ENOMEM)."""
        at = 0
        for segment in sorted(state.segments.values(), key=lambda s: s.offset):
            if segment.offset - at >= size:
                break
            at = segment.offset + page_up(segment.size)
        try:
            if os.fstat(self.memory).st_size < at + size:
                os.ftruncate(self.memory, at + size)
        except OSError:
            raise fail(errno.ENOMEM) from None
        return at


def alive(p: Process, pid: int) -> bool:
    """Whether the process with the guest's number `pid` has not ended."""
    record = p.pids.by_pid(pid)
    return record is not None and (not record.host or host_state(record.host) not in ("Z", "X", ""))


def may(owned: Owned, wanted: int) -> bool:
    """Whether this process may do with it what `wanted` says: permission bits, in any of the three places."""
    wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7
    granted = owned.mode
    if os.geteuid() in (owned.uid, owned.cuid):
        granted >>= 6
    elif {owned.gid, owned.cgid} & {os.getegid(), *os.getgroups()}:
        granted >>= 3
    return not wanted & ~granted & 7 or os.geteuid() == 0


def need(owned: Owned, wanted: int) -> None:
    """Raises OSError(EACCES) unless `may`."""
    if not may(owned, wanted):
        raise fail(errno.EACCES)


def need_owner(owned: Owned) -> None:
    """Raises OSError(EPERM) unless the process is the owner's, the maker's or root's."""
    if os.geteuid() not in (owned.uid, owned.cuid, 0):
        raise fail(errno.EPERM)


def owned_by_me(key: int, flags: int) -> Owned:
    """Whose a new thing is."""
    uid, gid = os.geteuid(), os.getegid()
    return Owned(key, uid, gid, uid, gid, flags & 0o777)


One = TypeVar("One")


def of_number(things: dict[int, One], number: int) -> One:
    """What has this identifier. Raises OSError(EINVAL)."""
    found = things.get(number)
    if found is None:
        raise fail(errno.EINVAL)
    return found


def found_by_key(things: dict[int, Segment] | dict[int, Semaphores] | dict[int, Queue], key: int, flags: int) -> int | None:
    """The identifier of what has this key; None if it is to be made. Raises OSError(ENOENT, EEXIST)."""
    number = None if key == IPC_PRIVATE else next((n for n, thing in things.items() if thing.owned.key == key), None)
    if number is None and key != IPC_PRIVATE and not flags & IPC_CREAT:
        raise fail(errno.ENOENT)
    if number is not None and flags & IPC_CREAT and flags & IPC_EXCL:
        raise fail(errno.EEXIST)
    return number


def new_number(state: State, kind: int, things: dict[int, Segment] | dict[int, Semaphores] | dict[int, Queue]) -> int:
    """A new identifier."""
    taken = {number % MOST_IDS for number in things}
    while True:
        number = state.given[kind]
        state.given[kind] = (number + 1) % (1 << 31)
        if number % MOST_IDS not in taken:
            return number


def pack_owned(owned: Owned, number: int) -> bytes:
    """`struct ipc64_perm`."""
    o = owned
    key = ctypes.c_int32(o.key).value
    return PERMISSIONS.pack(key, o.uid, o.gid, o.cuid, o.cgid, o.mode, number // MOST_IDS, 0)


def take_owned(p: Process, owned: Owned, address: int) -> None:
    """IPC_SET: owner and permissions from a `struct ipc64_perm`."""
    _, uid, gid, _, _, mode, _, _ = p.space.unpack(PERMISSIONS, address)
    owned.uid, owned.gid = uid, gid
    owned.mode = owned.mode & ~0o777 | mode & 0o777


def table(p: Process, kind: str) -> str:
    """`/proc/sysvipc/KIND`."""
    ipc = p.sysv
    lines = []
    with ipc.locked() as state:
        ipc.sweep(p, state)
        if kind == "shm":
            lines.append("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime"
                         "      dtime      ctime                   rss                  swap\n")  # fmt: skip
            for number, s in state.segments.items():
                sizes = f"{page_up(s.size):21} {0:21}"
                lines.append(f"{_front(s.owned, number)} {s.size:21} {s.cpid:5} {s.lpid:5}  {state.attachments(number):5} "
                             f"{_users(s.owned)} {s.atime:10} {s.dtime:10} {s.ctime:10} {sizes}\n")  # fmt: skip
        elif kind == "sem":
            lines.append("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n")
            for number, t in state.semaphores.items():
                lines.append(f"{_front(t.owned, number)} {len(t.values):10} {_users(t.owned)} {t.otime:10} {t.ctime:10}\n")
        else:
            lines.append("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime"
                         "      rtime      ctime\n")  # fmt: skip
            for number, q in state.queues.items():
                used = sum(len(text) for _, text in q.messages)
                lines.append(f"{_front(q.owned, number)}  {used:10} {len(q.messages):10} {q.lspid:5} {q.lrpid:5} "
                             f"{_users(q.owned)} {q.stime:10} {q.rtime:10} {q.ctime:10}\n")  # fmt: skip
    return "".join(lines)


def _front(owned: Owned, number: int) -> str:
    return f"{ctypes.c_int32(owned.key).value:10} {number:10}  {owned.mode:4o}"


def _users(o: Owned) -> str:
    return f"{o.uid:5} {o.gid:5} {o.cuid:5} {o.cgid:5}"
