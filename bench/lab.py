"""Labs: what guests of QEMU and user-mode Linux get of a disk through the host layer, beside what their own block devices give
them, in one run; what three greedy guests get of one disk; what the arbiter costs.

    python bench/lab.py [--runs N] [--seconds S]

disk: 4 KiB at random places, one at a time and 16 at once, and 1 MiB after the other, on /dev/vdX of the layer and on the guest's
own, in turns; medians, and ratios of ours to its own (above 1: ours is faster).
greedy: a guest of each engine reads 4 KiB at random places, weights 1:1:2.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from guests import debian_kernel, lab_guests

from softmetal.host.arbiter import Access, End, Exclusive, Party, Share, Shared, Terms
from softmetal.host.image.initrd import cpio
from softmetal.lab.lab import Lab, LabMachine

HERE = Path(__file__).parent
PROGRAM, FOLDER = 0o100755, 0o040755
WAYS = ("read-1", "write-1", "read-16", "write-16", "read-big", "write-big")
LAB = """
[hardware.store]
path = "store.img"
size = "256M"
[machines.qemu]
engine = "qemu"
kernel = "{others}/vmlinuz"
initrd = "initrd"
append = "console=ttyS0 quiet panic=-1"
uses = ["store:64M"]
arguments = ["-drive", "file={here}/own.img,format=raw,if=virtio,cache=writeback"]
[machines.uml]
engine = "uml"
initrd = "initrd.uml"
append = "quiet panic=-1"
uses = ["store:64M"]
arguments = ["ubd0={here}/own2.img"]
[machines.ours]
kernel = "{riscv}/Image"
initrd = "initrd.riscv"
append = "console=ttyS0 quiet"
uses = ["store:64M"]
weight = 2
"""


def prepare(folder: Path) -> None:
    """Everything that the lab needs."""
    others, riscv = lab_guests(), debian_kernel()
    os.environ["SOFTMETAL_UML"] = f"{others}/linux"
    for compiler, name in (("gcc", "ops"), ("riscv64-linux-gnu-gcc", "ops.riscv64")):
        subprocess.run([compiler, "-O2", "-static", "-pthread", str(HERE / "guest/ops.c"), "-o", str(folder / name)], check=True)
    for initrd, program, name in (
        (others / "initrd", "ops", "initrd"), (others / "initrd.uml", "ops", "initrd.uml"),
        (riscv / "initrd", "ops.riscv64", "initrd.riscv"),
    ):  # fmt: skip
        extra = cpio({"ops": (PROGRAM, (folder / program).read_bytes())})
        (folder / name).write_bytes(initrd.read_bytes() + extra)
    for name in ("own.img", "own2.img"):
        (folder / name).write_bytes(bytes(64 << 20))
    (folder / "lab.toml").write_text(LAB.format(others=others, riscv=riscv, here=folder))


def ops(machine: LabMachine, device: str, seconds: float) -> dict[str, float]:
    """What the program in the guest prints."""
    code, text = machine.execute(f"/ops {device} {seconds}")
    if code:
        sys.exit(f"bench/lab.py: /ops {device} in {machine.name} failed: {text}")
    return {name: float(value) for name, value in re.findall(r"^(\S+) ([0-9.]+)", text, re.M)}


def layer_seconds(lab: Lab) -> float:
    """CPU time of the host layer's process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"softmetal.host.layer" in words and os.fsencode(lab.folder) in words:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def disks(lab: Lab, runs: int, seconds: float) -> None:
    """The layer's disk beside the guest's own."""
    own = {"qemu": "/dev/vda", "uml": "/dev/ubda"}
    for name, mine in own.items():
        machine = lab[name]
        ours = machine.execute("for d in /sys/block/vd*; do grep -q store $d/serial && echo /dev/${d##*/}; done")[1].strip()
        if ours == mine:
            mine = "/dev/vdb"
        found: dict[str, list[dict[str, float]]] = {ours: [], mine: []}
        used, count = 0.0, 0
        for i in range(runs):
            for device in (ours, mine) if i % 2 else (mine, ours):
                before, seen = layer_seconds(lab), lab.call("status")["store"]["accounts"].get(name, {}).get("accesses", 0)
                found[device].append(ops(machine, device, seconds))
                if device == ours:
                    used += layer_seconds(lab) - before
                    count += lab.call("status")["store"]["accounts"][name]["accesses"] - seen
        for way in WAYS:
            a, b = (statistics.median(each[way] for each in found[device]) for device in (ours, mine))
            print(f"{name:6} {way:10} ours {a:10.0f}  its own {b:10.0f}  ratio {a / b:5.2f}", flush=True)
        print(f"{name:6} CPU of the host layer: {1e6 * used / max(count, 1):.1f} us a request ({count} requests)", flush=True)


def greedy(lab: Lab, seconds: float) -> None:
    """Three guests at once, against the best of them alone."""
    rates = {}
    for name in lab:
        rates[name] = _rate(lab, (name,), seconds)[name]
    together = _rate(lab, tuple(lab), seconds)
    total = sum(together.values())
    print("greedy: alone " + ", ".join(f"{n} {r:.0f}/s" for n, r in rates.items()))
    print("greedy: together " + ", ".join(f"{n} {r:.0f}/s ({r / total:.0%})" for n, r in together.items()))
    print(f"greedy: sum {total:.0f}/s, of the best alone {total / max(rates.values()):.2f}")


def _rate(lab: Lab, names: tuple[str, ...], seconds: float) -> dict[str, float]:
    def accesses(name: str) -> int:
        return int(lab.call("status")["store"]["accounts"].get(name, {}).get("accesses", 0))

    loop = "while :; do dd if=$d of=/dev/null bs=4k count=4000 iflag=direct 2>/dev/null; done & echo $! >/tmp/pid"
    find = "d=; for b in /sys/block/vd*; do grep -q store $b/serial && d=/dev/${b##*/}; done"
    for name in names:
        lab[name].execute(f"{find}; {loop}")
    before, began = {n: accesses(n) for n in names}, time.monotonic()
    threading.Event().wait(seconds)
    passed = time.monotonic() - began
    found = {n: (accesses(n) - before[n]) / passed for n in names}
    for name in names:
        lab[name].execute("kill $(cat /tmp/pid)")
    return found


def arbiter() -> None:
    """What the arbiter itself costs, in this process."""
    count = 100_000
    hardware = Exclusive("x", Terms())
    a, b = (Party(n, lambda: None, lambda why: None) for n in "ab")
    began = time.perf_counter()
    for _ in range(count):
        hardware.want(a)
        hardware.release(a, End.FRAME)
    free = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(count):
        hardware.want(a)
        hardware.want(b)
        hardware.release(a, End.FRAME)
        hardware.release(b, End.FRAME)
    handed = time.perf_counter() - began - free
    print(f"exclusive: {1e6 * free / count:.2f} us for a free lease, {1e6 * handed / count:.2f} us for one that is waited for")
    shared = Shared("y")
    shared.join(Share("a"))
    began = time.perf_counter()
    for _ in range(count):
        shared.submit(Access("a", "read", 4096, lambda: None))
        shared.run()
    print(f"shared: {1e6 * (time.perf_counter() - began) / count:.2f} us for an access")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    arbiter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        with Lab(folder / "lab.toml") as lab:
            for machine in lab:
                lab[machine].expect("built-in (shell|commands)[^#]*#")
            disks(lab, args.runs, args.seconds)
            greedy(lab, 3 * args.seconds)
            for line in lab.call("take_warnings"):
                print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
