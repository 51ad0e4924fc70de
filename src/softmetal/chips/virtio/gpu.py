"""Virtio GPU device: a screen with pictures ("resources") that the guest draws in its memory and has copied.

Sources: VIRTIO 5.7 "GPU Device".
Not modelled: 3D, EDID, blobs, UUIDs, more than one scan-out; the cursor is remembered and not put into the picture.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from softmetal.chips.device import Dma
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.queue import Chain
from softmetal.lang import Chip, cold, host, memory, u1, u4, u6, u7, u16, u32, u64


class Command(IntEnum):
    """Requests (5.7.6.7)."""

    GET_DISPLAY_INFO = 0x0100
    RESOURCE_CREATE_2D = 0x0101
    RESOURCE_UNREF = 0x0102
    SET_SCANOUT = 0x0103
    RESOURCE_FLUSH = 0x0104
    TRANSFER_TO_HOST_2D = 0x0105
    RESOURCE_ATTACH_BACKING = 0x0106
    RESOURCE_DETACH_BACKING = 0x0107
    UPDATE_CURSOR = 0x0300
    MOVE_CURSOR = 0x0301


class Answer(IntEnum):
    """Responses."""

    OK_NODATA = 0x1100
    OK_DISPLAY_INFO = 0x1101
    UNSPEC = 0x1200
    OUT_OF_MEMORY = 0x1201
    INVALID_SCANOUT_ID = 0x1202
    INVALID_RESOURCE_ID = 0x1203
    INVALID_PARAMETER = 0x1205


ORDERS = {1: b"\2\1\0", 2: b"\2\1\0", 3: b"\1\2\3", 4: b"\1\2\3", 67: b"\0\1\2", 68: b"\3\2\1", 121: b"\3\2\1", 134: b"\0\1\2"}
"""Where red, green and blue lie in a pixel, by format."""
FENCE = 1  # flag of a request: the response repeats its number
EVENT_DISPLAY = 1
HEADER = 24  # bytes
VRAM = 1 << 26
ENTRIES = 16384  # runs of guest memory behind all resources
RESOURCES = 64
NONE = 64  # no resource
NOWHERE = 0xFFFFFFFF
EFFORT = 1 << 26  # bytes to copy before the host gets a look


class Extents(Chip):
    """Who has which part of a store. A part without size is nobody's."""

    start: u32[64]
    size: u32[64]

    @cold
    def claim(self, place: u6, size: u32, limit: u32) -> u1:
        """Give `place` the first free part that is large enough. Is there one?"""
        best: u32 = NOWHERE
        for i in range(RESOURCES + 1):
            at: u32 = 0
            if i < RESOURCES:
                at = self.start[i] + self.size[i]
            if at < best and at + size <= limit and self.free(at, size):
                best = at
        if best == NOWHERE:
            return 0
        self.start[place] = best
        self.size[place] = size
        return 1

    def free(self, at: u32, size: u32) -> u1:
        for i in range(RESOURCES):
            start = self.start[i]
            if self.size[i] and start < at + size and at < start + self.size[i]:
                return 0
        return 1


class VirtioGpu(VirtioDevice):
    """A screen; `picture` is what it shows, `flushes` counts how often the guest said that it has drawn."""

    DEVICE_ID = 16
    QUEUES = 2  # control and cursor
    CONFIG_WORDS = 4

    vram: memory[(1 << 26) + 8]
    backing: memory[16384 * 16]  # address (8 bytes) and length (4) of each run
    chain: Chain
    width: u32 = 1024  # of the screen
    height: u32 = 768
    events: u32
    id: u32[64]  # of resources; 0: none is here
    format: u32[64]
    columns: u32[64]
    rows: u32[64]
    pixels: Extents
    runs: Extents
    held: u64[64]  # bytes of guest memory behind a resource
    shown: u7 = 64  # resource on the screen, or NONE,
    shown_x: u32  # and the part of it
    shown_y: u32
    shown_width: u32
    shown_height: u32
    flushes: u32
    cursor: u32  # id of its resource
    cursor_x: u32
    cursor_y: u32
    hot_x: u32
    hot_y: u32
    effort: u64  # bytes copied since the host had a look
    rect_x: u32  # the rectangle of the request in hand
    rect_y: u32
    rect_width: u32
    rect_height: u32

    def config_word(self, index: u32) -> u32:
        return self.events if index == 0 else index == 2  # one scan-out

    def config_write(self, offset: u32, value: u64, size: u4) -> None:
        if offset == 4 and size == 4:
            self.events &= ~value
        else:
            self.unmodelled = 1

    def resize(self, width: u32, height: u32) -> None:
        """The screen has another size."""
        self.width = width
        self.height = height
        self.events |= EVENT_DISPLAY
        self.changed()

    def notify(self, bus: Dma, queue: u1) -> None:
        self.obey_all(bus, queue)

    def attend(self, bus: Dma) -> None:
        self.resume(bus)

    def resume(self, bus: Dma) -> None:
        """Go on where `calls` was raised because there was much to copy."""
        self.calls = 0
        self.obey_all(bus, 0)
        self.obey_all(bus, 1)

    def obey_all(self, bus: Dma, queue: u1) -> None:
        budget: u16 = self.QUEUE_SIZE
        self.effort = 0
        while budget and self.effort < EFFORT and self.take(bus, queue, self.chain):
            if self.chain.left < HEADER:
                self.fail()
                break
            room = self.chain.room
            self.obey(bus)
            self.give(bus, queue, self.chain, room - self.chain.room)
            budget -= 1
        self.chain.count = 0
        self.cost += self.effort >> 4  # 16 bytes a tick
        if budget == 0 or self.effort >= EFFORT:
            self.calls = 1
        self.publish(bus, queue)

    def obey(self, bus: Dma) -> None:
        """Do the request in the chain and write the response."""
        command = u32(self.chain.get(bus, 4))
        flags = self.chain.get(bus, 4)
        fence = self.chain.get(bus, 8)
        context = self.chain.get(bus, 8)
        self.chain.put(bus, self.do(bus, command), 4)
        self.chain.put(bus, flags & FENCE, 4)
        self.chain.put(bus, fence if flags & FENCE else 0, 8)
        self.chain.put(bus, context, 8)
        if command == Command.GET_DISPLAY_INFO:
            self.display_info(bus)

    def do(self, bus: Dma, command: u32) -> u32:
        """Do a request; its answer."""
        match command:
            case Command.GET_DISPLAY_INFO:
                return Answer.OK_DISPLAY_INFO
            case Command.RESOURCE_CREATE_2D:
                return self.create(bus)
            case Command.RESOURCE_UNREF:
                return self.forget(bus)
            case Command.SET_SCANOUT:
                return self.show(bus)
            case Command.RESOURCE_FLUSH:
                return self.flush(bus)
            case Command.TRANSFER_TO_HOST_2D:
                return self.transfer(bus)
            case Command.RESOURCE_ATTACH_BACKING:
                return self.attach(bus)
            case Command.RESOURCE_DETACH_BACKING:
                return self.detach(bus)
            case Command.UPDATE_CURSOR:
                return self.move_cursor(bus, 1)
            case Command.MOVE_CURSOR:
                return self.move_cursor(bus, 0)
            case _:
                self.unmodelled = 1
                return Answer.UNSPEC

    @cold
    def display_info(self, bus: Dma) -> None:
        """Sixteen screens, of which there is one (5.7.6.8)."""
        self.chain.put(bus, 0, 8)
        self.chain.put(bus, self.width | self.height << 32, 8)
        self.chain.put(bus, 1, 8)
        for _ in range(3 * 15):
            self.chain.put(bus, 0, 8)

    def find(self, id: u32) -> u7:
        """The place of a resource, or NONE."""
        for i in range(RESOURCES):
            if self.id[i] == id and id:
                return i
        return NONE

    @cold
    def create(self, bus: Dma) -> u32:
        id = u32(self.chain.get(bus, 4))
        format = u32(self.chain.get(bus, 4))
        columns = u32(self.chain.get(bus, 4))
        rows = u32(self.chain.get(bus, 4))
        if id == 0 or self.find(id) != NONE:
            return Answer.INVALID_RESOURCE_ID
        size = 4 * columns * rows
        if size == 0 or not self.known(format):
            return Answer.INVALID_PARAMETER
        place: u7 = NONE
        for i in range(RESOURCES):
            if self.id[i] == 0:
                place = i
                break
        if size > VRAM or place == NONE or not self.pixels.claim(place, size, VRAM):
            return Answer.OUT_OF_MEMORY
        place &= 63
        self.id[place] = id
        self.format[place] = format
        self.columns[place] = columns
        self.rows[place] = rows
        self.held[place] = 0
        return Answer.OK_NODATA

    def known(self, format: u32) -> u1:
        """Is it one of the formats in ORDERS?"""
        match format:
            case 1 | 2 | 3 | 4 | 67 | 68 | 121 | 134:
                return 1
            case _:
                return 0

    @cold
    def forget(self, bus: Dma) -> u32:
        place = self.find(self.chain.get(bus, 4))
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        self.drop(place)
        return Answer.OK_NODATA

    def drop(self, place: u6) -> None:
        """Free a resource's place, pixels and list of memory."""
        self.id[place] = 0
        self.pixels.size[place] = self.runs.size[place] = 0
        if self.shown == place:
            self.shown = NONE

    def rectangle(self, bus: Dma) -> None:
        self.rect_x = self.chain.get(bus, 4)
        self.rect_y = self.chain.get(bus, 4)
        self.rect_width = self.chain.get(bus, 4)
        self.rect_height = self.chain.get(bus, 4)

    def outside(self, place: u6) -> u1:
        """Does the rectangle leave a resource?"""
        return self.rect_x + self.rect_width > self.columns[place] or self.rect_y + self.rect_height > self.rows[place]

    @cold
    def show(self, bus: Dma) -> u32:
        self.rectangle(bus)
        screen = self.chain.get(bus, 4)
        id = u32(self.chain.get(bus, 4))
        if screen:
            return Answer.INVALID_SCANOUT_ID
        if id == 0:
            self.shown = NONE
            return Answer.OK_NODATA
        place = self.find(id)
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        if self.outside(place) or self.rect_width == 0 or self.rect_height == 0:
            return Answer.INVALID_PARAMETER
        self.shown = place
        self.shown_x = self.rect_x
        self.shown_y = self.rect_y
        self.shown_width = self.rect_width
        self.shown_height = self.rect_height
        return Answer.OK_NODATA

    def flush(self, bus: Dma) -> u32:
        self.rectangle(bus)
        place = self.find(self.chain.get(bus, 4))
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        if self.outside(place):
            return Answer.INVALID_PARAMETER
        self.flushes += place == self.shown
        return Answer.OK_NODATA

    @cold
    def attach(self, bus: Dma) -> u32:
        """Remember the guest memory behind a resource."""
        place = self.find(self.chain.get(bus, 4))
        count = u32(self.chain.get(bus, 4))
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        place &= 63
        if count == 0 or count * 16 > self.chain.left or self.runs.size[place]:
            return Answer.INVALID_PARAMETER
        if count > ENTRIES or not self.runs.claim(place, count, ENTRIES):
            return Answer.OUT_OF_MEMORY
        self.effort += count * 256  # slower to read than to copy
        first = self.runs.start[place]
        held: u64 = 0
        for i in range(count):
            address = self.chain.get(bus, 8)
            length = u32(self.chain.get(bus, 8))
            if not bus.dma_reaches(address, length):
                self.runs.size[place] = 0
                return Answer.INVALID_PARAMETER
            at = (first + i) % ENTRIES * 16
            self.backing.u64[at] = address
            self.backing.u32[at + 8] = length
            held += length
        self.held[place] = held
        return Answer.OK_NODATA

    @cold
    def detach(self, bus: Dma) -> u32:
        place = self.find(self.chain.get(bus, 4))
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        place &= 63
        self.runs.size[place] = 0
        self.held[place] = 0
        return Answer.OK_NODATA

    def transfer(self, bus: Dma) -> u32:
        """Copy a rectangle from guest memory. Rows lie as far apart there as in the resource."""
        self.rectangle(bus)
        offset = self.chain.get(bus, 8)
        place = self.find(self.chain.get(bus, 4))
        if place == NONE:
            return Answer.INVALID_RESOURCE_ID
        place &= 63
        stride = 4 * self.columns[place]
        rows: u32 = self.rect_height
        length: u32 = 4 * self.rect_width
        if self.outside(place):
            return Answer.INVALID_PARAMETER
        if rows == 0 or length == 0:
            return Answer.OK_NODATA
        if offset + (rows - 1) * stride + length > self.held[place]:
            return Answer.INVALID_PARAMETER
        if length == stride:
            length *= rows
            rows = 1
        self.effort += rows * (length + 64)
        run: u32 = self.runs.start[place]
        last: u32 = run + self.runs.size[place]
        before: u64 = 0  # bytes behind the resource before this run
        to: u64 = self.pixels.start[place] + self.rect_y * stride + 4 * self.rect_x
        for row in range(rows):
            at: u64 = offset + row * stride
            pixel: u64 = to + row * stride
            left: u32 = length
            while left and run < last:
                entry = run % ENTRIES * 16
                end: u64 = before + self.backing.u32[entry + 8]
                if at >= end:
                    before = end
                    run += 1
                    continue
                count: u32 = min(left, end - at)
                self.copy(bus, pixel, self.backing.u64[entry] + at - before, count)
                at += count
                pixel += count
                left -= count
        return Answer.OK_NODATA

    def copy(self, bus: Dma, to: u64, address: u64, size: u32) -> None:
        """Copy from guest memory to pixels."""
        words = size >> 3
        for i in range(words):
            self.vram.u64[to + 8 * i & VRAM - 1] = bus.dma_read64(address + 8 * i)
        for i in range(8 * words, size):
            self.vram[to + i & VRAM - 1] = bus.dma_read8(address + i)

    @cold
    def move_cursor(self, bus: Dma, picture: u1) -> u32:
        """Move the cursor, and give it another picture."""
        screen = self.chain.get(bus, 4)
        x = self.chain.get(bus, 4)
        y = self.chain.get(bus, 4)
        self.chain.get(bus, 4)
        if screen:
            return Answer.INVALID_SCANOUT_ID
        self.cursor_x = x
        self.cursor_y = y
        if picture:
            id = u32(self.chain.get(bus, 4))
            if id and self.find(id) == NONE:
                return Answer.INVALID_RESOURCE_ID
            self.cursor = id
            self.hot_x = self.chain.get(bus, 4)
            self.hot_y = self.chain.get(bus, 4)
        return Answer.OK_NODATA

    def reset_device(self) -> None:
        self.chain.count = self.events = self.cursor = 0
        for i in range(RESOURCES):
            self.drop(i)

    @host
    def picture(self) -> tuple[int, int, bytes]:
        """What the screen shows: width, height, and four bytes a pixel: red, green, blue, 255."""
        chip: Any = self
        if chip.shown == NONE:
            return chip.width, chip.height, b"\0\0\0\xff" * (chip.width * chip.height)
        place, width, height = chip.shown, chip.shown_width, chip.shown_height
        stride = 4 * chip.columns[place]
        first = chip.pixels.start[place] + chip.shown_y * stride + 4 * chip.shown_x
        raw = b"".join(bytes(chip.vram[at : at + 4 * width]) for at in range(first, first + height * stride, stride))
        made = bytearray(b"\xff") * len(raw)
        for to, at in enumerate(ORDERS[chip.format[place]]):
            made[to::4] = raw[at::4]
        return width, height, bytes(made)
