"""Commands of the command line: each is a function, whose signature declares its options and arguments.

    def play(file: Annotated[str, argument("FILE", "What to play.")], seed: Annotated[int, option("N", "A number.")] = 0) -> None:

The parser is argparse's. It is part of Python and starts in a few milliseconds, which matters to users of many small programs.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

USAGE = 2
"""The exit code of errors in the command line."""
EXTRA = "extra "
"""Before the names of options that `More` has found: they are no parameters."""
NUMBERS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Option:
    """An option. Its type is its parameter's: a bool is a flag, a list may be given several times."""

    metavar: str | None
    help: str
    names: tuple[str, ...]
    """Default: the parameter's name."""
    group: str
    """The heading in the help."""
    least: int | None


@dataclass(frozen=True)
class Argument:
    """An argument without a name; a list takes all that follows, options as well."""

    metavar: str
    help: str


class Given(dict[str, tuple[str, str]]):
    """The options that stand on the command line: a parameter's name to its option's name and group.

    A parameter of this type gets it.
    """

    def of(self, group: str) -> str | None:
        """The first option of a group, if there is one."""
        return next((option for option, its in self.values() if its == group), None)


@dataclass(frozen=True)
class Extra:
    """An option that a command has only with certain words: its type and itself."""

    kind: Any
    option: Option


@dataclass(frozen=True)
class More:
    """Marks the parameter that gets, by name, the values of options that are found when the words are known.

    `find(words, known)` gives them, with the words that lead to the help on them; `known` says of the command's own options
    whether a value follows.
    """

    find: Callable[[list[str], dict[str, bool]], tuple[dict[str, Extra], str]]


def option(metavar: str | None, help: str, *names: str, group: str = "Options", least: int | None = None) -> Any:
    """An option, for `Annotated`; flags have no metavar. Numbers below `least` are refused."""
    return Option(metavar, help, names, group, least)


def argument(metavar: str, help: str) -> Any:
    """An argument, for `Annotated`."""
    return Argument(metavar, help)


def refuse(command: str, message: str) -> SystemExit:
    """Print what is wrong with the command line; the exit code is 2, as for all errors of this kind."""
    print(f"softmetal {command}: {message}", file=sys.stderr)
    return SystemExit(USAGE)


class _Parser(argparse.ArgumentParser):
    options: dict[str, tuple[str, str]]
    """An option's name to its parameter's and its group."""
    hint: str
    """The command that shows all options."""

    def error(self, message: str) -> NoReturn:
        """One line: what, and where to read on."""
        command = self.prog.partition(" ")[2]
        raise refuse(command, f"{message.removeprefix('argument ')} ({self.hint} lists the options)")


class _Formatter(argparse.HelpFormatter):
    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.split("\n\n")
        return "\n\n".join(textwrap.fill(part, width, break_on_hyphens=False) for part in parts)


def run(name: str, function: Callable[..., None], words: list[str]) -> None:
    """Run a command with these words. Raises SystemExit, with 2 where the words are wrong."""
    parser, given, more = parser_of(name, function, words)
    found, unknown = parser.parse_known_args(words)
    if unknown:
        name = unknown[0].partition("=")[0]
        if not name.startswith("-"):
            parser.error(f"{name}: one argument too many")
        near = difflib.get_close_matches(name, parser.options, 1, cutoff=0.75)
        parser.error(f"{name}: there is no such option" + (f"; did you mean {near[0]}?" if near else ""))
    values = vars(found)
    if given is not None:
        values[given] = Given({key: (name, group) for name, (key, group) in parser.options.items() if key in values})
    if more is not None:
        values[more] = {key.removeprefix(EXTRA): values.pop(key) for key in [*values] if key.startswith(EXTRA)}
    function(**values)


def parser_of(name: str, function: Callable[..., None], words: list[str] | None = None) -> tuple[_Parser, str | None, str | None]:
    """The parser for a command; the names of the parameters that get `Given`, and the values of `More`."""
    parser = _Parser(
        prog=f"softmetal {name}", description=inspect.getdoc(function), formatter_class=_Formatter, allow_abbrev=False,
        argument_default=argparse.SUPPRESS, add_help=False,
    )  # fmt: skip
    groups: dict[str, Any] = {}
    parser.options, parser.hint = {}, f"softmetal {name} --help"
    given, more, shown, others = None, None, [], None
    takes_value: dict[str, bool] = {"--help": False, "-h": False}
    hints = typing.get_type_hints(function, include_extras=True)
    for key, parameter in inspect.signature(function).parameters.items():
        if hints[key] is Given:
            given = key
            continue
        kind, about = typing.get_args(hints[key])[:2]
        if isinstance(about, More):
            more, others = key, about
        elif isinstance(about, Argument):
            several = typing.get_origin(kind) is list
            parser.add_argument(
                key, metavar=about.metavar, help=about.help, **({"nargs": argparse.REMAINDER} if several else {"type": kind})
            )
            shown.append(about.metavar)
        else:
            needed = parameter.default is inspect.Parameter.empty
            names = _add(parser, groups, key, kind, about, parameter.default, needed)
            takes_value |= dict.fromkeys(names, about.metavar is not None)
            if needed:
                shown.append(f"{names[0]} {about.metavar}")
    if others is not None:
        found, parser.hint = others.find(words or [], takes_value)
        for key, extra in found.items():
            if not any(n in parser.options for n in extra.option.names):
                _add(parser, groups, EXTRA + key, extra.kind, extra.option, None, False)
    last = groups.get("Options") or parser.add_argument_group("Options")
    last.add_argument("-h", "--help", action="help", help="Show this text.")
    parser.usage = " ".join(["%(prog)s [options]", *shown])
    parser._positionals.title = "Arguments"
    parser.options["--help"] = ("help", "Options")
    return parser, given, more


def _add(
    parser: _Parser, groups: dict[str, Any], key: str, kind: Any, about: Option, default: Any, needed: bool
) -> tuple[str, ...]:
    """Let the parser know an option; its names."""
    if isinstance(kind, types.UnionType):  # with None
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    several = typing.get_origin(kind) is list
    names = about.names or ("--" + key.replace("_", "-"),)
    parser.options |= dict.fromkeys(names, (key, about.group))
    group = groups.get(about.group) or groups.setdefault(about.group, parser.add_argument_group(about.group))
    shown = f" [{default}]" if not needed and default not in (None, False, "") else ""
    more: dict[str, Any] = {"dest": key, "help": (about.help + shown).replace("%", "%%"), "required": needed}
    if kind is bool:
        group.add_argument(*names, action="store_true", **more)
    else:
        more["type"] = number(kind, about.least) if kind in NUMBERS else str if several else kind
        group.add_argument(*names, action="append" if several else "store", metavar=about.metavar, **more)
    return names


def number(kind: type, least: int | None) -> Callable[[str], Any]:
    """A function that reads such a number."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"give {NUMBERS[kind]}, not {text}") from None
        if least is not None and value < least:
            raise argparse.ArgumentTypeError(f"give {least} or more, not {text}")
        return value

    return read
