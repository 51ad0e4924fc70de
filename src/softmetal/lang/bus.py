"""The bus methods of a chip: which of its methods answers an access, by offset.

A chip whose methods are marked with `@reads` and `@writes` gets `bus_read(offset)` and `bus_write(offset, value)`. They are
hardware Python like any other method, so a board's access is compiled through to the method that answers it. Where none
does, the trap `Unanswered` says so.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable
from types import FunctionType
from typing import Any

from softmetal.lang.types import IntType


def bus_methods(cls: type, annotation: Callable[[FunctionType, str], Any], unanswered: type) -> dict[str, FunctionType]:
    """The methods to add to a chip class. `annotation(method, name)` gives a type. Raises TypeError for a mark that fits not."""
    reads, writes = _marked(cls, "__reads__"), _marked(cls, "__writes__")
    lines, names = [], {"__name__": cls.__module__, "Unanswered": unanswered}
    if reads:
        kind = _widest(cls, {m.__name__: annotation(m, "return") for m in reads.values()})
        names[kind.name] = kind
        lines += [f"def bus_read(self, offset: u32) -> {kind}:", "    match offset:"]
        for offset, method in sorted(reads.items()):
            if method.__code__.co_argcount != 1:
                raise TypeError(f"{cls.__name__}.{method.__name__} answers a bus read: it has no parameters but self")
            lines += [f"        case {offset}:", f"            return self.{method.__name__}()"]
        lines.append("    raise Unanswered(offset, 0)")
    if writes:
        values: dict[str, Any] = {}
        for method in writes.values():
            if method.__code__.co_argcount != 2:
                raise TypeError(f"{cls.__name__}.{method.__name__} takes a bus write: it has one parameter, the value")
            values[method.__name__] = annotation(method, method.__code__.co_varnames[1])
        kind = _widest(cls, values)
        names[kind.name] = kind
        lines += [f"def bus_write(self, offset: u32, value: {kind}) -> None:", "    match offset:"]
        for offset, method in sorted(writes.items()):
            lines += [f"        case {offset}:", f"            self.{method.__name__}(value)"]
        lines += ["        case _:", "            raise Unanswered(offset, 1)"]
    if not lines:
        return {}
    from softmetal.lang.types import u32

    names["u32"] = u32
    text = "\n".join(lines) + "\n"
    filename = f"<bus of {cls.__module__}.{cls.__qualname__} {hashlib.sha256(text.encode()).hexdigest()[:8]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), names)
    made: dict[str, Any] = {n: names[n] for n in ("bus_read", "bus_write") if n in names}
    for function in made.values():
        function.__bus__ = True
    return made


def _marked(cls: type, mark: str) -> dict[int, FunctionType]:
    """The methods with a mark, of a class and its bases, by offset."""
    found: dict[int, FunctionType] = {}
    for base in reversed(cls.__mro__):
        mine: dict[int, FunctionType] = {}
        for method in base.__dict__.get("__hw_methods__", {}).values():
            for offset in getattr(method, mark, ()):
                if offset in mine:
                    both = f"{mine[offset].__name__} and {method.__name__}"
                    raise TypeError(f"{cls.__name__}: {both} both answer at offset {offset}")
                mine[offset] = method
        found |= mine
    return found


def _widest(cls: type, kinds: dict[str, Any]) -> IntType:
    for name, kind in kinds.items():
        if not isinstance(kind, IntType) or kind.signed:
            raise TypeError(f"{cls.__name__}.{name}: a value on a bus is unsigned, as in u8; {kind!r} is not")
    widest: IntType = max(kinds.values(), key=lambda k: k.bits)
    return widest
