"""SiFive's test finisher: software ends the run, or asks for a reset.

Sources: the Linux kernel's device tree binding riscv/sifive (sifive,test0) and syscon-poweroff, syscon-reboot: a word at
offset 0, of which the lower half says what and the upper half is the exit code of a failure.
Not modelled: nothing is known of it beyond this.
"""

from __future__ import annotations

from softmetal.chips.device import Device
from softmetal.lang import u2, u4, u16, u32, u64

RUNNING, PASSED, FAILED, RESET = 0, 1, 2, 3


class TestFinisher(Device):
    """Reads give 0: software that changes the register under a mask reads it first."""

    __test__ = False  # to pytest a name with Test is a test

    finished: u2  # output: RUNNING, PASSED, FAILED or RESET
    code: u16  # output: the exit code

    def read(self, offset: u32, size: u4) -> u64:
        if offset != 0 or size & 6 == 0:
            self.unmodelled = 1
        return 0

    def write(self, offset: u32, value: u64, size: u4) -> None:
        what = value & 0xFFFF
        if offset != 0 or size & 6 == 0:
            self.unmodelled = 1
        elif what == 0x5555:
            self.finished = PASSED
        elif what == 0x3333:
            self.finished = FAILED
            self.code = value >> 16
        elif what == 0x7777:
            self.finished = RESET
        else:
            self.unmodelled = 1
