#!/usr/bin/env python3
"""Fetch Debian's riscv64 kernel, unchanged, and make an initial file system with busybox for it.

    tools/guest_kernel.py [DIR]     make DIR (default: .guest/kernel) unless it is there already; print its path

DIR/Image is the kernel as Debian ships it, DIR/initrd an archive whose /init gives a shell on the console, and whose /off
powers off at once (append rdinit=/off). With root=DEVICE on its command line /init goes on in the system there.
The archive holds the modules that the virt board's devices, ext4 and 9p need; DIR/modules has all of them.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import lzma
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from guest_root import apt, mirror, source_list

PACKAGES = ["linux-image-riscv64", "busybox-static"]
MODULES = [
    "virtio_mmio", "virtio_blk", "virtio_net", "virtio-rng", "ext4", "crc32c_generic", "9p", "9pnet_virtio", "virtio_input",
    "evdev", "virtio-gpu",
]  # fmt: skip
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
for module in virtio_mmio virtio_blk virtio_net virtio-rng; do modprobe $module; done
for word in $(cat /proc/cmdline); do
    case $word in
    root=*) root=${word#root=} ;;
    init=*) init=${word#init=} ;;
    rw) mode=rw ;;
    esac
done
if [ -n "$root" ]; then
    modprobe crc32c_generic; modprobe ext4
    for i in 1 2 3 4 5; do [ -e $root ] && break; sleep 1; done
    mount -o ${mode:-ro} $root /mnt && umount /proc && exec switch_root /mnt ${init:-/sbin/init}
    echo "there is no system on $root"
fi
echo
echo "Debian's kernel, a shell from busybox; poweroff -f ends it"
exec setsid -c sh -i </dev/console >/dev/console 2>&1
"""
OFF = """#!/bin/busybox sh
/bin/busybox poweroff -f
"""
FOLDER, DEVICE, LINK, PROGRAM, FILE = 0o040755, 0o020600, 0o120777, 0o100755, 0o100644


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


def needed(modules: Path, names: list[str]) -> dict[str, tuple[Path, list[str]]]:
    """The files of some modules, and of those they depend on; built-in ones are left out."""
    files = {f.name.partition(".ko")[0].replace("-", "_"): f for f in modules.glob("kernel/**/*.ko*")}
    found: dict[str, tuple[Path, list[str]]] = {}
    wanted = [n.replace("-", "_") for n in names]
    while wanted:
        name = wanted.pop()
        if name in found or name not in files:
            continue
        data = contents(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        before = [d.replace("-", "_") for d in depends[1].decode().split(",")] if depends and depends[1] else []
        found[name] = files[name], [b for b in before if b in files]
        wanted += before
    return found


def contents(module: Path) -> bytes:
    """A module's bytes."""
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()


def initrd(busybox: bytes, modules: Path, release: str) -> bytes:
    """The initial file system."""
    tree = ["bin", "dev", "proc", "sys", "tmp", "mnt", "lib", "lib/modules", f"lib/modules/{release}"]
    folders = [(name, FOLDER, b"", (0, 0)) for name in tree]
    found = needed(modules, MODULES)

    def behind(name: str) -> list[str]:
        """What a module needs; what that needs stands behind it, for they are loaded from the last one on."""
        every = [each for before in found[name][1] for each in (before, *behind(before))]
        return [*dict.fromkeys(reversed(every))][::-1]

    depends = "".join(f"{n}.ko: {' '.join(f'{d}.ko' for d in behind(n))}\n" for n in sorted(found))
    return archive(
        [
            *folders,
            *((f"lib/modules/{release}/{n}.ko", FILE, contents(found[n][0]), (0, 0)) for n in sorted(found)),
            (f"lib/modules/{release}/modules.dep", FILE, depends.encode(), (0, 0)),
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
    modules = next((unpacked / "usr/lib/modules").iterdir())
    (fresh / "initrd").write_bytes(initrd((unpacked / "usr/bin/busybox").read_bytes(), modules, modules.name))
    shutil.move(modules, fresh / "modules")
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
