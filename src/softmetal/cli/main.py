"""`softmetal`: the commands."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from softmetal import __version__
from softmetal.cli import asm, image, insn, past, run

app = typer.Typer(
    name="softmetal", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Machines as software: run programs and instructions of hardware that you do not have.",
)  # fmt: skip
app.command("run", context_settings=run.CONTEXT)(run.run)
app.command("replay")(past.replay)
app.command("diff")(past.diff)
app.command("image")(image.image)
app.command("insn")(insn.insn)
app.command("asm")(asm.asm)
app.command("disasm")(asm.disasm)
app.command("reference")(asm.reference)


INTERNAL = 125
"""The exit code of an error of our own."""


def version(show: bool) -> None:
    """Print the version and leave."""
    if show:
        print(f"softmetal {__version__}")
        raise typer.Exit


@app.callback()
def options(
    show_version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Print the version."),
) -> None:
    """Options of all commands."""


def main() -> None:
    """The entry point of the `softmetal` script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        if os.environ.get("SOFTMETAL_DEBUG") == "1":
            traceback.print_exc()
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"softmetal: internal error: {text} (SOFTMETAL_DEBUG=1 shows where)", file=sys.stderr)
        sys.exit(INTERNAL)
