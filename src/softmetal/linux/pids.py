"""The processes of one run, in memory that all of them share.

Each guest process is a host process; here is what they know of each other: the guest's numbers for it, whether
it is blocked and until when. Numbers are given in the order of forking: the first process is 1000.

Limits: processes that fork at the same moment race for numbers, and the interleaving of several processes is the
host's. One process with any number of threads is deterministic; several are as far as they wait for each other.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_PID = 1000
PARENT_OF_FIRST = 1
SLOT = struct.Struct("<iiiiiiqqQQ16sQQi")
OWN = struct.Struct("<iqqQQ16sQQi")
"""The end of a slot, from its state on: only the process itself writes it, as a whole."""
NUMBER = struct.Struct("<i")
GROUPS = struct.Struct("<ii")
CLOCK = struct.Struct("<q")
HOST_AT, GROUPS_AT, OWN_AT, CLOCK_AT = (struct.calcsize("<" + before) for before in ("i", "iii", "iiiii", "iiiiiiq"))
"""Where in a slot the host's number is, group and session, what the process writes itself, its clock."""
HEAD = struct.Struct("<iiQQ")
SLOTS = 8192
NEVER = (1 << 63) - 1

STOPPED = HEAD.size + SLOTS * SLOT.size
"""Where a byte for each slot begins: 1 if another process has stopped it with SIGSTOP, which cannot be read otherwise."""
SAID = STOPPED + SLOTS
"""Where a byte for each message that is printed only once begins."""
FIRST_ENDED = SAID + 8192
"""A byte: 1 when the first process has ended."""

FREE, RUNNING, BLOCKED, OUTSIDE, GONE, LOOKING = range(6)
"""States of a slot. OUTSIDE is blocked on something that only the world outside of the guest can provide;
LOOKING is blocked on something that it has to poll, since there is no notification."""
ALIVE = (RUNNING, BLOCKED, OUTSIDE, LOOKING)


@dataclass(slots=True)
class Record:
    """One process."""

    pid: int
    host: int
    parent: int
    group: int
    session: int
    state: int
    deadline: int
    """When it wakes by itself, in guest monotonic ns, if it is blocked."""
    clock: int
    """Its monotonic clock when it was last published here."""
    count: int
    """Instructions that it has run in all, published at its end."""
    seen: int
    """The moment at which it last looked, if it is LOOKING."""
    name: bytes
    device: int = 0
    inode: int = 0
    """The file of the program that it runs."""
    executed: int = 0
    """1 when it has run another program than its parent's: then the parent can no longer change its group."""


class Pids:
    """The shared table."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, FIRST_ENDED + 1)
        self._lock = os.memfd_create("softmetal-pids", os.MFD_CLOEXEC)
        self.index = 0
        HEAD.pack_into(self._map, 0, FIRST_PID, 1, 0, 0)
        self.pid = FIRST_PID
        self._me = Record(FIRST_PID, os.getpid(), PARENT_OF_FIRST, FIRST_PID, FIRST_PID, RUNNING, NEVER, 0, 0, 0, b"")
        self._store(0, self._me)
        self._alone = True
        self._moment = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the table against the other processes."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    @property
    def me(self) -> Record:
        """This process. Its parent may have changed its group."""
        self._me.group, self._me.session = GROUPS.unpack_from(self._map, self._at(self.index) + GROUPS_AT)
        return self._me

    def save(self) -> None:
        """Publish what only this process itself changes."""
        r = self._me
        OWN.pack_into(
            self._map, self._at(self.index) + OWN_AT,
            r.state, r.deadline, r.clock, r.count, r.seen, r.name[:15], r.device, r.inode, r.executed,
        )  # fmt: skip

    def _at(self, index: int) -> int:
        return HEAD.size + index * SLOT.size

    def _store(self, index: int, r: Record) -> None:
        SLOT.pack_into(
            self._map, self._at(index), r.pid, r.host, r.parent, r.group, r.session,
            r.state, r.deadline, r.clock, r.count, r.seen, r.name[:15], r.device, r.inode, r.executed,
        )  # fmt: skip

    def _put(self, index: int, offset: int, number: int) -> None:
        NUMBER.pack_into(self._map, self._at(index) + offset, number)

    def _index(self, pid: int) -> int | None:
        """Where the process with this number is, alive or not."""
        used = HEAD.unpack_from(self._map, 0)[1]
        return next((i for i in range(used) if NUMBER.unpack_from(self._map, self._at(i))[0] == pid), None)

    def _load(self, index: int) -> Record:
        record = Record(*SLOT.unpack_from(self._map, self._at(index)))
        record.name = record.name.rstrip(b"\0")
        return record

    def next_id(self) -> int:
        """A new process or thread number."""
        with self.locked():
            return self._next()

    def _next(self) -> int:
        number, used, count, blocks = HEAD.unpack_from(self._map, 0)
        HEAD.pack_into(self._map, 0, number + 1, used, count, blocks)
        return int(number) + 1

    def add_total(self, instructions: int, translations: int) -> None:
        """Count the instructions and decoded blocks of a process that ends."""
        with self.locked():
            number, used, count, blocks = HEAD.unpack_from(self._map, 0)
            HEAD.pack_into(self._map, 0, number, used, count + instructions, blocks + translations)

    def totals(self) -> tuple[int, int]:
        """Instructions and decoded blocks of the processes that have ended."""
        _, _, count, blocks = HEAD.unpack_from(self._map, 0)
        return int(count), int(blocks)

    def prepare(self, clock: int) -> int:
        """Before a fork: reserve a slot and a number for the child. Raises OSError(EAGAIN) if the table is full."""
        with self.locked():
            number = self._next()
            _, used, count, blocks = HEAD.unpack_from(self._map, 0)
            index = next((i for i in range(used) if self._load(i).state in (FREE, GONE) and i != self.index), used)
            if index >= SLOTS:
                raise OSError(11, "too many processes")
            if index == used:
                HEAD.pack_into(self._map, 0, number, used + 1, count, blocks)
            me = self.me
            child = Record(number, 0, me.pid, me.group, me.session, RUNNING, NEVER, clock, 0, 0, me.name, me.device, me.inode)
            self._store(index, child)
            self._alone = False
            return index

    def number_at(self, index: int) -> int:
        """The number that was reserved with the slot."""
        return self._load(index).pid

    def cancel(self, index: int) -> None:
        """The fork failed."""
        self._put(index, OWN_AT, FREE)

    def adopt(self, index: int) -> None:
        """In the child: this is our slot."""
        self.index = index
        self._me = self._load(index)
        self._me.host = os.getpid()
        self.pid = self._me.pid
        self._put(index, HOST_AT, self._me.host)

    def born(self, index: int, host: int) -> int:
        """In the parent: the child runs as host process `host`; answers its guest number."""
        self._put(index, HOST_AT, host)
        return self.number_at(index)

    def regroup(self, pid: int, group: int, session: int) -> None:
        """Put a process into a group of a session."""
        index = self._index(pid)
        if index is not None:
            GROUPS.pack_into(self._map, self._at(index) + GROUPS_AT, group, session)

    def all(self) -> list[Record]:
        """The processes that live or have not been waited for."""
        used = HEAD.unpack_from(self._map, 0)[1]
        return [r for r in map(self._load, range(used)) if r.state in ALIVE]

    def by_pid(self, pid: int) -> Record | None:
        """The living process with the guest number `pid`."""
        if pid == self.pid:
            return self.me
        return next((r for r in self.all() if r.pid == pid), None)

    def by_host(self, host: int) -> Record | None:
        """The process that is host process `host`, reaped or not."""
        used = HEAD.unpack_from(self._map, 0)[1]
        found = None
        for r in map(self._load, range(used)):
            if r.host == host and r.state != FREE and (found is None or r.pid > found.pid):
                found = r
        return found

    def reaped(self, record: Record) -> None:
        """The process has been waited for; its children belong to the first process's parent now."""
        index = self._index(record.pid)
        if index is not None:
            self._put(index, OWN_AT, GONE)

    def block(self, deadline: int | None, clock: int, outside: bool, looking: bool) -> None:
        """Publish that this process sleeps."""
        self._me.state = OUTSIDE if outside else LOOKING if looking else BLOCKED
        if not looking:
            self._moment = self.moment()
        self._me.deadline = NEVER if deadline is None else deadline
        self._me.clock = clock
        self.save()

    def running(self, device: int, inode: int) -> bool:
        """Whether a process runs the program in this file, which may not be written meanwhile."""
        return any(
            r.inode == inode and r.device == device and (r.pid == self.pid or host_state(r.host) not in ("Z", "X", ""))
            for r in self.all()
        )

    def runs_at(self, clock: int) -> None:
        """Publish the clock of this process, which runs: another one may sleep until then."""
        if not self._alone:
            self._me.clock = clock
            CLOCK.pack_into(self._map, self._at(self.index) + CLOCK_AT, clock)

    def stop(self, pid: int) -> None:
        """Note that the process with the guest number `pid` is about to be stopped."""
        index = self._index(pid)
        if index is not None:
            self._map[STOPPED + index] = 1

    def continued(self) -> bool:
        """Whether this process had been stopped; asked once, when it goes on."""
        stopped, self._map[STOPPED + self.index] = self._map[STOPPED + self.index], 0
        return bool(stopped)

    def end_first(self) -> None:
        """Publish that the first process ends."""
        self._map[FIRST_ENDED] = 1

    def first_has_ended(self) -> bool:
        """Whether the first process has ended."""
        return self._map[FIRST_ENDED] != 0

    def first_time(self, key: str) -> bool:
        """Whether no process of the run has asked this before for `key`."""
        at = SAID + zlib.crc32(key.encode()) % 8192
        with self.locked():
            said, self._map[at] = self._map[at], 1
        return not said

    def moment(self) -> int:
        """A number that grows, for all processes alike: only who came first is asked of it."""
        return time.monotonic_ns()

    def looked(self, moment: int) -> None:
        """Publish that this process has looked since `moment` and found nothing."""
        self._me.seen = moment
        self.save()

    def unblock(self) -> None:
        """Publish that it runs."""
        self._me.state = RUNNING
        self.save()

    def outside_awaited(self) -> bool:
        """Whether another process waits for the world outside, where time is the host's."""
        return not self._alone and any(r.state == OUTSIDE and r.pid != self.pid for r in self.all())

    def others_wait_longer(self, deadline: int) -> bool:
        """Whether no other process can do anything before the guest time `deadline`."""
        if self._alone:
            return True
        for r in self.all():
            if r.pid == self.pid or r.clock >= deadline:
                continue
            sleeping = host_state(r.host)
            if sleeping in ("Z", "X", ""):
                if r.host:
                    continue
                return False
            if sleeping == "T":  # stopped: it does nothing until another process lets it go on
                continue
            if r.state not in (BLOCKED, LOOKING) or r.deadline < deadline or sleeping != "S":
                return False
            if r.state == LOOKING and r.seen < self._moment:
                return False  # it may yet find what this process has done
            if r.deadline == deadline and r.pid < self.pid:
                return False
        return True


def host_state(host: int) -> str:
    """The host's state letter for a process; empty if there is none."""
    try:
        with open(f"/proc/{host}/stat", "rb") as f:
            return chr(f.read(512).rpartition(b") ")[2][0])
    except (OSError, IndexError):
        return ""
