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

from softmetal.host.image.apt import Apt, ImageError, Told, host_mirror, inflate, run, unpack
from softmetal.host.image.initrd import make_initrd

ARCHITECTURE = "riscv64"
KERNEL = "linux-image-riscv64"
PACKAGES = (
    "apt", "ca-certificates", "dbus", "e2fsprogs", "ifupdown-", "iproute2", "iputils-ping", "kmod", "less", "libnss-resolve",
    "libpam-systemd", "login", "nano", "netbase", "passwd", "procps", "python3-minimal", "systemd-resolved", "systemd-sysv",
    "udev", "whiptail", "debian-archive-keyring",
)  # fmt: skip
READY = "softmetal: the image is ready"
TOOLS = {"apt-get": "apt", "dpkg-deb": "dpkg", "mke2fs": "e2fsprogs"}
"""What the host needs, and the package that has it."""

FILES = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n::1 localhost\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/network/80-dhcp.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n",
}
"""What is said about the system beyond its packages."""


def missing_tools() -> list[str]:
    """The packages that the host lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)]


def prepare(image: Path, size: int, suite: str, mirror: str | None, extra: list[str], told: Told) -> int:
    """Make the image, its kernel (`.kernel`) and its first file system (`.initrd`). It installs itself in its first boot.

    Answers how many packages there will be. Raises ImageError, and leaves nothing half done.
    """
    lacking = missing_tools()
    if lacking:
        raise ImageError(errno.ENOENT, f"this host lacks {', '.join(lacking)}: apt-get install {' '.join(lacking)}")
    mirror = mirror or host_mirror()
    image = image.resolve()  # apt takes other paths from its own root
    try:
        with tempfile.TemporaryDirectory(prefix=image.name + ".", dir=image.parent) as folder:
            return Preparation(Path(folder), told).make(image, size, suite, mirror, extra)
    except OSError as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(error.errno or errno.EIO, f"{error.filename or image}: {error.strerror}") from None


class Preparation:
    """The making of one image, in a folder that is gone afterwards."""

    def __init__(self, folder: Path, told: Told) -> None:
        self.folder = folder
        self.told = told
        self.tree = folder / "tree"

    def make(self, image: Path, size: int, suite: str, mirror: str, extra: list[str]) -> int:
        """See `prepare`."""
        self.told("fetching the list of packages", 0, 1)
        apt = Apt(self.folder / "apt", ARCHITECTURE, suite, mirror)
        tools = apt.fetch([KERNEL, "busybox-static"], self.told)
        essential = apt.fetch(["?essential"], self.told)
        packages = [p for p in apt.fetch(["?essential", *PACKAGES, *extra], self.told) if p not in essential]
        self.unpack_tools(tools)
        self.lay_out(essential, packages)
        for name, text in {**FILES, "etc/apt/sources.list": f"deb {mirror} {suite} main\n"}.items():
            self.write(f"softmetal/files/{name}", text)
        kernels = sorted((self.tools / "boot").glob("vmlinu[xz]-*"))
        if not kernels:
            raise ImageError(errno.ENOENT, f"{KERNEL} of Debian {suite} holds no kernel")
        initrd = make_initrd(self.busybox, self.tools / "usr/lib/modules")
        self.file_system(image, size)
        shutil.copyfile(kernels[-1], f"{image}.kernel")
        Path(f"{image}.initrd").write_bytes(initrd)
        return len(essential) + len(packages)

    def unpack_tools(self, packages: list[Path]) -> None:
        """The kernel and what the first file system needs."""
        self.tools = self.folder / "tools"
        for package in packages:
            if package.name.startswith(("linux-image-", "busybox-static_")):
                unpack(package, self.tools)
        self.busybox = next(p for p in (self.tools / "usr/bin/busybox", self.tools / "bin/busybox") if p.exists())

    def lay_out(self, essential: list[Path], packages: list[Path]) -> None:
        """The tree as it is before the first boot."""
        for name in ("bin", "lib", "sbin"):
            (self.tree / "usr" / name).mkdir(parents=True)
            (self.tree / name).symlink_to(f"usr/{name}")
        for i, package in enumerate(essential):
            self.told("unpacking", i, len(essential))
            unpack(package, self.tree)
        for name in ("dev", "proc", "sys", "run", "tmp", "root", "var/lib/dpkg"):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        for name in ("status", "available"):
            (self.tree / "var/lib/dpkg" / name).touch()
        for folder, files in (("essential", essential), ("other", packages)):
            target = self.tree / "softmetal" / folder
            target.mkdir(parents=True)
            for i, file in enumerate(files):
                self.told(f"preparing {folder} packages", i, len(files))
                inflate(file, target / file.name)
        shutil.copy(self.busybox, self.tree / "softmetal/busybox")
        shutil.copytree(self.tools / "usr/lib/modules", self.tree / "usr/lib/modules", symlinks=True)
        self.write("softmetal/setup", resources.files("softmetal.host.image").joinpath("setup.sh").read_text(), 0o755)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """A file in the tree."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def file_system(self, image: Path, size: int) -> None:
        """An ext4 of that size, filled from the tree."""
        self.told("making the file system", 0, 1)
        fresh = self.folder / "image"
        with open(fresh, "wb") as file:
            file.truncate(size)
        mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "mke2fs"
        options = ["-q", "-F", "-t", "ext4", "-L", "debian", "-E", "root_owner=0:0", "-d", str(self.tree)]
        run([mke2fs, *options, str(fresh)], f"making a file system of {size >> 20} MiB")
        os.replace(fresh, image)


def finish(image: Path, command: list[str], packages: int, told: Told) -> None:
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
                told("installing inside the machine", min(done, 2 * packages), 2 * packages)
            if line == READY:
                process.wait()
                return
    finally:
        process.kill()
        process.wait()
    raise ImageError(errno.EIO, "the system did not install itself; its last words:\n" + "\n".join(lines))
