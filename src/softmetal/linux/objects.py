"""ELF files as the assembler and disassembler see them.

Source: System V ABI, "Object Files" (ELF-64); RISC-V ELF psABI for the machine number and flags.
"""

from __future__ import annotations

import struct
from pathlib import Path

EM_RISCV = 243
FLOAT_ABI_DOUBLE, RVC = 4, 1
HEADER, PROGRAM_HEADER = 64, 56
PAGE = 4096


class NotElf(ValueError):
    """A file that is no ELF file that can be read here, with the reason in one line."""


def program(code: bytes, origin: int, entry: int) -> bytes:
    """A static riscv64 Linux program whose one segment, readable, writable and executable, is `code` at `origin`."""
    offset = PAGE + origin % PAGE
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    flags = FLOAT_ABI_DOUBLE | RVC
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, EM_RISCV, 1, entry, HEADER, 0, flags, HEADER, PROGRAM_HEADER, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, offset, origin, origin, len(code), len(code), PAGE)
    return (header + segment).ljust(offset, b"\0") + code


def code_sections(path: Path) -> tuple[list[tuple[str, int, bytes]], dict[str, int]]:
    """(name, address, bytes) of the executable sections of a riscv64 ELF file, and its symbols. Raises NotElf."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
            if elf.header["e_machine"] != "EM_RISCV" or elf.elfclass != 64:
                machine = str(elf.header["e_machine"]).removeprefix("EM_")
                raise NotElf(f"{path}: is for {machine} ({elf.elfclass} bits); riscv64 is supported")
            found = [
                (s.name, s["sh_addr"], s.data())
                for s in elf.iter_sections()
                if s["sh_flags"] & 4 and s["sh_type"] == "SHT_PROGBITS"
            ]
            symbols: dict[str, int] = {}
            for section in elf.iter_sections():
                if isinstance(section, SymbolTableSection):
                    for symbol in section.iter_symbols():
                        if symbol["st_info"]["type"] in ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT") and symbol.name:
                            if symbol["st_shndx"] != "SHN_UNDEF" and not symbol.name.startswith("$"):
                                symbols[symbol.name] = symbol["st_value"]
            if not found:  # a program without sections: its executable segments
                loads = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
                found = [("", s["p_vaddr"], s.data()) for s in loads if s["p_flags"] & 1]
        except ELFError as error:
            raise NotElf(f"{path}: not an ELF file ({error})") from None
    return found, symbols
