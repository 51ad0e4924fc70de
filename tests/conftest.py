"""What the tests share: the engines that every behaviour is tested on."""

from __future__ import annotations

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board

ENGINES = {
    "golden": lambda isa, board: golden_engine(isa, board()),
    "native": lambda isa, board: native_engine(isa, new_board(isa, board)),
}
"""How to make each engine: from a table and a board's class; it has `core` (the board), `step()` and `run(n)`."""


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]
