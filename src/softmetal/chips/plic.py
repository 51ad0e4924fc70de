"""RISC-V platform-level interrupt controller: 63 sources, a machine and a supervisor context a hart.

All sources fit one 64-bit word, bit n being source n, so that a context's line and its claim are a few masks. What has no
source or no context behind it is wired to 0, as the specification wants it.

Sources: RISC-V Platform-Level Interrupt Controller Specification 1.0.0, chapters 3 to 9 (map, registers, claim, completion);
chapter 1.1 for gateways: of a level-triggered source a request stays pending when its line falls before the claim; of an
edge-triggered one an edge that comes while the source is being served is kept until its completion.
Not modelled: priorities above 7.
"""

from __future__ import annotations

from softmetal.chips.device import Device
from softmetal.lang import u1, u3, u4, u6, u32, u64

SOURCES = 63
MAX_HARTS = 32
CONTEXTS = 2 * MAX_HARTS  # of hart h: 2h is machine mode, 2h + 1 supervisor mode
LEVELS = 8  # priorities 0 (never) to 7
REAL = 0xFFFF_FFFF_FFFF_FFFE  # there is no source 0

PENDING, ENABLE, CONTEXT = 0x1000, 0x2000, 0x20_0000
ENABLE_STRIDE, CONTEXT_STRIDE = 0x80, 0x1000
LAST_CONTEXT = 15871  # of the specification's map


class Plic(Device):
    """The board gives `update` the sources' lines and takes `lines`, one for each context."""

    levels: u64  # the sources' lines
    edges: u64  # the sources that are edge-triggered, and
    last: u6 = CONTEXTS - 1  # the last context that there is; the board sets both
    risen: u64  # those whose edge came while they were being served
    pending: u64
    claimed: u64  # sources being served: their gateways wait for completion
    priority: u3[64]
    above: u64[8]  # [p]: the sources whose priority is above p
    enabled: u64[64]
    threshold: u3[64]
    lines: u1[64]  # output: a context's interrupt line

    def update(self, levels: u64) -> None:
        """The sources' lines are now these."""
        self.levels = levels & REAL
        self.forward()

    def edge(self, sources: u64) -> None:
        """The lines of edge-triggered sources rise."""
        self.risen |= sources & self.edges
        self.forward()

    def forward(self) -> None:
        """Gateways pass on what is asserted and not being served."""
        pending = self.pending | (self.levels & ~self.edges | self.risen) & ~self.claimed
        self.risen &= self.claimed
        if pending != self.pending:
            self.pending = pending
            self.drive()

    def drive(self) -> None:
        """Set every context's line."""
        for context in range(self.last + 1):
            self.drive_one(context)

    def drive_one(self, context: u6) -> None:
        """Set a context's line: is there a source it would take, of a priority above its threshold?"""
        self.lines[context] = self.pending & self.enabled[context] & self.above[self.threshold[context]] != 0

    def claim(self, context: u6) -> u6:
        """Take the context's most important pending source (the lowest of equals) into service; 0 if there is none."""
        wanted: u64 = self.pending & self.enabled[context] & self.above[0]
        if wanted == 0:
            return 0
        for level in range(1, LEVELS - 1):
            most: u64 = wanted & self.above[level]
            if most == 0:
                break
            wanted = most
        lowest: u64 = wanted & -wanted
        self.pending &= ~lowest
        self.claimed |= lowest
        self.drive()
        return lowest.bit_length() - 1

    def complete(self, context: u6, source: u6) -> None:
        """The source has been served; if its line is still asserted, it is pending again."""
        bit: u64 = 1 << source
        if self.claimed & self.enabled[context] & bit != 0:
            self.claimed &= ~bit
            self.forward()

    def set_priority(self, source: u6, priority: u3) -> None:
        """Sort the source in among its equals."""
        bit: u64 = 1 << source & REAL
        if bit != 0:
            self.priority[source] = priority
            for level in range(LEVELS):
                self.above[level] = self.above[level] | bit if priority > level else self.above[level] & ~bit
            self.drive()

    def read(self, offset: u32, size: u4) -> u64:
        if size != 4 or offset & 3 != 0:
            self.unmodelled = 1
            return 0
        if offset < PENDING:
            return self.priority[offset >> 2] if offset < 4 * (SOURCES + 1) else 0
        if offset < ENABLE:
            if offset >= PENDING + 0x80:
                self.unmodelled = 1
            return u32(self.pending >> (offset & 4) * 8) if offset < PENDING + 8 else 0
        if offset < CONTEXT:
            of = (offset - ENABLE) // ENABLE_STRIDE
            if of <= self.last:
                return u32(self.enabled[of] >> (offset & 4) * 8) if offset & 0x78 == 0 else 0
            if of > LAST_CONTEXT:
                self.unmodelled = 1
            return 0
        context = (offset - CONTEXT) // CONTEXT_STRIDE
        register = offset & 0xFFF
        if register > 4 or context > LAST_CONTEXT:
            self.unmodelled = 1
            return 0
        if context > self.last:
            return 0
        return self.threshold[context] if register == 0 else self.claim(context)

    def write(self, offset: u32, value: u64, size: u4) -> None:
        if size != 4 or offset & 3 != 0:
            self.unmodelled = 1
        elif offset < PENDING:
            if offset < 4 * (SOURCES + 1):
                self.set_priority(offset >> 2, value)
        elif offset < ENABLE:
            if offset >= PENDING + 0x80:  # what is pending is read-only
                self.unmodelled = 1
        elif offset < CONTEXT:
            of = (offset - ENABLE) // ENABLE_STRIDE
            if of <= self.last:
                if offset & 0x78 == 0:
                    self.enable(of, offset >> 2, value)
            elif of > LAST_CONTEXT:
                self.unmodelled = 1
        else:
            self.write_context((offset - CONTEXT) // CONTEXT_STRIDE, offset & 0xFFF, value)

    def enable(self, context: u6, upper: u1, value: u32) -> None:
        """Choose which of 32 sources a context takes."""
        if upper:
            self.enabled[context] = u32(self.enabled[context]) | value << 32
        else:
            self.enabled[context] = (self.enabled[context] >> 32 << 32 | value) & REAL
        self.drive_one(context)

    def write_context(self, context: u32, register: u32, value: u32) -> None:
        """A context's threshold (0) or completion register (4)."""
        if register > 4 or context > LAST_CONTEXT:
            self.unmodelled = 1
        elif context <= self.last:
            if register == 0:
                self.threshold[context] = value
                self.drive_one(context)
            elif value <= SOURCES:
                self.complete(context, value)
