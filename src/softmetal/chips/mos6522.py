"""MOS 6522 VIA: two ports, two timers, a shift register, four control lines.

Sources: MOS Technology MCS6522 preliminary data sheet (November 1977); Synertek SY6522 data sheet; Rockwell R6522 data sheet,
for what the first leaves open. Where real chips are known to differ from all of them, the chips are followed: measurements on
BBC Micros (stardot.org.uk forums, topics 16081, 16251, 16252: timer 1 reloads in one-shot mode too, a write of T1L-H clears the
flag, ACR does not arm a timer, a time-out wins over an access that clears its flag) and those that VICE's test programs hold, of
a VIC-20 and a 1541C (`tests/conform/test_6522_measured.py`: timers, PB7, the shift register's cycles; what the chip drives on CB1
sets no flag). The sheets differ: IER's bit 7 reads as 0 in MOS's and 1 in Rockwell's, which chips do; PB7 is timer 1's with ACR's
bit 7 here, which MOS and Rockwell grant only together with DDRB's bit 7. That the shift register also shifts by CB1 where it is
off is Rockwell's alone.
Not modelled: the edge of CB1 that real chips lose where it falls together with phi2's; pins that two drive against each other,
but for a port A pin that the outside pulls low; the time inside a cycle.
"""

from __future__ import annotations

from softmetal.chips.device import ByteDevice
from softmetal.lang import cold, s32, u1, u2, u3, u4, u5, u8, u16

ORB, ORA, DDRB, DDRA, T1CL, T1CH, T1LL, T1LH = range(8)
T2CL, T2CH, SR, ACR, PCR, IFR, IER, ORA_NO_HANDSHAKE = range(8, 16)
ON_CA2, ON_CA1, ON_SR, ON_CB2, ON_CB1, ON_T2, ON_T1 = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40  # IFR, IER
LATCH_A, LATCH_B, SHIFT, SHIFT_OUT, PULSES, FREE_RUN, PB7 = 0x01, 0x02, 0x1C, 0x10, 0x20, 0x40, 0x80  # ACR
FREE_BY_T2, IN_BY_CB1, OUT_BY_CB1 = 0x10, 0x0C, 0x1C  # ACR: modes of the shift register
EDGES = 16  # of the shift clock, for eight bits


class Mos6522(ByteDevice):
    """A call of `tick` is a cycle of phi2; an access belongs to the cycle whose tick came before it.

    The board sets the input pins before it ticks: the chip looks at them once a cycle. Pins that are not driven are 1.
    """

    REGISTERS = 16

    pa: u8 = 0xFF  # input pins, as the outside drives them
    pb: u8 = 0xFF
    ca1: u1 = 1
    ca2: u1 = 1
    cb1: u1 = 1
    cb2: u1 = 1
    ca2_out: u1 = 1  # output pins; 1 where the chip does not drive them
    cb1_out: u1 = 1
    cb2_out: u1 = 1
    ca1_was: u1 = 1  # the input pins in the cycle before
    ca2_was: u1 = 1
    cb1_was: u1 = 1
    cb2_was: u1 = 1
    pb6_was: u1 = 1
    busy: u1 = 1  # there is more to the next cycle than to count
    ora: u8
    orb: u8
    ddra: u8
    ddrb: u8
    ira: u8  # the pins when CA1's, CB1's flag was set
    irb: u8
    acr: u8
    pcr: u8
    ifr: u8  # bits 6:0
    ier: u8
    fired: u8  # flags of the timers that were set in this cycle
    t1: s32 = 0xFFFF  # the counter; -1 reads as $FFFF, and is followed by the latch
    t1_latch: u16 = 0xFFFF
    t1_armed: u1  # the next time-out sets the flag
    t1_pb7: u1 = 1
    t2: s32 = 0xFFFF
    t2_latch: u8 = 0xFF
    t2_armed: u1
    t2_timed: u1 = 1  # counts in the next cycle
    t2_reload: u1  # takes the low byte from the latch in the next cycle
    sr: u8
    edges: u5 = EDGES  # of the shift clock, since SR was read or written; even: CB1 is high
    shift_wait: u3  # cycles until the shift clock's next edge; 0: it is not known yet
    shift_bit: u1 = 1  # CB2, where the shift register drives it
    ca2_level: u1 = 1  # CA2, CB2 in the modes of handshake and pulse
    cb2_level: u1 = 1
    ca2_pulse: u2  # cycles that a pulse still lasts
    cb2_pulse: u2

    # --- the clock

    def tick(self) -> None:
        """One cycle of phi2."""
        self.t1 -= 1
        self.t2 -= 1
        moved = self.ca1 ^ self.ca1_was | self.ca2 ^ self.ca2_was | self.cb1 ^ self.cb1_was | self.cb2 ^ self.cb2_was
        if self.t1 < 0 or self.t2 < 0 or self.busy | moved:
            self.rest_of_tick()

    @cold
    def rest_of_tick(self) -> None:
        """All that a cycle may bring besides counting."""
        self.fired = 0
        if self.t1 == -1:
            self.time_out_t1()
        elif self.t1 < -1:
            self.t1 = self.t1_latch
        if self.shift_wait != 0:
            self.shift_wait -= 1
            if self.shift_wait == 0:
                self.shift_clock()
        self.count_t2()
        if self.ca2_pulse != 0:
            self.ca2_pulse -= 1
            self.ca2_level = self.ca2_pulse == 0
        if self.cb2_pulse != 0:
            self.cb2_pulse -= 1
            self.cb2_level = self.cb2_pulse == 0
        self.look_at_pins()
        self.drive()
        waits = self.shift_wait | self.ca2_pulse | self.cb2_pulse | self.fired
        self.busy = waits != 0 or self.t2_reload or not self.t2_timed or self.shifts_by_t2()

    def time_out_t1(self) -> None:
        """T1 has gone from 0 to $FFFF."""
        if self.t1_armed:
            self.t1_armed = self.acr >> 6 & 1
            self.t1_pb7 = ~self.t1_pb7
            self.fired |= ON_T1
            self.flag(ON_T1)

    def count_t2(self) -> None:
        """`tick` has counted T2 down: put right what that does not fit. A change of ACR's bit 5 is seen a cycle later."""
        pb6 = self.pins_b() >> 6 & 1
        pulse = self.acr & PULSES and self.pb6_was and not pb6
        self.pb6_was = pb6
        if self.t2_reload:
            self.t2_reload = 0
            self.t2 = self.t2 + 1 & 0xFF00 | self.t2_latch
            self.shift_wait = 1
        elif not self.t2_timed and not pulse:
            self.t2 += 1
        else:
            if self.t2 < 0:
                self.t2 = 0xFFFF
                if self.t2_armed:
                    self.t2_armed = 0
                    self.fired |= ON_T2
                    self.flag(ON_T2)
            self.t2_reload = self.shifts_by_t2() and self.t2 & 0xFF == 0xFF
        self.t2_timed = self.acr & PULSES == 0

    # --- the pins

    def pins_a(self) -> u8:
        """Port A's pins: an output is open when it is high, so that the outside can pull it low."""
        return (self.ora | ~self.ddra) & self.pa

    def pins_b(self) -> u8:
        """Port B's pins."""
        pins = self.orb & self.ddrb | self.pb & ~self.ddrb
        return pins & 0x7F | self.t1_pb7 << 7 if self.acr & PB7 else pins

    def look_at_pins(self) -> None:
        """What an edge of a control line does."""
        if self.ca1 != self.ca1_was:
            self.ca1_was = self.ca1
            self.ca1_edge()
        if self.ca2 != self.ca2_was:
            self.ca2_was = self.ca2
            if self.pcr & 0x08 == 0 and self.ca2 == self.pcr >> 2 & 1:
                self.flag(ON_CA2)
        if self.cb1 != self.cb1_was:
            self.cb1_was = self.cb1
            if not self.drives_cb1():
                self.cb1_edge()
                self.shift_by_cb1()
        if self.cb2 != self.cb2_was:
            self.cb2_was = self.cb2
            if self.acr & SHIFT_OUT == 0 and self.pcr & 0x80 == 0 and self.cb2 == self.pcr >> 6 & 1:
                self.flag(ON_CB2)

    def ca1_edge(self) -> None:
        """CA1 has changed."""
        if self.ca1 == self.pcr & 1:
            if self.ifr & ON_CA1 == 0:
                self.ira = self.pins_a()
            self.flag(ON_CA1)
            if self.pcr & 0x0E == 0x08:
                self.ca2_level = 1

    def cb1_edge(self) -> None:
        """CB1 has changed."""
        if self.cb1 == self.pcr >> 4 & 1:
            if self.ifr & ON_CB1 == 0:
                self.irb = self.pins_b()
            self.flag(ON_CB1)
            if self.pcr & 0xE0 == 0x80:
                self.cb2_level = 1

    def drive(self) -> None:
        """Set the output pins."""
        mode = self.pcr >> 1 & 7
        self.ca2_out = self.ca2_level if mode & 6 == 4 else mode != 6
        if self.acr & SHIFT:
            self.cb2_out = self.shift_bit if self.acr & SHIFT_OUT else 1
        else:
            mode = self.pcr >> 5
            self.cb2_out = self.cb2_level if mode & 6 == 4 else mode != 6
        self.cb1_out = self.edges & 1 == 0 if self.drives_cb1() else 1

    # --- the shift register

    def shifts_by_t2(self) -> u1:
        """Does T2 make the shift clock, its low byte going round?"""
        return self.acr & 0x0C == 0x04 or self.acr & SHIFT == FREE_BY_T2

    def shifts_by_phi2(self) -> u1:
        """Is the shift clock half of phi2's?"""
        return self.acr & 0x0C == 0x08

    def drives_cb1(self) -> u1:
        """Is CB1 the shift clock's output?"""
        return self.shifts_by_t2() or self.shifts_by_phi2()

    def start_shifting(self) -> None:
        """SR was read or written: eight bits are to come."""
        self.clear(ON_SR)
        if self.acr & 0x0C == 0x0C:
            self.edges = 0
        elif self.acr & SHIFT and self.edges == EDGES:
            self.edges = 0
            if self.shifts_by_phi2():
                self.shift_wait = 2

    def shift_clock(self) -> None:
        """An edge of the shift clock: bits go out with CB1's falling edge and come in with its rising one."""
        if self.edges < EDGES:
            rises = self.edges & 1
            self.edges += 1
            if not rises and self.acr & SHIFT_OUT:
                self.shift_out()
            elif rises and self.acr & SHIFT_OUT == 0:
                self.sr = self.sr << 1 | self.cb2
            if self.edges == EDGES:
                self.end_of_byte()
        if self.shifts_by_phi2() and self.edges < EDGES:
            self.shift_wait = 1

    def shift_by_cb1(self) -> None:
        """An edge of CB1 as input: it also shifts in where the shift register is off, but counts nothing then."""
        if self.cb1 and self.acr & SHIFT_OUT == 0:
            self.sr = self.sr << 1 | self.cb2
        elif not self.cb1 and self.acr & SHIFT_OUT:
            self.shift_out()
        if self.acr & SHIFT and self.cb1 == (self.edges & 1):
            self.edges = self.edges + 1 & EDGES - 1 if self.edges < EDGES else 1
            if self.edges == 0:
                self.end_of_byte()

    def shift_out(self) -> None:
        """The upper bit goes to CB2, and comes in again below."""
        self.shift_bit = self.sr >> 7
        self.sr = self.sr << 1 | self.shift_bit

    def end_of_byte(self) -> None:
        """Eight bits are through: under control of CB1 or in the free-running mode, more follow."""
        if self.acr & SHIFT == FREE_BY_T2:
            self.edges = 0
        else:
            self.flag(ON_SR)

    # --- interrupts

    def flag(self, flags: u8) -> None:
        """Set flags of IFR."""
        self.ifr |= flags
        self.irq = self.ifr & self.ier != 0

    def clear(self, flags: u8) -> None:
        """Clear flags of IFR. A timer that runs out in the same cycle wins."""
        self.ifr &= ~flags | self.fired
        self.irq = self.ifr & self.ier != 0

    # --- the registers

    def read_register(self, offset: u4) -> u8:
        """What the processor reads at an offset."""
        match offset:
            case 0:
                pins = self.irb if self.acr & LATCH_B and self.ifr & ON_CB1 else self.pb
                self.acknowledge_port_b()
                value = self.orb & self.ddrb | pins & ~self.ddrb
                return value & 0x7F | self.t1_pb7 << 7 if self.acr & PB7 else value
            case 1:
                value = self.input_a()
                self.acknowledge_port_a()
                return value
            case 2:
                return self.ddrb
            case 3:
                return self.ddra
            case 4:
                self.clear(ON_T1)
                return u8(self.t1)
            case 5:
                return u8(self.t1 >> 8)
            case 6:
                return u8(self.t1_latch)
            case 7:
                return self.t1_latch >> 8
            case 8:
                self.clear(ON_T2)
                return u8(self.t2)
            case 9:
                return u8(self.t2 >> 8)
            case 10:
                value = self.sr
                self.start_shifting()
                self.busy = 1
                return value
            case 11:
                return self.acr
            case 12:
                return self.pcr
            case 13:
                return self.ifr | self.irq << 7
            case 14:
                return self.ier | 0x80
            case _:
                return self.input_a()

    def write_register(self, offset: u4, value: u8) -> None:
        """What the processor's write at an offset does."""
        self.busy = 1
        match offset:
            case 0:
                self.orb = value
                self.acknowledge_port_b()
                self.begin_cb2()
            case 1:
                self.ora = value
                self.acknowledge_port_a()
            case 2:
                self.ddrb = value
            case 3:
                self.ddra = value
            case 4 | 6:
                self.t1_latch = self.t1_latch & 0xFF00 | value
            case 5:
                self.t1_latch = self.t1_latch & 0xFF | value << 8
                self.t1 = -1  # the counter is loaded in the next cycle
                self.t1_armed = 1
                self.t1_pb7 = 0
                self.clear(ON_T1)
            case 7:
                self.t1_latch = self.t1_latch & 0xFF | value << 8
                self.clear(ON_T1)
            case 8:
                self.t2_latch = value
            case 9:
                self.t2 = value << 8 | self.t2_latch
                self.t2_timed = 0  # and counts from the cycle after the next on
                self.t2_reload = 0
                self.t2_armed = 1
                self.clear(ON_T2)
            case 10:
                self.sr = value
                self.start_shifting()
            case 11:
                self.write_acr(value)
            case 12:
                self.write_pcr(value)
            case 13:
                self.clear(value)
            case 14:
                self.ier = self.ier | value & 0x7F if value & 0x80 else self.ier & ~value
                self.clear(0)
            case _:
                self.ora = value

    def input_a(self) -> u8:
        """IRA: the pins, or what they were when CA1's flag was set."""
        return self.ira if self.acr & LATCH_A and self.ifr & ON_CA1 else self.pins_a()

    def acknowledge_port_a(self) -> None:
        """ORA was read or written: flags clear, but for CA2's in an independent mode; CA2 begins its handshake or pulse."""
        self.clear(ON_CA1 if self.pcr & 0x0A == 0x02 else ON_CA1 | ON_CA2)
        if self.pcr & 0x0C == 0x08:
            self.ca2_level = 0
            self.ca2_pulse = 2 if self.pcr & 0x02 else 0
            self.busy = 1
            self.drive()

    def acknowledge_port_b(self) -> None:
        """ORB was read or written: the flags clear but for CB2's in an independent mode."""
        self.clear(ON_CB1 if self.pcr & 0xA0 == 0x20 else ON_CB1 | ON_CB2)

    def begin_cb2(self) -> None:
        """ORB was written: CB2 begins its handshake or pulse."""
        if self.pcr & 0xC0 == 0x80:
            self.cb2_level = 0
            self.cb2_pulse = 2 if self.pcr & 0x20 else 0
            self.drive()

    def write_acr(self, value: u8) -> None:
        """A new mode is new to the latches at once. One that PB7 becomes timer 1's with begins high."""
        if value & ~self.acr & LATCH_A:
            self.ira = self.pins_a()
        if value & ~self.acr & LATCH_B:
            self.irb = self.pins_b()
        if value & ~self.acr & PB7:
            self.t1_pb7 = 1
        if value & FREE_RUN == 0 and self.fired & ON_T1:
            self.t1_armed = 0  # one-shot mode reaches back to the time-out of this cycle; the free-running mode does not
        phi2 = self.shifts_by_phi2()
        self.acr = value
        if value & SHIFT == 0:
            self.clear(ON_SR)
        if value & SHIFT == FREE_BY_T2:
            self.edges &= EDGES - 1
        if self.shifts_by_phi2() and not phi2:
            self.shift_wait = 4
        elif phi2 and not self.shifts_by_phi2():
            self.shift_wait = 0
        self.drive()

    def write_pcr(self, value: u8) -> None:
        """A mode without handshake forgets the one that was under way."""
        self.pcr = value
        if value & 0x0C != 0x08:
            self.ca2_level = 1
            self.ca2_pulse = 0
        if value & 0xC0 != 0x80:
            self.cb2_level = 1
            self.cb2_pulse = 0
        self.drive()

    def reset(self) -> None:
        """The RES line: registers clear, but for the timers with their latches and the shift register."""
        self.ora = self.orb = self.ddra = self.ddrb = 0
        self.acr = self.pcr = self.ier = self.ifr = self.fired = 0
        self.t1_armed = self.t2_armed = self.t2_reload = 0
        self.t1_pb7 = self.ca2_level = self.cb2_level = self.shift_bit = 1
        self.ca2_pulse = self.cb2_pulse = self.shift_wait = 0
        self.edges = EDGES
        self.irq = 0
        self.drive()
