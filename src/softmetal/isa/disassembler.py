"""The disassembler: from code to the syntax strings of an instruction table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from softmetal.isa.syntax import Symbols, number, syntax_of
from softmetal.isa.table import Isa


@dataclass(frozen=True)
class Line:
    """An instruction, or data where no entry recognises the code."""

    address: int
    code: bytes
    text: str


def disassemble(isa: Isa, code: int | bytes, pc: int = 0, symbols: Mapping[str, int] | Symbols | None = None) -> str:
    """The instruction that a code begins with, as a line of assembly at address `pc`; targets get symbols' names."""
    data = code if isinstance(code, bytes) else code.to_bytes(max(i.size for i in isa.insns), "little")
    return next(disassemble_all(isa, data, pc, symbols)).text


def disassemble_all(isa: Isa, data: bytes, origin: int = 0, symbols: Mapping[str, int] | Symbols | None = None) -> Iterator[Line]:
    """Every instruction of a run of code that lies at `origin`. What is no instruction becomes data."""
    names = Symbols(symbols) if isinstance(symbols, Mapping) else symbols
    step, at = isa.parcel // 8, 0
    while at < len(data):
        size = isa.size_of(int.from_bytes(data[at : at + step], "little"))
        place, here = origin + at * 8 // isa.unit, data[at : at + size]
        code = int.from_bytes(here, "little")
        insn = isa.decode(code) if len(here) == size else None
        if insn is None:
            here = data[at : at + (size if len(here) == size else step)]
            text = as_data(isa, here)
        else:
            here = here[: insn.size]
            text = syntax_of(isa, insn.syntax).render(insn, code, place, names)
        yield Line(place, here, text)
        at += len(here)


def as_data(isa: Isa, data: bytes) -> str:
    """Bytes as the directive that makes them."""
    if len(data) in (2, 4, 8):
        return f".{len(data)}byte {number(isa, int.from_bytes(data, 'little'), 8 * len(data))}"
    return ".byte " + ", ".join(number(isa, b, 8) for b in data)
