"""Random traffic for a chip, as a Hypothesis strategy (so Hypothesis must be installed)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softmetal.lang import Chip
from softmetal.lang.chip import method_of
from softmetal.lang.native import signature
from softmetal.lang.types import FloatType, IntType

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Step = tuple[Any, ...]
"""A method's name and the values that it is called with: ("bus_read", offset), ("bus_write", offset, value), ("tick",)."""


def bus_traffic(cls: type[Chip], max_size: int = 60) -> SearchStrategy[list[Step]]:
    """Lists of reads and writes at the offsets that the chip answers (seldom at another), and calls of its other methods."""
    from hypothesis import strategies as st

    reads: set[int] = set()
    writes: set[int] = set()
    calls: list[tuple[str, list[Any]]] = []
    names = dict.fromkeys(n for base in cls.__mro__ for n in base.__dict__.get("__hw_methods__", {}))
    for name in names:
        found = method_of(cls, name)
        assert found is not None
        answers = getattr(found[0], "__reads__", ()), getattr(found[0], "__writes__", ())
        reads.update(answers[0])
        writes.update(answers[1])
        if not any(answers) and not name.startswith("_") and not getattr(found[0], "__bus__", False):
            params, _ = signature(*found)
            if all(isinstance(k, IntType | FloatType) for k in params):
                calls.append((name, params))
    steps: list[SearchStrategy[Step]] = []
    if reads:
        steps.append(st.tuples(st.just("bus_read"), _offsets(reads)))
    if writes:
        bus = method_of(cls, "bus_write")
        assert bus is not None
        steps.append(st.tuples(st.just("bus_write"), _offsets(writes), values_of(signature(*bus)[0][1])))
    steps += [st.tuples(st.just(name), *map(values_of, params)) for name, params in calls]
    if not steps:
        raise TypeError(f"{cls.__name__} has nothing to call")
    return st.lists(st.one_of(steps), max_size=max_size)


def _offsets(answered: set[int]) -> SearchStrategy[int]:
    from hypothesis import strategies as st

    return st.sampled_from([*sorted(answered) * 4, max(answered) + 1])


def values_of(kind: IntType | FloatType) -> SearchStrategy[Any]:
    """Values of a type, often at its ends."""
    from hypothesis import strategies as st

    if isinstance(kind, FloatType):
        return st.floats(width=32 if kind.bits == 32 else 64)
    return st.one_of(st.sampled_from([kind.lo, kind.hi, kind(1), kind(kind.hi >> 1)]), st.integers(kind.lo, kind.hi))
