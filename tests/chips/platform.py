"""What the tests of the platform's chips share: a device on a bench, and random traffic for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from softmetal.chips.device import Device
from softmetal.testing.bench import ENGINES, Bench

Step = tuple[Any, ...]


class DeviceBench(Bench):
    """A device at power-on: reads and writes have sizes."""

    def __init__(self, cls: type[Device], engine: str, size: int = 4) -> None:
        super().__init__(cls, engine)
        vars(self)["_size"] = size

    def read(self, offset: int, size: int = 0) -> int:
        found: int = self._runs.read(offset, size or self._size)
        return found

    def write(self, offset: int, value: int, size: int = 0) -> DeviceBench:
        self._runs.write(offset, value, size or self._size)
        return self

    def unmodelled_after(self, access: Callable[[], Any]) -> int:
        """Was this access, alone, unmodelled?"""
        self.unmodelled = 0
        access()
        return self.unmodelled


def accesses(rng: random.Random, offsets: list[int], size: int, count: int) -> list[Step]:
    """Reads and writes at these offsets, now and then at another or of another size."""
    found: list[Step] = []
    for _ in range(count):
        offset = rng.choice(offsets) if rng.random() < 0.97 else rng.getrandbits(24)
        wide = size if rng.random() < 0.97 else rng.choice([1, 2, 4, 8])
        value = rng.choice([rng.getrandbits(4), rng.getrandbits(8), rng.getrandbits(64), (1 << 64) - 1])
        found.append(("read", offset, wide) if rng.random() < 0.5 else ("write", offset, value, wide))
    return found


def agree(cls: type[Device], steps: list[Step], prepare: Callable[[Bench], Any] = lambda bench: None) -> None:
    """The engines give the same results and end in the same state."""
    played = []
    for engine in ENGINES:
        bench = Bench(cls, engine)
        prepare(bench)
        played.append(bench.play(steps))
    assert played[0] == played[1]
