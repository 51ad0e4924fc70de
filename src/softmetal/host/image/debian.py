"""A Debian disk image for a riscv64 machine.

Three steps. The host's apt brings the packages; the essential ones are unpacked, and all are laid into an ext4 file system
that mke2fs fills from the folder. Then a machine boots it once: there the packages install themselves as on any
computer, so the host needs neither root rights nor a way to run foreign programs.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from softmetal.host.image import kernel
from softmetal.host.image.apt import TOOLS, ImageError, Progress, host_mirror, inflate, missing_tools, run, unpack
from softmetal.host.image.initrd import make_initrd
from softmetal.host.image.packages import Notice, fetch

PACKAGES = (
    "apt", "ca-certificates", "dbus", "e2fsprogs", "ifupdown-", "iproute2", "iputils-ping", "kmod", "less", "libnss-resolve",
    "libpam-systemd", "login", "mount", "nano", "netbase", "passwd", "procps", "python3-minimal", "systemd-resolved",
    "systemd-sysv", "udev", "whiptail", "debian-archive-keyring",
)  # fmt: skip
READY = "softmetal: the image is ready"
STEP = "softmetal: step "
"""What the guest's console shows while the image installs itself (setup.sh)."""
FILES = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n::1 localhost\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/network/80-dhcp.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n",
}
"""Files of the system beyond its packages."""


class Prepared(NamedTuple):
    """What an image was made of."""

    suite: str
    packages: int
    """How many will install themselves."""
    kernel: str
    """Its version."""


def prepare(
    image: Path, size: int, suite: str | None, mirror: str | None, extra: list[str], progress: Progress, notice: Notice
) -> Prepared:
    """Make the image, its kernel (`.kernel`) and its first file system (`.initrd`). It installs itself in its first boot.

    `suite`: of Debian; None takes the first that is available. Raises ImageError, and leaves nothing half done.
    """
    lacking = missing_tools(*TOOLS)
    if lacking:
        raise ImageError(errno.ENOENT, f"this host lacks {', '.join(lacking)}: apt-get install {' '.join(lacking)}")
    mirror = mirror or host_mirror()
    try:
        with tempfile.TemporaryDirectory(prefix=image.name + ".", dir=image.resolve().parent) as folder:
            return Preparation(Path(folder), progress, notice).make(image, size, suite, mirror, extra)
    except OSError as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(error.errno or errno.EIO, f"{error.filename or image}: {error.strerror}") from None


class Preparation:
    """The making of one image, in a folder that is removed afterwards."""

    def __init__(self, folder: Path, progress: Progress, notice: Notice) -> None:
        self.folder, self.progress, self.notice = folder, progress, notice
        self.tree = folder / "tree"

    def make(self, image: Path, size: int, suite: str | None, mirror: str, extra: list[str]) -> Prepared:
        """See `prepare`."""
        groups = [kernel.PACKAGES, ["?essential"], ["?essential", *PACKAGES, *extra]]
        fetched = fetch(groups, suite=suite, mirror=mirror, newest=True, progress=self.progress, notice=self.notice)
        tools, essential, everything = fetched.groups
        others = [package for package in everything if package not in essential]
        self.kernel = kernel.unpack_kernel(tools, self.folder / "tools")
        self.lay_out(essential, others)
        for name, text in {**FILES, "etc/apt/sources.list": f"deb {mirror} {fetched.suite} main\n"}.items():
            self.write(f"softmetal/files/{name}", text)
        initrd = make_initrd(self.kernel.busybox, self.kernel.modules)
        self.file_system(image, size)
        shutil.copyfile(self.kernel.image, f"{image}.kernel")
        Path(f"{image}.initrd").write_bytes(initrd)
        return Prepared(fetched.suite, len(essential) + len(others), self.kernel.modules.name)

    def lay_out(self, essential: list[Path], others: list[Path]) -> None:
        """The tree as it is before the first boot."""
        for name in ("bin", "lib", "sbin"):
            (self.tree / "usr" / name).mkdir(parents=True)
            (self.tree / name).symlink_to(f"usr/{name}")
        for i, package in enumerate(essential):
            self.progress("unpacking", i, len(essential))
            unpack(package, self.tree)
        for name in ("dev", "proc", "sys", "run", "tmp", "root", "var/lib/dpkg"):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        for name in ("status", "available"):
            (self.tree / "var/lib/dpkg" / name).touch()
        for folder, files in (("essential", essential), ("other", others)):
            target = self.tree / "softmetal" / folder
            target.mkdir(parents=True)
            for i, file in enumerate(files):
                self.progress(f"preparing {folder} packages", i, len(files))
                inflate(file, target / file.name)
        shutil.copy(self.kernel.busybox, self.tree / "softmetal/busybox")
        version = self.kernel.modules.name
        shutil.copytree(self.kernel.modules, self.tree / "usr/lib/modules" / version, symlinks=True)
        self.list_modules(version)
        self.write("softmetal/setup", resources.files("softmetal.host.image").joinpath("setup.sh").read_text(), 0o755)

    def list_modules(self, version: str) -> None:
        """What each module needs and drives, listed by the host's depmod where it has one: the guest takes two minutes for it."""
        depmod = shutil.which("depmod", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if depmod:
            self.progress("listing modules", 0, 1)
            subprocess.run([depmod, "-b", str(self.tree), version], capture_output=True, check=False)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """A file in the tree."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def file_system(self, image: Path, size: int) -> None:
        """An ext4 of that size, filled from the tree."""
        self.progress("making the file system", 0, 1)
        fresh = self.folder / "image"
        with open(fresh, "wb") as file:
            file.truncate(size)
        mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "mke2fs"
        options = ["-q", "-F", "-t", "ext4", "-L", "debian", "-E", "root_owner=0:0", "-d", str(self.tree)]
        run([mke2fs, *options, str(fresh)], f"making a file system of {size >> 20} MiB")
        os.replace(fresh, image)


def finish(image: Path, command: list[str], packages: int, progress: Progress) -> None:
    """Boot the image with this command, in which a machine runs with its console on stdout, until it has installed itself."""
    done = 0
    lines: list[str] = []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        for raw in process.stdout:
            line = raw.decode(errors="replace").strip()
            lines = [*lines[-30:], line]
            if line.startswith(("Unpacking ", "Setting up ")):
                done += 1
                progress("installing inside the machine", min(done, 2 * packages), 2 * packages)
            if line.startswith(STEP):
                progress(line.removeprefix(STEP), 0, 1)
            if line == READY:
                process.wait()
                return
    finally:
        process.kill()
        process.wait()
    raise ImageError(errno.EIO, "the system did not install itself; its last output:\n" + "\n".join(lines))


def take_symbols(image: Path, version: str) -> None:
    """Put the list of the kernel's symbols, which the image has in /boot, beside it (`.symbols`). Raises ImageError."""
    debugfs = shutil.which("debugfs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "debugfs"
    name = f"/boot/System.map-{version}"
    found = subprocess.run([debugfs, "-R", f"cat {name}", str(image)], capture_output=True, check=False).stdout
    if b" T _text\n" not in found and b" T _start\n" not in found:
        raise ImageError(errno.EIO, f"{image}: there are no symbols in its {name}")
    Path(f"{image}.symbols").write_bytes(found)
