"""MOS 6551 ACIA: a serial interface with one character of buffer either way, interrupts, modem lines, echo.

Characters take no time: what is transmitted is in the port `tx` at once, what waits in the port `rx` is received as soon as the
receiver's data register is free. Nothing is lost: where `tx` has no room the transmitter is busy and the host is called to drain
it, and what comes while the receiver is off waits in `rx`.

Sources: MOS Technology MCS6551 and Synertek SY6551 data sheets; Rockwell R6551 data sheet (Rev. 4, June 1987): the registers'
tables, "Program Reset Operation", "Effect of CTS on Transmitter" and "on Echo Mode", "Effect of DCD on Receiver" and
"Miscellaneous". They differ: both resets set IRD in the MOS 6551, as here, and clear it in Rockwell's and WDC's; DTR turns the
transmitter off in Rockwell's, as here, while Synertek's table speaks of the receiver and interrupts alone; in WDC's, IRD also
masks the interrupts of DCD and DSR. TDRE of WDC's W65C51N is always 1; here it is correct.
Not modelled: baud rate, word length, parity and stop bits (set and read back only), and with them parity, framing and overrun
errors; break; echo with TIC other than 0, which the sheets forbid.
"""

from __future__ import annotations

from softmetal.chips.device import ByteDevice, Port
from softmetal.lang import u1, u2, u8

DATA, STATUS, COMMAND, CONTROL = range(4)
RDRF, TDRE, DCD, DSR, IRQ = 0x08, 0x10, 0x20, 0x40, 0x80  # STATUS; DCD, DSR: 1 = the pin is high, no carrier, not ready
DTR, IRD, TIC, REM = 0x01, 0x02, 0x0C, 0x10  # COMMAND: ready, receiver's interrupt off, transmitter, echo
OFF, ON_WITH_INTERRUPT, BREAK = 0x00, 0x04, 0x0C  # TIC


class Mos6551(ByteDevice):
    """The board calls `poll` once in a while, as the chip's own time: when bytes may have come into `rx` or gone out of `tx`, or
    the input lines may have changed. Interrupts that the chip repeats for every character time come again with it.
    """

    REGISTERS = 4

    rx: Port
    tx: Port
    cts: u1 = 1  # input lines; 1 = asserted (the pins are low then)
    dcd: u1 = 1
    dsr: u1 = 1
    dtr: u1  # output lines
    rts: u1
    rdr: u8
    full: u1  # RDRF
    tdr: u8
    empty: u1 = 1  # TDRE
    modem: u8  # STATUS bits 6:5
    modem_held: u1  # they stay as they are until STATUS is read
    command: u8 = IRD
    control: u8

    def poll(self) -> None:
        """A character time passes: move bytes between ports and chip, and repeat the interrupts of what is left undone."""
        self.sense()
        if self.full and self.rx.waiting() != 0 and self.receives():
            self.interrupt_by_receiver()  # the next character would overrun this one; it waits instead
        if self.empty:
            self.interrupt_by_transmitter()
        self.transfer()

    def transfer(self) -> None:
        """Receive and transmit all that can be."""
        if not self.full and self.rx.waiting() != 0 and self.receives():
            self.receive()
        if not self.empty and self.transmits():
            if self.tx.room() != 0:
                self.tx.put(self.tdr)
                self.empty = 1
                self.interrupt_by_transmitter()
        self.calls = self.tx.room() == 0 and (self.echoes() if self.empty else self.transmits())

    def receive(self) -> None:
        """A character comes in. In echo mode it goes out again, unless CTS is released: the receiver goes on then."""
        if self.echoes():
            if self.tx.room() == 0:
                return
            self.rdr = self.rx.take()
            self.tx.put(self.rdr)
        else:
            self.rdr = self.rx.take()
        self.full = 1
        self.interrupt_by_receiver()

    def receives(self) -> u1:
        """Is the receiver on? DCD gates it, DSR does not."""
        return self.command & DTR and self.dcd

    def transmits(self) -> u1:
        """Is the transmitter on?"""
        return self.command & DTR and self.command & TIC != OFF and self.command & TIC != BREAK and self.cts

    def echoes(self) -> u1:
        """Does what is received go out again?"""
        return self.receives() and self.command & REM and self.cts

    def interrupt_by_receiver(self) -> None:
        """A character has come."""
        if self.command & (DTR | IRD) == DTR:
            self.irq = 1

    def interrupt_by_transmitter(self) -> None:
        """The transmitter's data register is empty."""
        if self.command & (DTR | TIC) == DTR | ON_WITH_INTERRUPT:
            self.irq = 1

    def sense(self) -> None:
        """Look at DCD and DSR: a change interrupts, and is kept until STATUS has been read; then comes the next."""
        lines = (0 if self.dcd else DCD) | (0 if self.dsr else DSR)
        if lines != self.modem and not self.modem_held:
            self.modem = lines
            if self.command & DTR:
                self.modem_held = 1
                self.irq = 1

    def read_register(self, offset: u2) -> u8:
        """What the processor reads at an offset. Reading STATUS withdraws the interrupt, reading DATA does not."""
        match offset:
            case 0:
                value = self.rdr
                self.full = 0
                self.transfer()
                return value
            case 1:
                self.sense()
                value = self.irq << 7 | self.modem | (TDRE if self.empty else 0) | (RDRF if self.full else 0)
                self.irq = self.modem_held = 0
                self.sense()
                return value
            case 2:
                return self.command
            case _:
                return self.control

    def write_register(self, offset: u2, value: u8) -> None:
        """What the processor's write at an offset does. A character written while TDRE is 0 takes the other's place."""
        match offset:
            case 0:
                self.tdr = value
                self.empty = 0
                self.transfer()
            case 1:
                self.set_command(self.command & 0xE0 | IRD)
            case 2:
                self.set_command(value)
            case _:
                self.control = value

    def set_command(self, value: u8) -> None:
        """COMMAND: DTR, the interrupts, the transmitter, echo, parity."""
        if value & TIC == BREAK or (value & REM and value & TIC != OFF):
            self.unmodelled = 1
        self.command = value
        self.dtr = value & DTR
        self.rts = value & (TIC | REM) != 0
        if self.empty:
            self.interrupt_by_transmitter()
        self.transfer()

    def reset(self) -> None:
        """The RES line. The programmed reset leaves alone what this clears: characters, the interrupt, CONTROL, parity."""
        self.irq = self.full = self.control = self.calls = 0
        self.empty = 1
        self.modem_held = 0
        self.set_command(IRD)
