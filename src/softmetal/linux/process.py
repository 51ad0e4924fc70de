"""One guest process: what the kernel knows of it, and how it begins, forks and ends.

Every guest process is a host process. A fork is the host's fork: guest memory is a private mapping, so the host
copies it on write. Numbers that the guest sees are those of `pids`, never the host's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import signals as sig
from .clock import Clock, Entropy
from .cpu import Cpu
from .errors import GuestExit
from .fdtable import FdTable
from .files import RegularFile
from .nodes import Node
from .pids import Pids
from .sched import Scheduler
from .signals import Signals
from .sockets import SocketNames
from .space import Space
from .sysvipc import SysvIpc
from .table import name_of
from .threads import Pending, Thread
from .timers import Timers
from .vfs import Vfs
from .waits import Result

if TYPE_CHECKING:
    from .futex import Futexes
    from .limits import Limits
    from .loader import Program


@dataclass(slots=True)
class Options:
    """What the user asked for."""

    root: str | None = None
    root_read_only: bool = False
    dirs: list[tuple[str, str, bool]] = field(default_factory=list)
    """Mounts: host directory, guest path, read-only."""
    net: bool = False
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    seed: int = 0
    host_time: bool = False
    memory: int = 4 << 30
    """Most bytes of private writable guest memory."""
    max_insns: int | None = None


def report(message: str) -> None:
    """One line on the user's stderr, if there is one."""
    with contextlib.suppress(OSError):
        os.write(2, f"softmetal run: {message}\n".encode("utf-8", "backslashreplace"))


class Process:
    """The process that this host process runs."""

    def __init__(self, cpu: Cpu, vfs: Vfs, options: Options, label: str) -> None:
        from .futex import Futexes
        from .limits import Limits

        self.cpu = cpu
        self.vfs = vfs
        self.options = options
        self.label = label
        """How messages name the program that the user started."""
        self.max_insns = options.max_insns
        self.space = Space(cpu, options.memory)
        self.clock = Clock(cpu, options.host_time)
        self.entropy = Entropy(options.seed)
        self.fds = FdTable()
        self.signals = Signals(self)
        self.sched = Scheduler(self)
        self.timers = Timers()
        self.pids = Pids()
        self.futexes: Futexes = Futexes(self)
        self.socket_names = SocketNames()
        self.sysv = SysvIpc()
        self.cwd: Node = vfs.root
        self.executable = b""
        self.program: RegularFile | None = None
        self.arguments: list[bytes] = []
        self.arguments_at = (0, 0)
        self.environment: list[bytes] = []
        self.is_first = True
        self.first_ends, self._first_lives = os.pipe()
        """A host descriptor that can be read when the first process has ended; -1 when that has been seen."""
        self.vfork_pipe = -1
        self.limits: Limits = Limits(self)
        self.children_used = 0
        """What the instruction count was at the fork: before that it is the parent's."""
        self.children_time = 0
        """Instructions of the children that have been waited for, and of theirs."""
        self.disassemble: Callable[[int, int], str] | None = None
        self.death_signal = 0
        self.wall_timers: frozenset[int] = frozenset()
        """The POSIX timers whose absolute times are those of the wall clock."""
        self.dumpable = 1
        self.personality = 0
        self.oom_score_adj = 0
        self.auxiliary = b""
        """The auxiliary vector that the program was started with."""
        self.subreaper = 0
        self.no_new_privileges = 0
        self.keep_capabilities = 0
        self.timer_slack = 50_000
        self.no_huge_pages = self.merging = 0
        """PR_SET_THP_DISABLE, PR_SET_MEMORY_MERGE: kept and answered."""
        self.membarriers = 0
        """The kinds of membarrier that it has registered for."""
        self.exit_signals: dict[int, int] = {}
        """By a child's number: the signal that its end sends (man 2 clone), 0 for none."""

    @property
    def thread(self) -> Thread:
        """The thread whose call is being served."""
        return self.sched.current

    @property
    def pid(self) -> int:
        """The guest's number for this process."""
        return self.pids.pid

    # Messages and errors.

    def say(self, message: str) -> None:
        """One line on the user's stderr."""
        report(f"{self.label}: {message}")

    def once(self, key: str, message: str) -> None:
        """One line on stderr, the first time in the run only."""
        if self.pids.first_time(key):
            self.say(message)

    def missing(self, number: int) -> int:
        """Answer a call that is not implemented: ENOSYS, reported once."""
        name = name_of(number)
        self.once(name, f"system call {name} is not implemented; the program got ENOSYS")
        return -errno.ENOSYS & 0xFFFFFFFFFFFFFFFF

    def error(self, error: OSError) -> int:
        """The result for a call that raised `error`."""
        if isinstance(error, BrokenPipeError):
            self.signals.post(Pending(sig.SIGPIPE, sig.info(sig.SIGPIPE, sig.SI_USER, self.pid)), self.thread)
        return -(error.errno or errno.EIO)

    def guarded(self, attempt: Callable[[], Result]) -> Result:
        """Try a wait; errors become results."""
        try:
            return attempt()
        except OSError as error:
            return self.error(error)

    def show_instruction(self, bits: int, pc: int) -> str:
        """An instruction for a message: its bits, and its text if there is a disassembler."""
        digits = f"{bits:#06x}" if bits & 3 != 3 else f"{bits:#010x}"
        return f"{digits} ({self.disassemble(bits, pc)})" if self.disassemble is not None else digits

    def check_timers(self) -> None:
        """Fire the timers that have run out, and see to RLIMIT_CPU."""
        if self.limits.cpu_moment is not None:
            self.limits.check_cpu()
        if self.timers.active:
            self.timers.check(self.clock.monotonic())

    def outlive_first(self) -> None:
        """The first process has ended, and with it the run that the user sees; this one goes on in the background.

        The reader of the run's output must not wait for it: only descriptors that the guest itself holds stay open.
        """
        os.close(self.first_ends)
        self.first_ends = -1
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)

    def reap_all(self) -> None:
        """Collect children that no call will wait for."""
        while True:
            try:
                host, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if host == 0:
                return
            record = self.pids.by_host(host)
            if record is not None:
                self.pids.reaped(record)

    # Life.

    def fork(self, flags_vfork: bool) -> tuple[int, int]:
        """Fork the host process. Answers the child's number (0 in the child) and the vfork pipe's end or -1.

        Raises OSError(EAGAIN).
        """
        index = self.pids.prepare(self.clock.monotonic())
        if self.sysv.involved and not flags_vfork:
            self.sysv.forking(self, self.pids.number_at(index))
        pipe = os.pipe() if flags_vfork else (-1, -1)
        try:
            host = os.fork()
        except OSError:
            self.pids.cancel(index)
            for fd in pipe:
                if fd >= 0:
                    os.close(fd)
            raise
        if host:
            number = self.pids.born(index, host)
            if flags_vfork:
                os.close(pipe[1])
            return number, pipe[0]
        self.pids.adopt(index)
        if self.is_first:
            os.close(self._first_lives)
            self.is_first = False
        if self.vfork_pipe >= 0:
            os.close(self.vfork_pipe)
        self.vfork_pipe = pipe[1]
        if flags_vfork:
            os.close(pipe[0])
        if not flags_vfork:  # until it calls `execve` its memory is its parent's
            self.space.forked()
        self.entropy.branch(self.pid)
        self.signals.pending.clear()
        thread = self.thread
        thread.pending.clear()
        thread.tid = self.pid
        self.sched.only(thread)
        self.timers = Timers()
        self.futexes.clear()
        self.children_used = 0
        self.children_time = 0
        self.exit_signals.clear()
        self.limits.forked()
        for slot in self.fds.slots.values():
            slot.file.forked()
        return 0, -1

    def release_vfork(self, message: bytes = b"") -> None:
        """Let the parent that waits in vfork go on."""
        if self.vfork_pipe >= 0:
            fd, self.vfork_pipe = self.vfork_pipe, -1
            if message:
                with contextlib.suppress(OSError):
                    os.write(fd, message)
            os.close(fd)

    def exec_begins(self) -> None:
        """The point of no return of `execve`."""
        thread = self.thread
        self.sched.only(thread)
        thread.tid = self.pid
        thread.clear_tid = thread.robust = 0
        thread.rseq = None
        thread.stack = (0, sig.SS_DISABLE, 0)
        self.dumpable = 1
        self.signals.after_exec()
        self.pids.me.executed = 1
        self.pids.save()
        self.fds.close_on_exec()
        self.timers = self.timers.after_exec()
        self.futexes.clear()

    def executed(self, fd: int) -> tuple[int, int]:
        """From now on no process may write to the program in the file of the host descriptor `fd`; answers what it was before."""
        me = self.pids.me
        before = me.device, me.inode
        status = os.fstat(fd)
        me.device, me.inode = status.st_dev, status.st_ino
        self.pids.save()
        return before

    def enter_program(self, program: Program) -> None:
        """The new program is loaded: its names, and the parent that waits in vfork may go on."""
        self.program = program.main.file
        self.executable = program.main.file.path
        name = program.path.rpartition(b"/")[2][:15]
        self.thread.name = b""
        self.pids.me.name = name
        self.executed(self.program.fd)
        self.release_vfork()

    def is_written(self, fd: int) -> bool:
        """Whether a process of this run has the file of the host descriptor `fd` open for writing."""
        status = os.fstat(fd)
        for slot in self.fds.slots.values():
            file = slot.file
            if isinstance(file, RegularFile) and file.writable and os.path.samestat(os.fstat(file.fd), status):
                return True
        others = (r.host for r in self.pids.all() if r.host and r.pid != self.pid)
        return any(writes(host, status) for host in others)

    def finish(self, end: GuestExit) -> int:
        """The process has ended: notify its parent; returns the exit code for the user if it is the first."""
        from .vforks import give_back

        self.pids.me.clock = self.clock.monotonic()
        self.pids.me.count = self.cpu.count - self.children_used + self.children_time
        self.pids.save()
        self.sysv.ends(self)
        self.futexes.shared.leave_all()
        give_back(self)
        self.fds.close_all()
        if self.is_first:
            self.pids.end_first()
            os.close(self._first_lives)
            os.close(self.first_ends)
            return end.status
        self.pids.add_total(self.cpu.count - self.children_used, 0)
        sys.stdout = sys.stderr = None
        if end.signal:
            die_of(end.signal)
        os._exit(end.status & 0xFF)


def writes(host: int, status: os.stat_result) -> bool:
    """Whether a host process has the file of this status open for writing. One that cannot be looked into has not."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(f"/proc/{host}/fd"):
            with contextlib.suppress(OSError):
                if not os.path.samestat(os.stat(f"/proc/{host}/fd/{entry}"), status):
                    continue
                with open(f"/proc/{host}/fdinfo/{entry}", "rb") as facts:
                    flags = next(int(line.split()[1], 8) for line in facts if line.startswith(b"flags:"))
                if flags & os.O_ACCMODE:
                    return True
    return False


def die_of(number: int) -> None:
    """End this host process by the signal `number`, so that its parent sees that; without a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        if number != sig.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    except (OSError, ValueError):
        pass
    os._exit(128 + number)
