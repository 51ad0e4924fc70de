"""National NS16550A UART: two FIFOs of 16 bytes, interrupts, modem lines, loopback.

Characters take no time: what is transmitted is in the port `tx` at once, what waits in the port `rx` is received as soon as
there is room for it, and a character time-out ends when it begins. Nothing is ever lost: where `tx` has no room for a
FIFO's worth, the transmitter is busy and the host is called to drain it.

Sources: National Semiconductor PC16550D data sheet (June 1995), chapter 8 "Registers", tables II to V.
Not modelled: baud rate, parity, framing and word length (set and read back only), break, the DMA pins. The modem at the
other end is always there: CTS, DSR and DCD are asserted.
"""

from __future__ import annotations

from softmetal.chips.device import Device, Port
from softmetal.lang import u1, u4, u5, u8, u32, u64

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = 0, 1, 2, 2, 3, 4, 5, 6, 7
ON_DATA, ON_EMPTY, ON_STATUS, ON_MODEM = 1, 2, 4, 8  # IER
NOTHING, STATUS_CHANGE, DATA_READY, TIME_OUT, EMPTY, MODEM_CHANGE = 1, 6, 4, 12, 2, 0  # IIR
DLAB = 0x80  # LCR
LOOP = 0x10  # MCR
READY, OVERRUN, THRE, TEMT = 0x01, 0x02, 0x20, 0x40  # LSR
CTS, DSR, RI, DCD = 0x10, 0x20, 0x40, 0x80  # MSR; the lower half says which have changed
DEPTH = 16
TRIGGERS = (1, 4, 8, 14)


class Ns16550a(Device):
    """The board calls `poll` whenever bytes may have come into `rx` or gone out of `tx`."""

    rx: Port
    tx: Port
    fifo: u8[16]  # received, from `first` on
    first: u4
    count: u5
    ier: u4
    fcr: u8  # bit 0: FIFOs are on; bits 7:6: the trigger level
    lcr: u8
    mcr: u5
    scr: u8
    divisor_low: u8
    divisor_high: u8
    overrun: u1
    emptied: u1  # an interrupt: the transmitter has become empty
    stalled: u1  # `tx` is full
    raised: u1  # a cause of an interrupt may have come, or come again: the board lowers it
    modem: u8 = CTS | DSR | DCD  # MSR

    def poll(self) -> None:
        """Move bytes between the ports and the chip, and set the lines."""
        if self.stalled and self.tx.room() >= DEPTH:
            self.stalled = self.calls = 0
            self.emptied = self.raised = 1
        if self.mcr & LOOP == 0:
            depth = DEPTH if self.fcr & 1 else 1
            while self.count < depth and self.rx.waiting() != 0:
                self.receive(self.rx.take())
                self.raised = 1
        self.irq = self.cause() != NOTHING

    def receive(self, value: u8) -> None:
        """A character comes in."""
        if self.count >= (DEPTH if self.fcr & 1 else 1):
            self.overrun = 1
        else:
            self.fifo[self.first + self.count & 15] = value
            self.count += 1

    def transmit(self, value: u8) -> None:
        """A character goes out."""
        if self.mcr & LOOP:
            self.receive(value)
        elif self.tx.room() != 0:
            self.tx.put(value)
        if self.tx.room() < DEPTH:
            self.stalled = self.calls = 1
        self.emptied = not self.stalled

    def cause(self) -> u4:
        """The most important interrupt."""
        if self.ier & ON_STATUS and self.overrun:
            return STATUS_CHANGE
        if self.ier & ON_DATA and self.count != 0:
            enough = self.fcr & 1 == 0 or self.count >= TRIGGERS[self.fcr >> 6]
            return DATA_READY if enough else TIME_OUT
        if self.ier & ON_EMPTY and self.emptied:
            return EMPTY
        if self.ier & ON_MODEM and self.modem & 0x0F:
            return MODEM_CHANGE
        return NOTHING

    def modem_lines(self) -> None:
        """Set the modem's lines, and which have changed: RI only when it falls."""
        lines = CTS | DSR | DCD
        if self.mcr & LOOP:  # RTS, DTR, OUT1, OUT2 come back as CTS, DSR, RI, DCD
            lines = (self.mcr >> 1 & 1) << 4 | (self.mcr & 1) << 5 | (self.mcr >> 2 & 3) << 6
        changed = (lines ^ self.modem) & (CTS | DSR | DCD) | self.modem & ~lines & RI
        self.modem = lines | self.modem & 0x0F | changed >> 4

    def read(self, offset: u32, size: u4) -> u64:
        if size != 1 or offset > SCR:
            self.unmodelled = 1
            return 0
        self.touch(offset)
        value = self.read_register(offset)
        self.poll()
        return value

    def touch(self, offset: u32) -> None:
        """An interrupt depends on data, enables and cause: an access to one of them evaluates it again."""
        if offset == IIR or (offset < IIR and self.lcr & DLAB == 0):
            self.raised = 1

    def read_register(self, offset: u32) -> u8:
        """The value of a read; reading acknowledges."""
        match offset:
            case 0:
                if self.lcr & DLAB:
                    return self.divisor_low
                value = self.fifo[self.first]
                if self.count > 0:
                    self.first += 1
                    self.count -= 1
                return value
            case 1:
                return self.divisor_high if self.lcr & DLAB else self.ier
            case 2:
                cause = self.cause()
                if cause == EMPTY:
                    self.emptied = 0
                return cause | (0xC0 if self.fcr & 1 else 0)
            case 3:
                return self.lcr
            case 4:
                return self.mcr
            case 5:
                status = (READY if self.count else 0) | self.overrun << 1 | (0 if self.stalled else THRE | TEMT)
                self.overrun = 0
                return status
            case 6:
                lines = self.modem
                self.modem = lines & 0xF0
                return lines
            case _:
                return self.scr

    def write(self, offset: u32, value: u64, size: u4) -> None:
        if size != 1 or offset > SCR:
            self.unmodelled = 1
            return
        self.touch(offset)
        match offset:
            case 0:
                if self.lcr & DLAB:
                    self.divisor_low = value
                else:
                    self.transmit(value)
            case 1:
                if self.lcr & DLAB:
                    self.divisor_high = value
                else:
                    if value & ~self.ier & ON_EMPTY and not self.stalled:
                        self.emptied = 1
                    self.ier = value
            case 2:
                self.control(value)
            case 3:
                self.lcr = value
            case 4:
                self.mcr = value
                self.modem_lines()
            case 7:
                self.scr = value
            case _:  # the status registers are the factory's to write
                self.unmodelled = 1
        self.poll()

    def control(self, value: u8) -> None:
        """FCR: its other bits count only with bit 0; to switch the FIFOs clears them."""
        if (value ^ self.fcr) & 1 or value & 3 == 3:
            self.count = 0
        self.fcr = value & 0xC1 if value & 1 else 0
