"""Names of a guest's addresses, from ELF files and lists such as System.map.

Sources: System V ABI, "Symbol Table"; nm(1), "bsd" format: an address in hexadecimal, a letter, a name.
"""

from __future__ import annotations

import bisect
import contextlib
import difflib
import io
import re

LINE = re.compile(r"([0-9a-fA-F]{8,16}) ([A-Za-z?]) (\S+)")


class SymbolError(ValueError):
    """A file without symbols, or an unknown name, in one line."""


class Symbols:
    """Names and their addresses, those of all files that were loaded.

    Where none was, and a name is asked for, they are those of `kernel`: an ELF file's own, or those of a file beside it,
    KERNEL.symbols (of IMAGE.kernel also IMAGE.symbols).
    """

    def __init__(self, kernel: str = "") -> None:
        self._addresses: dict[str, int] = {}
        self._sorted: list[tuple[int, str]] | None = None
        self._kernel = kernel

    def __len__(self) -> int:
        self._find()
        return len(self._addresses)

    def __contains__(self, name: str) -> bool:
        self._find()
        return name in self._addresses

    def _find(self) -> None:
        """Load the kernel's symbols, the first time."""
        kernel, self._kernel = self._kernel, ""
        for path in (kernel, f"{kernel}.symbols", kernel.removesuffix(".kernel") + ".symbols") if kernel else ():
            with contextlib.suppress(SymbolError):
                if self.load(path):
                    break

    def load(self, path: str, offset: int = 0) -> int:
        """Take the symbols of a file, moved by `offset`; how many there are. Raises SymbolError."""
        self._kernel = ""
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise SymbolError(f"symbols {path}: {error.strerror}") from None
        found = _of_elf(data, path) if data[:4] == b"\x7fELF" else _of_list(data)
        if not found:
            raise SymbolError(f"symbols {path}: no symbols found; give an ELF file that is not stripped, or a System.map")
        self._addresses.update((name, address + offset & (1 << 64) - 1) for name, address in found.items())
        self._sorted = None
        return len(found)

    def address(self, name: int | str) -> int:
        """The address of a symbol; a number, also as text, is its own. Raises SymbolError."""
        if isinstance(name, int):
            return name
        try:
            return int(name, 0)
        except ValueError:
            pass
        if name in self:
            return self._addresses[name]
        if not self._addresses:
            raise SymbolError(f"no symbol {name!r}: none are loaded; load an ELF file or a System.map")
        near = difflib.get_close_matches(name, self._addresses, 3)
        raise SymbolError(f"no symbol {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))

    def at(self, address: int) -> str:
        """`NAME+0xOFFSET` of the last symbol that is not behind an address, "" where there is none."""
        self._find()
        if self._sorted is None:
            self._sorted = sorted((a, n) for n, a in self._addresses.items())
        place = bisect.bisect_right(self._sorted, (address, "\U0010ffff"))
        if not place:
            return ""
        start, name = self._sorted[place - 1]
        return f"{name}+{address - start:#x}" if address != start else name


def _of_elf(data: bytes, path: str) -> dict[str, int]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    found: dict[str, int] = {}
    try:
        for section in ELFFile(io.BytesIO(data)).iter_sections():
            if isinstance(section, SymbolTableSection):
                for symbol in section.iter_symbols():
                    kind = symbol["st_info"]["type"]
                    if symbol.name and symbol["st_shndx"] != "SHN_UNDEF" and kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
                        if symbol.name[0] not in "$.":  # those mark code and data, or are the assembler's own
                            found[symbol.name] = symbol["st_value"]
    except (ELFError, ValueError, KeyError, UnicodeDecodeError) as error:
        raise SymbolError(f"symbols {path}: damaged: {error}") from None
    return found


def _of_list(data: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in data.decode("latin-1").splitlines():
        match = LINE.match(line)
        if match:
            found.setdefault(match[3], int(match[1], 16))
    return found
