#!/usr/bin/env python3
"""Fetch Debian's riscv64 kernel, unchanged, and make an initial file system with busybox for it.

    tools/guest_kernel.py [DIR]          make DIR (default: a folder in the user's cache) unless it is there; print its path
    tools/guest_kernel.py --suite forky  of this suite (default: the first of trixie, forky, sid that is available)

DIR/Image is the kernel as Debian ships it, DIR/initrd an archive whose /init gives a shell on the console, and whose /off
powers off at once (append rdinit=/off). With root=DEVICE on its command line /init goes on in the system there.
The archive holds the modules that the virt board's devices, ext4 and 9p need (`load NAME` loads one); DIR/modules has all.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fetched import arguments, once

from softmetal.host.image.initrd import cpio, in_order
from softmetal.host.image.kernel import PACKAGES, unpack_kernel
from softmetal.host.image.packages import Fetched

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


def build(packages: Fetched, folder: Path) -> None:
    """Take the needed files out of the packages."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        kernel = unpack_kernel(packages.groups[0], Path(unpacked))
        (folder / "initrd").write_bytes(initrd(kernel.busybox.read_bytes(), kernel.modules))
        shutil.move(kernel.image, folder / "Image")
        shutil.move(kernel.modules, folder / "modules")


def main() -> None:
    """The command line."""
    once("kernel", arguments(__doc__).parse_args(), [PACKAGES], build, Path(__file__).read_text())


if __name__ == "__main__":
    main()
