"""`softmetal run`: run a riscv64 Linux program, or a whole computer."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import Annotated, Any

import typer

CONTEXT = {"allow_interspersed_args": False}
"""For the app that registers the command: options stop at PROG, what follows belongs to the program."""

SAVED = {"kernel", "initrd", "append", "bios", "mem", "cpus", "display", "seed"}
"""What a saved machine brings with it."""
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def refuse(message: str) -> typer.Exit:
    """Say what is wrong with the command line; exit code 2, as for all usage errors."""
    print(f"softmetal run: {message}", file=sys.stderr)
    return typer.Exit(2)


def parse_size(text: str) -> int:
    """Bytes from `512M`, `2G` or a plain number."""
    found = re.fullmatch(r"([0-9]{1,18})([KMG]?)", text, re.IGNORECASE)
    size = int(found[1]) * UNITS.get(found[2].upper(), 1) if found else 0
    if size < 1 << 20:
        raise refuse(f"--mem {text}: give a size of at least 1M, such as 512M or 4G")
    return size


def parse_mount(text: str) -> tuple[str, str, bool]:
    """`HOST:GUEST` or `HOST:GUEST:ro`."""
    read_only = text.endswith(":ro")
    host, colon, guest = (text[:-3] if read_only else text).partition(":")
    if not colon or not host or not guest.startswith("/"):
        raise refuse(f"--dir {text}: give HOST:GUEST or HOST:GUEST:ro, with an absolute GUEST path")
    return host, guest, read_only


PROGRAMS, COMPUTERS, BOTH = "Programs", "Computers", "Both"
"""What an option is for: the panels of the help, too."""


def option(panel: str, *names: str, metavar: str | None = None, help: str, **more: Any) -> Any:
    """An option in a panel of the help."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)


def run(
    context: typer.Context,
    program: Annotated[str | None, typer.Argument(metavar="PROG", help="A riscv64 Linux program or script.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="Its arguments.")] = None,
    root: Annotated[
        str | None, option(PROGRAMS, metavar="DIR[:ro]", help="The guest's `/`. It may write there, unless `:ro`.")
    ] = None,
    dir: Annotated[
        list[str] | None, option(PROGRAMS, metavar="HOST:GUEST[:ro]", help="Mount a host directory or file. May be repeated.")
    ] = None,
    net: Annotated[bool, option(PROGRAMS, "--net", help="Let the guest use the host's network.")] = False,
    env: Annotated[
        list[str] | None,
        option(PROGRAMS, metavar="K=V|K", help="A variable for the guest; K alone: with the host's value. May be repeated."),
    ] = None,
    cwd: Annotated[str | None, option(PROGRAMS, metavar="GUESTDIR", help="Where the guest starts.")] = None,
    trace: Annotated[bool, option(PROGRAMS, "--trace", help="One line an instruction, on stderr.")] = False,
    trace_to: Annotated[str | None, option(PROGRAMS, metavar="FILE", help="The same, into a file.")] = None,
    host_time: Annotated[bool, option(PROGRAMS, "--host-time", help="The guest's clocks are the host's.")] = False,
    board: Annotated[str | None, option(COMPUTERS, metavar="BOARD", help="The computer: riscv-virt.")] = None,
    kernel: Annotated[str | None, option(COMPUTERS, metavar="K", help="Image, gzip'd, EFI application, or ELF.")] = None,
    initrd: Annotated[str | None, option(COMPUTERS, metavar="I", help="Initial file system.")] = None,
    append: Annotated[str, option(COMPUTERS, metavar="S", help="The kernel's command line.")] = "",
    bios: Annotated[str, option(COMPUTERS, metavar="FILE|none", help="Firmware instead of our own.")] = "",
    disk: Annotated[
        list[str] | None, option(COMPUTERS, metavar="FILE[,ro|,overlay|,commit]", help="Raw or qcow2. Up to 4.")
    ] = None,
    cpus: Annotated[int, option(COMPUTERS, metavar="N", help="CPUs: 1 to 32.")] = 1,
    share: Annotated[
        list[str] | None, option(COMPUTERS, metavar="HOST[:TAG][:rw]", help="A directory to mount by 9p. Up to 4.")
    ] = None,
    display: Annotated[bool, option(COMPUTERS, "--display", help="A screen, a keyboard and a tablet.")] = False,
    screenshot: Annotated[
        str | None, option(COMPUTERS, metavar="OUT.png", help="The screen at the end; implies --display.")
    ] = None,
    script: Annotated[str | None, option(COMPUTERS, metavar="FILE", help="Lines of expect and send, for the console.")] = None,
    record: Annotated[str | None, option(COMPUTERS, metavar="FILE", help="Record the run, for softmetal replay.")] = None,
    resume: Annotated[
        str | None, option(COMPUTERS, metavar="FILE", help="Go on from a saved state (Ctrl-A s), with the same disks.")
    ] = None,
    gdb: Annotated[
        int | None, option(COMPUTERS, metavar="PORT", help="Power on, and wait for GDB on this port; 0 takes a free one.")
    ] = None,
    timeout: Annotated[float | None, option(COMPUTERS, metavar="S", help="End after S seconds, with exit code 124.")] = None,
    no_reboot: Annotated[bool, option(COMPUTERS, "--no-reboot", help="A reset ends the run.")] = False,
    strict: Annotated[bool, option(COMPUTERS, "--strict", help="What is not modelled and touched is an error.")] = False,
    mem: Annotated[
        str | None, option(BOTH, metavar="SIZE", help="Memory of a computer [512M]; most private memory of a process [4G].")
    ] = None,
    seed: Annotated[int, option(BOTH, metavar="N", help="Decides what is random; same seed, same run.")] = 0,
    engine: Annotated[str, option(BOTH, metavar="golden|native", help="What runs the instructions.")] = "native",
    max_insns: Annotated[
        int | None, option(BOTH, min=1, metavar="N", help="Stop after N instructions, with exit code 124.")
    ] = None,
    stats: Annotated[bool, option(BOTH, "--stats", help="Tell instructions and speed on stderr at the end.")] = False,
) -> None:
    """Run a riscv64 Linux program, static or dynamic, as if it ran natively; or a whole computer, with --kernel.

    The exit code is the program's; 128+n if signal n ended it; 126 if it cannot be run, 127 if it is not there,
    125 for an internal error, 124 after --max-insns.

    A computer's exit code is 0 after a clean power-off, 1 where the guest panicked, or lost data, its own where it says one.

    Without --root the program sees its own file, the files that ARGS name (read-only), /dev, /proc and a private
    /tmp. With --root it sees that tree, and no more of the host. --dir and --net open more.
    """
    given = {p.name: p for p in context.command.params if _is_given(context, p)}
    if given.keys() & {"board", "kernel", "bios", "resume"}:
        _refuse_options(given, PROGRAMS, "is for programs; this runs a computer")
        if program is not None:
            raise refuse(f"{program}: a computer runs its kernel, not a program; leave it out")
        if resume is not None:
            for name in SAVED & given.keys():
                raise refuse(f"--{name}: the machine in {resume} has its own; leave it out")
        from softmetal.cli import computer
        from softmetal.machine.virt import Virt

        if board not in (None, *computer.BOARDS):
            raise refuse(f"--board {board}: there is {', '.join(computer.BOARDS)}")
        if timeout is not None and not timeout > 0:
            raise refuse(f"--timeout {timeout:g}: give a number of seconds above 0")
        virt = Virt(
            kernel=kernel or "", initrd=initrd or "", append=append, bios=bios, cpus=cpus,
            memory=parse_size("512M" if mem is None else mem), display=display or screenshot is not None, seed=seed,
        )  # fmt: skip
        wanted = computer.Options(
            virt, engine, disk or [], share or [], script, screenshot, timeout, max_insns, no_reboot, strict, stats, gdb, record,
            resume,
        )  # fmt: skip
        try:
            raise typer.Exit(computer.run_computer(wanted))
        except computer.REFUSALS as error:
            raise refuse(str(error)) from None
    _refuse_options(given, COMPUTERS, "is for computers: give --kernel, --bios or --resume, too")
    if program is None:
        raise refuse("give a program to run, or --board riscv-virt --kernel K")
    from softmetal.cli import progress
    from softmetal.machine.linux.adapter import ENGINES, BoardCpu
    from softmetal.machine.linux.process import Options
    from softmetal.machine.linux.start import run_program

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
    options = Options(
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
        began = time.perf_counter()  # compiling is told by itself
        if not trace and trace_to is None:
            return cpu
        from softmetal.machine.linux.trace import TracingCpu

        return TracingCpu(cpu, out, disassembly)

    ended = run_program(make_cpu, program, arguments or [], options, disassembly)
    if stats and made:
        seconds = time.perf_counter() - began
        speed = ended.instructions / seconds / 1e6
        translations = getattr(made[0].engine, "translations", None)
        told = "" if translations is None else f", {translations} translations"
        print(
            f"softmetal run: {ended.instructions} instructions in {seconds:.3f} s: {speed:.1f} million a second{told} ({engine})",
            file=sys.stderr,
        )
    raise typer.Exit(ended.code)


def _is_given(context: typer.Context, parameter: Any) -> bool:
    """Does the command line name it?"""
    source = context.get_parameter_source(parameter.name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_options(given: dict[str, Any], panel: str, why: str) -> None:
    """Options of the other kind are not ignored."""
    for parameter in given.values():
        if getattr(parameter, "rich_help_panel", None) == panel:
            raise refuse(f"{parameter.opts[0]} {why}")


def disassembly(bits: int, pc: int) -> str:
    """The text of an instruction."""
    from softmetal.isa.disassembler import disassemble
    from softmetal.isa.riscv import isa

    return disassemble(isa, bits, pc)
