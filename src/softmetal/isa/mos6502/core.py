"""MOS 6502: the registers, lines and bus of the NMOS processor, and the sequences that no opcode starts.

Every call of `read` or `write` is one clock cycle, in the order in which the chip drives its bus; nothing else takes
time. So cycle counts are exact by construction, and a board gives those two methods their meaning.

Sources: MCS6500 Microcomputer Family Programming Manual (1976), chapters 3, 8 and 9, and Hardware Manual, appendix A
(cycle-by-cycle operation); 64doc (J. West, M. Mäkelä, 1994), "6510 Instruction Timing" and "How Interrupts Work".
Not modelled: the RDY and SO pins; the clock phases inside a cycle; an NMI or IRQ that takes over the vector fetch of a
BRK or another interrupt; the one-instruction delay of an interrupt after a taken branch that stays in its page; a pulse
of a line that is shorter than an instruction.
"""

from __future__ import annotations

from softmetal.lang import Chip, Trap, u1, u8, u16, u64

NMI_VECTOR = 0xFFFA
RESET_VECTOR = 0xFFFC
IRQ_VECTOR = 0xFFFE  # BRK's as well


class Unwired(Trap):
    """A core alone has no bus: the chip around it defines `read` and `write`."""

    address: u16


class Jammed(Trap):
    """A JAM opcode has stopped the processor, with `pc` behind it; only a reset starts it again."""

    pc: u16


class Mos6502(Chip):
    """Registers, lines and bus. The chip around it overrides `read` and `write`, which count `cycles`."""

    a: u8
    x: u8
    y: u8
    s: u8
    pc: u16
    n: u1
    v: u1
    d: u1
    i: u1
    z: u1
    c: u1
    irq: u1  # lines in; 1 = asserted (the pins are low then)
    nmi: u1
    nmi_was: u1  # the line when it was last looked at
    jammed: u1
    i_was: u1  # I as interrupts still see it while `cycles` is `i_until`
    i_until: u64 = 0xFFFF_FFFF_FFFF_FFFF
    cycles: u64
    count: u64  # instructions retired

    # --- the bus: one call, one cycle

    def read(self, address: u16) -> u8:
        raise Unwired(address)

    def write(self, address: u16, value: u8) -> None:
        raise Unwired(address)

    def fetch(self) -> u8:
        value = self.read(self.pc)
        self.pc += 1
        return value

    def push(self, value: u8) -> None:
        self.write(0x100 | self.s, value)
        self.s -= 1

    def pull(self) -> u8:
        self.s += 1
        return self.read(0x100 | self.s)

    # --- the status register

    def p(self, b: u1) -> u8:
        """N V - B D I Z C. B is no flag: it only distinguishes, on the stack, BRK and PHP (1) from an interrupt (0)."""
        return self.n << 7 | self.v << 6 | 0x20 | b << 4 | self.d << 3 | self.i << 2 | self.z << 1 | self.c

    def set_p(self, value: u8) -> None:
        self.n = u1(value >> 7)
        self.v = u1(value >> 6)
        self.d = u1(value >> 3)
        self.i = u1(value >> 2)
        self.z = u1(value >> 1)
        self.c = u1(value)

    def set_nz(self, value: u8) -> None:
        self.n = value >> 7
        self.z = value == 0

    def hold_i(self) -> None:
        """I changes after the last cycle of CLI, SEI and PLP, when the lines have been sampled with the old one."""
        self.i_was = self.i
        self.i_until = self.cycles

    # --- what happens between instructions

    def poll(self) -> None:
        """Before each instruction: take an interrupt that is due. Raises Jammed where nothing can run."""
        if self.irq | self.jammed | (self.nmi ^ self.nmi_was):
            self.attend()

    def attend(self) -> None:
        """NMI counts when its line becomes asserted, IRQ as long as it is and I is clear; NMI goes first."""
        if self.jammed:
            raise Jammed(self.pc)
        edge = self.nmi & ~self.nmi_was
        self.nmi_was = self.nmi
        masked = self.i_was if self.cycles == self.i_until else self.i
        if edge:
            self.interrupt(NMI_VECTOR)
        elif self.irq and not masked:
            self.interrupt(IRQ_VECTOR)

    def interrupt(self, vector: u16) -> None:
        """The seven cycles of an interrupt: BRK's, but pc stays and B is pushed as 0."""
        self.read(self.pc)
        self.read(self.pc)
        self.enter(vector, 0)

    def enter(self, vector: u16, b: u1) -> None:
        """What BRK and interrupts share: save pc and P, jump through the vector."""
        self.push(self.pc >> 8)
        self.push(u8(self.pc))
        self.push(self.p(b))
        self.i = 1
        self.load_pc(vector)

    def reset(self) -> None:
        """The reset line's seven cycles: an interrupt whose three writes the chip turns into reads."""
        self.jammed = 0
        self.read(self.pc)
        self.read(self.pc)
        self.read(0x100 | self.s)
        self.read(0x100 | u8(self.s - 1))
        self.read(0x100 | u8(self.s - 2))
        self.s -= 3
        self.i = 1
        self.i_was = 1
        self.nmi_was = self.nmi
        self.load_pc(RESET_VECTOR)

    def load_pc(self, vector: u16) -> None:
        low = self.read(vector)
        high = self.read(vector + 1)
        self.pc = high << 8 | low
