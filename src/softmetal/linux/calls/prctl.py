"""prctl. Sources: man 2 prctl and its pages, kernel/sys.c for which arguments must be 0."""

from __future__ import annotations

import errno

from .. import hostlibc
from ..abi import s32
from ..process import Process
from ..table import syscall
from ..waits import Result

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE = 1, 2, 3, 4
PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ = 7, 8, 15, 16, 21, 23
PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 29, 30, 36, 37
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39
PR_GET_TIMING, PR_SET_TIMING, PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS = 13, 14, 24, 27, 28
PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE, PR_MCE_KILL, PR_MCE_KILL_GET, PR_SET_MM = range(31, 36)
PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT = 40, 41, 42, 47
PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER, PR_SET_SYSCALL_USER_DISPATCH, PR_SET_MDWE, PR_GET_MDWE = 57, 58, 59, 65, 66
PR_SET_MEMORY_MERGE, PR_GET_MEMORY_MERGE = 67, 68
REFUSED = frozenset({PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_MM, PR_SET_IO_FLUSHER, PR_GET_IO_FLUSHER})
"""What takes capabilities."""
NOTHING = frozenset({PR_GET_TIMING, PR_GET_SECUREBITS, PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE})
"""What answers 0: statistical timing, no security bits, no counters to switch."""
MCE_KILL_DEFAULT = 2
LAST_CAPABILITY = 40
LAST_SIGNAL = 64


@syscall(167, "prctl")
def prctl(p: Process, option: int, a: int, b: int, c: int, d: int) -> Result:
    """See man 2 prctl: names, dumpable, death signal, subreaper, and what is kept without effect."""
    option = s32(option)
    if option == PR_SET_NAME:
        p.thread.name = bytes(p.space.prefix(a, 16, 1)).split(b"\0")[0][:15]
        return 0
    if option == PR_GET_NAME:
        p.space.write(a, (p.thread.name or p.pids.me.name)[:15].ljust(16, b"\0"))
        return 0
    if option == PR_GET_DUMPABLE:
        return p.dumpable
    if option == PR_SET_DUMPABLE:
        return _kept(p, "dumpable", a, a in (0, 1))
    if option == PR_SET_PDEATHSIG:
        if a > LAST_SIGNAL:
            return -errno.EINVAL
        hostlibc.prctl(PR_SET_PDEATHSIG, a)
        p.death_signal = a
        return 0
    if option == PR_GET_PDEATHSIG:
        p.space.put32(a, p.death_signal)
        return 0
    if option == PR_GET_SECCOMP:
        return 0
    if option == PR_CAPBSET_READ:
        return 0 if a <= LAST_CAPABILITY else -errno.EINVAL
    if option == PR_GET_KEEPCAPS:
        return p.keep_capabilities
    if option == PR_SET_KEEPCAPS:
        return _kept(p, "keep_capabilities", a, a in (0, 1))
    if option == PR_GET_TIMERSLACK:
        return p.timer_slack
    if option == PR_SET_TIMERSLACK:
        return _kept(p, "timer_slack", a if 0 < a < 1 << 63 else 50_000, True)
    if option == PR_SET_CHILD_SUBREAPER:
        hostlibc.prctl(PR_SET_CHILD_SUBREAPER, int(a != 0))  # the host's orphans come to us, and are the guest's
        p.subreaper = int(a != 0)
        return 0
    if option == PR_GET_CHILD_SUBREAPER:
        p.space.put32(a, p.subreaper)
        return 0
    if option == PR_SET_NO_NEW_PRIVS:
        return _kept(p, "no_new_privileges", 1, a == 1 and not (b or c or d))
    if option == PR_GET_NO_NEW_PRIVS:
        return p.no_new_privileges if not (a or b or c or d) else -errno.EINVAL
    return _minor(p, option, a, b, c, d)


def _minor(p: Process, option: int, a: int, b: int, c: int, d: int) -> Result:
    """What few programs ask for, and what there is nothing to do for."""
    rest = b or c or d
    if option in REFUSED:
        return -errno.EPERM
    if option in NOTHING:
        return 0
    if option == PR_GET_TID_ADDRESS:
        p.space.put64(a, p.thread.clear_tid)
        return 0
    if option in (PR_SET_THP_DISABLE, PR_SET_MEMORY_MERGE):
        name = "no_huge_pages" if option == PR_SET_THP_DISABLE else "merging"
        return _kept(p, name, int(a != 0), not rest)
    if option == PR_CAP_AMBIENT and not (c or d):
        known = a == 4 or (1 <= a <= 3 and b <= LAST_CAPABILITY)  # IS_SET RAISE LOWER CLEAR_ALL
        return -errno.EINVAL if not known or (a == 4 and b) else -errno.EPERM if a == 2 else 0
    if a or rest:
        return 0 if option == PR_SET_TIMING and a == 0 else -errno.EINVAL
    return {
        PR_SET_TIMING: 0, PR_MCE_KILL: 0, PR_MCE_KILL_GET: MCE_KILL_DEFAULT, PR_GET_THP_DISABLE: p.no_huge_pages,
        PR_SET_SYSCALL_USER_DISPATCH: 0, PR_SET_MDWE: 0, PR_GET_MDWE: 0, PR_GET_MEMORY_MERGE: p.merging,
    }.get(option, -errno.EINVAL)  # fmt: skip


def _kept(p: Process, name: str, value: int, allowed: bool) -> int:
    if not allowed:
        return -errno.EINVAL
    setattr(p, name, value)
    return 0
