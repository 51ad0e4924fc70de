"""The root of the guest's `/proc`: its processes, and a few facts about the machine, as far as programs look there.

Source: man 5 proc and its pages. Numbers that only a real machine has (interrupts, disks) are 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from softmetal.isa.riscv.extensions import PROGRAMS, isa_string

from . import sysvipc
from .abi import NS, RELEASE, VERSION
from .clock import EPOCH, UPTIME
from .cpu import PAGE
from .nodes import Node
from .procpid import fixed, other, own, text
from .synthfs import Directory, Link

if TYPE_CHECKING:
    from .process import Process

ISA = isa_string(PROGRAMS)
SETTINGS = {
    "kernel": {
        "osrelease": RELEASE.decode(), "version": VERSION.decode(), "ostype": "Linux", "hostname": "softmetal",
        "domainname": "(none)", "pid_max": "4194304", "threads-max": "127000", "randomize_va_space": "2",
        "cap_last_cap": "40", "ngroups_max": "65536", "core_pattern": "core", "core_uses_pid": "0", "tainted": "0",
        "overflowuid": "65534", "overflowgid": "65534", "perf_event_paranoid": "2", "kptr_restrict": "0",
        "dmesg_restrict": "0", "printk": "7\t4\t1\t7", "panic": "0", "panic_on_oops": "0", "sysrq": "0",
        "shmmax": "18446744073692774399", "shmall": "18446744073692774399", "shmmni": "4096", "msgmax": "8192",
        "msgmnb": "16384", "msgmni": "32000", "sem": "32000\t1024000000\t500\t32000", "sched_rt_period_us": "1000000",
        "sched_rt_runtime_us": "950000", "sched_rr_timeslice_ms": "100", "unprivileged_bpf_disabled": "2",
    },
    "vm": {
        "overcommit_memory": "1", "overcommit_ratio": "50", "overcommit_kbytes": "0", "max_map_count": "65530",
        "mmap_min_addr": "65536", "swappiness": "60", "nr_hugepages": "0", "nr_overcommit_hugepages": "0",
        "hugetlb_shm_group": "0", "dirty_ratio": "20", "dirty_background_ratio": "10", "vfs_cache_pressure": "100",
        "min_free_kbytes": "67584", "legacy_va_layout": "0", "oom_kill_allocating_task": "0", "panic_on_oom": "0",
        "zone_reclaim_mode": "0",
    },
    "fs": {
        "pipe-max-size": "1048576", "file-max": "1000000", "file-nr": "512\t0\t1000000", "nr_open": "1048576",
        "aio-max-nr": "65536", "aio-nr": "0", "protected_hardlinks": "1", "protected_symlinks": "1",
        "suid_dumpable": "0", "lease-break-time": "45",
    },
}  # fmt: skip
"""`/proc/sys`, read-only: what a kernel that was just started says."""


def build(p: Process) -> Directory:
    """The root of `/proc` for process `p` (a fork makes its child's answer for the child, since it copies `p`)."""
    mine = own(p)

    def numbered() -> dict[bytes, Node]:
        return {b"%d" % r.pid: mine if r.pid == p.pid else other(p, r) for r in p.pids.all()}

    settings = {
        group.encode(): Directory({name.encode(): fixed(value + "\n") for name, value in values.items()})
        for group, values in SETTINGS.items()
    }
    settings[b"kernel"].children[b"random"] = Directory({
        b"boot_id": fixed("00000000-0000-4000-8000-000000000000\n"),
        b"uuid": text(lambda: uuid(p)),
        b"entropy_avail": fixed("256\n"),
        b"poolsize": fixed("256\n"),
    })  # fmt: skip
    settings[b"net"] = Directory({
        b"core": Directory({b"somaxconn": fixed("4096\n"), b"rmem_max": fixed("212992\n"), b"wmem_max": fixed("212992\n"),
                            b"rmem_default": fixed("212992\n"), b"wmem_default": fixed("212992\n")}),
        b"ipv4": Directory({b"ip_local_port_range": fixed("32768\t60999\n"), b"tcp_syncookies": fixed("1\n"),
                            b"tcp_fin_timeout": fixed("60\n")}),
        b"unix": Directory({b"max_dgram_qlen": fixed("512\n")}),
    })  # fmt: skip
    return Directory({
        b"self": Link(lambda: b"%d" % p.pid, lambda: placed(mine, b"/proc/%d" % p.pid)),
        b"thread-self": Link(lambda: b"%d/task/%d" % (p.pid, p.thread.tid)),
        b"cpuinfo": fixed(f"processor\t: 0\nhart\t\t: 0\nisa\t\t: {ISA}\nmmu\t\t: sv39\nuarch\t\t: softmetal\n\n"),
        b"meminfo": text(lambda: meminfo(p)),
        b"vmstat": text(lambda: vmstat(p)),
        b"stat": text(lambda: machine_stat(p)),
        b"version": fixed(f"Linux version {RELEASE.decode()} (softmetal) {VERSION.decode()}\n"),
        b"uptime": text(lambda: f"{p.clock.monotonic() / NS:.2f} 0.00\n"),
        b"loadavg": text(lambda: f"0.00 0.00 0.00 1/{len(p.pids.all())} {p.pid}\n"),
        b"mounts": Link(lambda: b"self/mounts"),
        b"net": Link(lambda: b"self/net"),
        b"filesystems": fixed("nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\n\text4\n"),
        b"cmdline": fixed("softmetal\n"),
        b"devices": fixed("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"),
        b"partitions": fixed("major minor  #blocks  name\n\n"),
        b"diskstats": fixed(""),
        b"swaps": fixed("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        b"interrupts": fixed("           CPU0       \n"),
        b"softirqs": fixed("                    CPU0       \n"),
        b"modules": fixed(""),
        b"locks": fixed(""),
        b"cgroups": fixed("#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
        b"sys": Directory({**settings}),
        b"sysvipc": Directory({kind.encode(): text(partial(sysvipc.table, p, kind)) for kind in ("shm", "sem", "msg")}),
    }, numbered)  # fmt: skip


def vmstat(p: Process) -> str:
    """`/proc/vmstat`: the rows that programs look for."""
    total = p.options.memory // PAGE
    used = min(total, p.space.used // PAGE)
    rows = [("nr_free_pages", total - used), ("nr_inactive_anon", 0), ("nr_active_anon", used), ("nr_inactive_file", 0),
            ("nr_active_file", 0), ("nr_mlock", p.space.locked() // PAGE), ("nr_anon_pages", used), ("nr_mapped", 0),
            ("nr_file_pages", 0), ("nr_dirty", 0), ("nr_writeback", 0), ("nr_shmem", 0), ("pgpgin", 0), ("pgpgout", 0),
            ("pswpin", 0), ("pswpout", 0), ("pgfree", 0), ("pgfault", 0), ("pgmajfault", 0), ("oom_kill", 0)]  # fmt: skip
    return "".join(f"{name} {value}\n" for name, value in rows)


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
