#!/usr/bin/env python3
"""Fetch Debian's riscv64 kernel, unchanged, and make an initial file system with busybox for it.

    tools/guest_kernel.py [DIR]     make DIR (default: .guest/kernel) unless it is there already; print its path

DIR/Image is the kernel as Debian ships it, DIR/initrd an archive whose /init gives a shell on the console, and whose /off
powers off at once (append rdinit=/off). DIR/modules holds the kernel's modules.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from guest_root import apt, mirror, source_list

PACKAGES = ["linux-image-riscv64", "busybox-static"]
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
echo
echo "Debian's kernel, a shell from busybox; poweroff -f ends it"
exec setsid -c sh -i </dev/console >/dev/console 2>&1
"""
OFF = """#!/bin/busybox sh
/bin/busybox poweroff -f
"""
FOLDER, DEVICE, LINK, PROGRAM = 0o040755, 0o020600, 0o120777, 0o100755


def archive(entries: Iterable[tuple[str, int, bytes, tuple[int, int]]]) -> bytes:
    """A cpio archive ("newc", Linux Documentation/driver-api/early-userspace/buffer-format.rst) of name, mode, data, device."""
    made = bytearray()
    for number, (name, mode, data, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        made += b"070701" + b"".join(b"%08X" % f for f in fields) + path
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return bytes(made)


def initrd(busybox: bytes) -> bytes:
    """The initial file system."""
    folders = [(name, FOLDER, b"", (0, 0)) for name in ("bin", "dev", "proc", "sys", "tmp", "mnt")]
    return archive(
        [
            *folders,
            ("dev/console", DEVICE, b"", (5, 1)),
            ("bin/busybox", PROGRAM, busybox, (0, 0)),
            ("bin/sh", LINK, b"busybox", (0, 0)),
            ("init", PROGRAM, INIT.encode(), (0, 0)),
            ("off", PROGRAM, OFF.encode(), (0, 0)),
        ]
    )


def build(folder: Path, state: Path, url: str) -> None:
    """Download the packages and take out what is wanted."""
    source_list(state, url)
    print("guest_kernel: fetching Debian's riscv64 kernel", file=sys.stderr)
    apt(state, "update")
    apt(state, "--download-only", "-y", "install", *PACKAGES)
    fresh, unpacked = folder.with_name(folder.name + ".new"), state / "unpacked"
    for each in (fresh, unpacked):
        shutil.rmtree(each, ignore_errors=True)
    fresh.mkdir(parents=True)
    for package in sorted((state / "cache/archives").glob("*.deb")):
        if package.name.startswith(("linux-image-6", "busybox-static")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
    shutil.move(next((unpacked / "boot").glob("vmlinu[xz]-*")), fresh / "Image")
    shutil.move(next((unpacked / "usr/lib/modules").iterdir()), fresh / "modules")
    (fresh / "initrd").write_bytes(initrd((unpacked / "usr/bin/busybox").read_bytes()))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    for each in (state / "cache", unpacked):
        shutil.rmtree(each, ignore_errors=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("dir", nargs="?", type=Path, default=here / ".guest" / "kernel")
    parser.add_argument("--mirror", help="a Debian mirror, instead of the one that apt uses here")
    options = parser.parse_args()
    folder: Path = options.dir
    folder.parent.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = folder.with_name(folder.name + ".stamp")
    lock = open(folder.with_name(folder.name + ".lock"), "w")  # noqa: SIM115  (held until this process ends)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (folder.is_dir() and stamp.is_file() and stamp.read_text() == key):
        build(folder, folder.with_name(folder.name + ".apt"), options.mirror or mirror())
        stamp.write_text(key)
    print(folder)


if __name__ == "__main__":
    main()
