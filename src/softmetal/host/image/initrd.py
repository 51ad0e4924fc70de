"""A small first file system: it loads what the kernel needs to reach its disk, and starts the system on it.

Sources: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst ("newc"); modules list what they need in
their section .modinfo.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
from pathlib import Path

from elftools.elf.elffile import ELFFile

from softmetal.host.image.apt import ImageError

MODULES = ("virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net", "virtio_rng", "9pnet_virtio", "9p")
"""What a guest needs before it can read its disk, and what udev would load at once."""

INIT = """\
#!/busybox sh
# Made by softmetal: load drivers, mount the disk that root= names (/dev/vda), go on there.
/busybox mkdir -p /proc /sys /dev /root
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /busybox insmod "$module"; done
root=/dev/vda mode=ro start=
for word in $(/busybox cat /proc/cmdline); do
    case "$word" in
        root=*) root="${word#root=}" ;;
        rw) mode=rw ;;
        init=*) start="${word#init=}" ;;
    esac
done
if ! /busybox mount -o "$mode" "$root" /root; then
    echo "initrd: $root cannot be mounted. This is a shell; 'exit' ends it and the machine."
    /busybox sh
    /busybox poweroff -f
fi
/busybox test -e /root/softmetal/setup && start=/softmetal/setup && /busybox mount -o remount,rw /root
/busybox mount --move /dev /root/dev
/busybox umount /sys /proc
exec /busybox switch_root /root "${start:-/sbin/init}"
"""


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An archive of files: (mode, content) by name. Directories come before what is in them."""
    out = bytearray()
    for inode, (name, (mode, content)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        text = name.encode() + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(text), 0)
        out += b"070701" + b"".join(b"%08X" % n for n in numbers) + text
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def module_content(path: Path) -> bytes:
    """A kernel module as the kernel takes it."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def needs(module: bytes) -> list[str]:
    """The modules that this one needs."""
    section = ELFFile(io.BytesIO(module)).get_section_by_name(".modinfo")
    for entry in section.data().split(b"\0") if section is not None else ():
        if entry.startswith(b"depends="):
            return [name.decode() for name in entry[8:].split(b",") if name]
    return []


def in_order(folder: Path, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """These modules and all that they need, each after what it needs. What is not there is in the kernel itself."""
    paths = {path.name.split(".")[0].replace("-", "_"): path for path in folder.rglob("*.ko*")}
    out: dict[str, bytes] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in out or name not in paths:
            return
        content = module_content(paths[name])
        for other in needs(content):
            add(other)
        out[name] = content

    for name in names:
        add(name)
    return list(out.items())


def make_initrd(busybox: Path, modules: Path) -> bytes:
    """The file for `--initrd`."""
    loaded = in_order(modules, MODULES)
    if not loaded:
        raise ImageError(errno.ENOENT, "the kernel's package holds no modules")
    files = {
        "init": (0o100755, INIT.encode()),
        "busybox": (0o100755, busybox.read_bytes()),
        "modules": (0o040755, b""),
        **{f"modules/{i:02}-{name}.ko": (0o100644, data) for i, (name, data) in enumerate(loaded)},
    }
    return gzip.compress(cpio(files), 6, mtime=0)
