"""Kernels that are whole, and kernels of which the end is missing."""

from __future__ import annotations

import gzip
import lzma
import struct

import pytest

from softmetal.computers.riscv_virt import Virt
from softmetal.computers.riscv_virt.loading import load_kernel
from softmetal.machine.errors import LoadError

SIZE = 40_000
NEEDS = 60_000


def image(sections=((0x1000, 30_000), (0x1000 + 30_000, SIZE - 0x1000 - 30_000))) -> bytes:
    """A riscv64 Image that is an EFI application, too: headers, then sections of (start, length)."""
    head = bytearray(SIZE)
    head[:2] = b"MZ"
    struct.pack_into("<QQ", head, 8, 0x20_0000, NEEDS)
    head[0x38:0x3C] = b"RSC\x05"
    struct.pack_into("<I", head, 0x3C, 0x40)
    head[0x40:0x44] = b"PE\0\0"
    struct.pack_into("<H", head, 0x46, len(sections))
    struct.pack_into("<H", head, 0x54, 0x70)
    for i, (start, length) in enumerate(sections):
        struct.pack_into("<II", head, 0x40 + 24 + 0x70 + 40 * i + 16, length, start)
    return bytes(head)


def kernel(tmp_path, data):
    path = tmp_path / "kernel"
    path.write_bytes(data)
    return str(path)


def test_a_whole_image_is_loaded_with_the_memory_that_it_needs(tmp_path):
    loaded = load_kernel(kernel(tmp_path, image()))
    assert loaded.end - loaded.entry == NEEDS
    assert len(loaded.pieces[0][1]) == SIZE


@pytest.mark.parametrize("left", [64, 66, 100, 0x41, 0x60, 5000, SIZE - 1])
def test_an_image_that_is_cut_is_refused(tmp_path, left):
    with pytest.raises(LoadError, match=f"kernel: truncated: it has {left} bytes of at least"):
        load_kernel(kernel(tmp_path, image()[:left]))


def test_a_header_without_sections_is_believed_as_far_as_it_goes(tmp_path):
    plain = bytearray(image())
    plain[:2] = b"\x6f\0"
    assert load_kernel(kernel(tmp_path, bytes(plain))).pieces
    with pytest.raises(LoadError, match="truncated: it has 100 bytes of at least 3750"):
        load_kernel(kernel(tmp_path, bytes(plain[:100])))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_compressed_kernel_that_is_cut_is_refused(tmp_path, pack):
    body = pack(image())
    kind = b"gzip" if pack is gzip.compress else b"xzkern"
    efi = b"MZ\0\0zimg" + struct.pack("<II", 64, len(body)) + bytes(8) + kind.ljust(40, b"\0") + body
    assert load_kernel(kernel(tmp_path, efi)).pieces
    with pytest.raises(LoadError, match=f"truncated: it has {len(efi) - 10} bytes of at least {len(efi)}"):
        load_kernel(kernel(tmp_path, efi[:-10]))
    if pack is gzip.compress:
        with pytest.raises(LoadError, match="damaged"):
            load_kernel(kernel(tmp_path, body[:-10]))


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"kernel": "k", "append": "console=ttyS0"}, "console=ttyS0 earlycon=sbi"),
        ({"kernel": "k"}, "earlycon=sbi"),
        ({"kernel": "k", "bios": "fw"}, "earlycon=sbi"),
        ({"kernel": "k", "append": "earlycon=uart8250,mmio,0x10000000 x"}, "earlycon=uart8250,mmio,0x10000000 x"),
        ({"kernel": "k", "append": "a" * 1015}, "a" * 1015),
        ({"kernel": "k", "append": "a", "bios": "none"}, "a"),
        ({"bios": "fw", "append": "a"}, "a"),
    ],
)
def test_an_early_console_is_added_where_there_is_firmware_and_the_user_gives_none(parts, line):
    assert Virt(**parts).bootargs == line
