"""The MOS 6502: `core` (state and bus), `shapes`, `modes` and `operations` (what opcodes do), `table`
(the opcodes)."""

from softmetal.isa.mos6502.core import Jammed, Mos6502, Unwired
from softmetal.isa.mos6502.table import isa

__all__ = ["Jammed", "Mos6502", "Unwired", "isa"]
