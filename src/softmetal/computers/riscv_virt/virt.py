"""The virt computer: how it is built from a kernel, firmware, disks and shares, and how its devices are served."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from softmetal.boards.riscv_virt import CLOCK_HZ, DEVICES, MAX_HARTS, SLOT_IRQ, SLOT_SPAN, VIRTIO, RiscvVirt, Slot
from softmetal.chips.test_finisher import FAILED, PASSED, RESET
from softmetal.chips.virtio.net import HEADER
from softmetal.computers.riscv_virt import devices, gdb, keys, naming, translation
from softmetal.computers.riscv_virt.cpu import RiscvCpu
from softmetal.computers.riscv_virt.firmware import ADDRESS as FIRMWARE
from softmetal.computers.riscv_virt.firmware import SIZE as FIRMWARE_SIZE
from softmetal.computers.riscv_virt.firmware import firmware
from softmetal.computers.riscv_virt.loading import Loaded, load_firmware, load_kernel, read
from softmetal.computers.riscv_virt.ports import PORTS
from softmetal.computers.riscv_virt.tree import virt_tree
from softmetal.engines.native import new_board
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.hart import ABI
from softmetal.isa.riscv.privileged.state import MOST_RAM, RAM_BASE, Csr
from softmetal.machine.computer import Computer, GdbTarget, Network, Region, option
from softmetal.machine.errors import LoadError
from softmetal.machine.machine import Machine
from softmetal.machine.saving import Identity
from softmetal.machine.sizes import size
from softmetal.machine.stop import Stop

MIB = 1 << 20
LEAST, MOST = 16 * MIB, MOST_RAM
PAGE = 4096
TREE_ROOM = 1 * MIB
MOST_APPEND = 1023
"""Bytes: COMMAND_LINE_SIZE of Linux (arch/riscv/include/uapi/asm/setup.h), with its final zero."""
EARLY = "earlycon=sbi"
"""Linux, Documentation/admin-guide/kernel-parameters.txt: the console of the firmware, until the real one is set up."""
INFO_MAGIC, INFO_VERSION, SUPERVISOR = 0x4942534F, 2, 1
"""OpenSBI's dynamic information (include/sbi/fw_dynamic.h): how a loader passes the kernel's address to firmware."""
PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]*)")
PANIC_END = b"end Kernel panic"
"""What Linux writes when it panics."""


@dataclass(frozen=True, kw_only=True)
class Virt(Computer):
    """What a virt computer is made of. Sizes in bytes. `bios` is a file, "none", or "" for our own firmware."""

    name = "riscv-virt"
    isa = isa
    board = RiscvVirt
    hz = CLOCK_HZ
    ports = PORTS
    consoles = ("uart", "hvc")
    devices = DEVICES
    condition_registers = ABI
    special_registers = {c.name.lower(): int(c) for c in Csr}  # noqa: RUF012
    needs = ("kernel", "bios")

    kernel: str = option("", "K", "Image, gzip'd, EFI application, or ELF.")
    initrd: str = option("", "I", "Initial file system.")
    append: str = option("", "S", "The kernel's command line.")
    bios: str = option("", "FILE|none", "Firmware instead of our own.")
    memory: int = option(512 * MIB, "SIZE", "Memory.", name="mem", parse=size, shown="512M")
    cpus: int = option(1, "N", f"CPUs: 1 to {MAX_HARTS}.")
    disks: Sequence[Any] = option((), "FILE[,ro|,overlay|,commit]", "Raw or qcow2. Up to 4.", name="disk", backend="disk")
    shares: Sequence[Any] = option((), "HOST[:TAG][:rw]", "A directory to mount by 9p. Up to 4.", name="share", backend="share")
    display: bool = option(False, None, "A screen, a keyboard and a tablet.")
    network: bool = False
    mac: bytes = b"\x52\x54\x00\x12\x34\x56"

    # -- being made

    def build(self) -> Any:
        """The board at power-on, with everything in memory. Raises LoadError."""
        if not LEAST <= self.memory <= MOST:
            raise LoadError(f"memory of {self.memory // MIB} MiB: this board takes {LEAST // MIB} to {MOST // MIB} MiB")
        if self.memory % PAGE:
            raise LoadError(f"memory of {self.memory} bytes: give whole pages of {PAGE} bytes")
        if not 1 <= self.cpus <= MAX_HARTS:
            raise LoadError(f"{self.cpus} CPUs: this board takes 1 to {MAX_HARTS}")
        if not self.kernel and not self.bios:
            raise LoadError("nothing to run: give a kernel, or firmware (--kernel, --bios)")
        if self.bios == "none" and not self.kernel:
            raise LoadError("nothing to run: without firmware there has to be a kernel")
        if len(os.fsencode(self.append)) > MOST_APPEND:
            raise LoadError(f"command line of {len(os.fsencode(self.append))} bytes: Linux takes at most {MOST_APPEND}")
        board: Any = new_board(self.isa, self.board)
        board.ram_size, board.harts = self.memory, self.cpus
        board.reset()
        self._fill_slots(board)
        self._load(board)
        return board

    @property
    def cpu_count(self) -> int:
        return self.cpus

    def files(self) -> dict[str, str]:
        named = {"kernel": self.kernel, "initrd": self.initrd, "bios": "" if self.bios == "none" else self.bios}
        return {part: path for part, path in named.items() if path}

    def symbols(self) -> str:
        return self.kernel

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

    @property
    def slots(self) -> list[int]:
        """What is in the slots of the virtio bus, from the first on."""
        slots = [Slot.DISK + i for i in range(len(self.disks))] + [Slot.SHARE + i for i in range(len(self.shares))]
        slots += [Slot.NET] * self.network + [Slot.CONSOLE, Slot.ENTROPY]
        return slots + [Slot.GPU, Slot.KEYBOARD, Slot.TABLET] * self.display

    def _fill_slots(self, board: Any) -> None:
        if len(self.disks) > 4 or len(self.shares) > 4:
            raise LoadError("this board takes up to 4 disks and 4 shares")
        tags = [share.tag for share in self.shares]
        for tag in tags:
            if tags.count(tag) > 1:
                raise LoadError(f"share tag {tag}: given twice; each share needs its own")
        for i, kind in enumerate(self.slots):
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
                raise LoadError(f"initrd {self.initrd}: {len(data) >> 20} MiB do not fit after the kernel; give more memory")
            initrd = (at, at + len(data))
            pieces.append(("initrd", at, data))
        tree = virt_tree(
            harts=self.cpus, ram_bytes=self.memory,
            virtio=[(VIRTIO + SLOT_SPAN * i, SLOT_IRQ[i]) for i in range(max(8, len(self.slots)))],
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
                raise LoadError(f"kernel {self.kernel}: overlaps the firmware; if it needs none, give --bios none")
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

    # -- time and devices

    def clock(self, board: Any) -> int:
        return int(board.turn_start + board.count - board.turn_count)

    def idle(self, board: Any) -> bool:
        return not board.ran

    def owes(self, board: Any) -> bool:
        return bool(board.owing)

    def ended(self, board: Any) -> Stop | None:
        return ENDS.get(board.finisher.finished)

    def exit_code(self, board: Any) -> int:
        return int(board.finisher.code)

    def serve(self, machine: Machine) -> bool:
        busy = devices.serve(machine)
        if machine.board.storms:
            machine.remark(naming.storm(machine.board))
            machine.board.storms = 0
        return busy

    def failure(self, output: bytes | bytearray, whole: bool) -> str:
        found = PANIC.search(output, max(0, len(output) - 20000))
        if not found or not (whole or PANIC_END in output[found.end() :]):
            return ""
        return f"the guest panicked: {found[1].decode(errors='replace')}"

    # -- looking

    def regions(self) -> Sequence[Region]:
        return (Region(RAM_BASE, self.memory, "ram"),)

    def cpu(self, machine: Machine, number: int) -> RiscvCpu:
        return RiscvCpu(machine, number)

    def active(self, board: Any) -> int:
        return int(board.active)

    def translate(self, machine: Machine, cpu: int, address: int) -> int | None:
        return translation.physical(machine, cpu, address)

    def device_at(self, board: Any, address: int) -> str:
        return naming.in_slot(board, address) or super().device_at(board, address)

    def picture(self, board: Any) -> tuple[int, int, bytes] | None:
        return board.gpu.picture() if self.display else None

    def network_card(self, board: Any) -> Network | None:
        return Network(bytes(board.net.mac), HEADER) if self.network else None

    def keyboard(self, machine: Machine) -> keys.Keyboard | None:
        return keys.Keyboard(machine) if self.display else None

    def pointer(self, machine: Machine) -> keys.Tablet | None:
        return keys.Tablet(machine) if self.display else None

    def identify(self, machine: Machine, identity: Identity) -> None:
        """The guest is notified as real ones are: the generation identifier changes, with an interrupt (Linux from 6.10
        on mixes it into its random numbers at once); the entropy device draws from another seed; the network's cable is pulled
        and put in again, so that who got an address by DHCP asks anew; disks say another serial number
        (`/sys/block/vda/serial`), from which a guest's own script can make a host name. The card's MAC is another, which a
        driver reads only when it starts: `echo virtioN > /sys/bus/virtio/drivers/virtio_net/unbind`, then `bind`."""
        machine.enter("entropy", identity.random("entropy", 8))
        if self.network:
            machine.enter("mac", identity.address)
            machine.enter("link", b"\0")
            machine.enter("link", b"\1")
        for i in range(len(self.disks)):
            machine.enter("serial", bytes([i]) + f"{identity.name[:18]}-{i}".encode())
        machine.enter("generation", identity.random("generation", 16))

    def gdb_target(self) -> GdbTarget | None:
        return gdb


ENDS = {PASSED: Stop.OFF, FAILED: Stop.FAILED, RESET: Stop.RESET}
"""The ends that the test finisher reports."""


def put(array: Any, data: bytes) -> None:
    """Fill an array of bytes."""
    for i, byte in enumerate(data[: len(array)]):
        array[i] = byte
