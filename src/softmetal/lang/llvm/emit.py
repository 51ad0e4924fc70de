"""A unit as text: the bodies of all functions that it needs, its tables and declarations."""

from __future__ import annotations

from softmetal.lang.llvm.body import Body
from softmetal.lang.llvm.unit import Unit


def emit(unit: Unit) -> str:
    """The whole unit as LLVM IR. A body that is written adds the functions that it calls."""
    while unit.added:
        function = unit.added.popleft()
        body = Body(unit, function)
        if function.outside is None:
            linkage = "hidden" if function.apart else "internal"
            unit.parts.append(body.text(linkage, unit.attributes(function)))
        else:
            unit.parts.append(body.declaration())
    return "\n".join([*sorted(unit.declared), *unit.parts])
