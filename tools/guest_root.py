#!/usr/bin/env python3
"""Build a riscv64 Debian file tree for `softmetal run --root`, without root rights and without chroot.

    tools/guest_root.py [DIR]        build DIR (default: .guest/riscv64) unless it is there already; print its path
    tools/guest_root.py --extra PKG  add packages

The packages come from the mirror that this machine's own apt uses, checked by apt against Debian's keys as always;
apt works in a state folder of its own and never touches the machine's. Packages are unpacked, not configured: no
maintainer script runs. Needs apt-get and dpkg-deb (any Debian or Ubuntu).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from fetched import GUEST, once

from softmetal.host.image.apt import Apt, host_mirror, unpack

SUITE = "trixie"
PACKAGES = [
    "libc6",
    "libc-bin",
    "libstdc++6",
    "libgcc-s1",
    "bash",
    "busybox",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "sed",
    "gawk",
    "mawk",
    "tar",
    "gzip",
    "diffutils",
    "debianutils",
    "sqlite3",
    "lua5.4",
    "perl",
    "python3",
    "python3-minimal",
    "util-linux",
    "procps",
    "bc",
    "file",
    "less",
    "make",
    "bsdutils",
    "ncurses-base",
    "tzdata",
]
MERGED = ("bin", "lib", "sbin")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": "softmetal\n",
    "etc/hosts": "127.0.0.1 localhost softmetal\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
LINKS = {
    "usr/bin/awk": "mawk",
    "usr/bin/sh": "dash",
    "usr/bin/lua": "lua5.4",
    "etc/localtime": "/usr/share/zoneinfo/UTC",
}


def build(root: Path, state: Path, mirror: str, packages: list[str]) -> None:
    """Download the packages with what they need, and unpack them into `root`."""
    print(f"guest_root: fetching riscv64 packages of Debian {SUITE}", file=sys.stderr)
    archives = Apt(state, "riscv64", SUITE, mirror).fetch(packages, lambda *_: None)
    fresh = root.with_name(root.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in MERGED:
        (fresh / "usr" / name).mkdir(parents=True)
        (fresh / name).symlink_to(f"usr/{name}")
    for archive in archives:
        unpack(archive, fresh)
    for folder in ("dev", "proc", "sys", "tmp", "root", "run", "etc"):
        (fresh / folder).mkdir(exist_ok=True)
    (fresh / "tmp").chmod(0o1777)
    for path, text in FILES.items():
        (fresh / path).write_text(text)
    for path, target in LINKS.items():
        if not os.path.lexists(fresh / path):
            (fresh / path).symlink_to(target)
    if root.exists():
        shutil.rmtree(root)
    fresh.rename(root)
    shutil.rmtree(state)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", nargs="?", type=Path, default=GUEST / "riscv64")
    parser.add_argument("--mirror", help="a Debian mirror, instead of the one that apt uses here")
    parser.add_argument("--extra", action="append", default=[], help="one more package; may be given often")
    options = parser.parse_args()
    packages = [*PACKAGES, *options.extra]
    what = " ".join([SUITE, *packages, Path(__file__).read_text()])
    once(options.dir, what, lambda folder, state: build(folder, state, options.mirror or host_mirror(), packages))


if __name__ == "__main__":
    main()
