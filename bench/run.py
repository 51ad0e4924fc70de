"""Speed of user programs: softmetal's engines against qemu-riscv64 and against the host itself, in one run.

    python bench/run.py [--runs N] [--only NAME] [--engine native]

Builds `bench/programs/*.c` with Debian's cross compiler and with the host's, at -O2. Each program is run by each of them
in turn, N times; the figure is the median of its user and system CPU time, whole process, start-up included. Printed are
ratios: qemu's time divided by ours (above 1: we are faster), and our time divided by the host's.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from promised import Figures

HERE = Path(__file__).parent
CROSS = "riscv64-linux-gnu-gcc"


def cpu_time(command: list[str]) -> tuple[float, bytes]:
    """Seconds of user and system time that a process takes, and what it prints. Raises RuntimeError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--engine", default="native")
    args = parser.parse_args()
    missing = [tool for tool in (CROSS, "gcc", "qemu-riscv64") if not shutil.which(tool)]
    if missing:
        print(f"bench/run.py: not installed: {', '.join(missing)} (./dev setup installs them)", file=sys.stderr)
        return 1
    softmetal = [sys.executable, "-m", "softmetal", "run", "--engine", args.engine]
    names = [p.stem for p in sorted((HERE / "programs").glob("*.c")) if args.only in p.stem]
    print(f"{'program':10} {'host s':>8} {'qemu s':>8} {'ours s':>8} {'qemu/ours':>10} {'ours/host':>10} {'Minsn/s':>8}")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            guest, native = os.path.join(folder, f"{name}.riscv64"), os.path.join(folder, name)
            source = str(HERE / "programs" / f"{name}.c")
            subprocess.run([CROSS, "-O2", "-static", "-march=rv64gc", source, "-o", guest, "-lm"], check=True)
            subprocess.run(["gcc", "-O2", source, "-o", native, "-lm"], check=True)
            commands = {"host": [native], "qemu": ["qemu-riscv64", guest], "ours": [*softmetal, guest]}
            times: dict[str, list[float]] = {k: [] for k in commands}
            printed: dict[str, bytes] = {}
            for _ in range(args.runs):
                for who, command in commands.items():
                    seconds, printed[who] = cpu_time(command)
                    times[who].append(seconds)
            if printed["ours"] != printed["qemu"]:
                print(f"{name}: prints {printed['ours']!r}, under qemu {printed['qemu']!r}", file=sys.stderr)
                return 1
            median = {who: statistics.median(t) for who, t in times.items()}
            stats = subprocess.run([*softmetal, "--stats", guest], capture_output=True, check=True, text=True).stderr
            count = next((int(w.replace(",", "")) for line in stats.splitlines() if "instructions" in line
                          for w in line.split() if w.replace(",", "").isdigit()), 0)  # fmt: skip
            ratio = median["qemu"] / median["ours"]
            ratios.append(ratio)
            print(
                f"{name:10} {median['host']:8.2f} {median['qemu']:8.2f} {median['ours']:8.2f} {ratio:10.2f} "
                f"{median['ours'] / max(median['host'], 0.001):10.1f} {count / median['ours'] / 1e6:8.0f}",
                flush=True,
            )
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    print(f"geometric mean of qemu/ours: {mean:.2f}; least: {min(ratios):.2f}")
    figures = Figures("run.py")
    if not args.only and args.engine == "native":
        figures.measured("E3", "geometric mean of qemu's time to ours", mean)
        figures.measured("E3", "least ratio of qemu's time to ours", min(ratios))
    return figures.end()


if __name__ == "__main__":
    raise SystemExit(main())
