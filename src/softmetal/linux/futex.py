"""Futexes: threads that sleep until another wakes them after changing a word of memory.

Within a process all threads run on one host thread, so the queue is a list. A futex in memory that processes share has
waiters elsewhere too: `sharedfutex` has their table.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .abi import ROBUST_HEAD, s64
from .errors import Fault
from .sharedfutex import SharedFutexes, Word, word_at
from .waits import ALWAYS, AS_ASKED, NEVER, UNLESS_HANDLED, Result, Wait

if TYPE_CHECKING:
    from .process import Process
    from .threads import Thread

FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_TID_MASK = 0x80000000, 0x40000000, 0x3FFFFFFF


class Sleeper:
    """One thread in a futex queue."""

    __slots__ = ("address", "answer", "bits", "others", "pi", "thread", "woken")

    def __init__(self, address: int, bits: int, thread: Thread, pi: bool = False) -> None:
        self.address = address
        self.bits = bits
        self.thread = thread
        self.woken = False
        self.pi = pi
        self.answer = 0
        """What the call answers when this is woken."""
        self.others: list[Sleeper] = []
        """All sleepers of a thread that waits for several."""


class Futexes:
    """The futex queues of a process, in order of arrival."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.queue: list[Sleeper] = []
        self.shared = SharedFutexes(process.pids)

    def clear(self) -> None:
        """Nobody waits any more (after a fork or exec)."""
        self.queue.clear()
        self.shared.leave_all()

    def wait(self, address: int, value: int, bits: int, deadline: int | None) -> Result:
        """FUTEX_WAIT_BITSET; the deadline is guest monotonic ns."""
        process = self.process
        if address % 4:
            return -errno.EINVAL
        if process.space.u32(address) != value & 0xFFFFFFFF:
            return -errno.EAGAIN
        if deadline is not None and deadline <= process.clock.monotonic():
            return -errno.ETIMEDOUT
        word = word_at(process.space, address)
        if word is not None:
            return self._wait_shared(address, word, value & 0xFFFFFFFF, bits, deadline)
        sleeper = Sleeper(address, bits, process.thread)
        self.queue.append(sleeper)

        def attempt() -> Result:
            if sleeper.woken:
                return 0
            if deadline is not None and process.clock.monotonic() >= deadline:
                self.forget(sleeper)
                return -errno.ETIMEDOUT
            return wait

        restart = AS_ASKED if deadline is None else UNLESS_HANDLED
        wait = Wait(attempt, deadline=deadline, restart=restart, cancel=lambda: self.forget(sleeper))
        return wait

    def _wait_shared(self, address: int, word: Word, value: int, bits: int, deadline: int | None) -> Result:
        process, shared = self.process, self.shared
        entry = shared.enter(process.space, address, word, value, bits)
        if entry is None:
            return -errno.EAGAIN

        def attempt() -> Result:
            late = deadline is not None and process.clock.monotonic() >= deadline
            if not shared.is_woken(entry):
                if not late:
                    return wait
                shared.leave(entry)
                return -errno.ETIMEDOUT
            shared.leave(entry)
            return 0

        restart = AS_ASKED if deadline is None else UNLESS_HANDLED
        wait = Wait(attempt, deadline=deadline, restart=restart, interval=True, cancel=lambda: shared.leave(entry))
        return wait

    def wait_any(self, wanted: list[tuple[int, int]], deadline: int | None) -> Result:
        """futex_waitv: sleep until one of the (address, value) pairs is woken; answers its index."""
        process, shared = self.process, self.shared
        if any(process.space.u32(address) != value & 0xFFFFFFFF for address, value in wanted):
            return -errno.EAGAIN
        if deadline is not None and deadline <= process.clock.monotonic():
            return -errno.ETIMEDOUT
        entries: dict[int, int] = {}  # in the table of what processes share, by index of the pair
        sleepers: dict[int, Sleeper] = {}  # of this process's own words

        def forget() -> None:
            for entry in entries.values():
                shared.leave(entry)
            for sleeper in sleepers.values():
                self.forget(sleeper)

        for index, (address, value) in enumerate(wanted):
            word = word_at(process.space, address)
            if word is None:
                sleepers[index] = Sleeper(address, 0xFFFFFFFF, process.thread)
                continue
            entry = shared.enter(process.space, address, word, value & 0xFFFFFFFF, 0xFFFFFFFF)
            if entry is None:
                forget()
                return -errno.EAGAIN
            entries[index] = entry
        for index, sleeper in sleepers.items():
            sleeper.answer, sleeper.others = index, list(sleepers.values())
        self.queue += sleepers.values()

        def attempt() -> Result:
            for index in range(len(wanted)):
                if shared.is_woken(entries[index]) if index in entries else sleepers[index].woken:
                    forget()
                    return index
            if deadline is not None and process.clock.monotonic() >= deadline:
                forget()
                return -errno.ETIMEDOUT
            return wait

        wait = Wait(attempt, deadline=deadline, restart=NEVER, interval=bool(entries), cancel=forget)
        return wait

    def forget(self, sleeper: Sleeper) -> None:
        """Take a sleeper out of its queue."""
        if sleeper in self.queue:
            self.queue.remove(sleeper)

    def wake(self, address: int, count: int, bits: int = 0xFFFFFFFF) -> int:
        """Wake up to `count` threads; answers how many."""
        woken = 0
        for sleeper in [s for s in self.queue if s.address == address and s.bits & bits]:
            if woken >= count:
                break
            if any(other.woken for other in sleeper.others):
                continue
            self._rouse(sleeper)
            woken += 1
        if woken < count and (word := word_at(self.process.space, address)) is not None:
            woken += self.shared.wake(word, count - woken, bits)
        return woken

    def _rouse(self, sleeper: Sleeper) -> None:
        self.queue.remove(sleeper)
        sleeper.woken = True
        if sleeper.thread.wait is not None:
            if sleeper.others and sleeper.thread.wait.cancel:
                sleeper.thread.wait.cancel()  # it waits for no other word either
            self.process.sched.complete(sleeper.thread, sleeper.answer)

    def requeue(self, address: int, wake: int, target: int, limit: int) -> tuple[int, int]:
        """Wake some and let others wait for `target`; answers how many of each."""
        woken = self.wake(address, wake)
        moved = 0
        for sleeper in self.queue:
            if moved >= limit:
                break
            if sleeper.address == address:
                sleeper.address = target
                moved += 1
        word, other = (word_at(self.process.space, a) for a in (address, target))
        if moved < limit and word is not None and other is not None:
            moved += self.shared.requeue(word, other, limit - moved)
        return woken, moved

    # Priority inheritance: one host thread has no priorities to inherit, so only the ownership protocol is left.

    def lock_pi(self, address: int, deadline: int | None, only_try: bool) -> Result:
        """FUTEX_LOCK_PI and FUTEX_TRYLOCK_PI."""
        space = self.process.space
        thread = self.process.thread
        word = space.u32(address)
        owner = word & FUTEX_TID_MASK
        if owner == thread.tid:
            return -errno.EDEADLK
        if owner == 0:
            space.put32(address, thread.tid | (word & FUTEX_OWNER_DIED))
            return 0
        if only_try:
            return -errno.EAGAIN
        space.put32(address, word | FUTEX_WAITERS)
        sleeper = Sleeper(address, 0xFFFFFFFF, thread, pi=True)
        self.queue.append(sleeper)

        def attempt() -> Result:
            if sleeper.woken:
                return 0
            if deadline is not None and self.process.clock.monotonic() >= deadline:
                self.forget(sleeper)
                return -errno.ETIMEDOUT
            return wait

        wait = Wait(attempt, deadline=deadline, restart=ALWAYS, cancel=lambda: self.forget(sleeper))
        return wait

    def unlock_pi(self, address: int) -> Result:
        """FUTEX_UNLOCK_PI: hand the lock to the first waiter."""
        space = self.process.space
        if space.u32(address) & FUTEX_TID_MASK != self.process.thread.tid:
            return -errno.EPERM
        self._hand_over(address, 0)
        return 0

    def _hand_over(self, address: int, flags: int) -> None:
        waiters = [s for s in self.queue if s.address == address and s.pi]
        if not waiters:
            self.process.space.put32(address, flags)
            return
        rest = FUTEX_WAITERS if len(waiters) > 1 else 0
        self.process.space.put32(address, waiters[0].thread.tid | rest | flags)
        self._rouse(waiters[0])

    def thread_ends(self, thread: Thread) -> None:
        """Do what a dying thread owes: mark the robust locks that it holds, clear and wake its tid word."""
        space = self.process.space
        try:
            if thread.robust:
                self._robust(thread)
        except Fault:
            pass
        if thread.clear_tid:
            try:
                space.put32(thread.clear_tid, 0)
                self.wake(thread.clear_tid, 1)
            except Fault:
                pass

    def _robust(self, thread: Thread) -> None:
        space = self.process.space
        head = thread.robust
        entry, offset, pending = space.unpack(ROBUST_HEAD, head)
        seen = 0
        while entry & ~1 != head and seen < 2048:
            self._died(thread, (entry & ~1) + s64(offset & 0xFFFFFFFFFFFFFFFF), bool(entry & 1))
            entry = space.u64(entry & ~1)
            seen += 1
        if pending:
            self._died(thread, (pending & ~1) + offset, bool(pending & 1))

    def _died(self, thread: Thread, address: int, pi: bool) -> None:
        space = self.process.space
        word = space.u32(address)
        if word & FUTEX_TID_MASK != thread.tid:
            return
        if pi:
            self._hand_over(address, FUTEX_OWNER_DIED)
        else:
            space.put32(address, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED)
            if word & FUTEX_WAITERS:
                self.wake(address, 1)
