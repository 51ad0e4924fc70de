"""MOS 6502: addressing modes. One line with `cpu.read` is one clock cycle; the operand was fetched before.

A mode gives the effective address. A name in `_w` is the form that writing instructions use: the cycle in which the
chip carries into the address's high byte is spent whether there is a carry or not, because a write cannot be undone.

Sources: MCS6500 Hardware Manual (1976), appendix A; 64doc, "6510 Instruction Timing".
"""

from __future__ import annotations

from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import u8, u16


def direct(cpu: Mos6502, operand: u16) -> u16:
    """The operand is the address."""
    return operand


def zpx(cpu: Mos6502, operand: u16) -> u16:
    """Zero page, plus X, inside page 0."""
    cpu.read(operand)
    return (operand + cpu.x) & 0xFF


def zpy(cpu: Mos6502, operand: u16) -> u16:
    """Zero page, plus Y, inside page 0."""
    cpu.read(operand)
    return (operand + cpu.y) & 0xFF


def absx(cpu: Mos6502, operand: u16) -> u16:
    """Absolute, plus X; one cycle more across a page."""
    return carried(cpu, operand, cpu.x)


def absy(cpu: Mos6502, operand: u16) -> u16:
    """Absolute, plus Y; one cycle more across a page."""
    return carried(cpu, operand, cpu.y)


def absx_w(cpu: Mos6502, operand: u16) -> u16:
    """Absolute, plus X."""
    return corrected(cpu, operand, cpu.x)


def absy_w(cpu: Mos6502, operand: u16) -> u16:
    """Absolute, plus Y."""
    return corrected(cpu, operand, cpu.y)


def indx(cpu: Mos6502, operand: u16) -> u16:
    """Through the pointer at zero page plus X."""
    cpu.read(operand)
    return pointer(cpu, operand + cpu.x)


def indy(cpu: Mos6502, operand: u16) -> u16:
    """Through the pointer in zero page, plus Y; one cycle more across a page."""
    return carried(cpu, pointer(cpu, operand), cpu.y)


def indy_w(cpu: Mos6502, operand: u16) -> u16:
    """Through the pointer in zero page, plus Y."""
    return corrected(cpu, pointer(cpu, operand), cpu.y)


def pointer(cpu: Mos6502, at: u16) -> u16:
    """The pointer in zero page; its second byte is in page 0 too."""
    low = cpu.read(at & 0xFF)
    high = cpu.read((at + 1) & 0xFF)
    return high << 8 | low


def uncarried(base: u16, index: u8) -> u16:
    """What is on the address bus before the carry reaches the high byte."""
    return base & 0xFF00 | (base + index) & 0xFF


def carried(cpu: Mos6502, base: u16, index: u8) -> u16:
    """base + index; the cycle with the wrong high byte happens only if there is a carry."""
    address: u16 = base + index
    if uncarried(base, index) != address:
        cpu.read(uncarried(base, index))
    return address


def corrected(cpu: Mos6502, base: u16, index: u8) -> u16:
    """base + index; the cycle before the carry always happens."""
    cpu.read(uncarried(base, index))
    return base + index
