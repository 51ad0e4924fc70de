"""Debian's kernel, taken out of its packages.

Up to trixie one package, linux-image-VERSION, holds the image (/boot/vmlinux-VERSION) and the modules. From forky on it only
depends on others: linux-binary-VERSION (the image, /usr/lib/modules/VERSION/vmlinuz), linux-modules-VERSION, linux-base-VERSION.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from softmetal.host.image.apt import ImageError, unpack

PACKAGES = ["linux-image-riscv64", "busybox-static"]
HOLDERS = ("linux-image-", "linux-base-", "linux-binary-", "linux-modules-", "busybox-static_")
PLACES = ("boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]")


class Kernel(NamedTuple):
    """Where the parts of a kernel lie."""

    image: Path
    modules: Path
    """The folder of its version: usr/lib/modules/VERSION."""
    busybox: Path


def unpack_kernel(packages: list[Path], folder: Path) -> Kernel:
    """Unpack what `packages`, which came from PACKAGES, hold of a kernel. Raises ImageError where a part is missing."""
    for package in packages:
        if package.name.startswith(HOLDERS):
            unpack(package, folder)
    found = {
        "kernel": [path for place in PLACES for path in sorted(folder.glob(place))],
        "folder of modules": sorted(path for path in folder.glob("usr/lib/modules/*") if any(path.rglob("*.ko*"))),
        "busybox": [path for path in (folder / "usr/bin/busybox", folder / "bin/busybox") if path.exists()],
    }
    for what, paths in found.items():
        if not paths:
            names = ", ".join(package.name for package in packages if package.name.startswith(HOLDERS))
            raise ImageError(errno.ENOENT, f"there is no {what} in the packages {names}")
    image, modules, busybox = (paths[-1] for paths in found.values())
    return Kernel(image, modules, busybox)
