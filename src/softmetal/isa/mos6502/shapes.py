"""MOS 6502: in which shapes the instructions use the bus.

A *shape* is how instructions of one kind do that: it has an operation and perhaps an addressing mode bound to it
(`partial(read, op=lda, mode=absx)`).

Sources: MCS6500 Programming Manual (1976), appendix A; 64doc, "Documented and undocumented instructions"; "NMOS 6510
Unintended Opcodes" (groepaz, v0.99), for SHA, SHX, SHY, TAS.
Not modelled: that the stores with "& high byte + 1" vary with the chip and RDY: the AND with the high byte always happens.
"""

from __future__ import annotations

from collections.abc import Callable

from softmetal.isa.mos6502.core import IRQ_VECTOR, Mos6502
from softmetal.isa.mos6502.modes import pointer, uncarried
from softmetal.lang import s8, u8, u16

# --- shapes that an operation is bound to


def immediate(cpu: Mos6502, imm: u8, op: Callable) -> None:
    """Work on the operand itself."""
    op(cpu, imm)


def read(cpu: Mos6502, operand: u16, op: Callable, mode: Callable) -> None:
    """Read a byte and work on it."""
    address = mode(cpu, operand)
    value = cpu.read(address)
    op(cpu, value)


def modify(cpu: Mos6502, operand: u16, op: Callable, mode: Callable) -> None:
    """Read a byte, write it back while it is worked on, write the result."""
    address = mode(cpu, operand)
    value = cpu.read(address)
    cpu.write(address, value)
    cpu.write(address, op(cpu, value))


def store(cpu: Mos6502, operand: u16, op: Callable, mode: Callable) -> None:
    """Write a byte."""
    address = mode(cpu, operand)
    cpu.write(address, op(cpu))


def store_and_high(cpu: Mos6502, operand: u16, op: Callable, base: Callable, index: Callable) -> None:
    """Write a byte ANDed with the base address's high byte plus 1; a carry puts what is written there as well."""
    start = base(cpu, operand)
    address: u16 = start + index(cpu)
    value: u8 = op(cpu) & (start >> 8) + 1
    cpu.read(uncarried(start, index(cpu)))
    if address >> 8 != start >> 8:
        address = value << 8 | address & 0xFF
    cpu.write(address, value)


def implied(cpu: Mos6502, op: Callable) -> None:
    """Work inside the processor."""
    cpu.read(cpu.pc)
    op(cpu)


def accumulator(cpu: Mos6502, op: Callable) -> None:
    """Work on the accumulator."""
    cpu.read(cpu.pc)
    cpu.a = op(cpu, cpu.a)


def push(cpu: Mos6502, op: Callable) -> None:
    """Write a byte to the stack."""
    cpu.read(cpu.pc)
    cpu.push(op(cpu))


def pull(cpu: Mos6502, op: Callable) -> None:
    """Take a byte from the stack."""
    cpu.read(cpu.pc)
    cpu.read(0x100 | cpu.s)
    op(cpu, cpu.pull())


def branch(cpu: Mos6502, rel: s8, op: Callable) -> None:
    """Go to an address near the next instruction; one cycle more if taken, two across a page."""
    if op(cpu):
        target: u16 = cpu.pc + rel
        cpu.read(cpu.pc)
        if target >> 8 != cpu.pc >> 8:
            cpu.read(cpu.pc & 0xFF00 | target & 0xFF)
        cpu.pc = target


# --- instructions that are a shape of their own


def jmp(cpu: Mos6502, operand: u16) -> None:
    """Jump."""
    cpu.pc = operand


def jmp_ind(cpu: Mos6502, operand: u16) -> None:
    """Jump through a pointer; its second byte is in the same page as its first."""
    low = cpu.read(operand)
    high = cpu.read(operand & 0xFF00 | (operand + 1) & 0xFF)
    cpu.pc = high << 8 | low


def jsr(cpu: Mos6502) -> None:
    """Jump to a subroutine; the stack gets the address of the instruction's last byte, which is read last."""
    low = cpu.fetch()
    cpu.read(0x100 | cpu.s)
    cpu.push(cpu.pc >> 8)
    cpu.push(u8(cpu.pc))
    high = cpu.fetch()
    cpu.pc = high << 8 | low


def rts(cpu: Mos6502) -> None:
    """Return from a subroutine."""
    cpu.read(cpu.pc)
    cpu.read(0x100 | cpu.s)
    low = cpu.pull()
    high = cpu.pull()
    cpu.pc = high << 8 | low
    cpu.fetch()


def rti(cpu: Mos6502) -> None:
    """Return from an interrupt."""
    cpu.read(cpu.pc)
    cpu.read(0x100 | cpu.s)
    cpu.set_p(cpu.pull())
    low = cpu.pull()
    high = cpu.pull()
    cpu.pc = high << 8 | low


def brk(cpu: Mos6502) -> None:
    """Interrupt by software; the byte behind the opcode is skipped."""
    cpu.fetch()
    cpu.enter(IRQ_VECTOR, 1)


def jam(cpu: Mos6502) -> None:
    """Stop the processor until a reset."""
    cpu.read(cpu.pc)
    cpu.read(0xFFFF)
    cpu.read(0xFFFE)
    cpu.read(0xFFFE)
    cpu.read(0xFFFF)
    cpu.read(0xFFFF)
    cpu.read(0xFFFF)
    cpu.read(0xFFFF)
    cpu.read(0xFFFF)
    cpu.read(0xFFFF)
    cpu.jammed = 1


# --- bases and indexes of `store_and_high`


def absolute(cpu: Mos6502, operand: u16) -> u16:
    return operand


def through_zp(cpu: Mos6502, operand: u16) -> u16:
    return pointer(cpu, operand)


def by_x(cpu: Mos6502) -> u8:
    return cpu.x


def by_y(cpu: Mos6502) -> u8:
    return cpu.y
