"""`softmetal insn`: one instruction, from its text or its code: encoding, effect, and what it becomes on this host."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer


def refuse(message: str) -> typer.Exit:
    """Say what is wrong with the command line; exit code 2."""
    print(f"softmetal insn: {message}", file=sys.stderr)
    return typer.Exit(2)


def insn(
    text: Annotated[str, typer.Argument(metavar="INSN", help='Assembly ("mulhu a0, a1, a2") or a code (0x02c5b533).')],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a register or field first; repeat it.")
    ] = None,
    poke: Annotated[
        list[str] | None, typer.Option("--poke", metavar="ADDRESS=BYTES", help="Put hex bytes into memory first.")
    ] = None,
    isa: Annotated[str, typer.Option("--isa", metavar="NAME", help="rv64, 6502, or the .py file of your own.")] = "rv64",
    show: Annotated[
        list[str] | None, typer.Option("--show", metavar="ir|asm", help="Also show LLVM IR, or this host's code; repeat it.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", metavar="golden|native", help="What runs it.")] = "golden",
) -> None:
    """Assemble one instruction, show its encoding and fields, run it, and show what changed."""
    from softmetal.cli.isas import find
    from softmetal.machine.single import Single

    for what in show or []:
        if what not in ("ir", "asm"):
            raise refuse(f"--show {what}: give ir or asm")
    if engine not in ("golden", "native"):
        raise refuse(f"--engine {engine}: choose golden or native")
    try:
        target = find(isa)
        one = Single(target.isa, target.new_board(), target.origin, text)
        for item in set_ or []:
            one.set(*pair(item, "--set"))
        for item in poke or []:
            one.poke(*pair(item, "--poke"))
    except ValueError as error:
        raise refuse(str(error)) from None
    print(f"{one.text}")
    print(f"  code      {one.shown}  ({one.insn.size} bytes: {one.data.hex(' ')})" if one.insn else f"  code      {one.shown}")
    if one.insn is None:
        print("  is no instruction of", target.isa.title or target.isa.name)
    else:
        print(f"  pattern   {one.insn.pattern}")
        for name, value in one.operands.items():
            print(f"  {name:9} {value}{one.register(name)}")
        if one.insn.doc:
            print(f"  does      {one.insn.doc}")
    changes, trap = one.run(engine)
    for name, before, after in changes:
        print(f"  {name:9} {before} -> {after}")
    if trap is not None:
        print(f"  raises    {trap}")
    elif not changes:
        print("  changes   nothing")
    for what in show or []:
        if one.insn is not None:
            print(f"\n{'LLVM IR' if what == 'ir' else 'host code'}, with the operands known:")
            print(native_text(one, target.board, what))


def pair(text: str, option: str) -> tuple[str, str]:
    """`NAME=VALUE` in two. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{option} {text}: give NAME=VALUE")
    return name.strip(), value.strip()


def native_text(one: Any, board: type, what: str) -> str:
    """The instruction as LLVM IR or as assembly of the host."""
    from softmetal.engines.native.single import specialised

    ir, assembly = specialised(one.isa, board, one.insn, one.code)
    return ir if what == "ir" else assembly
