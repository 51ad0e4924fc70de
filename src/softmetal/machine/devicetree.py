"""The device tree: how a board tells the software on it what is where.

    flatten({"model": "a board", "cpus": {"#address-cells": 1}})

Sources: Devicetree Specification 0.4, chapters 2 (properties), 3 (nodes) and 5 (the flattened format, version 17); the Linux
kernel's bindings of the devices named here. The nodes are those of the well-known `virt` machine.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from softmetal.boards.riscv_virt import ACLINT, FINISHER, PLIC, RTC, RTC_IRQ, TIMEBASE_HZ, UART, UART_IRQ, VMGENID, VMGENID_IRQ
from softmetal.chips.plic import SOURCES
from softmetal.isa.riscv.extensions import ALL, BLOCK, isa_string
from softmetal.isa.riscv.privileged.state import RAM_BASE

Value: TypeAlias = int | str | bytes | Sequence[int] | Sequence[str] | None
"""A property: a cell, text, bytes as they are, cells, texts, nothing."""
Node: TypeAlias = "Mapping[str, Value | Node]"

MAGIC, VERSION, COMPATIBLE = 0xD00DFEED, 17, 16
HEADER, NO_RESERVATIONS = 40, bytes(16)
BEGIN_NODE, END_NODE, PROPERTY, END = 1, 2, 3, 9

UART_CLOCK = 3_686_400
SOFTWARE, TIMER, EXTERNAL = 1, 5, 9  # a hart's supervisor interrupts; machine mode's are 2 further


def flatten(root: Node) -> bytes:
    """The blob of a tree. Of a node's entries those that are mappings are its children."""
    names: dict[str, int] = {}  # offsets in the block of strings
    structure = bytearray()

    def cells(*values: int) -> None:
        structure.extend(struct.pack(f">{len(values)}I", *values))

    def padded(data: bytes) -> None:
        structure.extend(data + bytes(-len(data) % 4))

    def node(name: str, entries: Node) -> None:
        cells(BEGIN_NODE)
        padded(name.encode() + b"\0")
        for key, value in entries.items():
            if not isinstance(value, Mapping):
                data = property_bytes(value)
                cells(PROPERTY, len(data), names.setdefault(key, sum(len(n) + 1 for n in names)))
                padded(data)
        for key, value in entries.items():
            if isinstance(value, Mapping):
                node(key, value)
        cells(END_NODE)

    node("", root)
    cells(END)
    strings = b"".join(n.encode() + b"\0" for n in names)
    at = HEADER + len(NO_RESERVATIONS)
    end = at + len(structure) + len(strings)
    header = (MAGIC, end, at, at + len(structure), HEADER, VERSION, COMPATIBLE, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + NO_RESERVATIONS + bytes(structure) + strings


def property_bytes(value: Value) -> bytes:
    """A property's value at rest."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return struct.pack(">I", value)
    if isinstance(value, str):
        return value.encode() + b"\0"
    return b"".join(map(property_bytes, value))


def pair(value: int) -> list[int]:
    """A 64-bit number as two cells."""
    return [value >> 32, value & 0xFFFF_FFFF]


def span(address: int, size: int) -> dict[str, Value]:
    """The property that says where something lies."""
    return {"reg": [*pair(address), *pair(size)]}


def virt_tree(
    *,
    harts: int,
    ram_bytes: int,
    virtio: Sequence[tuple[int, int]] = (),
    bootargs: str = "",
    initrd: tuple[int, int] | None = None,
    extensions: Sequence[str] = ALL,
    mmu: str = "riscv,sv57",
    timebase: int = TIMEBASE_HZ,
    rng_seed: bytes | None = None,
    stdout: str = f"/soc/serial@{UART:x}",
    reserved: Sequence[tuple[int, int]] = (),
    vmgenid: bool = False,
) -> bytes:
    """The blob for the `virt` board.

    `virtio`: (address, source) of each slot. `initrd`: where it begins and ends. `reserved`: (address, size) of memory that
    the kernel must not touch, the firmware's. `vmgenid`: is there a generation identifier?
    """
    plic, test = 2 * harts + 1, 2 * harts + 2  # phandles; hart h is 2h + 1, its interrupt controller 2h + 2

    def to_harts(*causes: int) -> list[int]:
        return [cell for hart in range(harts) for cause in causes for cell in (2 * hart + 2, cause)]

    def device(compatible: Value, address: int, size: int, source: int) -> dict[str, Value | Node]:
        return {"compatible": compatible, **span(address, size), "interrupts": source, "interrupt-parent": plic}

    def cpu(hart: int) -> Node:
        controller: Node = {
            "compatible": "riscv,cpu-intc", "#interrupt-cells": 1, "interrupt-controller": None, "phandle": 2 * hart + 2,
        }  # fmt: skip
        return {
            "device_type": "cpu",
            "reg": hart,
            "status": "okay",
            "compatible": "riscv",
            "riscv,isa": isa_string(extensions),
            "riscv,isa-base": "rv64i",
            "riscv,isa-extensions": list(extensions),
            **{f"riscv,{name}-block-size": BLOCK for name in ("cbom", "cbop", "cboz") if "zi" + name in extensions},
            "mmu-type": mmu,
            "phandle": 2 * hart + 1,
            "interrupt-controller": controller,
        }

    chosen: dict[str, Value | Node] = {"stdout-path": stdout, "bootargs": bootargs}
    if initrd:
        chosen |= {"linux,initrd-start": pair(initrd[0]), "linux,initrd-end": pair(initrd[1])}
    if rng_seed is not None:
        chosen["rng-seed"] = rng_seed
    soc: dict[str, Value | Node] = {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": "simple-bus",
        "ranges": None,
        f"test@{FINISHER:x}": {
            "compatible": ["sifive,test1", "sifive,test0", "syscon"], **span(FINISHER, 0x1000), "phandle": test,
        },
        f"rtc@{RTC:x}": device("google,goldfish-rtc", RTC, 0x1000, RTC_IRQ),
        f"serial@{UART:x}": {**device("ns16550a", UART, 0x100, UART_IRQ), "clock-frequency": UART_CLOCK},
        f"clint@{ACLINT:x}": {
            "compatible": ["sifive,clint0", "riscv,clint0"],
            **span(ACLINT, 0x1_0000),
            "interrupts-extended": to_harts(SOFTWARE + 2, TIMER + 2),
        },
        f"plic@{PLIC:x}": {
            "compatible": ["sifive,plic-1.0.0", "riscv,plic0"],
            **span(PLIC, 0x60_0000),
            "#address-cells": 0,
            "#interrupt-cells": 1,
            "interrupt-controller": None,
            "interrupts-extended": to_harts(EXTERNAL + 2, EXTERNAL),
            "riscv,ndev": SOURCES,
            "phandle": plic,
        },
    }  # fmt: skip
    if vmgenid:
        soc[f"rng@{VMGENID:x}"] = device("microsoft,vmgenid", VMGENID, 0x10, VMGENID_IRQ)
    for address, source in virtio:
        soc[f"virtio_mmio@{address:x}"] = device("virtio,mmio", address, 0x1000, source)
    tree: dict[str, Value | Node] = {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": "riscv-virtio",
        "model": "riscv-virtio,softmetal",
        "chosen": chosen,
        f"memory@{RAM_BASE:x}": {"device_type": "memory", **span(RAM_BASE, ram_bytes)},
        "cpus": {
            "#address-cells": 1,
            "#size-cells": 0,
            "timebase-frequency": timebase,
            **{f"cpu@{hart:x}": cpu(hart) for hart in range(harts)},
            "cpu-map": {"cluster0": {f"core{hart}": {"cpu": 2 * hart + 1} for hart in range(harts)}},
        },
        "poweroff": {"compatible": "syscon-poweroff", "regmap": test, "offset": 0, "value": 0x5555},
        "reboot": {"compatible": "syscon-reboot", "regmap": test, "offset": 0, "value": 0x7777},
        "soc": soc,
    }
    if reserved:
        areas = {f"reserved@{at:x}": {**span(at, size), "no-map": None} for at, size in reserved}
        tree["reserved-memory"] = {"#address-cells": 2, "#size-cells": 2, "ranges": None, **areas}
    return flatten(tree)
