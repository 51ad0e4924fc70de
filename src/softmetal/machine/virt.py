"""The virt board with software in it: what `softmetal run --board riscv-virt` builds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from softmetal.boards.riscv_virt import MAX_HARTS, SLOT_IRQ, VIRTIO, RiscvVirt, Slot
from softmetal.engines.native import new_board
from softmetal.machine.devicetree import virt_tree
from softmetal.machine.firmware import ADDRESS as FIRMWARE
from softmetal.machine.firmware import SIZE as FIRMWARE_SIZE
from softmetal.machine.firmware import firmware
from softmetal.machine.loading import RAM_BASE, Loaded, LoadError, load_firmware, load_kernel, read

MIB = 1 << 20
LEAST, MOST = 16 * MIB, 4096 * MIB
PAGE = 4096
TREE_ROOM = 1 * MIB
MOST_APPEND = 1023
"""Bytes: COMMAND_LINE_SIZE of Linux (arch/riscv/include/uapi/asm/setup.h), with its final zero."""
EARLY = "earlycon=sbi"
"""Linux, Documentation/admin-guide/kernel-parameters.txt: the console of the firmware, until the real one is there."""
INFO_MAGIC, INFO_VERSION, SUPERVISOR = 0x4942534F, 2, 1
"""OpenSBI's dynamic information (include/sbi/fw_dynamic.h): how a loader tells firmware where to go."""


@dataclass
class Virt:
    """What a virt machine is made of. Sizes in bytes. `bios` is a file, "none", or "" for our own firmware."""

    kernel: str = ""
    initrd: str = ""
    append: str = ""
    bios: str = ""
    memory: int = 512 * MIB
    cpus: int = 1
    disks: Sequence[Any] = ()
    shares: Sequence[Any] = ()
    network: bool = False
    display: bool = False
    seed: int = 0
    mac: bytes = b"\x52\x54\x00\x12\x34\x56"
    slots: list[int] = field(default_factory=list)

    def build(self, isa: Any) -> Any:
        """The board at power-on, with everything in memory. Raises LoadError."""
        if not LEAST <= self.memory <= MOST:
            raise LoadError(f"memory of {self.memory // MIB} MiB: this board takes {LEAST // MIB} to {MOST // MIB} MiB")
        if self.memory % PAGE:
            raise LoadError(f"memory of {self.memory} bytes: give whole pages of {PAGE} bytes")
        if not 1 <= self.cpus <= MAX_HARTS:
            raise LoadError(f"{self.cpus} CPUs: this board takes 1 to {MAX_HARTS}")
        if not self.kernel and not self.bios:
            raise LoadError("nothing to run: give a kernel, or firmware")
        if self.bios == "none" and not self.kernel:
            raise LoadError("nothing to run: without firmware there has to be a kernel")
        if len(os.fsencode(self.append)) > MOST_APPEND:
            raise LoadError(f"command line of {len(os.fsencode(self.append))} bytes: Linux takes at most {MOST_APPEND}")
        board: Any = new_board(isa, RiscvVirt)
        board.ram_size, board.harts = self.memory, self.cpus
        board.reset()
        self._fill_slots(board)
        self._load(board)
        return board

    @property
    def bootargs(self) -> str:
        """The kernel's command line: `append`, and `earlycon=sbi` where there is firmware and the user says nothing of an early
        console. Without it a kernel that dies before its console is up dies in silence."""
        early = f"{self.append} {EARLY}".lstrip()
        if not self.kernel or self.bios == "none" or "earlycon" in self.append or len(os.fsencode(early)) > MOST_APPEND:
            return self.append
        return early

    def random(self, what: str, size: int) -> bytes:
        """Bytes that follow from the seed, different ones for each purpose."""
        return hashlib.shake_256(f"{what} {self.seed}".encode()).digest(size)

    # -- devices

    def _fill_slots(self, board: Any) -> None:
        if len(self.disks) > 4 or len(self.shares) > 4:
            raise LoadError("this board takes up to 4 disks and 4 shares")
        tags = [share.tag for share in self.shares]
        for tag in tags:
            if tags.count(tag) > 1:
                raise LoadError(f"share tag {tag}: given twice; each share needs its own")
        slots = [Slot.DISK + i for i in range(len(self.disks))] + [Slot.SHARE + i for i in range(len(self.shares))]
        slots += [Slot.NET] * self.network + [Slot.CONSOLE, Slot.ENTROPY]
        slots += [Slot.GPU, Slot.KEYBOARD, Slot.TABLET] * self.display
        self.slots = slots
        for i, kind in enumerate(slots):
            board.slots[i] = kind
        for i, disk in enumerate(self.disks):
            chip = board.disks[i]
            chip.present, chip.capacity, chip.read_only = 1, disk.size // 512, disk.read_only
            put(chip.serial, f"softmetal{i}".encode())
        for i, share in enumerate(self.shares):
            chip = board.shares[i]
            tag = share.tag.encode()
            chip.present, chip.tag_length = 1, len(tag)
            put(chip.tag, tag)
        for name in ("console", "entropy", *["net"] * self.network, *["gpu", "keyboard", "tablet"] * self.display):
            getattr(board, name).present = 1
        board.entropy.seed = int.from_bytes(self.random("entropy", 8), "little")
        board.tablet.kind = 1
        for i in range(2):
            board.vmgenid.id[i] = int.from_bytes(self.random(f"generation {i}", 8), "little")
        if self.network:
            put(board.net.mac, self.mac)
            board.net.offload = 1

    # -- memory

    def _load(self, board: Any) -> None:
        end = RAM_BASE + self.memory
        pieces: list[tuple[str, int, bytes]] = []
        kernel = load_kernel(self.kernel, raw=bool(self.bios) and self.bios != "none") if self.kernel else None
        start, reserved = self._firmware(board, pieces, kernel)
        behind = kernel.end if kernel else start
        if kernel:
            if kernel.end > end:
                size = (kernel.end - RAM_BASE + MIB - 1) // MIB
                raise LoadError(f"kernel {self.kernel}: needs {size} MiB; memory is {self.memory // MIB} MiB")
            pieces += [("kernel", address, data) for address, data in kernel.pieces]
        tree_at = min(end, 0x1_0000_0000) - TREE_ROOM
        initrd = None
        if self.initrd:
            data = read(self.initrd, "initrd")
            at = (tree_at - len(data)) // MIB * MIB
            if at < behind:
                raise LoadError(f"initrd {self.initrd}: {len(data) >> 20} MiB do not fit behind the kernel; give more memory")
            initrd = (at, at + len(data))
            pieces.append(("initrd", at, data))
        tree = virt_tree(
            harts=self.cpus, ram_bytes=self.memory,
            virtio=[(VIRTIO + 0x1000 * i, SLOT_IRQ[i]) for i in range(max(8, len(self.slots)))],
            bootargs=self.bootargs, initrd=initrd, rng_seed=self.random("boot", 32), reserved=reserved,
            vmgenid=True,
        )  # fmt: skip
        info = b"".join(
            n.to_bytes(8, "little") for n in (INFO_MAGIC, INFO_VERSION, kernel.entry if kernel else 0, SUPERVISOR, 0, 0)
        )
        info_at = tree_at + TREE_ROOM - 0x1000
        pieces += [("device tree", tree_at, tree), ("boot information", info_at, info)]
        self._place(board, pieces, end)
        for i in range(self.cpus):
            hart = board if i == board.active else board.parked[i]
            hart.pc, hart.x[10], hart.x[11], hart.x[12] = start, i, tree_at, info_at

    def _firmware(
        self, board: Any, pieces: list[tuple[str, int, bytes]], kernel: Loaded | None
    ) -> tuple[int, list[tuple[int, int]]]:
        """Where the harts begin, and what the kernel must leave alone."""
        if self.bios == "none":
            assert kernel is not None
            board.tohost = kernel.tohost
            return kernel.entry, []
        if self.bios:
            loaded = load_firmware(self.bios)
            pieces += [("firmware", address, data) for address, data in loaded.pieces]
            return loaded.entry, []
        assert kernel is not None
        pieces.append(("our firmware", FIRMWARE, firmware(kernel.entry)))
        for address, data in kernel.pieces:
            if address < FIRMWARE + FIRMWARE_SIZE and FIRMWARE < address + len(data):
                raise LoadError(f"kernel {self.kernel}: lies where the firmware is; if it needs none, give --bios none")
        return FIRMWARE, [(FIRMWARE, FIRMWARE_SIZE)]

    def _place(self, board: Any, pieces: list[tuple[str, int, bytes]], end: int) -> None:
        taken: list[tuple[int, int, str]] = []
        for name, address, data in pieces:
            if address < RAM_BASE or address + len(data) > end:
                size = f"{len(data) >> 10} KiB at {address:#x}"
                raise LoadError(f"{name}: {size} do not fit into {self.memory // MIB} MiB of memory")
            for a, b, other in taken:
                if address < b and a < address + len(data):
                    raise LoadError(f"{name} and {other} overlap in memory at {max(a, address):#x}; give more memory")
            taken.append((address, address + len(data), name))
            board.ram[address - RAM_BASE : address - RAM_BASE + len(data)] = data


def put(array: Any, data: bytes) -> None:
    """Fill an array of bytes."""
    for i, byte in enumerate(data[: len(array)]):
        array[i] = byte
