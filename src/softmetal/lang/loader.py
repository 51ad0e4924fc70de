"""Puts object files that LLVM made into this process.

Compiled units hold only code and constants. They refer to themselves, to functions of units that were loaded before,
and to a few of the C library. So loading one is: lay its sections out in one mapping, fill in the addresses, make the
mapping executable. LLVM's own loader puts sections at addresses of its choice, too far apart for the short references
of position-independent code when a board's terabytes of address space lie between them; and it would have to be loaded
for each run.

Sources: System V ABI, AMD64 supplement, "Relocation Types"; ELF-64 object file format.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

PROGBITS, NOBITS, RELA, SYMTAB = 1, 8, 4, 2
ALLOCATED = 2
R_64, R_PC32, R_PLT32, R_PC64 = 1, 2, 4, 24
R_GOTPCREL, R_GOTPCRELX, R_REX_GOTPCRELX = 9, 41, 42
SYMBOL, RELOCATION, NEAR = struct.Struct("<IBBHQQ"), struct.Struct("<QQq"), struct.Struct("<i")
BUNDLE = b"softmetal objects\n"
STUB = 16
"""Bytes of a jump to a function elsewhere, with its address behind."""


class Library:
    """Native code in this process: what an object file, or several that refer to each other (see `bundle`), export.

    `outside` gives the addresses of functions that they expect elsewhere.
    """

    def __init__(self, code: bytes, names: Iterable[str], outside: Mapping[str, int] | None = None) -> None:
        objects = _objects(code)
        if platform.machine() == "x86_64":
            self._loaded: Any = _Loaded(objects, outside or {})
            self._addresses = {name: self._loaded.symbols[name] for name in names}
        else:
            self._loaded, self._addresses = _by_llvm(objects, list(names), outside or {})

    def address(self, name: str) -> int:
        """Where an exported function begins. Raises KeyError."""
        return self._addresses[name]

    @property
    def addresses(self) -> Mapping[str, int]:
        """Where the exported functions begin."""
        return self._addresses


def bundle(objects: Sequence[bytes]) -> bytes:
    """Several object files as one, for `Library`."""
    if len(objects) == 1:
        return objects[0]
    return BUNDLE + b"".join(struct.pack("<Q", len(each)) + each for each in objects)


def _objects(code: bytes) -> list[bytes]:
    """The reverse of `bundle`."""
    if not code.startswith(BUNDLE):
        return [code]
    found, at = [], len(BUNDLE)
    while at < len(code):
        (size,) = struct.unpack_from("<Q", code, at)
        found.append(code[at + 8 : at + 8 + size])
        at += 8 + size
    return found


def _by_llvm(objects: Sequence[bytes], names: list[str], outside: Mapping[str, int]) -> tuple[Any, dict[str, int]]:
    """LLVM's own loader, for hosts whose relocations are not written here."""
    import llvmlite.binding as llvm

    from softmetal.lang.llvm.target import target_machine

    jit = llvm.create_lljit_compiler(target_machine())
    builder = llvm.JITLibraryBuilder()
    for each in objects:
        builder.add_object_img(each)
    for name in names:
        builder.export_symbol(name)
    for name, address in outside.items():
        builder.import_symbol(name, address)
    library = builder.link(jit, f"softmetal.{id(builder)}")
    return (jit, library), {n: library[n] for n in names}


class _Object:
    """An object file: its sections, and where they lie in the mapping."""

    def __init__(self, data: bytes, end: int) -> None:
        offset, count = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3C)[0]
        self.data = data
        self.sections: list[tuple[int, ...]] = []  # type, flags, offset, size, link, info, alignment of each
        for i in range(count):
            _, kind, flags, _, at, size, link, info, align, _ = struct.unpack_from("<IIQQQQIIQQ", data, offset + 64 * i)
            self.sections.append((kind, flags, at, size, link, info, max(1, align)))
        self.places: dict[int, int] = {}
        for i, (_, flags, _, size, _, _, align) in enumerate(self.sections):
            if flags & ALLOCATED:
                end = -(-end // align) * align
                self.places[i] = end
                end += size
        self.end = end

    def symbols(self) -> Iterator[tuple[str, int | None, bool]]:
        """All symbols in their order: the name ("" for the file's own), the place (None: expected elsewhere), whether others
        may refer to it."""
        for kind, _, source, size, link, _, _ in self.sections:
            if kind != SYMTAB:
                continue
            strings = self.sections[link][2]
            for name_at, info, _, section, value, _ in SYMBOL.iter_unpack(self.data[source : source + size]):
                exported = info >> 4 != 0
                if not exported:
                    yield "", self.places.get(section, 0) + value, False
                    continue
                name = self.data[strings + name_at : self.data.index(b"\0", strings + name_at)].decode()
                missing = section == 0 and name != "_GLOBAL_OFFSET_TABLE_"
                yield name, None if missing else self.places.get(section, 0) + value, section in self.places


class _Loaded:
    def __init__(self, objects: Sequence[bytes], known: Mapping[str, int]) -> None:
        made: list[_Object] = []
        for data in objects:
            made.append(_Object(data, made[-1].end if made else 0))
        symbols = [list(each.symbols()) for each in made]
        places = {name: place for each in symbols for name, place, exported in each if exported and place is not None}
        outside = sorted({name for each in symbols for name, place, _ in each if place is None and name not in places})
        stubs = -(-made[-1].end // STUB) * STUB
        self.pages = mmap.mmap(-1, max(mmap.PAGESIZE, stubs + STUB * len(outside)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        for each in made:
            for i, at in each.places.items():
                kind, _, source, size, *_ = each.sections[i]
                if kind != NOBITS:
                    self.pages[at : at + size] = each.data[source : source + size]
        stub_of: dict[str, int] = {}
        for i, name in enumerate(outside):
            at = stubs + STUB * i
            stub_of[name] = at
            # jmp *[rip + 2]; the address, at a multiple of 8
            self.pages[at : at + STUB] = b"\xff\x25\x02\x00\x00\x00\x66\x90" + struct.pack(
                "<Q", known.get(name) or _c_function(name)
            )
        self.symbols = {name: base + place for name, place in places.items()}
        for each, named in zip(made, symbols, strict=True):
            values = [
                (name, place if place is not None else places[name] if name in places else stub_of[name])
                for name, place, _ in named
            ]
            for kind, _, source, size, _, info, _ in each.sections:
                if kind != RELA or info not in each.places:
                    continue
                start = each.places[info]
                for where, what, addend in RELOCATION.iter_unpack(each.data[source : source + size]):
                    at, kind, symbol = start + where, what & 0xFFFFFFFF, values[what >> 32]
                    if kind in (R_PC32, R_PLT32):  # nearly all
                        NEAR.pack_into(self.pages, at, symbol[1] + addend - at)
                    else:
                        self._relocate(base, at, kind, symbol, addend, stub_of)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(base), ctypes.c_size_t(len(self.pages)), mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "the host does not let this process run code that it has made (mprotect)")

    def _relocate(self, base: int, at: int, kind: int, symbol: tuple[str, int], addend: int, stubs: dict[str, int]) -> None:
        name, target = symbol
        if kind == R_64:
            struct.pack_into("<Q", self.pages, at, base + target + addend & (1 << 64) - 1)
        elif kind == R_PC64:
            struct.pack_into("<q", self.pages, at, target + addend - at)
        elif kind in (R_GOTPCREL, R_GOTPCRELX, R_REX_GOTPCRELX) and name in stubs:
            struct.pack_into("<i", self.pages, at, stubs[name] + 8 + addend - at)
        elif kind in (R_GOTPCRELX, R_REX_GOTPCRELX) and self.pages[at - 2] == 0x8B:
            self.pages[at - 2] = 0x8D  # mov from the table of addresses becomes lea of the address
            struct.pack_into("<i", self.pages, at, target + addend - at)
        else:
            raise ValueError(f"compiled code refers to {name!r} in a way (type {kind}) that the loader does not know")


def _c_function(name: str) -> int:
    """The address of a function of the C library or its mathematical part."""
    for library in (None, "libm.so.6"):
        function = getattr(ctypes.CDLL(library), name, None)
        if function is not None:
            address = ctypes.cast(function, ctypes.c_void_p).value
            assert address is not None
            return address
    raise ValueError(f"compiled code needs {name!r}, which the C library does not have")
