#!/usr/bin/env python3
"""Fetch what the guests of labs need that are no riscv64 computers: Debian's amd64 kernel for QEMU, and user-mode Linux.

    tools/lab_guests.py [DIR]          make DIR (default: a folder in the user's cache) unless it is there; print its path
    tools/lab_guests.py --suite sid    of this suite (default: the first of forky, sid, trixie that is available)

DIR/vmlinuz and DIR/initrd are for QEMU, DIR/linux and DIR/initrd.uml for user-mode Linux. Both initial file systems give a
shell of busybox on the console, with drivers for disks, network cards and consoles of virtio.

User-mode Linux is taken from a new suite, with that suite's C library: before Linux 6.13 it does not run on processors whose
state is larger than it expects (AMX).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from fetched import arguments, once

from softmetal.host.image.apt import ImageError, unpack
from softmetal.host.image.initrd import cpio, in_order
from softmetal.host.image.kernel import unpack_kernel
from softmetal.host.image.packages import Fetched

GROUPS = [["linux-image-amd64", "busybox-static"], ["user-mode-linux"]]
SUITES = ("forky", "sid", "trixie")
FOR_QEMU = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console")
FOR_UML = ("virtio_blk", "virtio_net", "virtio_console")
LIBRARIES = ("libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1")
INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
for module in /modules/*; do insmod $module; done
ip link set lo up
echo "a shell from busybox; poweroff -f ends it"
exec setsid -c sh -i </dev/console >/dev/console 2>&1
"""
START = """#!/bin/sh
# user-mode Linux with the C library that it was made for; its interpreter is ./ld.so
cd "$(dirname "$0")/uml" && LD_LIBRARY_PATH="$PWD" exec ./linux "$@"
"""
FOLDER, LINK, PROGRAM, FILE = 0o040755, 0o120777, 0o100755, 0o100644


def initrd(busybox: bytes, modules: Path, names: tuple[str, ...]) -> bytes:
    """An initial file system."""
    files = dict.fromkeys(("bin", "dev", "proc", "sys", "tmp", "mnt", "modules"), (FOLDER, b""))
    for number, (name, data) in enumerate(in_order(modules, names)):
        files[f"modules/{number:02}-{name}.ko"] = (FILE, data)
    files |= {"bin/busybox": (PROGRAM, busybox), "bin/sh": (LINK, b"busybox"), "init": (PROGRAM, INIT.encode())}
    return cpio(files)


def build(packages: Fetched, folder: Path) -> None:
    """Take the needed files out of the packages."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        here = Path(unpacked)
        kernel = unpack_kernel(packages.groups[0], here)
        busybox = kernel.busybox.read_bytes()
        (folder / "initrd").write_bytes(initrd(busybox, kernel.modules, FOR_QEMU))
        shutil.move(kernel.image, folder / "vmlinuz")
        other = here / "uml"
        for package in packages.groups[1]:
            if package.name.startswith(("user-mode-linux_", "libc6_", "libgcc-s1_")):
                unpack(package, other)
        (folder / "initrd.uml").write_bytes(initrd(busybox, next(other.glob("usr/lib/uml/modules/*")), FOR_UML))
        program = (other / "usr/bin/linux.uml").read_bytes()
        if program.count(INTERPRETER) != 1:
            raise ImageError(2, "user-mode Linux names no interpreter of the kind that is expected")
        (folder / "uml").mkdir()
        libraries = other / "usr/lib/x86_64-linux-gnu"
        for name in LIBRARIES:
            shutil.copy(libraries / name, folder / "uml" / name)
        shutil.copy(libraries / "ld-linux-x86-64.so.2", folder / "uml/ld.so")
        write_program(folder / "uml/linux", program.replace(INTERPRETER, b"./ld.so\0".ljust(len(INTERPRETER), b"\0")))
        write_program(folder / "linux", START.encode())


def write_program(path: Path, data: bytes) -> None:
    """A file that can be run."""
    path.write_bytes(data)
    os.chmod(path, 0o755)


def main() -> None:
    """The command line."""
    made_by = Path(__file__).read_text()
    once("lab", arguments(__doc__).parse_args(), GROUPS, build, made_by, architecture="amd64", suites=SUITES)


if __name__ == "__main__":
    main()
