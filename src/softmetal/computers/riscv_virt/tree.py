"""The virt board's device tree: the nodes are those of the well-known `virt` machine.

Sources: Devicetree Specification 0.4, chapter 3 (nodes); the Linux kernel's bindings of the devices named here.
"""

from __future__ import annotations

from collections.abc import Sequence

from softmetal.boards.riscv_virt import (
    ACLINT,
    ACLINT_SPAN,
    BLOCK_SPAN,
    FINISHER,
    PLIC,
    PLIC_SPAN,
    RTC,
    RTC_IRQ,
    SLOT_SPAN,
    TIMEBASE_HZ,
    UART,
    UART_IRQ,
    UART_SPAN,
    VMGENID,
    VMGENID_IRQ,
)
from softmetal.chips.plic import SOURCES
from softmetal.computers.devicetree import Node, Value, flatten, pair, span
from softmetal.isa.riscv.extensions import ALL, BLOCK, isa_string
from softmetal.isa.riscv.privileged.state import RAM_BASE

UART_CLOCK = 3_686_400
SOFTWARE, TIMER, EXTERNAL = 1, 5, 9  # a hart's supervisor interrupts; machine mode's are 2 further


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
            "compatible": ["sifive,test1", "sifive,test0", "syscon"], **span(FINISHER, BLOCK_SPAN), "phandle": test,
        },
        f"rtc@{RTC:x}": device("google,goldfish-rtc", RTC, BLOCK_SPAN, RTC_IRQ),
        f"serial@{UART:x}": {**device("ns16550a", UART, UART_SPAN, UART_IRQ), "clock-frequency": UART_CLOCK},
        f"clint@{ACLINT:x}": {
            "compatible": ["sifive,clint0", "riscv,clint0"],
            **span(ACLINT, ACLINT_SPAN),
            "interrupts-extended": to_harts(SOFTWARE + 2, TIMER + 2),
        },
        f"plic@{PLIC:x}": {
            "compatible": ["sifive,plic-1.0.0", "riscv,plic0"],
            **span(PLIC, PLIC_SPAN),
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
        soc[f"virtio_mmio@{address:x}"] = device("virtio,mmio", address, SLOT_SPAN, source)
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
