"""Goldfish real-time clock: nanoseconds since the epoch, and an alarm.

The time belongs to the board: it puts it into `now_ns` before every access and before `poll`, and looks at `next_event_ns`
for the moment at which `poll` has something to do.

Sources: Android Open Source Project, "Goldfish virtual hardware", section "Goldfish RTC"; the Linux kernel's device tree binding
google,goldfish-rtc.
Not modelled: nothing.
"""

from __future__ import annotations

from softmetal.chips.device import Device
from softmetal.lang import u1, u4, u32, u64

TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH = 0x00, 0x04, 0x08, 0x0C
IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT = 0x10, 0x14, 0x18, 0x1C
NEVER = 0xFFFF_FFFF_FFFF_FFFF


class GoldfishRtc(Device):
    """Registers of 32 bits. A read of TIME_LOW keeps the upper half for TIME_HIGH; a write of ALARM_LOW arms the alarm."""

    now_ns: u64  # input
    offset: u64  # what software has set the clock ahead by
    time_high: u32
    alarm: u64  # in the clock's time
    armed: u1
    enabled: u1
    pending: u1
    next_event_ns: u64 = NEVER  # output, in the board's time

    def time(self) -> u64:
        """The clock's time."""
        return self.now_ns + self.offset

    def poll(self) -> None:
        """Let an alarm that is due go off, and set the outputs."""
        time = self.time()
        if self.armed and self.alarm <= time:
            self.armed = 0
            self.pending = 1
        self.next_event_ns = min(self.now_ns + (self.alarm - time), NEVER) if self.armed else NEVER
        self.irq = self.pending & self.enabled

    def read(self, offset: u32, size: u4) -> u64:
        if size != 4:
            self.unmodelled = 1
            return 0
        match offset:
            case 0x00:
                time = self.time()
                self.time_high = time >> 32
                return u32(time)
            case 0x04:
                return self.time_high
            case 0x08:
                return u32(self.alarm)
            case 0x0C:
                return self.alarm >> 32
            case 0x10:
                return self.enabled
            case 0x18:
                return self.armed
            case _:
                self.unmodelled = 1
                return 0

    def write(self, offset: u32, value: u64, size: u4) -> None:
        if size != 4:
            self.unmodelled = 1
            return
        match offset:
            case 0x00:
                self.offset = (self.time() >> 32 << 32 | u32(value)) - self.now_ns
            case 0x04:
                self.offset = (u32(self.time()) | u32(value) << 32) - self.now_ns
            case 0x08:
                self.alarm = self.alarm >> 32 << 32 | u32(value)
                self.armed = 1
            case 0x0C:
                self.alarm = u32(self.alarm) | u32(value) << 32
            case 0x10:
                self.enabled = value & 1
            case 0x14:
                self.armed = 0
            case 0x1C:
                self.pending = 0
            case _:
                self.unmodelled = 1
        self.poll()
