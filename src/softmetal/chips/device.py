"""What chips on a bus share: how a board reaches a device, how a device reaches memory, how the world reaches a device.

A board calls `read` and `write` of a device with an offset inside it, and after each call looks at the lines that the
device drives: `irq`, and `calls`, by which it asks for the host. A device that masters the bus gets its board as a `Dma`.
"""

from __future__ import annotations

from softmetal.lang import Chip, host, memory, u1, u4, u8, u16, u32, u64


class Dma(Chip):
    """A board, as devices that master the bus see it: memory by physical address. Boards override all of it.

    A device calls `dma_reaches` before it reads or writes. Outside of memory reads give 0 and writes are ignored.
    """

    def dma_reaches(self, address: u64, length: u64) -> u1:
        """Do all of these bytes lie in memory?"""
        return 0

    def dma_fence(self) -> None:
        """Order accesses of memory for processors that run meanwhile; on a board that runs them itself there are none."""

    def dma_read8(self, address: u64) -> u8:
        return 0

    def dma_read16(self, address: u64) -> u16:
        return 0

    def dma_read32(self, address: u64) -> u32:
        return 0

    def dma_read64(self, address: u64) -> u64:
        return 0

    def dma_write8(self, address: u64, value: u8) -> None:
        pass

    def dma_write16(self, address: u64, value: u16) -> None:
        pass

    def dma_write32(self, address: u64, value: u32) -> None:
        pass

    def dma_write64(self, address: u64, value: u64) -> None:
        pass


class Device(Chip):
    """A chip that answers on a bus. `size` of an access is 1, 2, 4 or 8 bytes; values are cut to it by the board."""

    irq: u1  # output line; 1 = asserted
    calls: u1  # output line; 1 = the host has to serve the device before machine time goes on
    unmodelled: u1  # output line; 1 = the last access touched what is not modelled. The board counts it and lowers the line

    def read(self, offset: u32, size: u4) -> u64:
        self.unmodelled = 1
        return 0

    def write(self, offset: u32, value: u64, size: u4) -> None:
        self.unmodelled = 1


class ByteDevice(Device):
    """A device with a data bus of 8 bits and so many REGISTERS. A board with such a bus calls `read_register` and
    `write_register`, which chips override with an offset as narrow as theirs."""

    REGISTERS = 1

    def read(self, offset: u32, size: u4) -> u64:
        if size != 1 or offset >= self.REGISTERS:
            self.unmodelled = 1
            return 0
        return self.read_register(offset)

    def write(self, offset: u32, value: u64, size: u4) -> None:
        if size != 1 or offset >= self.REGISTERS:
            self.unmodelled = 1
            return
        self.write_register(offset, value)

    def read_register(self, offset: u32) -> u8:
        """What the processor reads at an offset below REGISTERS."""
        return 0

    def write_register(self, offset: u32, value: u8) -> None:
        """What the processor's write at an offset below REGISTERS does."""


class Port(Chip):
    """A ring of bytes between a device and the outside. `head` counts bytes ever put in, `tail` bytes ever taken out."""

    SIZE = 1 << 16

    ring: memory[1 << 16]
    head: u32
    tail: u32

    def waiting(self) -> u32:
        """Bytes that can be taken."""
        return self.head - self.tail

    def room(self) -> u32:
        """Bytes that can be put."""
        return (1 << 16) - u32(self.head - self.tail)

    def put(self, value: u8) -> None:
        """Put a byte in; the device asks `room` first."""
        self.ring[self.head & 0xFFFF] = value
        self.head += 1

    def take(self) -> u8:
        """Take a byte out; the device asks `waiting` first."""
        value = self.ring[self.tail & 0xFFFF]
        self.tail += 1
        return value

    @host
    def feed(self, data: bytes) -> int:
        """Put bytes in from outside, as many as there is room for; how many that were."""
        count = min(len(data), self.SIZE - (self.head - self.tail & 0xFFFFFFFF))
        for byte in data[:count]:
            self.ring[self.head % self.SIZE] = byte
            self.head += 1
        return count

    @host
    def drain(self) -> bytes:
        """Take out all bytes that wait."""
        count = self.head - self.tail & 0xFFFFFFFF
        at = self.tail % self.SIZE
        data = bytes(self.ring[at : min(at + count, self.SIZE)])
        data += bytes(self.ring[0 : count - len(data)])
        self.tail += count
        return data
