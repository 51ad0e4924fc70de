"""Golden and native agree: on random programs, and on what random programs once found.

The default run takes PROGRAMS programs, always the same. `SOFTMETAL_PROGRAMS=50000 pytest tests/lang/test_agreement.py`
is the long form: as many programs as it says. `SOFTMETAL_SEED=n` starts from others. Programs are compiled many at a time
in a process of their own, for a mistake in generated code may end it; one that fails is cut down to what is needed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from programs import check, module, smallest

from softmetal.lang import HardwareError, native  # noqa: F401 - loaded before the forks

PROGRAMS = int(os.environ.get("SOFTMETAL_PROGRAMS", "1200"))
SEED = int(os.environ.get("SOFTMETAL_SEED", "0"))
TOGETHER = 25
HEADER = "from __future__ import annotations\nfrom enum import IntEnum\nfrom functools import partial\nfrom softmetal.lang import *\n"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    before = os.environ.get("SOFTMETAL_CACHE")
    os.environ["SOFTMETAL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("SOFTMETAL_CACHE") if before is None else os.environ.__setitem__("SOFTMETAL_CACHE", before)


def apart(run: Callable[[], str]) -> str:
    """What `run()` gives, or how it failed, in a process of its own."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(120)
            try:
                text = run()
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            with os.fdopen(there, "w") as out:
                out.write(text)
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here) as out:
        text = out.read()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"the process ended by signal {status & 127}: {text}"


def kind_of(text: str) -> str:
    """Two failures of one kind have this in common."""
    if text.startswith("HardwareError"):
        return text.split("error: ", 1)[1].split("\n")[0][:16]
    return text.split(":")[0] if "Error:" in text or "signal" in text else "disagree" if text else ""


def report(source: str, found: str, seed: int) -> str:
    """The failure, with the program that failed cut down."""
    for name in (f"p{i}" for i in range(TOGETHER)):
        alone = apart(lambda name=name: check(source, [name], 30, seed))
        if alone:
            kind = kind_of(alone)
            small = smallest(source, name, lambda s, n=name, k=kind: kind_of(apart(lambda: check(s, [n], 30, seed))) == k)
            return f"{alone}\n\n{small}"
    return f"{found}\n(all programs together only)\n\n{source}"


@settings(
    max_examples=max(1, PROGRAMS // TOGETHER), derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(0, 2**40 - 1))
def test_random_programs_do_the_same_on_both_back_ends(seed):
    source = module([(SEED << 80) + (seed << 40) + i for i in range(TOGETHER)])
    found = apart(lambda: check(source, seed=seed))
    assert not found, report(source, found, seed)
