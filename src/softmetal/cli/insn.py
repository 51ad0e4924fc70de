"""`softmetal insn`: one instruction, from its text or its code: encoding, effect, and its machine code on this host."""

from __future__ import annotations

import functools
from typing import Annotated, Any

from softmetal.cli import command
from softmetal.cli.command import argument, option

refuse = functools.partial(command.refuse, "insn")


def insn(
    text: Annotated[str, argument("INSN", 'Assembly ("mulhu a0, a1, a2") or a code (0x02c5b533).')],
    set_: Annotated[list[str] | None, option("NAME=VALUE", "Set a register or field first; repeat it.", "--set")] = None,
    poke: Annotated[list[str] | None, option("ADDRESS=BYTES", "Put hex bytes into memory first.", "--poke")] = None,
    isa: Annotated[str, option("NAME", "rv64, 6502, or the .py file of your own.", "--isa")] = "rv64",
    show: Annotated[list[str] | None, option("ir|asm", "Also show LLVM IR, or this host's code; repeat it.", "--show")] = None,
    engine: Annotated[str, option("golden|native", "What runs it.", "--engine")] = "golden",
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
        print("  is not an instruction of", target.isa.title or target.isa.name)
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
