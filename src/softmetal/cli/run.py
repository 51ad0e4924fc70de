"""`softmetal run`: run a riscv64 Linux program, or a whole computer."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated, Any

import typer

CONTEXT = {"allow_interspersed_args": False}
"""For the app that registers the command: options stop at PROG, what follows belongs to the program."""

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def refuse(message: str) -> typer.Exit:
    """Say what is wrong with the command line; exit code 2, as for all usage errors."""
    print(f"softmetal run: {message}", file=sys.stderr)
    return typer.Exit(2)


def parse_size(text: str) -> int:
    """Bytes from `512M`, `2G` or a plain number."""
    factor = UNITS.get(text[-1:].upper(), 1)
    digits = text if factor == 1 else text[:-1]
    if not digits.isdigit() or int(digits) * factor < 1 << 20:
        raise refuse(f"--mem {text}: give a size of at least 1M, such as 512M or 4G")
    return int(digits) * factor


def parse_mount(text: str) -> tuple[str, str, bool]:
    """`HOST:GUEST` or `HOST:GUEST:ro`."""
    read_only = text.endswith(":ro")
    host, colon, guest = (text[:-3] if read_only else text).partition(":")
    if not colon or not host or not guest.startswith("/"):
        raise refuse(f"--dir {text}: give HOST:GUEST or HOST:GUEST:ro, with an absolute GUEST path")
    return host, guest, read_only


def run(
    program: Annotated[str | None, typer.Argument(metavar="PROG", help="A riscv64 Linux program or script.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="Its arguments.")] = None,
    root: Annotated[
        str | None,
        typer.Option(metavar="DIR[:ro]", help="The guest's file tree: its `/`. It may write there, unless `:ro`."),
    ] = None,
    dir: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:GUEST[:ro]", help="Mount a host directory or file. May be repeated."),
    ] = None,
    net: Annotated[bool, typer.Option("--net", help="Let the guest use the host's network.")] = False,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Set a variable of the guest's environment. May be repeated."),
    ] = None,
    cwd: Annotated[str | None, typer.Option(metavar="GUESTDIR", help="Where the guest starts.")] = None,
    engine: Annotated[str, typer.Option(metavar="golden|native", help="What runs the instructions.")] = "native",
    stats: Annotated[bool, typer.Option("--stats", help="Tell instructions and speed on stderr at the end.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="One line an instruction, on stderr.")] = False,
    trace_to: Annotated[str | None, typer.Option(metavar="FILE", help="The same, into a file.")] = None,
    max_insns: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop a process after N instructions, with exit code 124.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides random bytes and address layout; same seed, same run.")] = 0,
    host_time: Annotated[bool, typer.Option("--host-time", help="The guest's clocks are the host's.")] = False,
    mem: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Most private memory of a process [4G]; memory of a computer [512M].")
    ] = None,
    board: Annotated[str | None, typer.Option(metavar="BOARD", help="Run a whole computer: riscv-virt.")] = None,
    kernel: Annotated[str | None, typer.Option(metavar="K", help="Its kernel: Image, gzip'd, EFI application, or ELF.")] = None,
    initrd: Annotated[str | None, typer.Option(metavar="I", help="Its initial file system.")] = None,
    append: Annotated[str, typer.Option(metavar="S", help="The kernel's command line.")] = "",
    bios: Annotated[str, typer.Option(metavar="FILE|none", help="Firmware instead of our own.")] = "",
    disk: Annotated[
        list[str] | None, typer.Option(metavar="FILE[,ro|,overlay]", help="A disk, raw or qcow2. May be repeated.")
    ] = None,
    cpus: Annotated[int, typer.Option(metavar="N", help="CPUs of the computer.")] = 1,
    share: Annotated[
        list[str] | None, typer.Option(metavar="HOST:TAG[:ro|:rw]", help="A directory to mount by 9p; read-only unless :rw.")
    ] = None,
    script: Annotated[str | None, typer.Option(metavar="FILE", help="Talk to the console: lines of expect and send.")] = None,
    display: Annotated[bool, typer.Option("--display", help="A screen, a keyboard and a tablet.")] = False,
    screenshot: Annotated[str | None, typer.Option(metavar="OUT.png", help="The screen at the end; implies --display.")] = None,
    record: Annotated[str | None, typer.Option(metavar="FILE", help="Record the run, for softmetal replay.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="FILE", help="Go on from a saved state (Ctrl-A s), with the same disks.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="End after S seconds, with exit code 124.")] = None,
    gdb: Annotated[
        int | None, typer.Option(metavar="PORT", help="Power on, and wait for GDB on this port; 0 takes a free one.")
    ] = None,
    no_reboot: Annotated[bool, typer.Option("--no-reboot", help="A reset of the computer ends the run.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What is not modelled and touched is an error.")] = False,
) -> None:
    """Run a riscv64 Linux program, static or dynamic, as if it ran natively; with --board, a whole computer.

    The exit code is the program's; 128+n if signal n ended it; 126 if it cannot be run, 127 if it is not there,
    125 for an internal error, 124 after --max-insns.

    Without --root the program sees its own file, the files that ARGS name (read-only), /dev, /proc and a private
    /tmp. With --root it sees that tree, and no more of the host. --dir and --net open more.
    """
    if board is not None or kernel is not None or bios or resume is not None:
        if program is not None:
            raise refuse(f"{program}: with --board there is no program; what runs is the kernel")
        from softmetal.cli import computer
        from softmetal.lang.state import StateError
        from softmetal.machine.errors import MachineError
        from softmetal.machine.virt import Virt

        if board not in (None, *computer.BOARDS):
            raise refuse(f"--board {board}: there is {', '.join(computer.BOARDS)}")
        virt = Virt(
            kernel=kernel or "", initrd=initrd or "", append=append, bios=bios, memory=parse_size(mem or "512M"), cpus=cpus,
            display=display or screenshot is not None, seed=seed,
        )  # fmt: skip
        wanted = computer.Options(
            virt, engine, disk or [], share or [], script, screenshot, timeout, no_reboot, strict, stats, gdb, record, resume
        )
        try:
            raise typer.Exit(computer.run_computer(wanted))
        except (computer.LoadError, computer.ScriptError, MachineError, StateError) as error:
            raise refuse(str(error)) from None
    if program is None:
        raise refuse("give a program to run, or --board riscv-virt --kernel K")
    from softmetal.machine.linux.adapter import ENGINES, BoardCpu
    from softmetal.machine.linux.process import Options
    from softmetal.machine.linux.start import run_program

    if engine not in ENGINES:
        raise refuse(f"--engine {engine}: choose {' or '.join(ENGINES)}")
    variables = {}
    for item in env or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise refuse(f"--env {item}: give KEY=VALUE")
        variables[key] = value
    read_only = root is not None and root.endswith(":ro") and not os.path.isdir(root)
    options = Options(
        root=root[:-3] if root is not None and read_only else root, root_read_only=read_only,
        dirs=[parse_mount(d) for d in dir or []], net=net, env=variables, cwd=cwd, seed=seed, host_time=host_time,
        memory=parse_size(mem or "4G"), max_insns=max_insns,
    )  # fmt: skip
    made: list[BoardCpu] = []
    began = 0.0
    try:
        out = open(trace_to, "w") if trace_to is not None else sys.stderr  # noqa: SIM115
    except OSError as error:
        raise refuse(f"--trace-to {trace_to}: {error.strerror}") from None

    def make_cpu() -> Any:
        nonlocal began
        cpu = BoardCpu(engine, lambda line: print(f"softmetal: {line}", file=sys.stderr, flush=True))
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


def disassembly(bits: int, pc: int) -> str:
    """The text of an instruction."""
    from softmetal.isa.disassembler import disassemble
    from softmetal.isa.riscv import isa

    return disassemble(isa, bits, pc)
