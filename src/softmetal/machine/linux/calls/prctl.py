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
    return -errno.EINVAL


def _kept(p: Process, name: str, value: int, allowed: bool) -> int:
    if not allowed:
        return -errno.EINVAL
    setattr(p, name, value)
    return 0
