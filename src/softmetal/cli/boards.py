"""Computers on the command line: which options a board has, and the computer that they make."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from typing import Any

from softmetal.cli import command
from softmetal.cli.command import Extra
from softmetal.machine.computer import Computer, Option, named
from softmetal.machine.errors import LoadError
from softmetal.machine.machine import Machine


def kind_of(board: str) -> type[Computer]:
    """A board's computer. Raises SystemExit, with one line, where there is none."""
    if ":" in board and os.getcwd() not in sys.path:  # a user's module may be in the current directory
        sys.path.insert(0, os.getcwd())
    try:
        return named(board)
    except LoadError as error:
        raise command.refuse("run", f"--{error}") from None


def options(kind: type[Computer]) -> dict[str, tuple[str, Option, Any]]:
    """A computer's options, by the name of the option: the field, the option, the default."""
    found = {}
    for field in fields(kind):
        option = field.metadata.get("option")
        if option is not None:
            found[option.name or field.name] = field.name, option, field.default
    return found


def extras(kind: type[Computer]) -> dict[str, Extra]:
    """The same, as the command line's parser takes them."""
    found = {}
    for name, (_, option, default) in options(kind).items():
        shown = option.shown or (str(default) if default not in ("", (), False, None) else "")
        about = command.option(
            option.metavar, option.help + (f" [{shown}]" if shown else ""), f"--{name}", group=f"Computers: {kind.name}"
        )
        plain = bool if option.metavar is None else list[str] if option.backend else str if option.parse else type(default)
        found[name] = Extra(plain, about)
    return found


class ComputerSpec:
    """The computer that the command line's options describe; or one that is in a file (`resume`), with its disks and shares.

    Raises LoadError for options that do not fit.
    """

    def __init__(self, board: str, given: dict[str, Any], resume: str | None, display: bool) -> None:
        self.kind, self.resume = kind_of(board), resume
        self._values: dict[str, Any] = {}
        self._specs: dict[str, list[str]] = {"disk": [], "share": []}
        self.disks: list[Any] = []
        self.shares: list[Any] = []
        known = options(self.kind)
        for name, value in given.items():
            if name not in known:
                raise LoadError(f"--{name}: the board {self.kind.name} has no such option")
            field, option, _ = known[name]
            if option.backend:
                self._specs[option.backend] += value
            elif resume is not None:
                raise LoadError(f"--{name}: the machine in {resume} has its own; leave it out")
            else:
                try:
                    self._values[field] = option.parse(value) if option.parse else value
                except ValueError as error:
                    raise LoadError(f"--{name} {value}: {error}") from None
        if display and "display" in known:
            self._values["display"] = True

    def open(self) -> None:
        """Open its disks and shares. Raises LoadError; what was opened by then is in `disks` and `shares`."""
        from softmetal.host.disks import open_disk

        try:
            for spec in self._specs["disk"]:
                self._refuse_twice(spec)
                self.disks.append(open_disk(spec))
            if self._specs["share"]:
                from softmetal.host.shares import open_share

                self.shares += map(open_share, self._specs["share"])
        except (OSError, ValueError) as error:
            raise LoadError(str(error)) from None

    def _refuse_twice(self, spec: str) -> None:
        """An image that is written is one disk only."""
        path = spec.removesuffix(",ro").removesuffix(",overlay").removesuffix(",commit").removesuffix(",raw")
        for disk in self.disks:
            written = not spec.endswith((",ro", ",overlay")) or disk.commits or not (disk.read_only or disk.overlaid)
            if written and os.path.exists(path) and os.path.samefile(disk.name, path):
                raise LoadError(f"disk {path}: given twice; that needs ,ro or ,overlay at each")

    def machine(self, **how: Any) -> Machine:
        """The machine. Raises LoadError, MachineError, StateError."""
        backends: dict[str, Any] = {"disks": tuple(self.disks), "shares": tuple(self.shares)}
        if self.resume is None:
            return Machine(self.kind(**self._values, **backends), **how)
        try:
            return Machine.load(self.resume, **backends, **how)
        except OSError as error:
            raise LoadError(f"--resume {self.resume}: {error.strerror}") from None

    def close(self) -> list[OSError]:
        """Close disks and shares; the errors of that."""
        lost = []
        for each in (*self.disks, *self.shares):
            try:
                each.close()
            except OSError as error:
                lost.append(error)
        return lost
