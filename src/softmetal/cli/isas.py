"""The instruction sets that commands know by name, and boards on which to try one instruction of theirs."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softmetal.isa.table import Isa
from softmetal.lang import Chip


def as_powered_on(board: Any) -> None:
    """Memory needs no preparation."""


def map_first_mib(board: Any) -> None:
    """1 MiB of a Linux program's memory that may be read, written and executed."""
    board.perm[0:256] = bytes([15]) * 256


KNOWN = {
    "rv64": ("softmetal.isa.riscv", "softmetal.boards.linux_riscv64", "LinuxRiscv64", 0x10000, map_first_mib),
    "6502": ("softmetal.isa.mos6502", "softmetal.boards.flat_6502", "Flat6502", 0x0400, as_powered_on),
}
"""Name: module of the table, module and class of a board, where instructions are put, what prepares its memory."""


@dataclass
class Target:
    """An instruction set, the class of a board that has its core, and an address for code."""

    isa: Isa
    board: type[Chip]
    origin: int
    prepare: Callable[[Any], None] = as_powered_on

    def new_board(self) -> Any:
        """A board at power-on, with memory at its first addresses, for the native engine or the golden one."""
        from softmetal.engines.native import new_board

        board = new_board(self.isa, self.board)
        self.prepare(board)
        return board


def find(name: str) -> Target:
    """The target of a name, or of a file that defines `isa` and a class of boards. Raises ValueError, one line."""
    if name in KNOWN:
        table, board_module, board, origin, prepare = KNOWN[name]
        return Target(importlib.import_module(table).isa, getattr(importlib.import_module(board_module), board), origin, prepare)
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        return from_file(path)
    raise ValueError(f"no instruction set {name!r}; there are {', '.join(KNOWN)}, or give a .py file of your own")


def from_file(path: Path) -> Target:
    """The target that a user's file defines: its `isa`, and the last class in it that has the table's core."""
    module_name = path.stem
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path} cannot be loaded: {line}") from None
    tables = [v for v in vars(module).values() if isinstance(v, Isa)]
    if not tables:
        raise ValueError(f"{path} defines no Isa")
    isa = tables[-1]
    boards: list[Any] = [v for v in vars(module).values() if inspect.isclass(v) and issubclass(v, isa.core)]
    return Target(isa, boards[-1], 0)
