#!/usr/bin/env python3
"""Fetch Debian's riscv64 kernel, unchanged, and make an initial file system with busybox for it.

    tools/guest_kernel.py [DIR]     make DIR (default: .guest/kernel) unless it is there already; print its path

DIR/Image is the kernel as Debian ships it, DIR/initrd an archive whose /init gives a shell on the console, and whose /off
powers off at once (append rdinit=/off). With root=DEVICE on its command line /init goes on in the system there.
The archive holds the modules that the virt board's devices, ext4 and 9p need (`load NAME` loads one); DIR/modules has all.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from fetched import GUEST, once

from softmetal.host.image.apt import Apt, host_mirror, unpack
from softmetal.host.image.initrd import cpio, in_order

PACKAGES = ["linux-image-riscv64", "busybox-static"]
AT_ONCE = ("virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng")
LATER = ("ext4", "crc32c_generic", "9p", "9pnet_virtio", "virtio_input", "evdev", "virtio_gpu")
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
load {" ".join(AT_ONCE)}
for word in $(cat /proc/cmdline); do
    case $word in
    root=*) root=${{word#root=}} ;;
    init=*) init=${{word#init=}} ;;
    rw) mode=rw ;;
    esac
done
if [ -n "$root" ]; then
    load crc32c_generic ext4
    mount -o ${{mode:-ro}} $root /mnt && umount /proc && exec switch_root /mnt ${{init:-/sbin/init}}
    echo "there is no system on $root"
fi
echo
echo "Debian's kernel, a shell from busybox; poweroff -f ends it"
exec setsid -c sh -i </dev/console >/dev/console 2>&1
"""
LOAD = """#!/bin/busybox sh
# Load modules with what they need: /modules/NAME lists the files, in order.
for name in "$@"; do
    for file in $(cat /modules/$name); do
        [ -e /sys/module/$file ] || insmod /modules/$file.ko
    done
done
"""
OFF = """#!/bin/busybox sh
/bin/busybox poweroff -f
"""
FOLDER, LINK, PROGRAM, FILE = 0o040755, 0o120777, 0o100755, 0o100644


def initrd(busybox: bytes, modules: Path) -> bytes:
    """The initial file system."""
    files = dict.fromkeys(("bin", "dev", "proc", "sys", "tmp", "mnt", "modules"), (FOLDER, b""))
    for name in (*AT_ONCE, *LATER):
        chain = in_order(modules, (name,))
        files[f"modules/{name}"] = (FILE, " ".join(each for each, _ in chain).encode())
        files |= {f"modules/{each}.ko": (FILE, data) for each, data in chain}
    files |= {"bin/busybox": (PROGRAM, busybox), "bin/sh": (LINK, b"busybox"), "bin/load": (PROGRAM, LOAD.encode())}
    return cpio(files | {"init": (PROGRAM, INIT.encode()), "off": (PROGRAM, OFF.encode())})


def build(folder: Path, state: Path, mirror: str) -> None:
    """Download the packages and take out what is wanted."""
    print("guest_kernel: fetching Debian's riscv64 kernel", file=sys.stderr)
    fresh, unpacked = folder.with_name(folder.name + ".new"), state / "unpacked"
    for each in (fresh, unpacked):
        shutil.rmtree(each, ignore_errors=True)
    fresh.mkdir(parents=True)
    for package in Apt(state, "riscv64", "trixie", mirror).fetch(PACKAGES, lambda *_: None):
        if package.name.startswith(("linux-image-6", "busybox-static")):
            unpack(package, unpacked)
    modules = next((unpacked / "usr/lib/modules").iterdir())
    (fresh / "initrd").write_bytes(initrd((unpacked / "usr/bin/busybox").read_bytes(), modules))
    shutil.move(modules, fresh / "modules")
    shutil.move(next((unpacked / "boot").glob("vmlinu[xz]-*")), fresh / "Image")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    shutil.rmtree(state)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", nargs="?", type=Path, default=GUEST / "kernel")
    parser.add_argument("--mirror", help="a Debian mirror, instead of the one that apt uses here")
    options = parser.parse_args()
    once(options.dir, Path(__file__).read_text(), lambda folder, state: build(folder, state, options.mirror or host_mirror()))


if __name__ == "__main__":
    main()
