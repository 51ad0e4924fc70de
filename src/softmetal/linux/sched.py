"""Who runs: the threads of a process, round robin, on one host thread.

A thread runs until its quantum of instructions ends or it blocks; both are functions of the guest's own
history, so a run with threads is as deterministic as one without. When no thread can run the process sleeps on the
host for whatever it awaits, or, if it awaits only the clock, moves the clock.
"""

from __future__ import annotations

import errno
import select
import time
from collections import deque
from typing import TYPE_CHECKING

from . import rseq
from .abi import M64
from .clock import UPTIME
from .cpu import BUDGET, ECALL, Exit
from .errors import OutOfBudget
from .table import TABLE
from .threads import Thread
from .waits import POLLIN, Result, Wait

if TYPE_CHECKING:
    from .process import Process

QUANTUM = 200_000
"""Instructions between two switches (a system call counts as CALL); also how long a host signal waits at most."""


CALL = 1000
"""Instructions that a system call counts for in a turn. Serving one takes the host that long and longer; a thread that does
nothing but calls would else keep the others waiting a hundred times as long as one that computes."""


class Scheduler:
    """The threads of one process and the loop that runs them."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.threads: list[Thread] = []
        self.runnable: deque[Thread] = deque()
        self.current: Thread = Thread(0)
        self.loaded: Thread | None = None
        self.attention = False
        self.give_up = False
        """The thread wants its quantum to end."""
        self.frozen_for: Thread | None = None
        """While a vfork child runs, only the thread that made it is looked at."""

    def start(self, thread: Thread) -> None:
        """Let a new thread run."""
        self.threads.append(thread)
        self.runnable.append(thread)

    # Blocking and waking.

    def block(self, thread: Thread, wait: Wait) -> None:
        """Put the current thread to sleep."""
        thread.wait = wait
        if wait.holds is not thread.held:
            for file in wait.holds:
                file.retain()
            thread.let_go()
            thread.held = wait.holds
        if self.process.signals.deliverable(thread):
            self.interrupt(thread)

    def interrupt(self, thread: Thread) -> None:
        """A signal is there for `thread`: wake it if it sleeps."""
        if thread.wait is not None and not thread.wait.firm:
            thread.interrupted = thread.wait
            thread.wait = None
            self.runnable.append(thread)
            self.attention = True

    def kick(self) -> None:
        """Something happened that only the waits themselves can judge."""
        for thread in self.threads:
            if thread.wait is not None and thread.wait.kick:
                thread.wait.ready = True

    def retry_all(self) -> None:
        """Something happened for which a thread may be waiting."""
        for thread in self.threads:
            if thread.wait is not None:
                thread.wait.ready = True

    def complete(self, thread: Thread, result: int | None) -> None:
        """A blocked call has ended."""
        thread.wait = None
        thread.let_go()
        if result is not None:
            if thread is self.loaded:
                self.process.cpu.x[10] = result & M64
            else:
                thread.x[10] = result & M64
        if thread.restore_mask is not None:
            thread.mask = thread.restore_mask
            thread.restore_mask = None
            thread.signalled = self.attention = True
        self.runnable.append(thread)

    def remove(self, thread: Thread) -> None:
        """The thread has ended."""
        thread.dead = True
        thread.wait = None
        thread.let_go()
        self.threads.remove(thread)
        self.process.signals.retarget()
        if thread in self.runnable:
            self.runnable.remove(thread)

    def _waiting(self) -> list[Thread]:
        if self.frozen_for is not None:
            return [self.frozen_for] if self.frozen_for.wait is not None else []
        return [t for t in self.threads if t.wait is not None]

    def collect(self, timeout: int | None) -> bool:
        """Try the waits that may be over; look at the host for up to `timeout` ms (None: until something happens).

        Answers whether the host had something.
        """
        process = self.process
        waiting = self._waiting()
        poller = select.poll()
        poller.register(process.signals.fd, POLLIN)
        orphan = process.first_ends
        if orphan >= 0 and not process.is_first:
            poller.register(orphan, POLLIN)
        masks: dict[int, int] = {}
        for thread in waiting:
            assert thread.wait is not None
            for fd, events in thread.wait.fds:
                masks[fd] = masks.get(fd, 0) | events
        for fd, events in masks.items():
            poller.register(fd, events)
        happened = {fd for fd, _ in poller.poll(timeout)}
        if process.signals.fd in happened:
            process.signals.take_host()
        if orphan in happened:
            process.outlive_first()
        now = process.clock.monotonic()
        running = self.current
        moment = 0
        for thread in waiting:
            wait = thread.wait
            if wait is None:
                continue
            if wait.interval and not moment:
                moment = process.pids.moment()
            if (
                wait.ready
                or wait.interval
                or (wait.deadline is not None and wait.deadline <= now)
                or any(fd in happened for fd, _ in wait.fds)
            ):
                wait.ready = False
                self.current = thread
                result = process.guarded(wait.attempt)
                if isinstance(result, Wait):
                    thread.wait = result
                else:
                    self.complete(thread, result)
        self.current = running
        if moment and not self.runnable:
            process.pids.looked(moment)
        return bool(happened)

    def _pick(self) -> Thread:
        """The next thread to run; sleeps on the host until there is one."""
        process = self.process
        if len(self.threads) > 1 or not self.runnable:
            self.collect(0)
        while not self.runnable or (self.frozen_for is not None and self.frozen_for not in self.runnable):
            self._idle()
            process.check_timers()
        if self.frozen_for is not None:
            self.runnable.remove(self.frozen_for)
            return self.frozen_for
        return self.runnable.popleft()

    def _idle(self) -> None:
        """No thread can run: let time pass until one can."""
        process = self.process
        clock = process.clock
        waits = [t.wait for t in self._waiting() if t.wait is not None]
        deadlines = [w.deadline for w in waits if w.deadline is not None]
        timer = process.timers.next()
        if timer is not None:
            deadlines.append(timer)
        deadline = min(deadlines, default=None)
        interval = any(w.interval for w in waits)
        if any(w.ready for w in waits):
            self.collect(0)
            return
        now = clock.monotonic()
        if deadline is not None and deadline <= now:
            self.collect(0)
            return
        outside = any(w.outside for w in waits)
        process.pids.block(deadline, now, outside, interval)
        try:
            if deadline is None:
                self.collect(1 if interval else None)
            elif clock.host_time:
                self.collect(min(-(-(deadline - now) // 10**6), 1 if interval else 1 << 30))
            else:
                self._let_time_pass(deadline, outside)
        finally:
            process.pids.unblock()

    def _let_time_pass(self, deadline: int, outside: bool) -> None:
        """Sleep until something happens or the guest time is `deadline`.

        The clock is moved as soon as no other process can do anything before; but as long as one waits for the
        world outside, a sleep takes its real time, so that the two stay in step. So it does when the first process
        has ended: a server that is left in the background would else work through the years on the host's CPU.
        """
        process = self.process
        clock = process.clock
        began = time.monotonic_ns()
        length = deadline - clock.monotonic()
        tick = 0
        while not self.collect(tick) and not self.runnable:
            left = length - (time.monotonic_ns() - began)
            slow = outside or process.first_ends < 0
            real = slow or process.pids.outside_awaited()
            if left <= 0 if real else process.pids.others_wait_longer(deadline):
                # What another process did before it fell asleep, stopped or ended is there to be found now.
                if not self.collect(0) and not self.runnable:
                    clock.advance(deadline)
                    self.collect(0)
                return
            tick = 1 if not slow else min(max(1, left // 10**6), 1000)

    # Running.

    def loop(self) -> None:
        """Run until the process ends, which raises GuestExit or OutOfBudget."""
        cpu = self.process.cpu
        while True:
            thread = self._pick()
            if thread is not self.loaded:
                if self.loaded is not None and not self.loaded.dead:
                    self.loaded.save(cpu)
                thread.load(cpu)
                self.loaded = thread
                if thread.rseq is not None:
                    rseq.interrupted(self.process, thread)
            self.current = thread
            self._turn(thread)

    def _turn(self, thread: Thread) -> None:
        """Run the loaded thread until its quantum ends or it blocks."""
        process = self.process
        cpu, signals, timers, clock = process.cpu, process.signals, process.timers, process.clock
        run, x, lookup = cpu.run, cpu.x, TABLE.get
        start = cpu.count
        end = start + QUANTUM
        clock.coarse = start + clock.slept + clock.wall_offset + UPTIME
        limit = process.max_insns
        self.attention = True
        while True:
            if self.attention:
                self.attention = False
                if thread.interrupted or thread.signalled or thread.pending or thread.restore_mask is not None:
                    signals.deliver(thread)
                    if thread.wait is not None:
                        return
            budget = end - cpu.count
            if budget <= 0:
                self.runnable.append(thread)
                signals.take_host()
                process.check_timers()
                process.pids.runs_at(clock.monotonic())
                if process.first_ends >= 0 and not process.is_first and process.pids.first_has_ended():
                    process.outlive_first()
                return
            if timers.active:
                left = timers.budget(None if clock.host_time else clock.monotonic(), thread)
                if left is not None:
                    budget = min(budget, left)
                    if budget == 0:
                        process.check_timers()
                        continue
            if limit is not None and cpu.count + budget > limit:
                budget = limit - cpu.count
                if budget <= 0:
                    raise OutOfBudget
            cause, tval = run(budget)
            if cause == ECALL:
                cpu.pc += 4
                cpu.count += 1
                end -= CALL
                entry = lookup(x[17])
                if entry is None:
                    x[10] = process.missing(x[17])
                    continue
                try:
                    result: Result = entry.handler(process, *x[10 : 10 + entry.arguments])
                except OSError as error:
                    result = process.error(error)
                except MemoryError:
                    result = -errno.ENOMEM
                except OverflowError:  # a number that the host's own call has no room for
                    result = -errno.EINVAL
                if type(result) is int:
                    x[10] = result & M64
                    if self.give_up:
                        self.give_up = False
                        self.runnable.append(thread)
                        return
                elif result is None:
                    if thread.dead or self.current is not thread:
                        return
                else:
                    assert isinstance(result, Wait)
                    self.block(thread, result)
                    return
            elif cause != BUDGET:
                signals.fault(thread, Exit(cause, tval))

    def only(self, thread: Thread) -> None:
        """Forget all other threads, as `execve` and the child of a fork do."""
        for other in self.threads:
            if other is not thread:
                other.dead = True
                other.wait = None
                other.let_go()
        self.threads = [thread]
        self.runnable.clear()
        self.frozen_for = None
