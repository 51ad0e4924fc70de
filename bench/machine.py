"""What recording and going back cost, with Debian's kernel booted to a shell: snapshots, forks, hashes, recordings, going back.

    python bench/machine.py [--kernel K --initrd I] [--memory MIB] [--forks N] [--seconds S]

Without arguments it takes the kernel that `tools/guest_kernel.py` has fetched. Prints medians, and the worst.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guests import debian_kernel
from promised import Figures

from softmetal.computers.riscv_virt import Virt
from softmetal.engines.native import native_engine
from softmetal.isa.riscv import isa
from softmetal.machine.link import connect
from softmetal.machine.machine import Identity, Machine
from softmetal.machine.replay import Recording, replay

FEW = 10_000_000
BUSY = "while true; do :; done\n"


FIGURES = Figures("machine.py")


def timed(
    name: str, runs: int, what: Callable[[], Any], before: Callable[[], Any] = lambda: None, promised: str = ""
) -> list[Any]:
    """Do `before` and `what` some times, print how long `what` took, give its results. `promised`: its figure of C13."""
    took, found = [], []
    for _ in range(runs):
        before()
        start = time.perf_counter()
        found.append(what())
        took.append((time.perf_counter() - start) * 1000)
    print(f"{name:58} {statistics.median(took):8.2f} ms   worst {max(took):8.2f} ms", flush=True)
    if promised:
        FIGURES.measured("C13", promised, statistics.median(took))
    return found


def share() -> float:
    """MiB of the host's memory that are this process's, with its share of what others have too."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def booted(args: argparse.Namespace, **parts: Any) -> Machine:
    """A machine at its prompt."""
    virt = Virt(
        kernel=args.kernel, initrd=args.initrd, append="console=ttyS0", memory=args.memory << 20, network=True, **parts
    )  # fmt: skip
    m = Machine(virt)
    m.expect("# ")
    return m


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", help="default: Debian's")
    parser.add_argument("--initrd", help="default: Debian's")
    parser.add_argument("--memory", type=int, default=256)
    parser.add_argument("--forks", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    args.kernel = args.kernel or str(debian_kernel() / "Image")
    args.initrd = args.initrd or str(debian_kernel() / "initrd")

    m = booted(args)
    print(f"at the prompt after {m.position} instructions; {args.memory} MiB of memory")
    timed("another engine for the board", 5, lambda: native_engine(isa, m.board))
    before = share()
    clones = timed(f"fork, {args.forks} of a machine at rest", args.forks, m.fork, promised="fork")
    print(f"{'':58} {(share() - before) / args.forks:8.2f} MiB each")
    names = iter(range(args.forks))
    del clones
    before = share()
    clones = timed(f"fork with an identity, {args.forks}", args.forks, lambda: m.fork(Identity(f"clone{next(names)}")))
    for clone in clones[:10]:
        clone.send("echo O\\K\n")
        clone.expect("OK\r\n")
    print(f"{'':58} {(share() - before) / args.forks:8.2f} MiB each, ten of which have run a command")
    del clones, clone

    def work() -> None:
        m.send("echo O\\K\n")
        m.run(insns=FEW)

    timed("first hash", 1, m.hash)
    timed(f"hash, {FEW} instructions after another", 10, m.hash, work)
    kept = timed(f"snapshot, {FEW} instructions after another", 10, m.snapshot, work, "snapshot")[-1]
    timed(f"restore, {FEW} instructions after", 10, lambda: m.restore(kept), work, "restore")

    with tempfile.TemporaryDirectory() as folder:
        timed("save to a file", 1, lambda: m.save(f"{folder}/state"))
        print(f"{'':58} {Path(folder, 'state').stat().st_size / 1e6:8.1f} MB")
        timed("load from a file", 1, lambda: Machine.load(f"{folder}/state"))
        one, other = booted(args), booted(args)
        for each in (one, other):
            each.send(BUSY)
            each.run(insns=FEW)
        recorder = one.record(f"{folder}/log")
        timed("10**9 instructions", 1, lambda: other.run(insns=10**9))
        timed("the same, recorded", 1, lambda: one.run(insns=10**9))
        recorder.close()
        recording = Recording(f"{folder}/log")
        twin = recording.machine()
        timed("the same, replayed", 1, lambda: replay(recording, twin))

    m.restore(kept)
    timeline = m.keep_timeline()
    m.send(BUSY)
    began = time.perf_counter()
    while time.perf_counter() - began < args.seconds:
        m.run(insns=10 * FEW)
    print(f"{m.position - timeline.first} instructions in {args.seconds:g} s, {len(timeline.snapshots)} snapshots")
    timed("back by one instruction", 5, m.rewind, promised="one instruction back")
    sp = m.cpu.regs["sp"]
    timed("the last write of the top of the stack", 1, lambda: m.last_write(sp, 8))
    timed("back by half a second of machine time", 1, lambda: m.rewind(seconds=0.5))

    pair = [booted(args, mac=bytes([0x52, 0x54, 0, 0, 0, i])) for i in (1, 2)]
    for i, each in enumerate(pair, 1):
        each.send(f"ip addr add 10.0.0.{i}/24 dev eth0; ip link set eth0 up; echo O\\K\n")
        each.expect("OK\r\n")
    link = connect(pair[0], pair[1])
    pair[1].send("nc -l -p 5000 > /dev/null; echo E\\ND\n")
    link.run(seconds=0.5)
    pair[0].send("dd if=/dev/zero bs=64k count=400 | nc 10.0.0.2 5000\n")
    start, clock = time.perf_counter(), link.clock
    link.run(seconds=60, until=lambda: pair[1].console.match("END\r\n"))
    took, size = time.perf_counter() - start, 400 * 65536 / 1e6
    print(f"{size:.0f} MB between two machines: {size / took:.1f} MB/s,", end=" ")
    print(f"{size / ((link.clock - clock) / 1e9):.1f} MB/s of machine time")
    return FIGURES.end()


if __name__ == "__main__":
    raise SystemExit(main())
