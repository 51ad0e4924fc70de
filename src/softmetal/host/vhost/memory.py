"""The memory of a guest that runs in another process: files of the host's memory, attached at their physical addresses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from softmetal.chips.virtio.vhost import SPACE, Guest
from softmetal.host.vhost.messages import ProtocolError
from softmetal.lang.chip import Board

PAGE = 4096


@dataclass
class Region:
    """A run of guest memory: physical address, bytes, address in the front end's process, file and offset in it."""

    guest: int
    size: int
    user: int
    fd: int
    offset: int

    def check(self) -> None:
        """Raises ProtocolError where a board cannot have it."""
        if self.guest % PAGE or self.size % PAGE or self.offset % PAGE or not self.size:
            raise ProtocolError(f"guest memory at {self.guest:#x} is not made of whole pages")
        if self.guest + self.size > SPACE:
            raise ProtocolError(f"guest memory at {self.guest:#x} reaches beyond {SPACE >> 30} GiB")
        if os.fstat(self.fd).st_size < self.offset + self.size:  # what lies behind a file's end kills whoever touches it
            raise ProtocolError(f"guest memory at {self.guest:#x}: its file ends before the region does")


class GuestMemory:
    """The regions of one front end."""

    def __init__(self) -> None:
        self.regions: list[Region] = []

    def replace(self, regions: list[Region]) -> None:
        """Have other regions; their descriptors are ours now. Raises ProtocolError, and nothing has changed then."""
        if len(regions) > Guest.REGIONS:
            raise ProtocolError(f"{len(regions)} regions of guest memory, {Guest.REGIONS} are the most")
        spans = sorted((r.guest, r.guest + r.size) for r in regions)
        if any(b[0] < a[1] for a, b in pairwise(spans)):
            raise ProtocolError("regions of guest memory overlap")
        for region in regions:
            region.check()
        kept = {r.fd for r in regions}
        for region in self.regions:
            if region.fd not in kept:
                os.close(region.fd)
        self.regions = regions

    def physical(self, user: int) -> int:
        """The guest's address of one of the front end's. Raises ProtocolError where there is none."""
        for region in self.regions:
            if region.user <= user < region.user + region.size:
                return region.guest + user - region.user
        raise ProtocolError(f"address {user:#x} is not in guest memory")

    def attach(self, board: Any) -> None:
        """Put the regions into a board."""
        base, _ = Board.of(type(board)).memories["ram"]
        mapping = board.__mapping__
        for i in range(board.count):
            mapping.detach(base + board.regions[i].start, board.regions[i].size)
        board.count = 0
        for i, region in enumerate(self.regions):
            mapping.attach(base + region.guest, region.size, region.fd, region.offset)
            board.regions[i].start, board.regions[i].size = region.guest, region.size
            board.count = i + 1

    def close(self) -> None:
        """Let go of the files."""
        self.replace([])
