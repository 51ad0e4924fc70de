"""`softmetal asm`, `softmetal disasm` and `softmetal reference`: the assembler, the disassembler and the reference pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from softmetal.cli.command import argument, option, refuse

IsaOption = Annotated[str, option("NAME", "rv64, 6502, or the .py file of your own.", "--isa")]


def number(command: str, text: str, option: str) -> int:
    """A number, decimal or 0x...; refuses any other text."""
    try:
        return int(text, 0)
    except ValueError:
        raise refuse(command, f"{option} {text}: not a number") from None


def asm(
    file: Annotated[Path, argument("FILE", "Assembly source.")],
    out: Annotated[Path, option("OUT", "The program's file.", "-o", "--output")],
    isa: IsaOption = "rv64",
    origin: Annotated[str, option("ADDRESS", "The address of its first byte.")] = "",
    form: Annotated[str, option("elf|raw", "A Linux program (rv64 only, its default) or bare bytes.", "--format")] = "",
) -> None:
    """Assemble a file. For rv64 the result is a program that `softmetal run` runs, from `_start` or its first byte."""
    from softmetal.cli.isas import find
    from softmetal.isa.assembler import AssemblyError, assemble

    try:
        target = find(isa)
        text = file.read_text()
    except (ValueError, OSError) as error:
        raise refuse("asm", message_of(error)) from None
    form = form or ("elf" if isa == "rv64" else "raw")
    if form not in ("elf", "raw") or (form == "elf" and isa != "rv64"):
        raise refuse("asm", f"--format {form}: choose raw{' or elf' if isa == 'rv64' else ''}")
    at = number("asm", origin, "--origin") if origin else target.origin if form == "elf" else 0
    try:
        made = assemble(target.isa, text, at, str(file))
    except AssemblyError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    try:
        if form == "elf":
            from softmetal.linux.objects import program

            out.write_bytes(program(made.code, made.origin, made.symbols.get("_start", made.origin)))
            out.chmod(0o755)
        else:
            out.write_bytes(made.code)
    except OSError as error:
        raise refuse("asm", message_of(error)) from None


def disasm(
    file: Annotated[Path, argument("FILE", "An ELF file, or bare bytes.")],
    isa: IsaOption = "",
    origin: Annotated[str, option("ADDRESS", "The address of the first of bare bytes.")] = "0",
) -> None:
    """Disassemble a file: the executable sections of an ELF file, or bare bytes (which need --isa)."""
    from softmetal.cli.isas import find
    from softmetal.isa.disassembler import disassemble_all
    from softmetal.linux.objects import NotElf, code_sections

    try:
        data = file.read_bytes()
        target: Any = find(isa) if isa else None
    except (ValueError, OSError) as error:
        raise refuse("disasm", message_of(error)) from None
    at = number("disasm", origin, "--origin")
    try:
        sections, symbols = code_sections(file)
        target = target or find("rv64")
    except NotElf as error:
        if target is None:
            raise refuse("disasm", f"{error}; for bare bytes give --isa") from None
        sections, symbols = [("", at, data)], {}
    by_address: dict[int, list[str]] = {}
    for name, address in symbols.items():
        by_address.setdefault(address, []).append(name)
    digits = 2 * max((i.size for i in target.isa.insns), default=4)
    for name, start, code in sections:
        if name:
            print(f"\nsection {name}:")
        for line in disassemble_all(target.isa, code, start, symbols):
            for label in by_address.get(line.address, ()):
                print(f"\n{line.address:x} <{label}>:")
            shown = line.code[::-1].hex() if target.isa.order == "word" else line.code.hex(" ")
            print(f"{line.address:8x}:  {shown:{digits + 2}}  {line.text}")


def reference(isa: IsaOption = "rv64") -> None:
    """Print the reference page of an instruction set, in Markdown, made from its table."""
    from softmetal.cli.isas import find
    from softmetal.isa.reference import reference as page

    try:
        print(page(find(isa).isa))
    except ValueError as error:
        raise refuse("reference", str(error)) from None


def message_of(error: Exception) -> str:
    """One line for an error of the user's or the host's."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
