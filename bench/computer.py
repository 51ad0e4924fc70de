"""Speed of a whole computer: softmetal's virt board against qemu-system-riscv64, the same guest, in one run.

    python bench/computer.py [--runs N] [--only boot|disk|net]

boot: Debian's kernel, unchanged, from power-on to an init that powers off: wall time of the whole process.
disk: direct reads and writes of 1 MiB, and reads of 4 KiB at random places, through virtio-blk: wall time in the guest's
program, seen from outside.
net: a TCP stream of 256 MiB between two guests: two processes of qemu, each with a core, and datagrams between them, which is
its fastest way without privileges; two machines of ours, in one process, on one core.
Printed are medians, and ratios of qemu's time to ours (above 1: we are faster).
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

from guests import debian_kernel
from promised import Figures

from softmetal.computers.riscv_virt import Virt
from softmetal.host.image.initrd import cpio
from softmetal.machine.link import connect
from softmetal.machine.machine import Machine

HERE = Path(__file__).parent
CROSS = "riscv64-linux-gnu-gcc"
QEMU = "qemu-system-riscv64"
DISK_MIB = 256
NET_MIB = 256
PROGRAM = 0o100755
START = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
load virtio_mmio virtio_blk virtio_net
"""


def commands(initrd: str, append: str, disk: str = "") -> dict[str, list[str]]:
    """How each of them runs the same guest."""
    common = ["--kernel", str(debian_kernel() / "Image"), "--initrd", initrd, "--append", append]
    ours = [sys.executable, "-m", "softmetal", "run", "--board", "riscv-virt", *common]
    qemu = [QEMU, "-M", "virt", "-m", "512", "-nographic", "-no-reboot", "-append", append]
    qemu += ["-kernel", str(debian_kernel() / "Image"), "-initrd", initrd]
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


def net_initrds(folder: str, program: str) -> list[str]:
    """What the receiver and the sender start with."""
    found = []
    for number, arguments in ((1, ""), (2, f"10.0.0.1 {NET_MIB}")):
        script = START + f"ip addr add 10.0.0.{number}/24 dev eth0\nip link set eth0 up\n/net {arguments}\n"
        script += "sleep 9999\n" if arguments else "poweroff -f\n"  # what was sent last may still wait in the sender
        files = {"net": (PROGRAM, Path(program).read_bytes()), "bench": (PROGRAM, script.encode())}
        found.append(os.path.join(folder, f"initrd{number}"))
        Path(found[-1]).write_bytes((debian_kernel() / "initrd").read_bytes() + cpio(files))
    return found


def qemu_net(folder: str, initrds: list[str]) -> float:
    """Seconds of the stream between two processes of qemu."""
    ends = [os.path.join(folder, f"end{number}") for number in (1, 2)]
    common = commands("", "console=ttyS0 quiet rdinit=/bench")["qemu"]
    runs = []
    for number in (0, 1):
        local, remote = ends[number], ends[1 - number]
        command = [initrds[number] if word == "" else word for word in common]
        command += ["-netdev", f"dgram,id=n,local.type=unix,local.path={local},remote.type=unix,remote.path={remote}"]
        runs.append([*command, "-device", f"virtio-net-device,netdev=n,mac=52:54:00:00:00:0{number + 1}"])
    with subprocess.Popen(runs[1], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sender:
        try:
            taken = between_marks(runs[0])
        finally:
            sender.kill()
    for end in ends:
        Path(end).unlink(missing_ok=True)
    return taken


def our_net(initrds: list[str]) -> float:
    """Seconds of the stream between two of our machines."""
    receiver, sender = (
        Machine(
            Virt(
                kernel=str(debian_kernel() / "Image"), append="console=ttyS0 quiet rdinit=/bench", network=True,
                initrd=initrd, mac=bytes([0x52, 0x54, 0, 0, 0, number]),
            )
        )
        for number, initrd in enumerate(initrds, 1)
    )  # fmt: skip
    link = connect(receiver, sender)
    link.run(until=lambda: b"BEGIN" in receiver.console.output, seconds=30)
    began = time.perf_counter()
    link.run(until=lambda: b"END" in receiver.console.output, seconds=30)
    taken = time.perf_counter() - began
    if b"END" not in receiver.console.output:
        raise RuntimeError(f"the receiver did not finish: {receiver.console.output[-300:].decode(errors='replace')}")
    return taken


def compiled(source: str, folder: str) -> str:
    """A program of `guest/`, for the guest."""
    program = os.path.join(folder, source)
    subprocess.run([CROSS, "-O2", "-static", str(HERE / "guest" / f"{source}.c"), "-o", program], check=True)
    return program


def show(name: str, times: dict[str, list[float]], unit: str, amount: float) -> float:
    """Print a line; the ratio of medians."""
    qemu, ours = (statistics.median(times[k]) for k in ("qemu", "ours"))
    print(f"{name:14} {qemu:8.3f} {ours:8.3f} {qemu / ours:10.2f}   {amount / ours:8.1f} {unit}", flush=True)
    return qemu / ours


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", choices=["", "boot", "disk", "net"])
    args = parser.parse_args()
    missing = [tool for tool in (CROSS, QEMU) if not shutil.which(tool)]
    if missing:
        print(f"bench/computer.py: not installed: {', '.join(missing)} (./dev setup installs them)", file=sys.stderr)
        return 1
    figures = Figures("computer.py")
    print(f"{'':14} {'qemu s':>8} {'ours s':>8} {'qemu/ours':>10}")
    with tempfile.TemporaryDirectory() as folder:
        if args.only in ("", "boot"):
            both = commands(str(debian_kernel() / "initrd"), "console=ttyS0 quiet rdinit=/off")
            wall(both["ours"])  # compiled, if it was not
            times: dict[str, list[float]] = {k: [] for k in both}
            for _ in range(args.runs):
                for name, command in both.items():
                    times[name].append(wall(command))
            figures.measured("C12", "boot", show("boot", times, "boots a minute", 60))
        if args.only in ("", "disk"):
            program = compiled("disk", folder)
            initrd, disk = (os.path.join(folder, n) for n in ("initrd", "disk.img"))
            os.truncate(os.open(disk, os.O_CREAT | os.O_RDWR), DISK_MIB << 20)
            for kind, unit, amount in (("write", "MiB/s", 192.0), ("read", "MiB/s", 192.0), ("random", "reads/s", 20000.0)):
                script = START + f"/disk {kind} /dev/vda\npoweroff -f\n"
                files = {"disk": (PROGRAM, Path(program).read_bytes()), "bench": (PROGRAM, script.encode())}
                Path(initrd).write_bytes((debian_kernel() / "initrd").read_bytes() + cpio(files))
                both = commands(initrd, "console=ttyS0 quiet rdinit=/bench", disk)
                times = {k: [] for k in both}
                for _ in range(args.runs):
                    for name, command in both.items():
                        times[name].append(between_marks(command))
                figures.measured("C12", f"disk {kind}", show(f"disk {kind}", times, unit, amount))
        if args.only in ("", "net"):
            initrds = net_initrds(folder, compiled("net", folder))
            times = {"qemu": [], "ours": []}
            for _ in range(args.runs):
                times["qemu"].append(qemu_net(folder, initrds))
                times["ours"].append(our_net(initrds))
            figures.measured("C12", "net", show("net", times, "MiB/s", NET_MIB))
            print(f"{'':14} qemu: two processes, on {os.cpu_count()} cores; ours: one process, on one core")
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
