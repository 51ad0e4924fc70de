#!/usr/bin/env python3
"""Build a riscv64 Debian file tree for `softmetal run --root`, without root rights and without chroot.

    tools/guest_root.py [DIR]          make DIR (default: a folder in the user's cache) unless it is there; print its path
    tools/guest_root.py --extra PKG    add packages
    tools/guest_root.py --suite forky  of this suite (default: the first of trixie, forky, sid that is available)

The packages come from the mirror that this machine's own apt uses, checked by apt against Debian's keys as always;
apt works in a state folder of its own and never touches the machine's. Packages are unpacked, not configured: no
maintainer script runs. Needs apt-get and dpkg-deb (any Debian or Ubuntu).
"""

from __future__ import annotations

import os
from pathlib import Path

from fetched import arguments, once

from softmetal.host.image.apt import unpack
from softmetal.host.image.packages import Fetched

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


def build(packages: Fetched, root: Path) -> None:
    """Unpack the packages into `root`."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in packages.groups[0]:
        unpack(archive, root)
    for folder in ("dev", "proc", "sys", "tmp", "root", "run", "etc"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for path, text in FILES.items():
        (root / path).write_text(text)
    for path, target in LINKS.items():
        if not os.path.lexists(root / path):
            (root / path).symlink_to(target)


def main() -> None:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--extra", action="append", default=[], help="one more package; may be given often")
    options = parser.parse_args()
    once("riscv64", options, [[*PACKAGES, *options.extra]], build, Path(__file__).read_text())


if __name__ == "__main__":
    main()
