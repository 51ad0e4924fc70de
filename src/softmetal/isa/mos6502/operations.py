"""MOS 6502: what the instructions do to the processor and to the byte that they work on.

An *operation* is what the data sheet names by three letters; how it uses the bus is its shape (see `shapes`).

Sources: MCS6500 Programming Manual (1976), appendix A; 64doc, "Documented and undocumented instructions"; "NMOS 6510
Unintended Opcodes" (groepaz, v0.99), for ANE, LXA, TAS, LAS, ARR; B. Clark, "Decimal Mode" (2004).
Not modelled: that ANE and LXA vary with the chip, its temperature and RDY: `MAGIC` is what the analogue mix on the bus gives.
"""

from __future__ import annotations

from softmetal.isa.mos6502.core import Mos6502
from softmetal.lang import u1, u8

MAGIC = 0xEE  # what A is ORed with in ANE and LXA

# --- operations on a byte that was read


def lda(cpu: Mos6502, value: u8) -> None:
    """Load the accumulator."""
    cpu.a = value
    cpu.set_nz(value)


def ldx(cpu: Mos6502, value: u8) -> None:
    """Load X."""
    cpu.x = value
    cpu.set_nz(value)


def ldy(cpu: Mos6502, value: u8) -> None:
    """Load Y."""
    cpu.y = value
    cpu.set_nz(value)


def ora(cpu: Mos6502, value: u8) -> None:
    """OR with the accumulator."""
    lda(cpu, cpu.a | value)


def and_(cpu: Mos6502, value: u8) -> None:
    """AND with the accumulator."""
    lda(cpu, cpu.a & value)


def eor(cpu: Mos6502, value: u8) -> None:
    """Exclusive OR with the accumulator."""
    lda(cpu, cpu.a ^ value)


def bit(cpu: Mos6502, value: u8) -> None:
    """Test bits: N and V are bits 7 and 6 of memory, Z is set if it shares no bit with the accumulator."""
    cpu.n = value >> 7
    cpu.v = u1(value >> 6)
    cpu.z = cpu.a & value == 0


def compare(cpu: Mos6502, register: u8, value: u8) -> None:
    cpu.c = register >= value
    cpu.set_nz(u8(register - value))


def cmp(cpu: Mos6502, value: u8) -> None:
    """Compare with the accumulator."""
    compare(cpu, cpu.a, value)


def cpx(cpu: Mos6502, value: u8) -> None:
    """Compare with X."""
    compare(cpu, cpu.x, value)


def cpy(cpu: Mos6502, value: u8) -> None:
    """Compare with Y."""
    compare(cpu, cpu.y, value)


def adc(cpu: Mos6502, value: u8) -> None:
    """Add with carry."""
    if cpu.d:
        add_decimal(cpu, value)
    else:
        add(cpu, value)


def sbc(cpu: Mos6502, value: u8) -> None:
    """Subtract with borrow (the carry's complement)."""
    if cpu.d:
        subtract_decimal(cpu, value)
    else:
        add(cpu, value ^ 0xFF)


def add(cpu: Mos6502, value: u8) -> None:
    total = cpu.a + value + cpu.c
    cpu.c = total >> 8
    cpu.v = (cpu.a ^ total) & (value ^ total) & 0x80 != 0
    lda(cpu, u8(total))


def add_decimal(cpu: Mos6502, value: u8) -> None:
    """Z is the binary sum's; N and V are taken when the low digit is corrected and the high one is not."""
    a = cpu.a
    low = (a & 0x0F) + (value & 0x0F) + cpu.c
    if low > 9:
        low = ((low + 6) & 0x0F) + 0x10
    total = (a & 0xF0) + (value & 0xF0) + low
    cpu.z = (a + value + cpu.c) & 0xFF == 0
    cpu.n = u1(total >> 7)
    cpu.v = (a ^ total) & (value ^ total) & 0x80 != 0
    if total > 0x9F:
        total += 0x60
    cpu.c = total > 0xFF
    cpu.a = u8(total)


def subtract_decimal(cpu: Mos6502, value: u8) -> None:
    """The flags are the binary difference's."""
    low = (cpu.a & 0x0F) - (value & 0x0F) + cpu.c - 1
    if low < 0:
        low = ((low - 6) & 0x0F) - 0x10
    total = (cpu.a & 0xF0) - (value & 0xF0) + low
    if total < 0:
        total -= 0x60
    add(cpu, value ^ 0xFF)
    cpu.a = u8(total)


def ignore(cpu: Mos6502, value: u8) -> None:
    """Do nothing with what was read."""


def lax(cpu: Mos6502, value: u8) -> None:
    """Load the accumulator and X."""
    cpu.x = value
    lda(cpu, value)


def las(cpu: Mos6502, value: u8) -> None:
    """AND with the stack pointer; the result goes to the accumulator, X and the stack pointer."""
    cpu.s &= value
    lax(cpu, cpu.s)


def anc(cpu: Mos6502, value: u8) -> None:
    """AND with the accumulator; C becomes as N."""
    and_(cpu, value)
    cpu.c = cpu.n


def alr(cpu: Mos6502, value: u8) -> None:
    """AND with the accumulator, then shift it right."""
    cpu.a = lsr(cpu, cpu.a & value)


def arr(cpu: Mos6502, value: u8) -> None:
    """AND with the accumulator, then rotate it right; C and V come from the adder's look at bits 6 and 5."""
    both = cpu.a & value
    result = both >> 1 | cpu.c << 7
    cpu.set_nz(result)
    cpu.v = u1((both ^ result) >> 6)
    if cpu.d:
        arr_decimal(cpu, both, result)
    else:
        cpu.c = u1(result >> 6)
        cpu.a = result


def arr_decimal(cpu: Mos6502, both: u8, result: u8) -> None:
    """Each digit of the rotated byte is corrected by what it was before."""
    low = result & 0x0F
    high = result & 0xF0
    if (both & 0x0F) + (both & 0x01) > 0x05:
        low = (low + 0x06) & 0x0F
    cpu.c = (both & 0xF0) + (both & 0x10) > 0x50
    if cpu.c:
        high = (high + 0x60) & 0xF0
    cpu.a = high | low


def ane(cpu: Mos6502, value: u8) -> None:
    """Accumulator becomes (accumulator OR a constant) AND X AND the operand."""
    lda(cpu, (cpu.a | MAGIC) & cpu.x & value)


def lxa(cpu: Mos6502, value: u8) -> None:
    """Accumulator and X become (accumulator OR a constant) AND the operand."""
    lax(cpu, (cpu.a | MAGIC) & value)


def sbx(cpu: Mos6502, value: u8) -> None:
    """X becomes (accumulator AND X) minus the operand; C as in a compare."""
    both = cpu.a & cpu.x
    compare(cpu, both, value)
    cpu.x = u8(both - value)


# --- operations that change a byte


def asl(cpu: Mos6502, value: u8) -> u8:
    """Shift left."""
    cpu.c = value >> 7
    result: u8 = value << 1
    cpu.set_nz(result)
    return result


def lsr(cpu: Mos6502, value: u8) -> u8:
    """Shift right."""
    cpu.c = u1(value)
    cpu.set_nz(value >> 1)
    return value >> 1


def rol(cpu: Mos6502, value: u8) -> u8:
    """Rotate left through carry."""
    result: u8 = value << 1 | cpu.c
    cpu.c = value >> 7
    cpu.set_nz(result)
    return result


def ror(cpu: Mos6502, value: u8) -> u8:
    """Rotate right through carry."""
    result: u8 = value >> 1 | cpu.c << 7
    cpu.c = u1(value)
    cpu.set_nz(result)
    return result


def inc(cpu: Mos6502, value: u8) -> u8:
    """Increment."""
    result: u8 = value + 1
    cpu.set_nz(result)
    return result


def dec(cpu: Mos6502, value: u8) -> u8:
    """Decrement."""
    result: u8 = value - 1
    cpu.set_nz(result)
    return result


def slo(cpu: Mos6502, value: u8) -> u8:
    """Shift left, then OR with the accumulator."""
    result = asl(cpu, value)
    ora(cpu, result)
    return result


def rla(cpu: Mos6502, value: u8) -> u8:
    """Rotate left, then AND with the accumulator."""
    result = rol(cpu, value)
    and_(cpu, result)
    return result


def sre(cpu: Mos6502, value: u8) -> u8:
    """Shift right, then exclusive OR with the accumulator."""
    result = lsr(cpu, value)
    eor(cpu, result)
    return result


def rra(cpu: Mos6502, value: u8) -> u8:
    """Rotate right, then add to the accumulator."""
    result = ror(cpu, value)
    adc(cpu, result)
    return result


def dcp(cpu: Mos6502, value: u8) -> u8:
    """Decrement, then compare with the accumulator."""
    result: u8 = value - 1
    cmp(cpu, result)
    return result


def isc(cpu: Mos6502, value: u8) -> u8:
    """Increment, then subtract from the accumulator."""
    result: u8 = value + 1
    sbc(cpu, result)
    return result


# --- what is stored


def sta(cpu: Mos6502) -> u8:
    """Store the accumulator."""
    return cpu.a


def stx(cpu: Mos6502) -> u8:
    """Store X."""
    return cpu.x


def sty(cpu: Mos6502) -> u8:
    """Store Y."""
    return cpu.y


def sax(cpu: Mos6502) -> u8:
    """Store accumulator AND X."""
    return cpu.a & cpu.x


def tas(cpu: Mos6502) -> u8:
    """Stack pointer becomes accumulator AND X, which is also stored."""
    cpu.s = cpu.a & cpu.x
    return cpu.s


def php(cpu: Mos6502) -> u8:
    """Push the status register, with B set."""
    return cpu.p(1)


def pha(cpu: Mos6502) -> u8:
    """Push the accumulator."""
    return cpu.a


def plp(cpu: Mos6502, value: u8) -> None:
    """Pull the status register."""
    cpu.hold_i()
    cpu.set_p(value)


def pla(cpu: Mos6502, value: u8) -> None:
    """Pull the accumulator."""
    lda(cpu, value)


# --- operations inside the processor


def nop(cpu: Mos6502) -> None:
    """Do nothing."""


def tax(cpu: Mos6502) -> None:
    """Copy the accumulator to X."""
    ldx(cpu, cpu.a)


def tay(cpu: Mos6502) -> None:
    """Copy the accumulator to Y."""
    ldy(cpu, cpu.a)


def txa(cpu: Mos6502) -> None:
    """Copy X to the accumulator."""
    lda(cpu, cpu.x)


def tya(cpu: Mos6502) -> None:
    """Copy Y to the accumulator."""
    lda(cpu, cpu.y)


def tsx(cpu: Mos6502) -> None:
    """Copy the stack pointer to X."""
    ldx(cpu, cpu.s)


def txs(cpu: Mos6502) -> None:
    """Copy X to the stack pointer; no flag changes."""
    cpu.s = cpu.x


def inx(cpu: Mos6502) -> None:
    """Increment X."""
    ldx(cpu, cpu.x + 1)


def iny(cpu: Mos6502) -> None:
    """Increment Y."""
    ldy(cpu, cpu.y + 1)


def dex(cpu: Mos6502) -> None:
    """Decrement X."""
    ldx(cpu, cpu.x - 1)


def dey(cpu: Mos6502) -> None:
    """Decrement Y."""
    ldy(cpu, cpu.y - 1)


def clc(cpu: Mos6502) -> None:
    """Clear carry."""
    cpu.c = 0


def sec(cpu: Mos6502) -> None:
    """Set carry."""
    cpu.c = 1


def cli(cpu: Mos6502) -> None:
    """Clear interrupt disable."""
    cpu.hold_i()
    cpu.i = 0


def sei(cpu: Mos6502) -> None:
    """Set interrupt disable."""
    cpu.hold_i()
    cpu.i = 1


def clv(cpu: Mos6502) -> None:
    """Clear overflow."""
    cpu.v = 0


def cld(cpu: Mos6502) -> None:
    """Clear decimal mode."""
    cpu.d = 0


def sed(cpu: Mos6502) -> None:
    """Set decimal mode."""
    cpu.d = 1


# --- when to branch


def bpl(cpu: Mos6502) -> u1:
    """Branch if N is clear."""
    return cpu.n == 0


def bmi(cpu: Mos6502) -> u1:
    """Branch if N is set."""
    return cpu.n


def bvc(cpu: Mos6502) -> u1:
    """Branch if V is clear."""
    return cpu.v == 0


def bvs(cpu: Mos6502) -> u1:
    """Branch if V is set."""
    return cpu.v


def bcc(cpu: Mos6502) -> u1:
    """Branch if C is clear."""
    return cpu.c == 0


def bcs(cpu: Mos6502) -> u1:
    """Branch if C is set."""
    return cpu.c


def bne(cpu: Mos6502) -> u1:
    """Branch if Z is clear."""
    return cpu.z == 0


def beq(cpu: Mos6502) -> u1:
    """Branch if Z is set."""
    return cpu.z
