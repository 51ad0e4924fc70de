"""Kernels and firmware: which kind of file it is, and its address in a riscv64 machine's memory.

Sources: Linux, Documentation/arch/riscv/boot-image-header.rst and boot.rst; ELF psABI for RISC-V; for compressed EFI images
drivers/firmware/efi/libstub/zboot-header.S (the fields of the header); Microsoft's "PE Format" for the sections of an EFI
application.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from softmetal.isa.riscv.privileged.state import RAM_BASE
from softmetal.machine.errors import LoadError

IMAGE_MAGIC = b"RSC\x05"
IMAGE_OFFSET = 0x20_0000
"""The offset in memory of a kernel that does not ask for one, after the firmware."""
EM_RISCV = 243
MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "AArch64", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S390"}
MOST_ZERO = 16
"""A kernel's file has at least this part of the memory that it needs."""
WHAT = "give a riscv64 Linux Image (also gzip'd or as an EFI application), or an ELF file"


@dataclass(frozen=True)
class Loaded:
    """What goes where: (address, bytes) of each piece, where to begin, the end of what it needs, and where an ELF file has its
    symbol `tohost` (0: nowhere)."""

    pieces: tuple[tuple[int, bytes], ...]
    entry: int
    end: int
    tohost: int = 0


def read(path: str, what: str) -> bytes:
    """A file's bytes. Raises LoadError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise LoadError(f"{what} {path}: {error.strerror}") from None
    if not data:
        raise LoadError(f"{what} {path}: the file is empty")
    return data


def load_kernel(path: str, raw: bool = False) -> Loaded:
    """A kernel. With `raw` a file of no known kind is code for RAM_BASE + IMAGE_OFFSET. Raises LoadError."""
    name = f"kernel {path}"
    data = unpacked(read(path, "kernel"), name)
    if data[:4] == b"\x7fELF":
        return load_elf(data, name)
    if data[0x38:0x3C] == IMAGE_MAGIC and len(data) >= 64:
        offset, size = struct.unpack_from("<QQ", data, 8)
        _check_whole(data, size, name)
        address = RAM_BASE + (offset or IMAGE_OFFSET)
        return Loaded(((address, data),), address, address + max(size, len(data)))
    if data[0x38:0x3C] == b"ARMd":
        raise LoadError(f"{name}: an AArch64 kernel; this board runs riscv64")
    if data[0x202:0x206] == b"HdrS":
        raise LoadError(f"{name}: an x86 kernel; this board runs riscv64")
    if not raw:
        raise LoadError(f"{name}: not a kernel: {WHAT}")
    address = RAM_BASE + IMAGE_OFFSET
    return Loaded(((address, data),), address, address + len(data))


def _check_whole(data: bytes, size: int, name: str) -> None:
    """Refuse an Image of which the end is missing. As an EFI application it says where its sections lie; a header alone says
    only how much memory it needs, of which no kernel leaves nearly all to what is zero at its start."""
    least = size // MOST_ZERO
    try:
        if data[:2] == b"MZ":
            at = struct.unpack_from("<I", data, 0x3C)[0]
            if data[at : at + 4] == b"PE\0\0":
                count, optional = struct.unpack_from("<H", data, at + 6)[0], struct.unpack_from("<H", data, at + 20)[0]
                sections = [struct.unpack_from("<II", data, at + 24 + optional + 40 * i + 16) for i in range(count)]
                least = max([least, *(start + length for length, start in sections)])
            else:
                least = max(least, at + 4)
    except struct.error:
        least = max(least, len(data) + 1)
    if len(data) < least:
        raise LoadError(f"{name}: truncated: it has {len(data)} bytes of at least {least}")


def load_firmware(path: str) -> Loaded:
    """Firmware: an ELF file, or code for the start of memory. Raises LoadError."""
    data = unpacked(read(path, "firmware"), f"firmware {path}")
    if data[:4] == b"\x7fELF":
        return load_elf(data, f"firmware {path}")
    return Loaded(((RAM_BASE, data),), RAM_BASE, RAM_BASE + len(data))


def unpacked(data: bytes, name: str) -> bytes:
    """What a compressed file holds. Raises LoadError where it is damaged."""
    try:
        if data[:2] == b"\x1f\x8b":
            return gzip.decompress(data)
        if data[:2] == b"MZ" and data[4:8] == b"zimg":
            start, size = struct.unpack_from("<II", data, 8)
            kind = data[24:56].partition(b"\0")[0].decode("latin-1")
            body = data[start : start + size]
            if len(body) < size:
                raise LoadError(f"{name}: truncated: it has {len(data)} bytes of at least {start + size}")
            if kind == "gzip":  # it may be padded behind its end
                return zlib.decompressobj(31).decompress(body)
            if kind in ("lzma", "xz", "xzkern"):
                return lzma.LZMADecompressor().decompress(body)
            raise LoadError(f"{name}: compressed with {kind}; unpack it first")
    except (OSError, EOFError, zlib.error, lzma.LZMAError, struct.error) as error:
        raise LoadError(f"{name}: damaged: {error}") from None
    return data


def load_elf(data: bytes, name: str) -> Loaded:
    """The segments of an ELF file at their physical addresses. Raises LoadError."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        machine = struct.unpack_from("<H" if elf.little_endian else ">H", data, 18)[0]
        if machine != EM_RISCV or elf.elfclass != 64:
            kind = MACHINES.get(machine, "RISC-V" if machine == EM_RISCV else f"machine {machine}")
            raise LoadError(f"{name}: for {kind} ({elf.elfclass} bits); this board runs riscv64")
        pieces, end = [], 0
        header = elf.header
        headers = max(header["e_ehsize"], header["e_phoff"] + header["e_phnum"] * header["e_phentsize"])
        entry: int = header["e_entry"]
        physical = entry
        for segment in elf.iter_segments("PT_LOAD"):
            address: int = segment["p_paddr"]
            contents = segment.data()
            if len(contents) < segment["p_filesz"]:
                raise LoadError(f"{name}: damaged: the segment at {address:#x} reaches beyond the end of the file")
            below = min(RAM_BASE - address, len(contents))
            if below > 0 and not any(contents[max(0, headers - segment["p_offset"]) : below]):
                contents = contents[below:]  # a linker has put the file's own headers before the first section
                address += below
            if contents:
                pieces.append((address, contents))
            end = max(end, segment["p_paddr"] + segment["p_memsz"])
            if segment["p_vaddr"] <= entry < segment["p_vaddr"] + segment["p_memsz"]:
                physical = entry - segment["p_vaddr"] + segment["p_paddr"]
        table: Any = elf.get_section_by_name(".symtab")
        symbols = table.get_symbol_by_name("tohost") if table else None
        tohost: int = symbols[0]["st_value"] if symbols else 0
    except (ELFError, struct.error, KeyError, ValueError) as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(f"{name}: damaged: {error}") from None
    if not pieces:
        raise LoadError(f"{name}: an ELF file with nothing to load")
    if min(a for a, _ in pieces) < RAM_BASE:
        lowest = min(a for a, _ in pieces)
        raise LoadError(f"{name}: is linked for address {lowest:#x}; memory begins at {RAM_BASE:#x}: is it a program for Linux?")
    return Loaded(tuple(pieces), physical, end, tohost)
