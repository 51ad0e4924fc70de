#!/usr/bin/env python3
"""Compile the boards that most tests run, side by side, before the tests: each of their processes would do it anew.

tools/precompile.py      what is compiled is kept in the user's cache folder, and not compiled again
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor


def virt() -> None:
    """The RISC-V computer."""
    from softmetal.boards.riscv_virt import RiscvVirt
    from softmetal.engines.native import native_engine, new_board
    from softmetal.isa.riscv import isa

    native_engine(isa, new_board(isa, RiscvVirt), _line)


def programs() -> None:
    """What runs Linux programs."""
    from softmetal.linux.adapter import BoardCpu

    BoardCpu("native", _line)


def sbc() -> None:
    """The 6502 computer."""
    from softmetal.boards.mos6502_sbc import Mos6502Sbc
    from softmetal.engines.native import native_engine, new_board
    from softmetal.isa.mos6502 import isa

    native_engine(isa, new_board(isa, Mos6502Sbc), _line)


def _line(text: str) -> None:
    print(f"precompile: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Compile all of them."""
    with ProcessPoolExecutor(2) as pool:
        for each in [pool.submit(virt), pool.submit(programs), pool.submit(sbc)]:
            each.result()


if __name__ == "__main__":
    main()
