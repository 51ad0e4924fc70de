"""Restartable sequences: a thread learns its CPU from memory, and is sent to its abort handler when it is interrupted.

Sources: man 2 rseq (Linux's tools), include/uapi/linux/rseq.h, kernel/rseq.c. There is one CPU, number 0. A sequence is
interrupted where a thread stops running and where a signal is delivered, as on Linux.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from .errors import Fault, GuestExit

if TYPE_CHECKING:
    from .process import Process
    from .threads import Thread

SIZE, CS_AT = 32, 8
AREA = struct.Struct("<IIQIII")
"""cpu_id_start cpu_id rseq_cs flags node_id mm_cid."""
SEQUENCE = struct.Struct("<IIQQQ")
"""version flags start_ip post_commit_offset abort_ip."""
UNREGISTERED = 0xFFFFFFFF


class Registration(NamedTuple):
    """What a thread has registered."""

    address: int
    size: int
    signature: int


def register(p: Process, thread: Thread, registration: Registration) -> None:
    """Register the thread's area. Raises Fault."""
    p.space.write(registration.address, AREA.pack(0, 0, 0, 0, 0, 0))
    thread.rseq = registration


def unregister(p: Process, thread: Thread) -> None:
    """Forget it. Raises Fault."""
    assert thread.rseq is not None
    p.space.write(thread.rseq.address, AREA.pack(0, UNREGISTERED, 0, 0, 0, 0))
    thread.rseq = None


def interrupted(p: Process, thread: Thread) -> None:
    """The running thread was interrupted: leave the sequence that it is in. Raises GuestExit if it is a wrong one."""
    assert thread.rseq is not None
    at = thread.rseq.address + CS_AT
    try:
        sequence = p.space.u64(at)
        if not sequence:
            return
        version, _, start, length, abort = SEQUENCE.unpack(p.space.read(sequence, SEQUENCE.size))
        inside = p.cpu.pc - start & 0xFFFFFFFFFFFFFFFF < length
        p.space.put64(at, 0)
        if inside:
            if version or p.space.u32(abort - 4) != thread.rseq.signature:
                raise GuestExit(128 + 11, 11)
            p.cpu.pc = abort
    except Fault:
        raise GuestExit(128 + 11, 11) from None
