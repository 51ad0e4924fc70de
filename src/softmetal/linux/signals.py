"""Signals: actions, pending queues, the frame on the guest's stack, and the host's signals.

The frame is that of Linux on riscv64: `siginfo_t`, then `ucontext_t` with the integer registers, the D extension's
registers and `fcsr`; the handler returns to `rt_sigreturn` code in a page that the kernel maps.
The host's signals are blocked and read through a signalfd, so that none is lost and none interrupts a call.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from collections import deque
from collections.abc import Set
from typing import TYPE_CHECKING
from weakref import WeakSet

from . import rseq
from .abi import M64, SIGINFO_CHILD, SIGINFO_FAULT, SIGINFO_KILL, STACK
from .cpu import BREAKPOINT, FETCH_FAULT, ILLEGAL, LOAD_FAULT, LOAD_MISALIGNED, STORE_FAULT, STORE_MISALIGNED, Exit
from .errors import Fault, GuestExit
from .threads import Pending, Thread
from .waits import ALWAYS, AS_ASKED, NEVER, Wait

if TYPE_CHECKING:
    from .calls.eventfiles import SignalFile
    from .process import Process

SIG_DFL, SIG_IGN = 0, 1
SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND = (
    1, 2, 4, 0x08000000, 0x10000000, 0x40000000, 0x80000000,
)  # fmt: skip
SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL = 0, 0x80, -1, -2, -6
SS_ONSTACK, SS_DISABLE = 1, 2

SIGHUP, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGKILL, SIGSEGV, SIGPIPE, SIGCHLD = 1, 4, 5, 6, 7, 9, 11, 13, 17
SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH = 18, 19, 20, 21, 22, 23, 28
IGNORED_BY_DEFAULT = frozenset({SIGCHLD, SIGCONT, SIGURG, SIGWINCH})
CRASHES = frozenset({3, SIGILL, SIGTRAP, SIGABRT, SIGBUS, 8, SIGSEGV, 24, 25, 31})
"""Those whose default action writes a core file: the user wants to know. The others end a program in silence."""
STOPPING = frozenset({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
UNBLOCKABLE = 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1)

FRAME = 1088
"""Bytes of the whole frame: siginfo 128, ucontext 960."""
UCONTEXT = struct.Struct("<QQQiIQQ")
"""uc_flags uc_link uc_stack(sp flags pad size) uc_sigmask; uc_mcontext starts 176 bytes into the ucontext."""
MCONTEXT_AT = 128 + 176
MCONTEXT = struct.Struct("<32Q32QI")
TRAMPOLINE = struct.pack("<II", 0x08B00893, 0x00000073)
"""`li a7, 139; ecall`: unwinders know a signal frame by these two words."""
SIGNALFD_INFO = struct.Struct("<IiiIIiIIIIiiQ")

NAMES = {int(s): s.name for s in signal.Signals}


FROM_INSTRUCTIONS = frozenset({SIGSEGV, SIGBUS, SIGILL, SIGTRAP, 8, 31})
"""SIGFPE and SIGSYS among them: Linux's SYNCHRONOUS_MASK."""


def _rank(pending: Pending) -> tuple[bool, int]:
    return pending.number not in FROM_INSTRUCTIONS, pending.number


def name_of(number: int) -> str:
    """`SIGSEGV` for 11."""
    return NAMES.get(number, f"signal {number}")


def info(number: int, code: int, pid: int, uid: int = 0, value: int = 0) -> bytes:
    """A siginfo of kill, tkill or sigqueue."""
    return SIGINFO_KILL.pack(number, 0, code, 0, pid, uid, value & M64)


class Signals:
    """The signal state that a process's threads share."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.actions: list[tuple[int, int, int]] = [(SIG_DFL, 0, 0)] * 65
        self.pending: deque[Pending] = deque()
        self.watchers: WeakSet[SignalFile] = WeakSet()
        """The signalfds of the process."""
        self.trampoline = 0
        self.fd = -1
        self.died_at: Exit | None = None

    # The host's signals.

    def open_host(self) -> None:
        """Block the host's signals and take those that are ignored (as `nohup` does) as ignored by the guest."""
        for number in signal.valid_signals():
            # CPython itself ignores SIGPIPE and SIGXFSZ
            if number not in (SIGPIPE, signal.SIGXFSZ, SIGKILL, SIGSTOP) and signal.getsignal(number) == signal.SIG_IGN:
                self.actions[number] = (SIG_IGN, 0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.signalfd(-1, b"\xff" * 128, 0o2004000)  # SFD_CLOEXEC | SFD_NONBLOCK
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "signalfd")

    def take_host(self) -> None:
        """Post the signals that the host has for this process."""
        while True:
            try:
                data = os.read(self.fd, 1280)
            except BlockingIOError:
                return
            for at in range(0, len(data), 128):
                number, _, code, host_pid, uid, _, _, _, _, _, status, _, word = SIGNALFD_INFO.unpack_from(data, at)
                self._from_host(number, code, host_pid, uid, status, word)

    def _from_host(self, number: int, code: int, host_pid: int, uid: int, status: int, word: int) -> None:
        if number == SIGPIPE and host_pid == os.getpid():
            return  # the host's own, for a write of ours that has answered EPIPE already
        if number == SIGCONT and self.process.pids.continued():
            for thread in self.process.sched.threads:
                thread.stopped = True
                self.process.sched.interrupt(thread)
        sender = self.process.pids.by_host(host_pid) if host_pid else None
        pid = sender.pid if sender else 0
        if number == SIGCHLD and code > 0:
            self.process.sched.kick()
            handler, flags, _ = self.actions[SIGCHLD]
            if handler == SIG_IGN or flags & SA_NOCLDWAIT:
                self.process.reap_all()
            if flags & SA_NOCLDSTOP and code >= 4:
                return
            if code < 4:  # it has ended
                number = self.process.exit_signals.get(pid, SIGCHLD)
                if number == 0:
                    return
            packed = SIGINFO_CHILD.pack(number, 0, code, 0, pid, uid, status, 0, 0, 0)
        else:
            packed = info(number, code, pid, uid, word)
        self.post(Pending(number, packed))

    # Posting and taking.

    def disposition(self, number: int) -> str:
        """What happens on delivery: `ignore`, `stop`, `kill` or `handle`."""
        handler = self.actions[number][0]
        if handler == SIG_IGN:
            return "ignore"
        if handler != SIG_DFL:
            return "handle"
        if number in IGNORED_BY_DEFAULT:
            return "ignore"
        return "stop" if number in STOPPING else "kill"

    def post(self, signal: Pending, thread: Thread | None = None, prefer: Thread | None = None) -> None:
        """Make a signal pending for `thread`, or for the process; wake the thread that takes it (`complete_signal`).

        `prefer` is asked first whether it takes a signal for the process.
        """
        number = signal.number
        sched = self.process.sched
        if number == SIGCONT:
            self._forget(STOPPING)
        elif number in STOPPING:
            self._forget({SIGCONT})
        bit = 1 << (number - 1)
        candidates = [thread] if thread is not None else self._by_preference(prefer)
        if self.disposition(number) == "ignore" and not any(t.mask & bit for t in candidates):
            return
        queue = self.pending if thread is None else thread.pending
        if number < 32 and any(p.number == number for p in queue):
            return
        queue.append(signal)
        for file in self.watchers:
            file.arrived(number)
        sched.attention = True
        sched.kick()
        for t in candidates:
            if not t.mask & bit:
                t.signalled = True
                sched.interrupt(t)
                return

    def _forget(self, numbers: Set[int]) -> None:
        """A stop and a continuation that are pending put each other out (`prepare_signal`)."""
        for queue in (self.pending, *(t.pending for t in self.process.sched.threads)):
            for pending in [p for p in queue if p.number in numbers]:
                queue.remove(pending)

    def retarget(self) -> None:
        """The thread that was to take a pending signal may not any more: let all of them look."""
        self.process.sched.attention = True
        if self.pending:
            for thread in self.process.sched.threads:
                thread.signalled = True

    def _by_preference(self, prefer: Thread | None) -> list[Thread]:
        """Who takes a signal of the process: the leader, unless it is a timer's, which goes to who runs."""
        threads = self.process.sched.threads
        first = prefer or next((t for t in threads if t.tid == self.process.pid), None)
        return threads if first is None else [first, *(t for t in threads if t is not first)]

    def deliverable(self, thread: Thread) -> bool:
        """Whether a pending signal is not blocked by `thread`."""
        mask = thread.mask
        return any(not mask >> (p.number - 1) & 1 for q in (thread.pending, self.pending) for p in q)

    def take(self, thread: Thread, wanted: int) -> Pending | None:
        """Remove and return the first pending signal of the set `wanted`.

        A thread's own come before the process's, among those the ones that an instruction causes, then by number
        (`dequeue_signal`, `next_signal`).
        """
        for queue in (thread.pending, self.pending):
            if not queue:
                continue
            found = [p for p in queue if wanted >> (p.number - 1) & 1]
            if found:
                best = min(found, key=_rank)
                queue.remove(best)
                return best
        return None

    def pending_set(self, thread: Thread) -> int:
        """The set of pending signals."""
        result = 0
        for queue in (thread.pending, self.pending):
            for p in queue:
                result |= 1 << (p.number - 1)
        return result

    # Delivery.

    def deliver(self, thread: Thread) -> None:
        """Act on the pending signals of the current thread. Raises GuestExit if one kills the process."""
        cpu = self.process.cpu
        wait = thread.interrupted
        thread.interrupted = None
        thread.signalled = False
        if wait is not None:
            result = self.process.guarded(wait.attempt)
            if isinstance(result, Wait):
                wait = result
            else:
                wait = None
                thread.let_go()
                if result is not None:
                    cpu.x[10] = result & M64
                if thread.restore_mask is not None:
                    thread.mask, thread.restore_mask = thread.restore_mask, None
        stopped, thread.stopped = thread.stopped, False
        while (pending := self.take(thread, ~thread.mask)) is not None:
            number = pending.number
            what = self.disposition(number)
            if what == "kill":
                raise GuestExit(128 + number, number)
            if what == "stop":
                self.stop(number)
                stopped = True
                continue
            if what == "ignore":
                continue
            handler, flags, mask = self.actions[number]
            if wait is not None:
                if wait.cancel:
                    wait.cancel()
                if wait.partial:
                    cpu.x[10] = wait.partial
                elif wait.restart == ALWAYS or (wait.restart == AS_ASKED and flags & SA_RESTART):
                    cpu.pc -= 4
                else:
                    cpu.x[10] = -errno.EINTR & M64
                wait = None
                thread.let_go()
            if flags & SA_RESETHAND:
                self.actions[number] = (SIG_DFL, flags, mask)
            self._enter(thread, pending, handler, flags)
            thread.mask |= mask & ~UNBLOCKABLE
            if not flags & SA_NODEFER:
                thread.mask |= 1 << (number - 1)
        if wait is not None and stopped and wait.restart == NEVER:
            if wait.cancel:
                wait.cancel()
            cpu.x[10] = -errno.EINTR & M64
            thread.let_go()
            wait = None
        if wait is not None:
            wait.ready = True
            self.process.sched.block(thread, wait)
        elif thread.restore_mask is not None:
            thread.mask = thread.restore_mask
            thread.restore_mask = None
            if self.deliverable(thread):
                self.deliver(thread)

    def stop(self, number: int) -> None:
        """Stop this process, really, until the host sends SIGCONT."""
        os.kill(os.getpid(), SIGSTOP)

    def on_stack(self, thread: Thread, sp: int) -> bool:
        """Whether `sp` lies on the thread's alternate stack."""
        base, flags, size = thread.stack
        return not flags & SS_DISABLE and base < sp <= base + size

    def _enter(self, thread: Thread, pending: Pending, handler: int, flags: int) -> None:
        cpu = self.process.cpu
        if thread.rseq is not None:
            rseq.interrupted(self.process, thread)
        sp = cpu.x[2]
        base, stack_flags, size = thread.stack
        if flags & SA_ONSTACK and not stack_flags & SS_DISABLE and not self.on_stack(thread, sp):
            sp = base + size
        sp = (sp - FRAME) & -16 & M64
        saved_mask = thread.mask if thread.restore_mask is None else thread.restore_mask
        thread.restore_mask = None
        frame = bytearray(FRAME)
        frame[:128] = pending.info
        shown = SS_ONSTACK if self.on_stack(thread, cpu.x[2]) else stack_flags
        UCONTEXT.pack_into(frame, 128, 0, 0, base, shown, 0, size, saved_mask)
        registers = list(cpu.x)
        registers[0] = cpu.pc
        MCONTEXT.pack_into(frame, MCONTEXT_AT, *registers, *cpu.f, cpu.fcsr)
        try:
            self.process.space.write(sp, frame)
        except Fault:
            raise GuestExit(128 + SIGSEGV, SIGSEGV) from None
        cpu.x[1] = self.trampoline
        cpu.x[2] = sp
        cpu.x[10] = pending.number
        cpu.x[11] = sp
        cpu.x[12] = sp + 128
        cpu.pc = handler & ~1

    def leave(self, thread: Thread) -> None:
        """`rt_sigreturn`: put back what the frame at `sp` holds. Raises Fault."""
        process = self.process
        cpu = process.cpu
        frame = process.space.read(cpu.x[2], FRAME)
        _, _, base, flags, _, size, mask = UCONTEXT.unpack_from(frame, 128)
        values = MCONTEXT.unpack_from(frame, MCONTEXT_AT)
        cpu.pc = values[0] & ~1
        for index in range(1, 32):
            cpu.x[index] = values[index]
        for index in range(32):
            cpu.f[index] = values[32 + index]
        cpu.fcsr = values[64] & 0xFF
        thread.mask = mask & ~UNBLOCKABLE
        thread.stack = (base, flags & SS_DISABLE, size)
        self.retarget()

    def fault(self, thread: Thread, ex: Exit) -> None:
        """Turn an exception into its signal. Raises GuestExit if the guest does not handle it."""
        process = self.process
        pc, cause, address = process.cpu.pc, ex.cause, ex.tval & M64
        if cause in (LOAD_FAULT, STORE_FAULT, FETCH_FAULT):
            if process.space.grown(address):
                return
            area = process.space.find(address)
            if area is not None and process.space.beyond(area, address):
                number, code = SIGBUS, 2  # BUS_ADRERR
            else:
                number, code = SIGSEGV, 2 if area is not None else 1  # SEGV_ACCERR, SEGV_MAPERR
        elif cause == ILLEGAL:
            number, code, address = SIGILL, 1, pc  # ILL_ILLOPC
        elif cause == BREAKPOINT:
            number, code, address = SIGTRAP, 1, pc  # TRAP_BRKPT
        elif cause in (LOAD_MISALIGNED, STORE_MISALIGNED):
            number, code = SIGBUS, 1  # BUS_ADRALN
        else:
            number, code = SIGBUS, 3
        if thread.mask >> (number - 1) & 1 or self.disposition(number) != "handle":
            self.died_at = Exit(cause, address)
            raise GuestExit(128 + number, number)
        thread.pending.appendleft(Pending(number, SIGINFO_FAULT.pack(number, 0, code, 0, address)))
        process.sched.attention = True

    def after_exec(self) -> None:
        """Handlers do not survive `execve`; ignored signals stay ignored."""
        self.actions = [(SIG_IGN if a[0] == SIG_IGN else SIG_DFL, 0, 0) for a in self.actions]

    def stack_of(self, thread: Thread) -> bytes:
        """`stack_t` as sigaltstack shows it."""
        base, flags, size = thread.stack
        shown = SS_ONSTACK if self.on_stack(thread, self.process.cpu.x[2]) else flags
        return STACK.pack(base, shown, 0, size)
