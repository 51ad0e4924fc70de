"""A single-board computer of a 6502: `sbc` says what it is made of and how it is looked at."""

from softmetal.computers.mos6502_sbc.sbc import Sbc

COMPUTER = Sbc

__all__ = ["COMPUTER", "Sbc"]
