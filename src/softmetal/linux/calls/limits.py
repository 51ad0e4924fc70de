"""Resource limits. Source: man 2 getrlimit, prlimit; the limits themselves are in `limits`."""

from __future__ import annotations

import errno

from ..abi import RLIMIT, s32
from ..process import Process
from ..table import syscall
from ..waits import Result


@syscall(261, "prlimit64")
def prlimit64(p: Process, pid: int, kind: int, new: int, old: int) -> Result:
    """See man 2 prlimit; the limits of another process cannot be seen or changed: EPERM."""
    if s32(pid) not in (0, p.pid):
        return -errno.ESRCH if s32(pid) < 0 or p.pids.by_pid(s32(pid)) is None else -errno.EPERM
    kind = s32(kind)
    before = p.limits.get(kind)
    if new:
        soft, hard = p.space.unpack(RLIMIT, new)
        p.limits.set(kind, soft, hard)
    if old:
        p.space.write(old, RLIMIT.pack(*before))
    return 0


@syscall(163, "getrlimit")
def getrlimit(p: Process, kind: int, address: int) -> Result:
    """See man 2 getrlimit."""
    p.space.write(address, RLIMIT.pack(*p.limits.get(s32(kind))))
    return 0


@syscall(164, "setrlimit")
def setrlimit(p: Process, kind: int, address: int) -> Result:
    """See man 2 setrlimit."""
    soft, hard = p.space.unpack(RLIMIT, address)
    p.limits.set(s32(kind), soft, hard)
    return 0
