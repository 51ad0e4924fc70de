"""What holds a disk's bytes on the host, whatever its format."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from softmetal.host.errors import HostError

MAGICS = {b"QFI\xfb": "qcow2"}
"""How an image begins that is not raw."""
STARTS = (
    (0, b"KDMV", "VMDK"), (0, b"COWD", "VMDK"), (0, b"# Disk DescriptorFile", "VMDK"), (0x40, b"\x7f\x10\xda\xbe", "VDI"),
    (0, b"vhdxfile", "VHDX"), (0, b"conectix", "VHD"), (0, b"QED\0", "QED"), (0, b"LUKS\xba\xbe", "LUKS"),
    (0, b"WithoutFreeSpace", "Parallels"), (0, b"WithouFreSpacExt", "Parallels"), (0, b"Bochs Virtual HD Image", "Bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"), (0, b"\x1f\x8b\x08", "gzip"), (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"), (0, b"BZh", "bzip2"),
)  # fmt: skip
"""How images begin in formats that are not read: offset, bytes, name. Those of virtual disks are QEMU's probes (block/*.c)."""
ENDS = ((b"conectix", "VHD"), (b"koly", "DMG"))
"""How the last 512 bytes of others begin."""


def foreign(start: bytes, end: bytes) -> str:
    """The unsupported format of an image with this start and these last 512 bytes, "" if it is not recognised."""
    for offset, magic, name in STARTS:
        if start[offset : offset + len(magic)] == magic:
            return name
    return next((name for magic, name in ENDS if end.startswith(magic)), "")


class DiskError(HostError):
    """What went wrong with a disk."""


SHORT = {
    errno.ENOSPC: "no space left on the host's file system",
    errno.EDQUOT: "the disk quota on the host is used up",
    errno.EIO: "the host's medium cannot be read or written",
    errno.EFBIG: "larger than the host allows a file to be",
}


def disk_error(name: str, doing: str, error: OSError) -> DiskError:
    """The host's error, in our words."""
    code = error.errno or errno.EIO
    return DiskError(code, f"disk {name}: {doing} failed: {SHORT.get(code, error.strerror or str(error))}")


class Base(ABC):
    """An open image. Several disks may share one (forks do); the last one closes it."""

    name: str
    size: int
    users: int = 1

    @abstractmethod
    def readv(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Fill the parts, one after the other, from here on. Raises DiskError, as all methods do."""

    @abstractmethod
    def writev(self, offset: int, parts: Sequence[memoryview]) -> None:
        """Write the parts, one after the other, from here on."""

    @abstractmethod
    def flush(self) -> None:
        """What was written stays, whatever happens to the host."""

    @abstractmethod
    def discard(self, offset: int, length: int) -> None:
        """These bytes are no longer needed: what is read there from now on is undefined."""

    @abstractmethod
    def zero(self, offset: int, length: int) -> None:
        """These bytes are zero from now on."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """For a `with`: an image that was opened for reading can be written meanwhile, if no other process uses it."""

    @abstractmethod
    def shut(self) -> None:
        """Let go of the file."""

    def close(self) -> None:
        """One user less."""
        self.users -= 1
        if not self.users:
            self.shut()
