"""`softmetal image`: make a disk to boot a machine from."""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

from softmetal.cli import command
from softmetal.cli.command import argument, option

KINDS = ("debian-riscv64",)
PARTS = ("", ".kernel", ".initrd", ".symbols")
UNITS = {"M": 1 << 20, "G": 1 << 30}
LEAST = 1 << 30


refuse = functools.partial(command.refuse, "image")


def parse_size(text: str) -> int:
    """Bytes from `2G` or `3000M`."""
    found = re.fullmatch(r"([0-9]{1,9})([MG])", text, re.IGNORECASE)
    size = int(found[1]) * UNITS[found[2].upper()] if found else 0
    if size < LEAST:
        raise refuse(f"--size {text}: give a size of at least 1G, such as 2G or 3000M")
    return size


def run_command(image: str, program: list[str]) -> list[str]:
    """The command that boots an image."""
    return [
        *program, "run", "--board", "riscv-virt", "--mem", "1G", "--kernel", f"{image}.kernel", "--initrd", f"{image}.initrd",
        "--append", "root=/dev/vda rw console=ttyS0", "--disk", image,
    ]  # fmt: skip


def image(
    kind: Annotated[str, argument("|".join(KINDS), "The system.")],
    out: Annotated[str, argument("OUT.img", "The disk; OUT.img.kernel, .initrd and .symbols go beside it.")],
    size: Annotated[str, option("SIZE", "Of the disk. It takes space on the host only as it fills.")] = "2G",
    suite: Annotated[str | None, option("NAME", "Debian's release (default: the first that is available).")] = None,
    mirror: Annotated[str | None, option("URL", "A Debian mirror, instead of the one that apt uses on this host.")] = None,
    extra: Annotated[list[str] | None, option("PKG", "One more package, such as gcc. May be repeated.")] = None,
    force: Annotated[bool, option(None, "Replace OUT.img if it exists.", "--force")] = False,
) -> None:
    """Make a bootable disk from Debian's own packages, without root rights.

    The packages are fetched and checked by apt, and install themselves in a machine that boots the disk once. The system has
    systemd, a login prompt on the console (root, no password), DHCP on its network card, apt and python3.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from softmetal.host.image import debian
    from softmetal.host.image.apt import ImageError

    if kind not in KINDS:
        raise refuse(f"{kind}: choose {' or '.join(KINDS)}")
    if not out or os.path.isdir(out):
        raise refuse(f"{out or 'OUT.img'}: give the name of a file")
    if os.path.exists(out) and not force:
        raise refuse(f"{out}: exists already; --force replaces it")
    if not Path(out).resolve().parent.is_dir():
        raise refuse(f"{out}: there is no such directory")
    length = parse_size(size)
    part = Path(f"{out}.part")
    columns = (TextColumn("{task.description:35}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console) as progress:
            steps: dict[str, TaskID] = {}

            def step(name: str, done: int, total: int) -> None:
                if name not in steps:
                    for task in steps.values():
                        progress.update(task, completed=progress.tasks[task].total)
                    steps[name] = progress.add_task(name, total=total)
                progress.update(steps[name], completed=done, total=total)

            made = debian.prepare(part, length, suite, mirror, extra or [], step, progress.console.print)
            command = run_command(str(part), [sys.executable, "-m", "softmetal"])
            debian.finish(part, [*command, "--no-reboot"], made.packages, step)
            debian.take_symbols(part, made.kernel)
        for name in PARTS:
            os.replace(f"{part}{name}", out + name)
    except ImageError as error:
        print(f"softmetal image: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        for name in PARTS:
            Path(f"{part}{name}").unlink(missing_ok=True)
    print(f"{out}: Debian {made.suite}; log in as root, without a password. Run it with:\n")
    print("    " + shlex.join(run_command(out, ["softmetal"])))
