"""`softmetal run`: run a riscv64 Linux program, or a whole computer."""

from __future__ import annotations

import functools
import os
import sys
import time
from typing import Annotated, Any

from softmetal.cli import command
from softmetal.cli.command import Extra, Given, More, argument, option
from softmetal.machine.sizes import size

DEFAULT = "riscv-virt"
"""The computer where an option of its says what to run, and --board nothing."""
refuse = functools.partial(command.refuse, "run")


def parse_size(text: str) -> int:
    """Bytes from `512M`, `2G` or a plain number."""
    try:
        return size(text)
    except ValueError as error:
        raise refuse(f"--mem {text}: {error}") from None


def parse_mount(text: str) -> tuple[str, str, bool]:
    """`HOST:GUEST` or `HOST:GUEST:ro`."""
    read_only = text.endswith(":ro")
    host, colon, guest = (text[:-3] if read_only else text).partition(":")
    if not colon or not host or not guest.startswith("/"):
        raise refuse(f"--dir {text}: give HOST:GUEST or HOST:GUEST:ro, with an absolute GUEST path")
    return host, guest, read_only


def board_options(words: list[str], known: dict[str, bool]) -> tuple[dict[str, Extra], str]:
    """The options of the computer that the words are about; none where they run a program."""
    board, at = "", 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        name, equals, value = words[at].partition("=")
        if name not in known or name in ("--help", "-h", "--resume"):
            board = board or DEFAULT
        if name == "--board":
            board = value if equals else words[at + 1] if at + 1 < len(words) else ""
        at += 1 if equals or not known.get(name, True) else 2
    if not board:
        return {}, "softmetal run --help"
    from softmetal.cli.boards import extras, kind_of

    return extras(kind_of(board)), f"softmetal run --board {board} --help"


PROGRAMS, COMPUTERS, BOTH = "Programs", "Computers", "Both"
"""What an option is for: the panels of the help, too."""


def run(
    command_line: Annotated[list[str], argument("PROG ARGS...", "A riscv64 Linux program or script, and its arguments.")],
    given: Given,
    *,
    root: Annotated[str | None, option("DIR[:ro]", "The guest's `/`. It may write there, unless `:ro`.", group=PROGRAMS)] = None,
    dir: Annotated[
        list[str] | None, option("HOST:GUEST[:ro]", "Mount a host directory or file. May be repeated.", group=PROGRAMS)
    ] = None,
    net: Annotated[bool, option(None, "Let the guest use the host's network.", group=PROGRAMS)] = False,
    env: Annotated[
        list[str] | None,
        option("K=V|K", "A variable for the guest; K alone: with the host's value. May be repeated.", group=PROGRAMS),
    ] = None,
    cwd: Annotated[str | None, option("GUESTDIR", "Where the guest starts.", group=PROGRAMS)] = None,
    trace: Annotated[bool, option(None, "One line an instruction, on stderr.", group=PROGRAMS)] = False,
    trace_to: Annotated[str | None, option("FILE", "The same, into a file.", group=PROGRAMS)] = None,
    host_time: Annotated[bool, option(None, "The guest's clocks are the host's.", group=PROGRAMS)] = False,
    board: Annotated[
        str | None,
        option("BOARD", "A computer, or MODULE:CLASS of your own; run --board BOARD --help lists its options.", group=COMPUTERS),
    ] = None,
    screenshot: Annotated[str | None, option("OUT.png", "The screen at the end.", group=COMPUTERS)] = None,
    sound: Annotated[str | None, option("OUT.wav", "What it has played, at the end.", group=COMPUTERS)] = None,
    script: Annotated[str | None, option("FILE", "Lines of expect and send, for the console.", group=COMPUTERS)] = None,
    record: Annotated[str | None, option("FILE", "Record the run, for softmetal replay.", group=COMPUTERS)] = None,
    resume: Annotated[
        str | None, option("FILE", "Go on from a saved state (Ctrl-A s), with the same disks.", group=COMPUTERS)
    ] = None,
    gdb: Annotated[
        int | None, option("PORT", "Power on, and wait for GDB on this port; 0 takes a free one.", group=COMPUTERS)
    ] = None,
    timeout: Annotated[float | None, option("S", "End after S seconds, with exit code 124.", group=COMPUTERS)] = None,
    no_reboot: Annotated[bool, option(None, "A reset ends the run.", group=COMPUTERS)] = False,
    strict: Annotated[bool, option(None, "An access to what is not modelled is an error.", group=COMPUTERS)] = False,
    mem: Annotated[str | None, option("SIZE", "Memory of a computer; most private memory of a process [4G].", group=BOTH)] = None,
    seed: Annotated[int, option("N", "The seed of all random values; same seed, same run.", group=BOTH)] = 0,
    engine: Annotated[str, option("golden|native", "What runs the instructions.", group=BOTH)] = "native",
    max_insns: Annotated[int | None, option("N", "Stop after N instructions, with exit code 124.", group=BOTH, least=1)] = None,
    stats: Annotated[bool, option(None, "Print instructions and speed on stderr at the end.", group=BOTH)] = False,
    its: Annotated[dict[str, Any] | None, More(board_options)] = None,
) -> None:
    """Run a riscv64 Linux program, static or dynamic, as if it ran natively; or a whole computer, with --board.

    The exit code is the program's; 128+n if signal n ended it; 126 if it cannot be run, 127 if it does not exist,
    125 for an internal error, 124 after --max-insns.

    A computer's exit code is 0 after a clean power-off, 1 if the guest panicked or the host lost data, its own if it gives one.

    Without --root the program sees its own file, the files that ARGS name (read-only), /dev, /proc and a private
    /tmp. With --root it sees that tree, and no more of the host. --dir and --net open more.
    """
    if command_line[:1] == ["--"]:
        del command_line[0]
    program, arguments = command_line[0] if command_line else None, command_line[1:]
    its = its or {}
    if board is not None or resume is not None or _says_what_to_run(its):
        _refuse_options(given, PROGRAMS, "is for programs; this runs a computer")
        if program is not None:
            raise refuse(f"{program}: a computer runs its kernel, not a program; leave it out")
        if timeout is not None and not timeout > 0:
            raise refuse(f"--timeout {timeout:g}: give a number of seconds above 0")
        from softmetal.cli import boards, computer

        options = computer.Options(
            engine, script, screenshot, sound, timeout, max_insns, no_reboot, strict, stats, gdb, record,
        )  # fmt: skip
        both: dict[str, Any] = {name: value for name, value in (("mem", mem), ("seed", seed)) if name in given}
        try:
            spec = boards.ComputerSpec(board or DEFAULT, its | both, resume, screenshot is not None)
            raise SystemExit(computer.run_computer(spec, options))
        except computer.REFUSALS as error:
            raise refuse(str(error)) from None
    for name in its:
        raise refuse(f"--{name} is for computers: give --board or --resume, too")
    _refuse_options(given, COMPUTERS, "is for computers: give --board or --resume, too")
    if program is None:
        raise refuse("give a program to run, or --board and what its computer needs")
    from softmetal.cli import progress
    from softmetal.linux.adapter import ENGINES, BoardCpu
    from softmetal.linux.process import Options
    from softmetal.linux.start import run_program

    if engine not in ENGINES:
        raise refuse(f"--engine {engine}: choose {' or '.join(ENGINES)}")
    variables = {}
    for item in env or []:
        key, equals, value = item.partition("=")
        if not key:
            raise refuse(f"--env {item}: give KEY=VALUE, or KEY for the host's value")
        if not equals and key not in os.environ:
            raise refuse(f"--env {key}: there is no such variable in the host's environment; give {key}=VALUE")
        variables[key] = value if equals else os.environ[key]
    read_only = root is not None and root.endswith(":ro") and not os.path.isdir(root)
    private = Options(
        root=root[:-3] if root is not None and read_only else root, root_read_only=read_only,
        dirs=[parse_mount(d) for d in dir or []], net=net, env=variables, cwd=cwd, seed=seed, host_time=host_time,
        memory=parse_size("4G" if mem is None else mem), max_insns=max_insns,
    )  # fmt: skip
    made: list[BoardCpu] = []
    began = 0.0
    try:
        out = open(trace_to, "w") if trace_to is not None else sys.stderr  # noqa: SIM115
    except OSError as error:
        raise refuse(f"--trace-to {trace_to}: {error.strerror}") from None

    def make_cpu() -> Any:
        nonlocal began
        cpu = BoardCpu(engine, progress.compiling())
        made.append(cpu)
        began = time.perf_counter()  # compiling has a line of its own
        if not trace and trace_to is None:
            return cpu
        from softmetal.linux.trace import TracingCpu

        return TracingCpu(cpu, out, disassembly)

    ended = run_program(make_cpu, program, arguments, private, disassembly)
    if stats and made:
        seconds = time.perf_counter() - began
        speed = ended.instructions / seconds / 1e6
        translations = getattr(made[0].engine, "translations", None)
        more = "" if translations is None else f", {translations} translations"
        print(
            f"softmetal run: {ended.instructions} instructions in {seconds:.3f} s: {speed:.1f} million a second{more} ({engine})",
            file=sys.stderr,
        )
    raise SystemExit(ended.code)


def _says_what_to_run(its: dict[str, Any]) -> bool:
    """Is one of the options such that the computer DEFAULT has something to run by it?"""
    if not its:
        return False
    from softmetal.cli.boards import kind_of

    return any(name in its for name in kind_of(DEFAULT).needs)


def _refuse_options(given: Given, group: str, why: str) -> None:
    """Options of the other kind are not ignored."""
    name = given.of(group)
    if name is not None:
        raise refuse(f"{name} {why}")


def disassembly(bits: int, pc: int) -> str:
    """The text of an instruction."""
    from softmetal.isa.disassembler import disassemble
    from softmetal.isa.riscv import isa

    return disassemble(isa, bits, pc)
