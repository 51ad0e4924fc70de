"""A single-board computer of a 6502: `sbc` has its parts and how it is inspected."""

from softmetal.computers.mos6502_sbc.sbc import Sbc

COMPUTER = Sbc

__all__ = ["COMPUTER", "Sbc"]
