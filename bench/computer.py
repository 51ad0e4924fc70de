"""Speed of a whole computer: softmetal's virt board against qemu-system-riscv64, the same guest, in one run.

    python bench/computer.py [--runs N] [--only boot|disk]

boot: Debian's kernel, unchanged, from power-on to an init that powers off: wall time of the whole process.
disk: direct reads and writes of 1 MiB, and reads of 4 KiB at random places, through virtio-blk: wall time in the guest's
program, seen from outside. Printed are medians, and ratios of qemu's time to ours (above 1: we are faster).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from softmetal.host.image.initrd import cpio

HERE = Path(__file__).parent
GUEST = HERE.parent / ".guest" / "kernel"
CROSS = "riscv64-linux-gnu-gcc"
QEMU = "qemu-system-riscv64"
DISK_MIB = 256
PROGRAM = 0o100755
START = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
load virtio_mmio virtio_blk
"""


def commands(initrd: str, append: str, disk: str = "") -> dict[str, list[str]]:
    """How each of them runs the same guest."""
    common = ["--kernel", str(GUEST / "Image"), "--initrd", initrd, "--append", append]
    ours = [sys.executable, "-m", "softmetal", "run", "--board", "riscv-virt", *common]
    qemu = [QEMU, "-M", "virt", "-m", "512", "-nographic", "-no-reboot", "-kernel", str(GUEST / "Image"), "-initrd", initrd]
    qemu += ["-append", append]
    if disk:
        ours += ["--disk", disk]
        qemu += ["-drive", f"file={disk},format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d"]
    return {"qemu": qemu, "ours": ours}


def wall(command: list[str]) -> float:
    """Seconds of a whole process. Raises RuntimeError where it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stdout[-500:].decode(errors='replace')}")
    return taken


def between_marks(command: list[str]) -> float:
    """Seconds between BEGIN and END on the guest's console."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        began = ended = 0.0
        for line in process.stdout:
            if line.strip() == b"BEGIN":
                began = time.perf_counter()
            elif line.strip() == b"END":
                ended = time.perf_counter()
    if not began or not ended:
        raise RuntimeError(f"{' '.join(command)}: the guest did not finish")
    return ended - began


def show(name: str, times: dict[str, list[float]], unit: str, amount: float) -> float:
    """Print a line; the ratio of medians."""
    qemu, ours = (statistics.median(times[k]) for k in ("qemu", "ours"))
    print(f"{name:14} {qemu:8.3f} {ours:8.3f} {qemu / ours:10.2f}   {amount / ours:8.1f} {unit}", flush=True)
    return qemu / ours


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", choices=["", "boot", "disk"])
    args = parser.parse_args()
    missing = [tool for tool in (CROSS, QEMU) if not shutil.which(tool)]
    if missing or not GUEST.is_dir():
        print(f"bench/computer.py: not there: {', '.join(missing) or GUEST} (./dev setup gets them)", file=sys.stderr)
        return 1
    print(f"{'':14} {'qemu s':>8} {'ours s':>8} {'qemu/ours':>10}")
    with tempfile.TemporaryDirectory() as folder:
        if args.only != "disk":
            both = commands(str(GUEST / "initrd"), "console=ttyS0 quiet rdinit=/off")
            wall(both["ours"])  # compiled, if it was not
            times: dict[str, list[float]] = {k: [] for k in both}
            for _ in range(args.runs):
                for name, command in both.items():
                    times[name].append(wall(command))
            show("boot", times, "boots a minute", 60)
        if args.only != "boot":
            program, initrd, disk = (os.path.join(folder, n) for n in ("disk", "initrd", "disk.img"))
            subprocess.run([CROSS, "-O2", "-static", str(HERE / "guest" / "disk.c"), "-o", program], check=True)
            os.truncate(os.open(disk, os.O_CREAT | os.O_RDWR), DISK_MIB << 20)
            for kind, unit, amount in (("write", "MiB/s", 192.0), ("read", "MiB/s", 192.0), ("random", "reads/s", 20000.0)):
                script = START + f"/disk {kind} /dev/vda\npoweroff -f\n"
                files = {"disk": (PROGRAM, Path(program).read_bytes()), "bench": (PROGRAM, script.encode())}
                Path(initrd).write_bytes((GUEST / "initrd").read_bytes() + cpio(files))
                both = commands(initrd, "console=ttyS0 quiet rdinit=/bench", disk)
                times = {k: [] for k in both}
                for _ in range(args.runs):
                    for name, command in both.items():
                        times[name].append(between_marks(command))
                show(f"disk {kind}", times, unit, amount)
    return 0


if __name__ == "__main__":
    sys.exit(main())
