"""What the tests share: the engines that every behaviour is tested on."""

from __future__ import annotations

import pytest

from softmetal.engines.golden import golden_engine

ENGINES = {"golden": golden_engine}
"""How to make each engine: called with a table and a board's core, gives something with `step()` and `run(n)`."""


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]
