"""What a disk does for a request of a virtio block device."""

from __future__ import annotations

from collections.abc import Callable

from softmetal.chips.virtio.blk import SECTOR, Kind
from softmetal.chips.virtio.hosted import Request
from softmetal.host.disks.disk import Disk


def carry_out(disk: Disk, request: Request, span: Callable[[int, int], memoryview]) -> int:
    """Carry it out on a disk; `span` gives the guest's memory at an address. How many bytes were put there? Raises DiskError."""
    at = request.sector * SECTOR
    match Kind(request.kind):
        case Kind.IN:
            disk.readv(at, [span(a, n) for a, n in request.writable])
            return sum(n for _, n in request.writable)
        case Kind.OUT:
            disk.writev(at, [span(a, n) for a, n in request.readable])
        case Kind.FLUSH:
            disk.flush()
        case Kind.DISCARD:
            disk.discard(at, request.sectors * SECTOR)
        case Kind.WRITE_ZEROES:
            disk.zero(at, request.sectors * SECTOR)
    return 0
