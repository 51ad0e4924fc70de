"""Running a program from outside: build the guest's environment, run it, report how it ended.

This is the face of the package: `run_program` is what `softmetal run` calls.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from . import signals as sig
from .cpu import FETCH_FAULT, MAPPED, PAGE, PAGE_BITS, Cpu, R
from .errors import CANNOT_RUN, INTERNAL, NOT_FOUND, OUT_OF_BUDGET, GuestExit, OutOfBudget, RunError
from .files import inherited
from .filetimes import FileTimes, open_timed
from .loader import Program, Where, execute, find, show
from .nodes import Node
from .process import Options, Process, report
from .synthfs import Directory, devices
from .threads import Thread
from .vfs import Vfs

SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
ENVIRONMENT = {"PATH": ":".join(SEARCH), "HOME": "/root", "LANG": "C.UTF-8"}
"""What every guest's environment starts from; TERM is the user's."""

Disassembler = Callable[[int, int], str]
"""From an instruction's bits and its address to its text."""


@dataclass(slots=True)
class Ended:
    """How the run ended."""

    code: int
    instructions: int = 0
    """By all processes that have ended."""


class World:
    """The file tree that the guest sees, and what must be cleaned up after it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.private: list[str] = []
        self.times = FileTimes()
        self.owner = os.getpid()
        self.closed = {fd for fd in (0, 1, 2) if not is_open(fd)}
        """Standard streams that the guest does not get because we have not; nothing of ours may take their numbers."""
        for _ in self.closed:
            os.open("/dev/null", os.O_RDWR)

    def tree(self, path: str, read_only: bool, what: str) -> Node:
        """A host directory or file. Raises RunError."""
        try:
            return open_timed(os.fsencode(path), read_only, self.times)
        except OSError as error:
            raise RunError(f"{what} {path}: {os.strerror(error.errno or errno.EIO)}", 126) from None

    def temporary(self) -> Node:
        """A private, writable directory that is removed after the run."""
        path = tempfile.mkdtemp(prefix="softmetal-")
        os.chmod(path, 0o1777)
        self.private.append(path)
        return open_timed(os.fsencode(path), False, self.times)

    def build(self) -> Vfs:
        """The tree without the program. Raises RunError."""
        options = self.options
        if options.root is None:
            vfs = Vfs(Directory({}))
            vfs.mount(b"/tmp", self.temporary())
        else:
            root = self.tree(options.root, options.root_read_only, "--root")
            if not root.is_dir:
                raise RunError(f"--root {options.root}: not a directory", 126)
            vfs = Vfs(root)
            if options.root_read_only or not exists(vfs, b"/tmp"):
                vfs.mount(b"/tmp", self.temporary())
        for host, guest, read_only in options.dirs:
            vfs.mount(os.fsencode(guest), self.tree(host, read_only, "--dir"))
        return vfs

    def clean(self) -> None:
        """Remove the private directories, in the process that made them."""
        if os.getpid() == self.owner:
            for path in self.private:
                shutil.rmtree(path, ignore_errors=True)


def is_open(fd: int) -> bool:
    """Whether this host process has the descriptor."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def exists(vfs: Vfs, path: bytes) -> bool:
    """Whether a guest path leads to something."""
    try:
        return vfs.walk(path).node is not None
    except OSError:
        return False


def give(world: World, vfs: Vfs, host: str) -> bytes:
    """Let the guest see one host file, read-only, at its absolute path; answers that path."""
    absolute = os.fsencode(os.path.abspath(host))
    vfs.mount(absolute, open_timed(os.fsencode(host), True, world.times))
    return absolute


OWN = ("/dev/", "/proc/", "/sys/")
"""What the guest has of its own, so that a name on the command line means the guest's."""


def locate(world: World, vfs: Vfs, program: str, arguments: list[str]) -> bytes:
    """The guest path of the program, and let the guest see what the command line names. Raises RunError."""
    options = world.options
    in_guest = options.root is not None
    if in_guest and "/" not in program:
        for directory in options.env.get("PATH", ENVIRONMENT["PATH"]).split(":"):
            path = os.fsencode(directory + "/" + program)
            if exists(vfs, path):
                return path
    elif in_guest and program.startswith("/") and exists(vfs, os.fsencode(program)):
        return os.fsencode(program)
    if not os.path.lexists(program):
        if in_guest and exists(vfs, os.fsencode("/" + program)):
            return os.fsencode("/" + program)
        where = f" in {options.root} or on the host" if in_guest else ""
        raise RunError(f"{program}: not found{where}", NOT_FOUND)
    if os.path.isdir(program):
        raise RunError(f"{program}: is a directory")
    try:
        path = give(world, vfs, program)
        os.close(os.open(program, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        missing = error.errno == errno.ENOENT
        reason = "not found" if missing else f"cannot be read: {os.strerror(error.errno or errno.EIO)}"
        raise RunError(f"{program}: {reason}", NOT_FOUND if missing else 126) from None
    if not in_guest:
        for argument in arguments:
            for piece in {argument, argument.partition("=")[2]}:
                if piece and "\0" not in piece and os.path.isfile(piece) and os.access(piece, os.R_OK):
                    if not os.path.abspath(piece).startswith(OWN):
                        give(world, vfs, piece)
    return path


def describe_death(p: Process, end: GuestExit) -> str:
    """One line for a program that a signal has killed: the signal, the address, the instruction."""
    name = sig.name_of(end.signal)
    died = p.signals.died_at
    if died is None:
        return f"killed by {name}"
    pc = p.cpu.pc
    what = {
        sig.SIGSEGV: "no access to address", sig.SIGBUS: "bad access to address", sig.SIGILL: "illegal instruction at",
        sig.SIGTRAP: "breakpoint at",
    }.get(end.signal, "at")  # fmt: skip
    line = f"{name}: {what} {died.tval:#x}"
    if died.cause == FETCH_FAULT:
        return f"{line}: no instruction can be fetched there (return address {p.cpu.x[1]:#x})"
    bits = fetch(p, pc)
    if bits is None:
        return f"{line}, pc {pc:#x}"
    return f"{line}, pc {pc:#x}{place_of(p, pc)}, instruction {p.show_instruction(bits, pc)}"


def fetch(p: Process, pc: int) -> int | None:
    """The instruction at `pc`: 16 or 32 bits."""
    page = p.space.perm[pc >> PAGE_BITS] if pc < 1 << 38 else 0
    if not page & R or not page & MAPPED:
        return None
    low = int.from_bytes(p.space.ram[pc : pc + 2], "little")
    if low & 3 != 3:
        return low
    if (pc + 2) % PAGE == 0 and not p.space.perm[(pc + 2) >> PAGE_BITS] & R:
        return low
    return int.from_bytes(p.space.ram[pc : pc + 4], "little")


def place_of(p: Process, pc: int) -> str:
    """` in FILE+OFFSET`, if a file is mapped there."""
    area = p.space.find(pc)
    if area is None or not area.name.startswith(b"/"):
        return ""
    lowest = min((a.start for a in p.space.areas if a.name == area.name), default=area.start)
    return f" in {show(area.name.rpartition(b'/')[2])}+{pc - lowest:#x}"


def run_program(
    make_cpu: Callable[[], Cpu], program: str, arguments: list[str], options: Options,
    disassemble: Disassembler | None = None, before: Callable[[Process], None] | None = None,
) -> Ended:  # fmt: skip
    """Run a riscv64 Linux program until it ends and answer its exit code.

    The code is the program's own, or 128 + signal, 126 or 127 if it cannot be run, 124 if `options.max_insns`
    have run, 125 for an error of softmetal's own. Messages go to stderr, one line each. In a forked guest
    process this function does not return.
    """
    first = os.getpid()
    world = World(options)
    process: Process | None = None
    try:
        vfs = world.build()
        found, cwd = locate_all(world, vfs, program, arguments)
        process = Process(make_cpu(), vfs, options, program)
        process.cwd = cwd
        if disassemble is not None:
            process.disassemble = disassemble
        prepare(world, process, found)
        if before is not None:
            before(process)
        process.sched.loop()
        raise AssertionError("the loop only ends by an exception")
    except RunError as error:
        report(str(error))
        return Ended(error.code)
    except GuestExit as end:
        assert process is not None
        if end.signal in sig.CRASHES and process.is_first:
            process.say(describe_death(process, end))
        code = process.finish(end)
        return Ended(code, process.pids.totals()[0] + process.cpu.count)
    except OutOfBudget:
        assert process is not None
        process.say(f"stopped at pc {process.cpu.pc:#x} after {process.cpu.count} instructions (--max-insns)")
        code = process.finish(GuestExit(OUT_OF_BUDGET))
        return Ended(code, process.pids.totals()[0] + process.cpu.count)
    except MemoryError as error:
        report(f"{program}: {error or 'out of memory'}")
        if os.getpid() != first:
            os._exit(CANNOT_RUN)
        return Ended(CANNOT_RUN)
    except Exception as error:
        if os.environ.get("SOFTMETAL_DEBUG") == "1":
            traceback.print_exc()
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        report(f"{program}: internal error: {text} (SOFTMETAL_DEBUG=1 shows where)")
        if os.getpid() != first:
            os._exit(INTERNAL)
        return Ended(INTERNAL)
    finally:
        world.clean()


ADVICE = "; give the guest's file tree with --root DIR"


def locate_all(world: World, vfs: Vfs, program: str, arguments: list[str]) -> tuple[Program, Node]:
    """The program, checked as far as can be without running it, and the directory to start in. Raises RunError."""
    options = world.options
    path = locate(world, vfs, program, arguments)
    cwd = working_directory(vfs, options)
    names = [os.fsencode(program), *map(os.fsencode, arguments)]
    where = Where(vfs, cwd, "" if options.root is not None else ADVICE)
    return find(where, path, names, need_mode=options.root is not None and not os.path.exists(program)), cwd


def prepare(world: World, process: Process, program: Program) -> None:
    """Open the standard streams, mount `/dev` and `/proc`, load the program. Raises RunError."""
    from . import calls, procfs, sysfs

    assert calls
    options, vfs = world.options, process.vfs
    for fd, name in enumerate((b"stdin", b"stdout", b"stderr")):
        if fd not in world.closed:
            process.fds.put(fd, inherited(fd, b"/dev/" + name), False)
    vfs.mount(b"/dev", devices(process))
    vfs.mount(b"/dev/shm", world.temporary())
    vfs.mount(b"/proc", procfs.build(process))
    vfs.mount(b"/sys", sysfs.build(process))
    thread = Thread(process.pid)
    process.sched.current = process.sched.loaded = thread
    environment = {**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb"), **options.env}
    world.times.clock = process.clock
    process.signals.open_host()
    execute(process, program, [os.fsencode(f"{key}={value}") for key, value in environment.items()])
    process.enter_program(program)
    process.sched.runnable.append(thread)


def working_directory(vfs: Vfs, options: Options) -> Node:
    """Where the guest starts: `--cwd`, else `/` of the guest's root, else the host's own path, shown empty."""
    if options.cwd is not None:
        try:
            node = vfs.walk(os.fsencode(options.cwd)).existing()
        except OSError as error:
            raise RunError(f"--cwd {options.cwd}: {os.strerror(error.errno or errno.EIO)}") from None
        if not node.is_dir:
            raise RunError(f"--cwd {options.cwd}: not a directory")
        return node
    if options.root is not None:
        return vfs.root
    here = os.fsencode(os.getcwd())
    if not exists(vfs, here):
        vfs.mount(here, Directory({}))
    return vfs.walk(here).existing()
