"""ioctl: terminals, and the few requests that files have. Sources: man 2 ioctl, ioctl_tty, ioctl_pipe; asm-generic/ioctls.h."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ..abi import s32
from ..files import O_CLOEXEC, O_NOCTTY, ContentFile, DirectoryFile, File, RegularFile
from ..process import Process
from ..sockets import SocketFile
from ..table import syscall
from ..terminals import Master, SlaveFile
from ..waits import Result
from .descriptors import F_SETOWN, O_ASYNC, owner

TCGETS, TCSETS, TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH, TIOCEXCL, TIOCNXCL = (
    0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x540C, 0x540D,
)  # fmt: skip
TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCGWINSZ, TIOCSWINSZ, FIONREAD = 0x540F, 0x5410, 0x5411, 0x5413, 0x5414, 0x541B
FIONBIO, TIOCGETD, TCSBRKP, TIOCGSID, TIOCGLCKTRMIOS = 0x5421, 0x5424, 0x5425, 0x5429, 0x5456
FIONCLEX, FIOCLEX, FIOASYNC, FIOQSIZE, FIGETBSZ, GETFLAGS = 0x5450, 0x5451, 0x5452, 0x5460, 2, 0x80086601
FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP, SIOCATMARK = SOCKET_OWNER = range(0x8901, 0x8906)
FIEMAP = 0xC020660B
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TERMINAL = {
    TCGETS: (36, False), TCSETS: (36, True), TCSETSW: (36, True), TCSETSF: (36, True),
    TCGETS2: (44, False), TCSETS2: (44, True), TCSETSW2: (44, True), TCSETSF2: (44, True),
    TIOCGWINSZ: (8, False), TIOCSWINSZ: (8, True), TIOCOUTQ: (4, False), TIOCGETD: (4, False),
    TIOCGLCKTRMIOS: (36, False),
}  # fmt: skip
"""Terminal requests that are passed on: size of the structure, and whether the guest gives it. TIOCSTI is not among
them, for it types into the user's own shell."""
TIOCSCTTY, TIOCPKT, TIOCNOTTY, TIOCGPTPEER = 0x540E, 0x5420, 0x5422, 0x5441
TIOCGPTN, TIOCSPTLCK, TIOCSIG, TIOCGPKT, TIOCGPTLCK, TIOCGEXCL = (
    0x80045430, 0x40045431, 0x40045436, 0x80045438, 0x80045439, 0x80045440,
)  # fmt: skip
OWN = {
    TIOCPKT: (4, True), TIOCSPTLCK: (4, True), TIOCGPKT: (4, False), TIOCGPTLCK: (4, False), TIOCGEXCL: (4, False),
}  # fmt: skip
"""What is passed on for the guest's own pseudo-terminals besides."""
OWN_NUMBERED = frozenset({TIOCSCTTY, TIOCNOTTY, TIOCSIG, TIOCEXCL, TIOCNXCL})
NUMBERED = frozenset({TCSBRK, TCXONC, TCFLSH, TCSBRKP})
"""Those whose argument is a number."""


@syscall(29, "ioctl")
def ioctl(p: Process, fd: int, request: int, argument: int) -> Result:
    """See man 2 ioctl."""
    file = p.fds.get(fd)
    request &= 0xFFFFFFFF
    if request in (FIOCLEX, FIONCLEX):
        p.fds.slots[fd & 0xFFFFFFFF].cloexec = request == FIOCLEX
        return 0
    if request == FIONBIO:
        file.set_nonblocking(p.space.u32(argument) != 0)
        return 0
    if request == FIGETBSZ:
        p.space.put32(argument, file.status().st_blksize)
        return 0
    if request == FIOASYNC:
        file.flags = file.flags & ~O_ASYNC | (O_ASYNC if p.space.u32(argument) else 0)
        return 0
    if request in SOCKET_OWNER and isinstance(file, SocketFile):
        return of_socket(p, file, request, argument)
    if isinstance(file, (RegularFile, DirectoryFile, ContentFile)):
        return of_file(p, file, request, argument)
    if file.fd < 0 or file.node is not None:
        return -errno.ENOTTY
    if request == FIONREAD:
        p.space.write(argument, fcntl.ioctl(file.fd, FIONREAD, b"\0\0\0\0"))
        return 0
    if request == SIOCATMARK and stat.S_ISSOCK(os.fstat(file.fd).st_mode):
        p.space.write(argument, fcntl.ioctl(file.fd, SIOCATMARK, bytes(4)))
        return 0
    return of_terminal(p, file, request, argument) if os.isatty(file.fd) else -errno.ENOTTY


def of_socket(p: Process, file: File, request: int, argument: int) -> Result:
    """Who would get SIGIO and SIGURG of a socket, and whether it is at the mark of urgent data."""
    if request in (FIOSETOWN, SIOCSPGRP):
        return owner(p, file, F_SETOWN, p.space.u32(argument))
    if request == SIOCATMARK:
        p.space.write(argument, fcntl.ioctl(file.fd, SIOCATMARK, bytes(4)))
        return 0
    kind, who = file.owner
    p.space.put32(argument, who if kind < 2 else -who)
    return 0


def of_file(p: Process, file: File, request: int, argument: int) -> Result:
    """Requests on files and directories."""
    status = file.status()
    regular = stat.S_ISREG(status.st_mode)
    if request == FIONREAD and regular:
        p.space.put32(argument, s32(status.st_size - file.seek(0, 1)))
    elif request == FIOQSIZE and not stat.S_ISCHR(status.st_mode):
        p.space.put64(argument, status.st_blocks * 512)
    elif request == GETFLAGS and file.fd >= 0:
        p.space.write(argument, fcntl.ioctl(file.fd, GETFLAGS, bytes(8))[:4])
    elif request == FIEMAP and regular:
        return -errno.EOPNOTSUPP  # as on a tmpfs: where on its disk a file lies is the host's affair
    else:
        return -errno.ENOTTY
    return 0


def of_terminal(p: Process, file: File, request: int, argument: int) -> Result:
    """Requests on a terminal."""
    mine = isinstance(file, (Master, SlaveFile))
    passed = TERMINAL.get(request) or (OWN.get(request) if mine else None)
    if passed is not None:
        size, given = passed
        if given:
            fcntl.ioctl(file.fd, request, p.space.read(argument, size))
        else:
            p.space.write(argument, fcntl.ioctl(file.fd, request, bytes(size)))
        return 0
    if request in NUMBERED or (mine and request in OWN_NUMBERED):
        fcntl.ioctl(file.fd, request, s32(argument))
        return 0
    if isinstance(file, Master) and request == TIOCGPTN:
        p.space.put32(argument, file.number)
        return 0
    if isinstance(file, Master) and request == TIOCGPTPEER:
        slave = p.vfs.walk(b"/dev/pts/%d" % file.number).existing()
        return p.fds.add(slave.open(argument | O_NOCTTY), bool(argument & O_CLOEXEC))
    if request in (TIOCGPGRP, TIOCGSID):
        if mine:
            host = int.from_bytes(fcntl.ioctl(file.fd, request, bytes(4)), "little")
        else:
            host = os.tcgetpgrp(file.fd) if request == TIOCGPGRP else os.getsid(0)
        if not host:  # no foreground group
            p.space.put32(argument, 0)
            return 0
        record = p.pids.by_host(host)
        p.space.put32(argument, record.pid if record else p.pids.me.session)
        return 0
    if request == TIOCSPGRP:
        record = p.pids.by_pid(s32(p.space.u32(argument)))
        if record is None:
            return -errno.ESRCH
        os.tcsetpgrp(file.fd, record.host)
        return 0
    return -errno.ENOTTY
