"""What a start costs: `softmetal run` of a static hello world, with a warm and with a cold cache, beside qemu-riscv64.

    python bench/startup.py [--runs N]

Prints medians of CPU seconds (user and system) and the largest resident size, of whole processes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from promised import Figures

SOURCE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def measure(command: list[str], cache: str) -> tuple[float, float, str]:
    """(CPU seconds, resident MiB, what it says on stderr) of a process. Raises RuntimeError if it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "SOFTMETAL_CACHE": cache})
        _, status, used = os.wait4(child.pid, 0)
        out.seek(0)
        err.seek(0)
        said = err.read().decode()
        if status or out.read() != b"hello\n":
            raise RuntimeError(f"{' '.join(command)}: status {status}: {said}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    missing = [tool for tool in ("riscv64-linux-gnu-gcc", "qemu-riscv64") if not shutil.which(tool)]
    if missing:
        print(f"bench/startup.py: not installed: {', '.join(missing)} (./dev setup installs them)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        source, hello, cache = (os.path.join(folder, n) for n in ("hello.c", "hello", "cache"))
        with open(source, "w", encoding="ascii") as file:
            file.write(SOURCE)
        subprocess.run(["riscv64-linux-gnu-gcc", "-O2", "-static", source, "-o", hello], check=True)
        ours = [sys.executable, "-m", "softmetal", "run", hello]
        cold, cold_size, said = measure(ours, cache)
        warm, theirs = [], []
        for _ in range(runs):
            warm.append(measure(ours, cache)[:2])
            theirs.append(measure(["qemu-riscv64", hello], cache)[:2])
    figures = Figures("startup.py")
    for name, found in (("ours, warm cache", warm), ("qemu-riscv64", theirs)):
        seconds, size = (statistics.median(f[i] for f in found) for i in (0, 1))
        print(f"{name:18} {seconds:6.3f} s CPU {size:7.1f} MiB")
        if found is warm:
            figures.measured("R6", "hello world, CPU time with a warm cache", seconds)
            figures.measured("R6", "hello world, resident size", size)
    print(f"{'ours, cold cache':18} {cold:6.3f} s CPU {cold_size:7.1f} MiB, progress shown: {len(said.splitlines())} lines")
    return figures.end()


if __name__ == "__main__":
    raise SystemExit(main())
