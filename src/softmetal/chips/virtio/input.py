"""Virtio input device: a keyboard, or a tablet, whose pointer is where the host's is.

Sources: VIRTIO 5.8 "Input Device"; types and codes of events: Linux include/uapi/linux/input-event-codes.h.
Not modelled: properties, serial numbers, multi-touch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from softmetal.chips.device import Dma, Port
from softmetal.chips.virtio.mmio import VirtioDevice
from softmetal.chips.virtio.queue import Chain
from softmetal.lang import host, u1, u4, u8, u16, u32, u64

KEYBOARD, TABLET = 0, 1  # kinds
EVENTS, STATUS = 0, 1  # queues
EVENT = 8  # bytes: type, code, value


class Ev(IntEnum):
    """Types of events."""

    SYN = 0x00
    KEY = 0x01
    REL = 0x02
    ABS = 0x03
    LED = 0x11
    REP = 0x14


class Show(IntEnum):
    """What the configuration can be asked to show (5.8.4)."""

    ID_NAME = 0x01
    ID_DEVIDS = 0x03
    EV_BITS = 0x11
    ABS_INFO = 0x12


NAMES = b"softmetal keyboardsoftmetal tablet\0\0"  # each 18 bytes long
IDS = struct.pack("<8H", 6, 0x534D, 1, 1, 6, 0x534D, 2, 1)  # bus (virtual), vendor, product, version
KEYS = 249  # KEY_ESC, which is 1, to KEY_MICMUTE
BUTTONS = 0x110 >> 3  # byte of the bits of BTN_LEFT, BTN_RIGHT, BTN_MIDDLE


class VirtioInput(VirtioDevice):
    """The host puts events in with `post`, then calls `poll`."""

    DEVICE_ID = 18
    QUEUES = 2
    CONFIG_WORDS = 34

    rx: Port
    chain: Chain
    kind: u1  # KEYBOARD or TABLET; set when the machine is built
    select: u8  # what the configuration shows,
    subsel: u8  # and of which type or axis
    leds: u16  # lights that the guest has switched on

    def config_word(self, index: u32) -> u32:
        if index < 2:
            return (self.select | self.subsel << 8 | self.extent() << 16) if index == 0 else 0
        value: u32 = 0
        for i in range(4):
            value |= self.shown(4 * index - 8 + i) << 8 * i
        return value

    def config_write(self, offset: u32, value: u64, size: u4) -> None:
        if size == 1 and offset == 0:
            self.select = value
        elif size == 1 and offset == 1:
            self.subsel = value
        else:
            self.unmodelled = 1

    def extent(self) -> u8:
        """How many bytes are shown."""
        tablet = self.kind == TABLET
        match self.select:
            case Show.ID_NAME:
                return 16 if tablet else 18
            case Show.ID_DEVIDS:
                return 8
            case Show.EV_BITS:
                match self.subsel:
                    case Ev.KEY:
                        return BUTTONS + 1 if tablet else KEYS + 7 >> 3
                    case Ev.REL:
                        return 2 if tablet else 0
                    case Ev.ABS:
                        return 1 if tablet else 0
                    case Ev.LED | Ev.REP:
                        return 0 if tablet else 1
                    case _:
                        return 0
            case Show.ABS_INFO:
                return 20 if tablet and self.subsel < 2 else 0
            case _:
                return 0

    def shown(self, at: u32) -> u8:
        """A byte of what is shown."""
        if at >= self.extent():
            return 0
        match self.select:
            case Show.ID_NAME:
                return NAMES[min(18 * self.kind + at, 35)]
            case Show.ID_DEVIDS:
                return IDS[8 * self.kind + (at & 7)]
            case Show.EV_BITS:
                return self.event_bits(at)
            case _:  # least, most, fuzz, flat, resolution of an axis
                return 0xFF if at == 4 else 0x7F if at == 5 else 0

    def event_bits(self, at: u32) -> u8:
        """Eight bits of the map of codes that are sent for a type."""
        match self.subsel:
            case Ev.KEY:
                if self.kind == TABLET:
                    return 7 if at == BUTTONS else 0
                return 0xFE if at == 0 else 0xFF >> (8 - KEYS % 8) if at == KEYS >> 3 else 0xFF
            case Ev.REL:
                return 1 if at else 1 << 6  # REL_WHEEL; REL_HWHEEL
            case Ev.LED:
                return 7  # num, caps and scroll lock
            case _:
                return 3  # ABS_X, ABS_Y; REP_DELAY, REP_PERIOD

    def notify(self, bus: Dma, queue: u1) -> None:
        if queue == EVENTS:
            self.poll(bus)
        else:
            self.switch_leds(bus)

    def attend(self, bus: Dma) -> None:
        self.poll(bus)

    def poll(self, bus: Dma) -> None:
        """Move events into the driver's buffers, one into each."""
        if self.calls:
            self.switch_leds(bus)
        budget: u16 = self.QUEUE_SIZE
        while budget and self.rx.waiting() >= EVENT and self.take(bus, EVENTS, self.chain):
            if self.chain.room < EVENT:
                self.fail()
                break
            for _ in range(EVENT):
                self.chain.put(bus, self.rx.take(), 1)
            self.give(bus, EVENTS, self.chain, EVENT)
            budget -= 1
        self.chain.count = 0
        self.publish(bus, EVENTS)

    def switch_leds(self, bus: Dma) -> None:
        """Take what the driver tells of lights; `calls` is up where that was too much for one time."""
        budget: u16 = self.QUEUE_SIZE
        while budget and self.take(bus, STATUS, self.chain):
            kind = self.chain.get(bus, 2)
            code = self.chain.get(bus, 2) & 15
            if kind == Ev.LED:
                self.leds = self.leds & ~(1 << code) | u1(self.chain.get(bus, 4)) << code
            self.give(bus, STATUS, self.chain, 0)
            budget -= 1
        self.calls = budget == 0
        self.publish(bus, STATUS)

    def reset_device(self) -> None:
        self.chain.count = self.select = self.subsel = self.leds = 0

    @host
    def post(self, events: Iterable[tuple[int, int, int]]) -> bool:
        """Put events (type, code, value) in, which happen at once. Was there room for all?"""
        chip: Any = self
        made = [*events, (Ev.SYN, 0, 0)]
        if chip.rx.room() < EVENT * len(made):
            return False
        for kind, code, value in made:
            chip.rx.feed(kind.to_bytes(2, "little") + code.to_bytes(2, "little") + (value & 0xFFFFFFFF).to_bytes(4, "little"))
        return True
