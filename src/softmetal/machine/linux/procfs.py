"""The guest's `/proc`: its own processes and a few facts about the machine, as far as programs look there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import procmem
from .abi import NS, RELEASE, VERSION
from .clock import EPOCH, UPTIME
from .cpu import PAGE
from .synthfs import Content, Directory, Link, behind, name_of
from .vfs import Node

if TYPE_CHECKING:
    from .pids import Record
    from .process import Process

ISA = "rv64imafdc_zicsr_zifencei_zba_zbb_zbs"


def build(p: Process) -> Directory:
    """The root of `/proc` for process `p` (a fork makes its child's answer for the child, since it copies `p`)."""

    def text(make: Callable[[], str]) -> Content:
        return Content(lambda: make().encode())

    def fixed(value: str) -> Content:
        return Content(lambda: value.encode())

    def numbered() -> dict[bytes, Node]:
        found: dict[bytes, Node] = {}
        for record in p.pids.all():
            found[b"%d" % record.pid] = own if record.pid == p.pid else other(record)
        return found

    def other(record: Record) -> Directory:
        return Directory({
            b"stat": text(lambda: stat_line(p, record)),
            b"status": text(lambda: status(p, record)),
            b"cmdline": Content(lambda: record.name + b"\0"),
            b"comm": Content(lambda: record.name + b"\n"),
        })  # fmt: skip

    def descriptors() -> dict[bytes, Node]:
        return {b"%d" % fd: descriptor(fd) for fd in p.fds}

    def descriptor(fd: int) -> Link:
        file = p.fds.any(fd)

        return Link(lambda: name_of(file), lambda: behind(file))

    def descriptor_facts() -> dict[bytes, Node]:
        return {b"%d" % fd: fixed(f"pos:\t0\nflags:\t0{p.fds.any(fd).flags:o}\nmnt_id:\t1\n") for fd in p.fds}

    def tasks() -> dict[bytes, Node]:
        me = p.pids.me
        return {
            b"%d" % t.tid: Directory({
                b"stat": text(lambda: stat_line(p, me)),
                b"status": text(lambda: status(p, me)),
                b"comm": Content(lambda n=t.name: (n or me.name) + b"\n"),  # type: ignore[misc]
            })
            for t in p.sched.threads
        }  # fmt: skip

    def program() -> Node | None:
        return behind(p.program) if p.program is not None else None

    own = Directory({
        b"exe": Link(lambda: name_of(p.program) if p.program is not None else p.executable, program),
        b"cwd": Link(lambda: p.cwd.where(), lambda: p.cwd),
        b"root": Link(lambda: b"/"),
        b"maps": Content(lambda: procmem.maps(p.space)),
        b"smaps": Content(lambda: procmem.smaps(p.space)),
        b"smaps_rollup": Content(lambda: procmem.smaps_rollup(p.space)),
        b"cmdline": Content(lambda: b"".join(a + b"\0" for a in p.arguments)),
        b"environ": Content(lambda: b"".join(e + b"\0" for e in p.environment), 0o400),
        b"comm": Content(lambda: p.pids.me.name + b"\n"),
        b"stat": text(lambda: stat_line(p, p.pids.me)),
        b"statm": text(lambda: procmem.statm(p.space)),
        b"status": text(lambda: status(p, p.pids.me)),
        b"limits": text(lambda: p.limits.text()),
        b"auxv": Content(lambda: b""),
        b"cgroup": fixed("0::/\n"),
        b"oom_score_adj": fixed("0\n"),
        b"mounts": text(lambda: mounts(p)),
        b"mountinfo": text(lambda: mountinfo(p)),
        b"fd": Directory({}, descriptors),
        b"fdinfo": Directory({}, descriptor_facts),
        b"task": Directory({}, tasks),
    })  # fmt: skip
    sys_tree = Directory({
        b"kernel": Directory({
            b"osrelease": fixed(RELEASE.decode() + "\n"),
            b"version": fixed(VERSION.decode() + "\n"),
            b"ostype": fixed("Linux\n"),
            b"hostname": fixed("softmetal\n"),
            b"pid_max": fixed("4194304\n"),
            b"threads-max": fixed("127000\n"),
            b"randomize_va_space": fixed("2\n"),
            b"cap_last_cap": fixed("40\n"),
            b"ngroups_max": fixed("65536\n"),
            b"random": Directory({
                b"boot_id": fixed("00000000-0000-4000-8000-000000000000\n"),
                b"uuid": text(lambda: uuid(p)),
                b"entropy_avail": fixed("256\n"),
            }),
        }),
        b"vm": Directory({
            b"overcommit_memory": fixed("1\n"),
            b"max_map_count": fixed("65530\n"),
            b"mmap_min_addr": fixed("65536\n"),
        }),
        b"fs": Directory({b"pipe-max-size": fixed("1048576\n"), b"file-max": fixed("1000000\n"),
                          b"nr_open": fixed("1048576\n")}),
    })  # fmt: skip
    return Directory({
        b"self": Link(lambda: b"%d" % p.pid, lambda: placed(own, b"/proc/%d" % p.pid)),
        b"thread-self": Link(lambda: b"%d/task/%d" % (p.pid, p.thread.tid)),
        b"cpuinfo": fixed(f"processor\t: 0\nhart\t\t: 0\nisa\t\t: {ISA}\nmmu\t\t: sv39\nuarch\t\t: softmetal\n\n"),
        b"meminfo": text(lambda: meminfo(p)),
        b"stat": text(lambda: machine_stat(p)),
        b"version": fixed(f"Linux version {RELEASE.decode()} (softmetal) {VERSION.decode()}\n"),
        b"uptime": text(lambda: f"{p.clock.monotonic() / NS:.2f} 0.00\n"),
        b"loadavg": text(lambda: f"0.00 0.00 0.00 1/{len(p.pids.all())} {p.pid}\n"),
        b"mounts": Link(lambda: b"self/mounts"),
        b"filesystems": fixed("nodev\tproc\nnodev\ttmpfs\n\text4\n"),
        b"cmdline": fixed("softmetal\n"),
        b"devices": fixed("Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"),
        b"sys": sys_tree,
    }, numbered)  # fmt: skip


def placed(node: Node, path: bytes) -> Node:
    """`node`, known to be at `path`."""
    node.path = path
    return node


def uuid(p: Process) -> str:
    """A random UUID of version 4."""
    data = bytearray(p.entropy.take(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    h = data.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}\n"


def stat_line(p: Process, record: Record) -> str:
    """`/proc/PID/stat`: the 52 fields of man 5 proc_pid_stat, those that are known."""
    own = record.pid == p.pid
    fields = [0] * 52
    fields[0] = record.pid
    fields[3:6] = [record.parent, record.group, record.session]
    ticks = p.clock.used() // 10**7 if own else 0
    fields[13] = ticks
    fields[17:20] = [20, 0, len(p.sched.threads) if own else 1]
    fields[21] = UPTIME // 10**7
    if own:
        fields[22], fields[23] = p.space.used, p.space.used // PAGE
        fields[27] = p.space.top
    words = [str(f) for f in fields]
    words[1] = f"({os.fsdecode(record.name)})"
    words[2] = "R" if own else "S"
    return " ".join(words) + "\n"


def status(p: Process, record: Record) -> str:
    """`/proc/PID/status`."""
    own = record.pid == p.pid
    uid, gid = "\t".join([str(os.getuid())] * 4), "\t".join([str(os.getgid())] * 4)
    used = p.space.used // 1024 if own else 0
    mask = p.thread.mask if own else 0
    return (
        f"Name:\t{os.fsdecode(record.name)}\nUmask:\t0022\nState:\t{'R (running)' if own else 'S (sleeping)'}\n"
        f"Tgid:\t{record.pid}\nNgid:\t0\nPid:\t{record.pid}\nPPid:\t{record.parent}\nTracerPid:\t0\n"
        f"Uid:\t{uid}\nGid:\t{gid}\nFDSize:\t64\nGroups:\t\n"
        f"VmPeak:\t{used} kB\nVmSize:\t{used} kB\nVmHWM:\t{used} kB\nVmRSS:\t{used} kB\nVmData:\t{used} kB\n"
        f"Threads:\t{len(p.sched.threads) if own else 1}\nSigBlk:\t{mask:016x}\n"
        f"Cpus_allowed:\t1\nCpus_allowed_list:\t0\n"
    )


def meminfo(p: Process) -> str:
    """`/proc/meminfo`: the memory is the guest's limit."""
    total = p.options.memory // 1024
    free = max(0, total - p.space.used // 1024)
    rows = [("MemTotal", total), ("MemFree", free), ("MemAvailable", free), ("Buffers", 0), ("Cached", 0),
            ("SwapTotal", 0), ("SwapFree", 0)]  # fmt: skip
    return "".join(f"{name + ':':16}{value:8} kB\n" for name, value in rows)


def machine_stat(p: Process) -> str:
    """`/proc/stat`."""
    ticks = p.clock.used() // 10**7
    return (
        f"cpu  {ticks} 0 0 0 0 0 0 0 0 0\ncpu0 {ticks} 0 0 0 0 0 0 0 0 0\nintr 0\nctxt 0\n"
        f"btime {EPOCH // NS - UPTIME // NS}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
    )


def mount_rows(p: Process) -> list[tuple[str, str, str]]:
    """Where, what kind, which options."""
    rows = [("/", "ext4", "ro" if p.vfs.root.read_only else "rw")]
    for path, node in p.vfs.mounts.items():
        kind = {b"/proc": "proc", b"/dev": "devtmpfs", b"/tmp": "tmpfs", b"/dev/shm": "tmpfs"}.get(path, "ext4")
        rows.append((os.fsdecode(path), kind, "ro" if node.read_only else "rw"))
    return rows


def mounts(p: Process) -> str:
    """`/proc/self/mounts`."""
    return "".join(f"guest {where} {kind} {how} 0 0\n" for where, kind, how in mount_rows(p))


def mountinfo(p: Process) -> str:
    """`/proc/self/mountinfo`."""
    rows = enumerate(mount_rows(p), 20)
    return "".join(f"{i} 1 0:{i} / {where} {how} - {kind} guest {how}\n" for i, (where, kind, how) in rows)
