"""A machine that runs one instruction: what `softmetal insn` shows."""

from __future__ import annotations

import itertools
import re
from typing import Any

from softmetal.engines.golden import golden_engine
from softmetal.isa.assembler import AssemblyError, assemble
from softmetal.isa.disassembler import disassemble
from softmetal.isa.syntax import register_names
from softmetal.isa.table import Isa
from softmetal.lang import Trap
from softmetal.lang.chip import layout, method_of
from softmetal.lang.types import ArrayType, FloatType, IntType, MemoryType

WINDOW = 1 << 20
"""Bytes of each memory, from its start, that are compared."""
QUIET = ("next_pc", "count", "i_until", "i_was")
"""Bookkeeping of engines and cores that says nothing about the instruction."""


class Single:
    """One instruction on a board at power-on.

    `text` is assembly or a number (the code). `insn` is its table entry, None where there is none. Raises ValueError, one
    line, where it cannot be assembled.
    """

    def __init__(self, isa: Isa, board: Any, origin: int, text: str) -> None:
        self.isa, self.board, self.origin = isa, board, origin
        try:
            self.code = int(text, 0)
            size = isa.size_of(self.code)
            if self.code < 0 or self.code >> 8 * max(i.size for i in isa.insns):
                raise ValueError(f"{text}: no instruction of {isa.name} is that long")
            self.data = self.code.to_bytes(max(size, (self.code.bit_length() + 7) // 8), "little")
        except ValueError as error:
            if text[:1].isdigit():
                raise ValueError(f"{text}: not a number: {error}" if "invalid literal" in str(error) else str(error)) from None
            try:
                self.data = assemble(isa, text + "\n", origin, "INSN").code
            except AssemblyError as wrong:
                raise ValueError(str(wrong).partition(": ")[2]) from None
            self.code = int.from_bytes(self.data, "little")
        self.insn = isa.decode(self.code)
        if self.insn is not None:
            self.data = self.data[: self.insn.size].ljust(self.insn.size, b"\0")
            self.code &= (1 << 8 * self.insn.size) - 1
        self.text = disassemble(isa, self.data, origin)
        digits = 2 * (self.insn.size if self.insn else len(self.data))
        self.shown = f"0x{self.code:0{digits}x}"
        self.operands = self.insn.decode(self.code) if self.insn else {}
        self._put(origin, self.data)
        board.pc = origin

    def register(self, operand: str) -> str:
        """Which register an operand names, in brackets; "" where it names none."""
        marked = re.search(rf"{{{operand}:(\w+)}}", self.insn.syntax) if self.insn else None
        kind = str(marked[1] if marked else self.isa.kinds.get(operand))
        return f" ({self.isa.registers[kind][self.operands[operand]]})" if kind in self.isa.registers else ""

    def _memory(self) -> Any:
        memories = [e.path for e in layout(type(self.board)) if isinstance(e.type, MemoryType)]
        return getattr(self.board, memories[-1]) if memories else None

    def _put(self, address: int, data: bytes) -> None:
        memory = self._memory()
        if memory is None or address + len(data) > len(memory):
            raise ValueError(f"address {address:#x} is outside this board's memory")
        memory[address : address + len(data)] = data

    def set(self, name: str, value: str) -> None:
        """Set a register by any of its names, or a field of the core. Raises ValueError."""
        try:
            number: Any = float(value) if "." in value else int(value, 0)
        except ValueError:
            raise ValueError(f"--set {name}={value}: {value!r} is not a number") from None
        for kind in self.isa.registers:
            index = register_names(self.isa, kind).get(name)
            if index is not None:
                if kind == self.isa.kinds.get(self.isa.zero) and index == 0 and self.isa.zero:
                    raise ValueError(f"--set {name}: this register is always 0")
                bank = next(e.type for e in layout(type(self.board)) if e.path == kind)
                getattr(self.board, kind)[index] = fitting(name, number, bank.element)
                return
        if name in self._fields():
            field = next(e.type for e in layout(type(self.board)) if e.path == name)
            setattr(self.board, name, fitting(name, number, field))
        elif name in self._packed():
            from softmetal.lang.native import signature

            found = method_of(type(self.board), f"set_{name}")
            assert found
            (kind,) = signature(*found)[0]
            getattr(self.board, f"set_{name}")(fitting(name, number, kind))
        else:
            raise ValueError(f"--set {name}: no register or field of that name; there are {', '.join(self.names())}")

    def _fields(self) -> list[str]:
        """The core's numbers."""
        return [e.path for e in layout(type(self.board)) if isinstance(e.type, IntType | FloatType) and e.path.isidentifier()]

    def _packed(self) -> list[str]:
        """Registers that the core keeps as several fields, such as a status register: it has a method NAME and a set_NAME."""
        cls = type(self.board)
        methods = {n.removeprefix("set_") for base in cls.__mro__ for n in base.__dict__.get("__hw_methods__", {})}
        return sorted(n for n in methods if method_of(cls, n) and method_of(cls, f"set_{n}"))

    def names(self) -> list[str]:
        """All that `set` takes."""
        named = [name for kind in self.isa.registers for name in register_names(self.isa, kind)]
        return [*named, *self._packed(), *(n for n in self._fields() if n not in QUIET)]

    def poke(self, address: str, data: str) -> None:
        """Put bytes, as hexadecimal digits, into memory. Raises ValueError."""
        try:
            at, values = int(address, 0), bytes.fromhex(data.removeprefix("0x"))
        except ValueError:
            raise ValueError(f"--poke {address}={data}: give ADDRESS=HEXDIGITS, as in 0x2000=01ff") from None
        self._put(at, values)

    def run(self, engine: str) -> tuple[list[tuple[str, str, str]], Trap | None]:
        """Run it: (what, before, after) of all that changed, and the trap it took."""
        before, memories = self._look()
        if engine == "native":
            from softmetal.engines.native import native_engine

            made: Any = native_engine(self.isa, self.board)
        else:
            made = golden_engine(self.isa, self.board)
        trap = made.run(1)
        made.drop_code()
        after, memories_after = self._look()
        changes = [(n, before[n], after[n]) for n in before if before[n] != after[n]]
        for path, old in memories.items():
            changes += [(f"{path}[{at:#x}]", a.hex(" "), b.hex(" ")) for at, a, b in differences(old, memories_after[path])]
        return changes, trap

    def _look(self) -> tuple[dict[str, str], dict[str, bytes]]:
        """Everything that can change: registers and fields as text, and the beginnings of memories."""
        seen: dict[str, str] = {}
        memories: dict[str, bytes] = {}
        for entry in layout(type(self.board)):
            if "." in entry.path or "[" in entry.path or entry.path in QUIET:
                continue
            value = getattr(self.board, entry.path)
            if isinstance(entry.type, MemoryType):
                if entry.path != "perm":
                    memories[entry.path] = bytes(value[0 : min(len(value), WINDOW)])
            elif isinstance(entry.type, ArrayType):
                names = self.isa.registers.get(entry.path, ())
                for i, each in enumerate(itertools.chain(*value) if entry.type.columns else value):
                    label = names[i] if i < len(names) else f"{entry.path}[{i}]"
                    seen[label] = number_text(each, entry.type.element)
            else:
                seen[entry.path] = number_text(value, entry.type)
        return seen, memories


def fitting(name: str, number: Any, kind: Any) -> Any:
    """A number that a register of that type can hold. Raises ValueError."""
    if isinstance(kind, FloatType):
        return number
    if isinstance(number, float) or not -(1 << kind.bits - 1) <= number < 1 << kind.bits:
        raise ValueError(f"--set {name}={number}: give a whole number of at most {kind.bits} bits")
    return kind(number & kind.mask)


def number_text(value: Any, kind: Any) -> str:
    """A field's value: small ones in decimal, others as all their hexadecimal digits."""
    if isinstance(kind, FloatType):
        return repr(value)
    if kind.bits < 8:
        return str(value)
    return f"0x{value & kind.mask:0{(kind.bits + 3) // 4}x}"


def differences(old: bytes, new: bytes) -> list[tuple[int, bytes, bytes]]:
    """(offset, before, after) of each run of bytes that differ."""
    found = []
    at = 0
    while old != new and at < len(new):
        if old[at] == new[at]:
            at += 1
            continue
        end = at
        while end < len(new) and old[end] != new[end]:
            end += 1
        found.append((at, old[at:end], new[at:end]))
        at = end
    return found
