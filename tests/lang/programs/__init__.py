"""Random programs in hardware Python, as source text.

`module(seeds)` writes a module with one board, `Main`, that has a method ("program") for each seed. Every program is valid
by docs/language.md: widths stay below 256 bits, indexes inside, divisors are not 0. So the compiler must take each of
them, and both back ends must give the same results, traps and states. What is likely to go wrong is likely to be
written: boundaries of widths, values beyond 64 and 128 bits, negative operands, calls with effects inside expressions.

`define(source, name)` turns such text into a module that `inspect` and the compiler find the source of.
`check(source, ...)` runs one on both back ends; `smallest(...)` cuts a failing program down.
"""

from tests.lang.programs.modules import module
from tests.lang.programs.reducing import smallest
from tests.lang.programs.running import check, define, same
from tests.lang.programs.statements import Maker
from tests.lang.programs.world import Int, World

__all__ = ["Int", "Maker", "World", "check", "define", "module", "same", "smallest"]
