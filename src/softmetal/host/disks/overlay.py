"""What a machine wrote, kept in memory above an image that stays as it was.

Blocks are immutable and lie in leaves, which are shared between all states and forks that hold them; who writes copies
its leaf first, once. So a state costs one reference, and memory grows with what differs. Each leaf carries the sum
of its blocks' hashes, which a write keeps up to date: the digest of a disk never reads the disk.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest, xxh3_128_digest, xxh3_128_intdigest

from softmetal.host.disks.base import Base, DiskError

BLOCK = 4096
LEAF = 1024  # blocks
SPAN = BLOCK * LEAF
ZERO = bytes(BLOCK)
MASK = (1 << 128) - 1
MAGIC = b"softmetal overlay 1\n"
HEADER = struct.Struct("<20sQ16sQQ")  # magic, size of the disk, its fingerprint, blocks with data, zero blocks


block_hash = xxh3_128_intdigest
"""Of a block, and its place in its leaf."""


class Leaf:
    """The blocks that were written in one span of the disk."""

    __slots__ = ("blocks", "owner", "total")

    def __init__(self, blocks: dict[int, bytes], total: int, owner: object) -> None:
        self.blocks = blocks
        self.total = total
        self.owner = owner
        """The overlay's epoch in which this leaf may still change."""


ZERO_LEAF = Leaf(dict.fromkeys(range(LEAF), ZERO), sum(block_hash(ZERO, i) for i in range(LEAF)) & MASK, None)


@dataclass(frozen=True, eq=False)
class OverlayState:
    """An immutable picture of an overlay. Nobody changes these leaves again."""

    size: int
    leaves: dict[int, Leaf]
    version: int = 0
    """How often the overlay had been committed: a picture fits the image as it was then."""


class Overlay:
    """Reads go to the image where nothing was written; writes never do."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.leaves: dict[int, Leaf] = {}
        self.epoch = object()
        self.shared = False  # is the dict itself part of a state?
        self.version = 0

    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Fill the parts, one after the other, from here on."""
        last = offset + sum(map(len, parts)) - 1
        leaves = self.leaves
        if not leaves or not any(i in leaves for i in range(offset // SPAN, last // SPAN + 1)):
            self.base.readv(offset, parts)
            return
        for part in parts:
            self._read(offset, part)
            offset += len(part)

    def _read(self, offset: int, into: memoryview) -> None:
        position, size, clean = 0, len(into), 0  # [clean, position) comes from the image
        while position < size:
            number, start = divmod(offset + position, BLOCK)
            count = min(BLOCK - start, size - position)
            leaf = self.leaves.get(number // LEAF)
            if leaf is None:
                position += min(SPAN - (offset + position) % SPAN, size - position)
                continue
            block = leaf.blocks.get(number % LEAF)
            if block is not None:
                if clean < position:
                    self.base.readv(offset + clean, [into[clean:position]])
                into[position : position + count] = block if count == BLOCK else block[start : start + count]
                clean = position + count
            position += count
        if clean < size:
            self.base.readv(offset + clean, [into[clean:]])

    def _leaf(self, index: int) -> Leaf:
        """The leaf of this number, ours to change."""
        leaf = self.leaves.get(index)
        if leaf is not None and leaf.owner is self.epoch:
            return leaf
        if leaf is None:
            leaf = Leaf({}, 0, self.epoch)
        else:
            leaf = Leaf(leaf.blocks.copy(), leaf.total, self.epoch)
        self._own()[index] = leaf
        return leaf

    def _own(self) -> dict[int, Leaf]:
        if self.shared:
            self.leaves = self.leaves.copy()
            self.shared = False
        return self.leaves

    def _put(self, number: int, block: bytes) -> None:
        leaf = self._leaf(number // LEAF)
        index = number % LEAF
        old = leaf.blocks.get(index)
        if old is not None:
            leaf.total -= block_hash(old, index)
        leaf.blocks[index] = block
        leaf.total = leaf.total + block_hash(block, index) & MASK

    def _drop(self, number: int) -> None:
        leaf = self.leaves.get(number // LEAF)
        if leaf is None or number % LEAF not in leaf.blocks:
            return
        leaf = self._leaf(number // LEAF)
        index = number % LEAF
        leaf.total = leaf.total - block_hash(leaf.blocks.pop(index), index) & MASK
        if not leaf.blocks:
            del self._own()[number // LEAF]

    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Keep the parts, one after the other, from here on."""
        for part in parts:
            position, size = 0, len(part)
            while position < size:
                number, start = divmod(offset + position, BLOCK)
                count = min(BLOCK - start, size - position)
                if count == BLOCK:
                    count *= min((size - position) // BLOCK, LEAF - number % LEAF)
                    self._put_blocks(number, part[position : position + count])
                else:
                    self._put(number, self._merged(number, start, part[position : position + count]))
                position += count
            offset += size

    def _put_blocks(self, number: int, data: memoryview) -> None:
        """Whole blocks, all of them in one leaf."""
        leaf = self._leaf(number // LEAF)
        blocks, total = leaf.blocks, leaf.total
        index = number % LEAF
        for at in range(0, len(data), BLOCK):
            block = bytes(data[at : at + BLOCK])
            old = blocks.get(index)
            if old is not None:
                total -= block_hash(old, index)
            total += block_hash(block, index)
            blocks[index] = block
            index += 1
        leaf.total = total & MASK

    def _merged(self, number: int, start: int, piece: memoryview | bytes) -> bytes:
        """The block as it is, with this piece in it. The disk's last block may be a short one."""
        block = bytearray(BLOCK)
        there = min(BLOCK, self.base.size - number * BLOCK)
        self._read(number * BLOCK, memoryview(block)[:there])
        block[start : start + len(piece)] = piece
        return bytes(block)

    def discard(self, offset: int, length: int) -> None:
        """Forget whole blocks: what the image holds there shows again."""
        self._each(offset, length, zero=False)

    def zero(self, offset: int, length: int) -> None:
        """These bytes are zero from now on."""
        self._each(offset, length, zero=True)

    def _each(self, offset: int, length: int, zero: bool) -> None:
        end = offset + length
        while offset < end:
            number, start = divmod(offset, BLOCK)
            if offset % SPAN == 0 and end - offset >= SPAN:
                if zero:
                    self._own()[offset // SPAN] = ZERO_LEAF
                elif offset // SPAN in self.leaves:
                    del self._own()[offset // SPAN]
                offset += SPAN
                continue
            if not zero and offset % SPAN == 0 and offset // SPAN not in self.leaves:
                offset += SPAN
                continue
            count = min(BLOCK - start, end - offset)
            if zero:
                self._put(number, ZERO if count == BLOCK else self._merged(number, start, ZERO[:count]))
            elif count == BLOCK:
                self._drop(number)
            offset += count

    def state(self) -> OverlayState:
        """A picture of what was written. Costs nothing; what is written from now on copies its leaf once."""
        self.epoch = object()
        self.shared = True
        return OverlayState(self.base.size, self.leaves, self.version)

    def commit(self) -> int:
        """Write all of it into the image; how many bytes that were."""
        written = 0
        with self.base.writing():
            for index in sorted(self.leaves):
                for place in sorted(self.leaves[index].blocks):
                    at = (index * LEAF + place) * BLOCK
                    block = memoryview(self.leaves[index].blocks[place])[: self.base.size - at]
                    self.base.writev(at, [block])
                    written += len(block)
        self.leaves, self.shared, self.epoch = {}, False, object()
        self.version += 1
        return written

    def restore(self, state: OverlayState) -> None:
        """What was written is what that picture shows."""
        self.epoch = object()
        self.shared = True
        self.leaves = state.leaves

    def digest(self) -> bytes:
        """Equal for equal contents, whatever way they came about."""
        out = bytearray()
        for index in sorted(self.leaves):
            out += index.to_bytes(8, "little") + self.leaves[index].total.to_bytes(16, "little")
        return xxh3_128_digest(bytes(out))

    def fingerprint(self) -> bytes:
        """A digest that identifies an image: of its size and of blocks spread over it, not of all of it."""
        blocks = -(-self.base.size // BLOCK)
        out = bytearray(self.base.size.to_bytes(8, "little"))
        block = bytearray(BLOCK)
        for number in sorted({blocks * i // 64 for i in range(64)} | set(range(min(2, blocks)))):
            view = memoryview(block)[: self.base.size - number * BLOCK]
            self.base.readv(number * BLOCK, [view])
            out += xxh3_64_intdigest(view).to_bytes(8, "little")
        return xxh3_128_digest(bytes(out))

    def save(self, state: OverlayState) -> bytes:
        """The picture as bytes, for a file."""
        data, zeroes = [], []
        pieces = []
        for index in sorted(state.leaves):
            for place in sorted(state.leaves[index].blocks):
                block = state.leaves[index].blocks[place]
                if block == ZERO:
                    zeroes.append(index * LEAF + place)
                else:
                    data.append(index * LEAF + place)
                    pieces.append(block)
        header = HEADER.pack(MAGIC, self.base.size, self.fingerprint(), len(data), len(zeroes))
        return b"".join([header, struct.pack(f"<{len(data) + len(zeroes)}Q", *data, *zeroes), *pieces])

    def load(self, data: bytes) -> OverlayState:
        """The picture that `save` wrote."""
        wrong = DiskError(errno.EINVAL, f"disk {self.base.name}: not a saved state of a disk, or damaged")
        if len(data) < HEADER.size:
            raise wrong
        magic, size, fingerprint, count, zeroes = HEADER.unpack_from(data)
        if magic != MAGIC or len(data) != HEADER.size + 8 * (count + zeroes) + BLOCK * count:
            raise wrong
        if size != self.base.size or fingerprint != self.fingerprint():
            raise DiskError(errno.ESTALE, f"disk {self.base.name}: not the image that this state was made on, or changed since")
        numbers = struct.unpack_from(f"<{count + zeroes}Q", data, HEADER.size)
        if any(number * BLOCK >= size for number in numbers) or len(set(numbers)) != len(numbers):
            raise wrong
        made = Overlay(self.base)
        made.version = self.version
        at = HEADER.size + 8 * len(numbers)
        for i, number in enumerate(numbers):
            made._put(number, data[at + BLOCK * i : at + BLOCK * (i + 1)] if i < count else ZERO)
        return made.state()
