"""Generation identifier of a virtual machine: 16 bytes that change, with an interrupt, when a machine finds itself copied.

A guest that reads them mixes them into its random numbers, so that copies of one machine do not draw the same ones.

Sources: Microsoft, "Virtual Machine Generation ID"; Linux, Documentation/devicetree/bindings/rng/microsoft,vmgenid.yaml.
"""

from __future__ import annotations

from softmetal.chips.device import Device
from softmetal.lang import u4, u32, u64


class Vmgenid(Device):
    """The board pulses the line when the host has changed `id`."""

    id: u64[2]

    def read(self, offset: u32, size: u4) -> u64:
        if offset + size > 16 or offset & size - 1 != 0:
            self.unmodelled = 1
            return 0
        return self.id[offset >> 3 & 1] >> 8 * (offset & 7)
