"""What snapshots, forks, hashes and state files cost: a board with 256 MiB of memory, of which 120 MiB were touched.

    python bench/snapshots.py [--touched MIB] [--runs N] [--anonymous]

Prints medians, and the worst. What a guest does is played by writing a word in each page of a few MiB, 64 KiB apart. With
`--anonymous` the memory is not in a file from the start (`in_file`): the first snapshot has to copy it.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from promised import Figures

from softmetal.lang import Chip, fork, memory, restore, snapshot, state_hash, u64
from softmetal.lang.mapping import PAGE
from softmetal.lang.state import load, save

MIB = 1 << 20
SIZE = 256 * MIB


class Machine(Chip):
    """A board of nothing but memory."""

    pc: u64  # type: ignore[valid-type]
    ram: memory[SIZE]  # type: ignore[valid-type]


FIGURES = Figures("snapshots.py")


def timed(name: str, runs: int, what: Callable[[], Any], before: Callable[[], Any] = lambda: None, promised: str = "") -> Any:
    """Do `before` and `what` some times, print how long `what` took, give its last result. `promised`: its figure of L8."""
    took, found = [], None
    for _ in range(runs):
        before()
        start = time.perf_counter()
        found = what()
        took.append((time.perf_counter() - start) * 1000)
    print(f"{name:48} {statistics.median(took):8.2f} ms   worst {max(took):8.2f} ms")
    if promised:
        FIGURES.measured("L8", promised, statistics.median(took))
    return found


def content(pages: int) -> bytes:
    """Pages that compress as a guest's do, more or less: the bytes of the host's shared libraries, some zeros."""
    found = bytearray()
    for folder, _, names in os.walk("/usr/lib"):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if ".so" in name and not os.path.islink(path):
                with open(path, "rb") as file:
                    found += file.read()
            if len(found) >= pages * PAGE:
                return bytes(found[: pages * PAGE])
    return bytes(found) + random.Random(1).randbytes(pages * PAGE - len(found))


def resident() -> float:
    """Memory of this process's own, in KiB, images included."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--touched", type=int, default=120)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--anonymous", action="store_true")
    args = parser.parse_args()
    runs, touched = args.runs, args.touched * MIB
    draw = random.Random(7)
    data = content(touched // PAGE)

    def booted() -> Any:
        board: Any = Machine(in_file=not args.anonymous)
        board.ram[0:touched] = data
        return board

    def touch(board: Any, size: int) -> None:
        words, view = size // PAGE, board.ram.u64
        while words:
            start = draw.randrange(touched // 65536) * 65536
            for at in range(start, start + 65536, PAGE):
                view[at] += 1
            words -= min(words, 16)

    boards = [booted() for _ in range(3)]
    first = timed("snapshot, the first", len(boards), lambda: snapshot(boards.pop()))
    board: Any = booted()
    first = snapshot(board)
    timeline = []
    timed(
        "snapshot, 4 MiB after another", runs, lambda: timeline.append(snapshot(board)), lambda: touch(board, 4 * MIB), "snapshot"
    )  # fmt: skip
    timed("restore, 4 MiB after its snapshot", runs, lambda: restore(board, timeline[-1]), lambda: touch(board, 4 * MIB))
    timed("restore, another of the timeline", runs, lambda: restore(board, draw.choice(timeline)))
    timed("restore, 100 MiB after its snapshot", runs, lambda: restore(board, first), lambda: touch(board, 100 * MIB), "restore")

    timed("hash, the first", 1, lambda: state_hash(board))
    timed("hash, 1 MiB after another", runs, lambda: state_hash(board), lambda: touch(board, MIB))
    timed("hash, 5 MiB after another", runs, lambda: state_hash(board), lambda: touch(board, 5 * MIB))
    timed("hash, nothing written", runs, lambda: state_hash(board))

    del timeline[:]
    restore(board, first)
    forks: list[Any] = []
    before = resident()
    timed("fork, 100 alive", 100, lambda: forks.append(fork(board)), promised="fork at rest")
    after = resident()
    FIGURES.measured("L8", "memory of a fork at rest", (after - before) / 100)
    print(f"{'  memory for each':48} {(after - before) / 100:8.1f} KiB")
    for each in forks:
        touch(each, MIB)
    print(f"{'  and when each has written 1 MiB':48} {(resident() - before) / 100:8.1f} KiB")
    del forks[:], each
    timed("fork, 4 MiB after another", 30, lambda: forks.append(fork(board)), lambda: touch(board, 4 * MIB))
    print(f"{'  memory for each':48} {(resident() - after) / 30:8.1f} KiB")

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state")
        timed("save", 3, lambda: save(first, path))
        print(f"{'  size of the file':48} {os.path.getsize(path) / MIB:8.1f} MiB")
        loaded = timed("load", 3, lambda: load(path, Machine).snapshot)
        restore(board, loaded)
        digest = state_hash(board)
        restore(board, first)
        assert state_hash(board) == digest
    return 0 if args.anonymous else FIGURES.end()


if __name__ == "__main__":
    raise SystemExit(main())
