"""Marks on functions of hardware Python: how they are compiled (`cold`, `noinline`, `shared`), that they are not (`host`),
what they answer on a bus (`reads`, `writes`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def host(function: F) -> F:
    """Mark a method of a chip as host code: Python that inspects or loads the chip, never compiled."""
    function.__host__ = True  # type: ignore[attr-defined]
    return function


def cold(function: F) -> F:
    """Mark a method or function as rarely run: it is kept out of the way of the code that calls it."""
    function.__cold__ = True  # type: ignore[attr-defined]
    return function


def noinline(function: F) -> F:
    """Mark a method or function to be compiled once and called: what is large, often run, and called from many places."""
    function.__noinline__ = True  # type: ignore[attr-defined]
    return function


def shared(function: F) -> F:
    """Mark a method or function to be compiled once for each class of the chips that it is given, not once for each chip."""
    function.__shared__ = True  # type: ignore[attr-defined]
    return function


def reads(offset: int) -> Callable[[F], F]:
    """Mark a method as what answers a bus read at `offset` inside the chip."""
    return _register("__reads__", offset)


def writes(offset: int) -> Callable[[F], F]:
    """Mark a method as what takes a bus write at `offset` inside the chip; its one parameter is the value."""
    return _register("__writes__", offset)


def _register(mark: str, offset: int) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        setattr(function, mark, (*getattr(function, mark, ()), offset))
        return function

    return decorate
