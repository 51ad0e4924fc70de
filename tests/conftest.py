"""What the tests share: the engines that every behaviour is tested on, the limit of time, the account of promises."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys

import pytest

from softmetal.engines.golden import golden_engine
from softmetal.engines.native import native_engine, new_board

pytest_plugins = ["tests.promises", "pytester"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun in a shell's background; what tests start would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
CACHE = os.environ.get("SOFTMETAL_CACHE")
GRACE = 30
"""Seconds beyond its limit (pytest-timeout) after which a test that does not even come back to Python ends its worker."""
ENGINES = {
    "golden": lambda isa, board: golden_engine(isa, board()),
    "native": lambda isa, board: native_engine(isa, new_board(isa, board)),
}
"""How to make each engine: from a table and a board's class; it has `core` (the board), `step()` and `run(n)`."""


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


def limit(item) -> float:
    """Seconds that a test may take."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


def pytest_collection_modifyitems(items):
    """The longest first: begun last, one of them would keep one worker busy and the others waiting."""
    items.sort(key=limit, reverse=True)


def pytest_runtest_setup(item):
    """Tests of the language have a cache of their own; left behind, all others would compile everything anew."""
    here = os.environ.get("SOFTMETAL_CACHE")
    assert here == CACHE or item.nodeid.startswith("tests/lang/"), f"SOFTMETAL_CACHE={here} was left behind by another test"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    faulthandler.dump_traceback_later(limit(item) + GRACE, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
