"""`/proc/PID`: what a process can read about itself and, as far as it matters, about the others of its run.

Source: man 5 proc and its pages (proc_pid_stat, proc_pid_status, proc_pid_fdinfo, proc_pid_mountinfo and so on).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import procmem
from .clock import UPTIME
from .cpu import PAGE
from .fdtable import Slot
from .files import File
from .nodes import Node, Status, fail
from .signals import SIG_DFL, SIG_IGN
from .space import PROT_WRITE
from .synthfs import Content, Directory, Link, behind, name_of

if TYPE_CHECKING:
    from .pids import Record
    from .process import Process

NAMESPACES = {
    "cgroup": 4026531835, "ipc": 4026531839, "mnt": 4026531841, "net": 4026531840, "pid": 4026531836,
    "pid_for_children": 4026531836, "time": 4026531834, "time_for_children": 4026531834, "user": 4026531837,
    "uts": 4026531838,
}  # fmt: skip
"""The inode numbers of Linux's first namespaces."""


class Memory(File):
    """`/proc/self/mem`: the guest's memory by address. What is protected can be read and written all the same."""

    def __init__(self, process: Process, flags: int, path: bytes, node: Node) -> None:
        super().__init__(flags, path)
        self._process = process
        self._node = node
        self.position = 0

    @property
    def seekable(self) -> bool:
        """See `File.seekable`."""
        return True

    def _move(self, views: list[memoryview] | list[bytes], offset: int | None, write: bool) -> int:
        space = self._process.space
        at = self.position if offset is None else offset
        done = 0
        for view in views:
            rest = memoryview(view)
            while len(rest):
                here = at + done
                area = space.find(here)
                if area is None or space.beyond(area, here) or (write and area.shared and not area.max_prot & PROT_WRITE):
                    if not done:
                        raise fail(errno.EIO)
                    break
                size = min(len(rest), PAGE - here % PAGE)
                if write:
                    space.ram[here : here + size] = rest[:size]
                    space.cpu.code_changed(here & -PAGE, (here & -PAGE) + PAGE)
                else:
                    rest[:size] = space.ram[here : here + size]
                done += size
                rest = rest[size:]
            if len(rest):
                break
        if offset is None:
            self.position += done
        return done

    def read(self, views: list[memoryview], offset: int | None = None) -> int:
        """See `File.read`."""
        return self._move(views, offset, False)

    def write(self, views: list[memoryview] | list[bytes], offset: int | None = None) -> int:
        """See `File.write`."""
        return self._move(views, offset, True)

    def seek(self, offset: int, whence: int) -> int:
        """See `File.seek`."""
        if whence not in (0, 1):
            raise fail(errno.EINVAL)
        self.position = offset + (self.position if whence else 0)
        return self.position

    def status(self) -> Status | os.stat_result:
        """What `fstat` answers."""
        return self._node.status()


class Pagemap(Memory):
    """`/proc/self/pagemap`."""

    def _move(self, views: list[memoryview] | list[bytes], offset: int | None, write: bool) -> int:
        if write:
            raise fail(errno.EINVAL)
        done = 0
        for view in views:
            data = procmem.pagemap(self._process.space, (self.position if offset is None else offset) + done, len(view))
            memoryview(view)[: len(data)] = data
            done += len(data)
        if offset is None:
            self.position += done
        return done


class Opened(Content):
    """A file of `/proc` that opens as a `File` of its own kind."""

    def __init__(self, opener: Callable[[int, bytes, Node], File], mode: int) -> None:
        super().__init__(lambda: b"", mode)
        self._opener = opener

    def open(self, flags: int, mode: int = 0) -> File:
        """See `Node.open`."""
        return super().open(flags) if flags & os.O_PATH else self._opener(flags, self.path, self)


def text(make: Callable[[], str]) -> Content:
    """A file whose text is made when it is read."""
    return Content(lambda: make().encode())


def short(path: bytes) -> bytes:
    """A path for a link's text. Raises OSError(ENAMETOOLONG) if it does not fit into a page, as Linux's `d_path` does."""
    if len(path) >= PAGE:
        raise fail(errno.ENAMETOOLONG)
    return path


def fixed(value: str) -> Content:
    """A file with constant contents."""
    data = value.encode()
    return Content(lambda: data)


def own(p: Process) -> Directory:
    """`/proc/PID` of the process itself."""

    def program() -> Node | None:
        return behind(p.program) if p.program is not None else None

    def descriptors() -> dict[bytes, Node]:
        return {b"%d" % fd: descriptor(p.fds.any(fd)) for fd in p.fds}

    def descriptor(file: File) -> Link:
        return Link(lambda: name_of(file), lambda: behind(file))

    def facts() -> dict[bytes, Node]:
        return {b"%d" % fd: fact(p.fds.slots[fd]) for fd in p.fds}

    def fact(slot: Slot) -> Content:
        return text(lambda: fdinfo(slot.file, slot.cloexec))

    def tasks() -> dict[bytes, Node]:
        return {b"%d" % t.tid: task(t.tid, t.name) for t in p.sched.threads}

    def task(tid: int, name: bytes) -> Directory:
        return Directory({**common, b"comm": Content(lambda: (name or p.pids.me.name) + b"\n"),
                          b"stat": text(lambda: stat_line(p, p.pids.me, tid)),
                          b"status": text(lambda: status(p, p.pids.me, tid)),
                          b"children": fixed("")})  # fmt: skip

    def rename(data: bytes) -> None:
        p.thread.name = data.rstrip(b"\n")[:15]

    def adjust(data: bytes) -> None:
        try:
            value = int(data)
        except ValueError:
            raise fail(errno.EINVAL) from None
        if not -1000 <= value <= 1000:
            raise fail(errno.EINVAL)
        p.oom_score_adj = value

    common: dict[bytes, Node] = {
        b"exe": Link(lambda: name_of(p.program) if p.program is not None else p.executable, program),
        b"cwd": Link(lambda: short(p.cwd.where()), lambda: p.cwd),
        b"root": Link(lambda: b"/", lambda: p.vfs.root),
        b"maps": Content(lambda: procmem.maps(p.space)),
        b"smaps": Content(lambda: procmem.smaps(p.space)),
        b"smaps_rollup": Content(lambda: procmem.smaps_rollup(p.space)),
        b"pagemap": Opened(lambda flags, path, node: Pagemap(p, flags, path, node), 0o400),
        b"mem": Opened(lambda flags, path, node: Memory(p, flags, path, node), 0o600),
        b"cmdline": Content(lambda: command_line(p)),
        b"environ": Content(lambda: b"".join(e + b"\0" for e in p.environment), 0o400),
        b"comm": Content(lambda: (p.thread.name or p.pids.me.name) + b"\n", 0o644, rename),
        b"stat": text(lambda: stat_line(p, p.pids.me, p.pid)),
        b"statm": text(lambda: procmem.statm(p.space)),
        b"status": text(lambda: status(p, p.pids.me, p.pid)),
        b"io": text(lambda: "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"),
        b"limits": text(lambda: p.limits.text()),
        b"auxv": Content(lambda: p.auxiliary, 0o400),
        b"cgroup": fixed("0::/\n"),
        b"cpuset": fixed("/\n"),
        b"oom_score": fixed("0\n"),
        b"oom_score_adj": Content(lambda: b"%d\n" % p.oom_score_adj, 0o644, adjust),
        b"loginuid": fixed("4294967295"),
        b"sessionid": fixed("4294967295"),
        b"personality": text(lambda: f"{p.personality:08x}\n"),
        b"wchan": fixed("0"),
        b"schedstat": text(lambda: f"{p.clock.used()} 0 1\n"),
        b"uid_map": fixed("         0          0 4294967295\n"),
        b"gid_map": fixed("         0          0 4294967295\n"),
        b"setgroups": fixed("allow\n"),
        b"mounts": text(lambda: mounts(p)),
        b"mountinfo": text(lambda: mountinfo(p)),
        b"ns": Directory({name.encode(): Link(lambda n=name, i=inode: f"{n.removesuffix('_for_children')}:[{i}]".encode())  # type: ignore[misc]
                          for name, inode in NAMESPACES.items()}),
        b"fd": Directory({}, descriptors),
        b"fdinfo": Directory({}, facts),
        b"net": network(),
    }  # fmt: skip
    return Directory({**common, b"task": Directory({}, tasks), b"coredump_filter": fixed("00000033\n"),
                      b"timerslack_ns": fixed("50000\n")})  # fmt: skip


def other(p: Process, record: Record) -> Directory:
    """`/proc/PID` of another process of the run: its names and numbers."""
    return Directory({
        b"stat": text(lambda: stat_line(p, record, record.pid)),
        b"status": text(lambda: status(p, record, record.pid)),
        b"statm": fixed("0 0 0 0 0 0 0\n"),
        b"cmdline": Content(lambda: record.name + b"\0"),
        b"comm": Content(lambda: record.name + b"\n"),
        b"cgroup": fixed("0::/\n"),
        b"task": Directory({b"%d" % record.pid: Directory({b"comm": Content(lambda: record.name + b"\n")})}),
    })  # fmt: skip


def network() -> Directory:
    """`/proc/net`: the loop-back interface, and empty tables."""
    head = "Inter-|   Receive                                                |  Transmit\n"
    columns = " face |bytes    packets errs drop fifo frame compressed multicast|"
    columns += "bytes    packets errs drop fifo colls carrier compressed\n"
    row = "    lo: " + " ".join("0" * 16) + "\n"
    return Directory({
        b"dev": fixed(head + columns + row),
        b"if_inet6": fixed(""),
        b"route": fixed("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"),
        b"unix": fixed("Num       RefCount Protocol Flags    Type St Inode Path\n"),
    })  # fmt: skip


def command_line(p: Process) -> bytes:
    """The arguments as they are in memory now: a program may write over them to change its name."""
    at, length = p.arguments_at
    try:
        return p.space.read(at, length)
    except OSError:
        return b""


def fdinfo(file: File, cloexec: bool) -> str:
    """`/proc/PID/fdinfo/FD`."""
    try:
        position = file.seek(0, 1)
    except OSError:
        position = 0
    flags = file.flags | (0o2000000 if cloexec else 0) | (0 if file.is_path else 0o100000)
    return f"pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t20\nino:\t{file.status().st_ino}\n"


def stat_line(p: Process, record: Record, tid: int) -> str:
    """`/proc/PID/stat`: the 52 fields of man 5 proc_pid_stat, those that are known."""
    mine = record.pid == p.pid
    fields = [0] * 52
    fields[0] = tid
    fields[3:8] = [record.parent, record.group, record.session, 0, -1]
    fields[13] = p.clock.used() // 10**7 if mine else 0
    fields[17:20] = [20, 0, len(p.sched.threads) if mine else 1]
    fields[21] = UPTIME // 10**7
    fields[24] = 0xFFFFFFFFFFFFFFFF
    fields[37] = 17
    if mine:
        stack = next((a for a in p.space.areas if a.name == b"[stack]"), None)
        fields[22], fields[23] = p.space.total(), int(procmem.statm(p.space).split()[1])
        fields[27] = stack.end if stack is not None else 0
        fields[28], fields[29] = p.cpu.x[2], p.cpu.pc
        fields[46] = p.space.brk_start
        fields[47], fields[48] = p.arguments_at[0], sum(p.arguments_at)
    words = [str(f) for f in fields]
    words[1] = f"({os.fsdecode(record.name)})"
    words[2] = "R" if mine else "S"
    return " ".join(words) + "\n"


def status(p: Process, record: Record, tid: int) -> str:
    """`/proc/PID/status`."""
    mine = record.pid == p.pid
    uid, gid = "\t".join([str(os.getuid())] * 4), "\t".join([str(os.getgid())] * 4)
    groups = " ".join(map(str, os.getgroups()))
    umask = os.umask(0)
    os.umask(umask)
    head = (
        f"Name:\t{os.fsdecode(record.name)}\nUmask:\t{umask:04o}\nState:\t{'R (running)' if mine else 'S (sleeping)'}\n"
        f"Tgid:\t{record.pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{record.parent}\nTracerPid:\t0\n"
        f"Uid:\t{uid}\nGid:\t{gid}\nFDSize:\t{max(64, max(p.fds, default=0) + 1)}\nGroups:\t{groups} \n"
        f"NStgid:\t{record.pid}\nNSpid:\t{tid}\nNSpgid:\t{record.group}\nNSsid:\t{record.session}\nKthread:\t0\n"
    )
    if not mine:
        return head + "Threads:\t1\n"
    ignored = caught = 0
    for number, (handler, _, _) in enumerate(p.signals.actions):
        if number and handler == SIG_IGN:
            ignored |= 1 << number - 1
        elif number and handler != SIG_DFL:
            caught |= 1 << number - 1
    shared = pending = 0
    for signal in p.signals.pending:
        shared |= 1 << signal.number - 1
    for signal in p.thread.pending:
        pending |= 1 << signal.number - 1
    return (
        f"{head}{procmem.sizes(p.space)}CoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t{len(p.sched.threads)}\n"
        f"SigQ:\t0/{p.limits.get(11)[0]}\nSigPnd:\t{pending:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{p.thread.mask:016x}\n"
        f"SigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\n"
        + "".join(f"{name}:\t{0:016x}\n" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
        + f"NoNewPrivs:\t{p.no_new_privileges}\n"
        "Seccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tunknown\n"
        "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n"
        "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n"
    )  # fmt: skip


def mount_rows(p: Process) -> list[tuple[str, str, str, int]]:
    """Where, what kind, which options, which device."""
    kinds = {b"/proc": "proc", b"/sys": "sysfs", b"/dev": "devtmpfs", b"/tmp": "tmpfs", b"/dev/shm": "tmpfs"}
    rows = []
    for path, node in ((b"/", p.vfs.root), *p.vfs.mounts.items()):
        where = os.fsdecode(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
        how = "ro" if node.read_only and kinds.get(path) in (None, "tmpfs") else "rw"
        rows.append((where, kinds.get(path, "ext4"), how, node.status().st_dev))
    return rows


def mounts(p: Process) -> str:
    """`/proc/self/mounts`."""
    return "".join(f"{kind if kind != 'ext4' else 'guest'} {where} {kind} {how} 0 0\n" for where, kind, how, _ in mount_rows(p))


def mountinfo(p: Process) -> str:
    """`/proc/self/mountinfo`."""
    lines = []
    for number, (where, kind, how, device) in enumerate(mount_rows(p), 20):
        numbers = f"{os.major(device)}:{os.minor(device)}"
        source = kind if kind != "ext4" else "guest"
        lines.append(f"{number} {1 if where == '/' else 20} {numbers} / {where} {how},relatime - {kind} {source} {how}\n")
    return "".join(lines)
