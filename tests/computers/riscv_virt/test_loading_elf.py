"""What an ELF file may look like that a whole computer starts from. Source: System V ABI, program headers; qemu-system-riscv64
takes the same files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from softmetal.computers.riscv_virt.loading import load_firmware, load_kernel
from softmetal.isa.riscv.privileged.state import RAM_BASE
from softmetal.machine.errors import LoadError

CODE = bytes(range(1, 65))


def elf(contents: dict[int, bytes], *segments: tuple[int, int, int, int, int], entry: int = RAM_BASE) -> bytes:
    """Bytes by file offset; segments of (offset, virtual, physical, bytes in the file, bytes in memory)."""
    ident = b"\x7fELF\2\1\1" + bytes(9)
    data = bytearray(0x3000)
    data[:64] = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 243, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    for index, (offset, virtual, physical, in_file, in_memory) in enumerate(segments):
        row = struct.pack("<IIQQQQQQ", 1, 7, offset, virtual, physical, in_file, in_memory, 0x1000)
        data[64 + 56 * index : 120 + 56 * index] = row
    for at, piece in contents.items():
        data[at : at + len(piece)] = piece
    return bytes(data)


def write(tmp_path: Path, data: bytes) -> str:
    (tmp_path / "kernel.elf").write_bytes(data)
    return str(tmp_path / "kernel.elf")


def test_headers_that_a_linker_puts_below_memory_are_left_out(tmp_path: Path) -> None:
    below = RAM_BASE - 0x1000
    path = write(tmp_path, elf({0x1000: CODE}, (0, below, below, 0x1040, 0x2000)))
    for loaded in (load_kernel(path), load_firmware(path)):
        assert loaded.pieces == ((RAM_BASE, CODE),)
        assert (loaded.entry, loaded.end) == (RAM_BASE, below + 0x2000)


def test_a_segment_of_nothing_but_headers_is_left_out(tmp_path: Path) -> None:
    below = RAM_BASE - 0x10000
    path = write(tmp_path, elf({0x1000: CODE}, (0, below, below, 0xB0, 0xB0), (0x1000, RAM_BASE, RAM_BASE, 64, 0x100)))
    assert load_kernel(path).pieces == ((RAM_BASE, CODE),)


def test_contents_below_memory_are_refused_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, elf({0x1000: CODE}, (0x1000, 0x10000, 0x10000, 64, 64), entry=0x10000))
    with pytest.raises(LoadError) as refused:
        load_kernel(path)
    assert str(refused.value) == (
        f"kernel {path}: is linked for address 0x10000; memory begins at 0x80000000: is it a program for Linux?"
    )


def test_a_segment_goes_to_its_physical_address_and_so_does_the_entry(tmp_path: Path) -> None:
    virtual = 0xFFFFFFFF80000000
    path = write(tmp_path, elf({0x1000: CODE}, (0x1000, virtual, RAM_BASE + 0x1000, 64, 64), entry=virtual + 8))
    loaded = load_kernel(path)
    assert (loaded.pieces, loaded.entry) == (((RAM_BASE + 0x1000, CODE),), RAM_BASE + 0x1008)


def test_segments_without_bytes_in_the_file_only_take_room(tmp_path: Path) -> None:
    zeros = (0, RAM_BASE + 0x5000, RAM_BASE + 0x5000, 0, 0x1000)
    path = write(tmp_path, elf({0x1000: CODE}, (0x1000, RAM_BASE, RAM_BASE, 64, 64), zeros, (0, 0, 0, 0, 0)))
    loaded = load_kernel(path)
    assert (loaded.pieces, loaded.end) == (((RAM_BASE, CODE),), RAM_BASE + 0x6000)


def test_a_segment_beyond_the_end_of_the_file_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path, elf({0x1000: CODE}, (0x1000, RAM_BASE, RAM_BASE, 0x8000, 0x8000)))
    with pytest.raises(LoadError) as refused:
        load_kernel(path)
    assert str(refused.value) == (f"kernel {path}: damaged: the segment at 0x80000000 reaches beyond the end of the file")
