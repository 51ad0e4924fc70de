"""Reading an ELF file far enough to run it.

Source: the System V ABI (ELF header, program headers) and the RISC-V psABI (`e_flags`). Only the header and
the program headers matter to a loader, so they are read with `struct` here: a page of code, where importing
pyelftools would cost a quarter of a hello world's start-up time.

Not modelled: section headers, symbols and relocations (the guest's own dynamic linker does those).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from .cpu import MEMORY_SIZE, PAGE
from .errors import RunError

EM_RISCV = 243
ET_EXEC = 2
ET_DYN = 3
PT_LOAD = 1
PT_INTERP = 3
PT_PHDR = 6
PT_GNU_STACK = 0x6474E551
PF_X = 1
PF_W = 2
PF_R = 4

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
MAX_SEGMENTS = 65536 // 56
"""Linux reads 64 KiB of program headers at most."""

MACHINES = {
    2: "SPARC", 3: "x86 (32-bit)", 4: "Motorola 68000", 8: "MIPS", 20: "PowerPC", 21: "PowerPC 64", 22: "S/390",
    40: "ARM (32-bit)", 42: "SuperH", 43: "SPARC V9", 50: "IA-64", 62: "x86-64", 83: "AVR", 94: "Xtensa",
    183: "AArch64", 243: "RISC-V", 247: "BPF", 258: "LoongArch",
}  # fmt: skip
"""`e_machine` names from the ELF registry, for the message that says what the file is."""

SUPPORTED = "softmetal run supports 64-bit little-endian RISC-V (riscv64) Linux programs"


@dataclass(frozen=True, slots=True)
class Segment:
    """One `PT_LOAD` segment; addresses are relative to the load bias."""

    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int = PAGE

    @property
    def start(self) -> int:
        """The first page's address."""
        return self.address & -PAGE

    @property
    def end(self) -> int:
        """The address after the last page."""
        return (self.address + self.memory_size + PAGE - 1) & -PAGE


@dataclass(frozen=True, slots=True)
class Elf:
    """What a loader needs to know of a program or a dynamic linker."""

    entry: int
    relocatable: bool
    segments: tuple[Segment, ...]
    interpreter: bytes | None
    headers_address: int
    headers_count: int
    executable_stack: bool = False
    """PT_GNU_STACK asks for one. Without that header Linux on riscv gives a stack that is not."""

    @property
    def low(self) -> int:
        """The lowest page that a segment covers."""
        return min(s.start for s in self.segments)

    @property
    def high(self) -> int:
        """The address after the highest page that a segment covers."""
        return max(s.end for s in self.segments)

    @property
    def alignment(self) -> int:
        """What the load bias must be a multiple of: the largest `p_align` that is a power of two."""
        return max([PAGE, *(s.align for s in self.segments if s.align & (s.align - 1) == 0)])


Read = Callable[[int, int], bytes]
"""Bytes of a file, by offset and length; fewer at its end."""


def parse(read: Read, size: int, name: str) -> Elf:
    """Parse the ELF file of `size` bytes that `read` reads.

    Its program headers and the interpreter's name may lie anywhere in it (patchelf puts them at the end).
    Raises RunError (exit code 126) naming `name` and, where there is one, the address that is wrong.
    """

    def bad(reason: str) -> RunError:
        return RunError(f"{name}: {reason}")

    if size == 0:
        raise bad("the file is empty")
    data = read(0, HEADER.size)
    if data[:4] != b"\x7fELF":
        raise bad(f"not an ELF file and not a #! script; {SUPPORTED}")
    if len(data) < HEADER.size:
        raise bad(f"truncated ELF file: {size} bytes, the header alone has {HEADER.size}")
    machine = struct.unpack_from(">H" if data[5] == 2 else "<H", data, 18)[0]
    label = MACHINES.get(machine, f"machine {machine}")
    if machine != EM_RISCV:
        raise bad(f"this is a program for {label}; {SUPPORTED}")
    if data[4] != 2:
        raise bad(f"this is a 32-bit {label} program; {SUPPORTED}")
    if data[5] != 1:
        raise bad(f"this is a big-endian {label} program; {SUPPORTED}")
    _, kind, _, _, entry, phoff, _, _, _, phentsize, phnum, _, _, _ = HEADER.unpack_from(data, 0)
    if kind not in (ET_EXEC, ET_DYN):
        what = {1: "an object file: link it first", 4: "a core dump"}.get(kind, f"of ELF type {kind}")
        raise bad(f"not a program but {what}")
    if phentsize != SEGMENT.size or not 0 < phnum <= MAX_SEGMENTS:
        raise bad(f"bad ELF file: {phnum} program headers of {phentsize} bytes")
    headers = read(phoff, phnum * phentsize) if phoff < size else b""
    if len(headers) < phnum * phentsize:
        raise bad(f"truncated ELF file: its program headers end at byte {phoff + phnum * phentsize}, the file has {size}")
    segments: list[Segment] = []
    interpreter: bytes | None = None
    headers_address = 0
    executable_stack = False
    for ptype, flags, offset, address, _, file_size, memory_size, align in SEGMENT.iter_unpack(headers):
        if ptype == PT_LOAD and memory_size:
            check_segment(bad, size, offset, address, file_size, memory_size)
            segments.append(Segment(flags, offset, address, file_size, memory_size, align))
            if offset <= phoff < offset + file_size:
                headers_address = address + phoff - offset
        elif ptype == PT_INTERP and interpreter is None:
            text = read(offset, file_size) if offset < size and file_size <= 4096 else b""
            if len(text) < file_size or not 1 < file_size <= 4096:
                raise bad("truncated ELF file: the interpreter's name is outside of it")
            if text[-1]:
                raise bad("bad ELF file: the interpreter's name does not end with a NUL byte")
            interpreter = text.split(b"\0")[0]
        elif ptype == PT_GNU_STACK:
            executable_stack = bool(flags & PF_X)
    if not segments:
        raise bad("bad ELF file: nothing to load in it")
    return Elf(entry, kind == ET_DYN, tuple(segments), interpreter, headers_address, phnum, executable_stack)


def check_segment(bad: Callable[[str], RunError], size: int, offset: int, address: int, file_size: int, memory_size: int) -> None:
    """Raise `bad(reason)` if a `PT_LOAD` segment cannot be mapped."""
    if file_size > memory_size:
        raise bad(f"bad ELF file: the segment at {address:#x} has more bytes in the file than in memory")
    if address + memory_size > MEMORY_SIZE - PAGE or memory_size > MEMORY_SIZE:
        raise bad(f"bad ELF file: the segment at {address:#x} ({memory_size:#x} bytes) is outside of the address space")
    if file_size and offset + file_size > size:
        raise bad(f"truncated ELF file: the segment at {address:#x} ends at byte {offset + file_size}, the file has {size}")
    if file_size and (offset - address) % PAGE:
        raise bad(f"bad ELF file: the segment at {address:#x} is not aligned with its place in the file")
