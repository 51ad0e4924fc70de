"""`softmetal`: the commands."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Callable

from softmetal import __version__
from softmetal.cli import command

COMMANDS = {
    "run": "run", "replay": "past", "diff": "past", "image": "image", "insn": "insn", "asm": "asm", "disasm": "asm",
    "reference": "asm",
    **dict.fromkeys(
        ("up", "down", "ps", "console", "exec", "logs", "top", "trace", "explain", "stop", "kill", "restart", "pause", "resume",
         "release", "leave"), "lab",
    ),
}  # fmt: skip
"""Each command: the module of this package that has a function of this name."""
NAMES = {"exec": "execute"}
"""Commands whose function has another name."""
INTERNAL = 125
"""The exit code of an error of our own."""


def function(name: str) -> Callable[..., None]:
    """The function of a command."""
    found: Callable[..., None] = getattr(importlib.import_module(f"softmetal.cli.{COMMANDS[name]}"), NAMES.get(name, name))
    return found


def overview() -> str:
    """What `softmetal --help` prints."""
    lines = "".join(f"  {name:10} {(function(name).__doc__ or '').splitlines()[0]}\n" for name in COMMANDS)
    return (
        "Usage: softmetal COMMAND ...\n\n"
        "Machines as software: run programs and instructions of hardware that you do not have.\n\n"
        f"Commands (softmetal COMMAND --help):\n{lines}\nOptions:\n  --version  Print the version.\n  -h, --help Show this text."
    )


def dispatch(words: list[str]) -> None:
    """Do what the words of the command line say. Raises SystemExit."""
    if not words:
        print(overview(), file=sys.stderr)
        raise SystemExit(command.USAGE)
    name, *rest = words
    if name in ("-h", "--help"):
        print(overview())
    elif name == "--version":
        print(f"softmetal {__version__}")
    elif name in COMMANDS:
        command.run(name, function(name), rest)
    else:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        print(f"softmetal: {name}: there is no such command; {hint}", file=sys.stderr)
        raise SystemExit(command.USAGE)


def main() -> None:
    """The entry point of the `softmetal` script."""
    try:
        dispatch(sys.argv[1:])
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
