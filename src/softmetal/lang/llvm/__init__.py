"""The native back end: typed trees to LLVM IR, as text.

A value is an LLVM integer that is wide enough for its range (8, 16, 32 or 64 bits, or as wide as it needs), extended by
its sign where it can be negative and by zeros where not. So exact arithmetic is exact by construction, and LLVM's
narrowing undoes what was too careful. Locals are stack slots, which LLVM turns into registers. Every function gets
`%root`, the start of the board's state; fields lie at constant distances.

An engine may keep some 8-byte fields of the core in registers (`kept`: offset in the state -> slot): then every
function that touches one of them gets `%kept`, a pointer to such slots, and uses them instead of the state. `marks`
(offset -> slot) names kept fields of which it wants to know, by a 1 in the slot, that they were assigned.

`unit` holds a piece of IR and names its functions, `writer` writes instructions, `places` where things lie, `values` expressions,
`body` a function, `emit` the whole. `target` is LLVM itself.
"""

from softmetal.lang.llvm.emit import emit
from softmetal.lang.llvm.unit import Unit, llvm_type, type_of
from softmetal.lang.llvm.writer import Writer, result_type

__all__ = ["Unit", "Writer", "emit", "llvm_type", "result_type", "type_of"]
