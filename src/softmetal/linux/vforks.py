"""Giving memory back from a vfork child.

A vfork child here is a forked process with a copy of the memory, while Linux lets it share its parent's. Programs
that end such a child without `execve` (posix_spawn, when the program is not there) leave the reason in memory
for the parent. So the child sends the pages that it has written: those that the host shows as mapped by it alone.
The parent's threads stand still meanwhile, so that no page of theirs can look like the child's.

Where the host does not show its page map the parent simply does not see what the child wrote.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from .cpu import PAGE, PAGE_BITS, W

if TYPE_CHECKING:
    from .process import Process

PRESENT, EXCLUSIVE = 1 << 63, 1 << 56
MOST = 4096
"""Pages sent at most; a child that wrote more than 16 MiB before it gave up is not what this is for."""


def written_pages(process: Process) -> list[int]:
    """The addresses of the guest pages that this process has written since the fork."""
    space = process.space
    base = space.host_base()
    found: list[int] = []
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for area in space.areas:
            if area.shared or not area.prot & 2:
                continue
            for start in range(area.start, area.end, PAGE << 14):
                count = min(1 << 14, (area.end - start) >> PAGE_BITS)
                data = os.pread(pagemap.fileno(), 8 * count, (base + start) >> PAGE_BITS << 3)
                for index, (entry,) in enumerate(struct.iter_unpack("<Q", data[: len(data) & -8])):
                    if entry & PRESENT and entry & EXCLUSIVE:
                        found.append(start + (index << PAGE_BITS))
    return found


def give_back(process: Process) -> None:
    """In a vfork child that ends without `execve`: send the pages that it wrote, and let the parent go on."""
    fd = process.vfork_pipe
    if fd < 0:
        return
    try:
        for address in written_pages(process)[:MOST]:
            os.write(fd, struct.pack("<Q", address) + process.space.ram[address : address + PAGE])
    except OSError:
        pass
    process.release_vfork()


def take_back(process: Process, data: bytes) -> None:
    """In the parent: put what the child sent in its place."""
    size = 8 + PAGE
    for at in range(0, len(data) - size + 1, size):
        (address,) = struct.unpack_from("<Q", data, at)
        try:
            process.space.view(address, PAGE, W)[:] = data[at + 8 : at + size]
        except OSError:
            continue
