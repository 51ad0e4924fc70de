"""QEMU: full PCs and boards of any architecture that it has, emulated by TCG, or on KVM.

Sources: QEMU's manual, "Invocation", "vhost-user back ends"; docs/interop/qmp-spec. A vhost-user card has no MSI-X vectors: with
them QEMU 7.2 crashes when the guest's driver starts.
"""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient, QMPError

from softmetal.hypervisors.guest import Attached, Guest, GuestError, Launch, program, readable, version

OLDEST = (7, 0, 0)


@dataclass(frozen=True)
class Architecture:
    """How QEMU names a PC or board, and what its kernels call the console."""

    machine: str
    cpu: str
    console: str
    package: str
    msix: bool = True


ARCHITECTURES = {
    "x86_64": Architecture("q35", "max", "ttyS0", "qemu-system-x86"),
    "i386": Architecture("pc", "pentium3", "ttyS0", "qemu-system-x86"),
    "aarch64": Architecture("virt", "max", "ttyAMA0", "qemu-system-arm"),
    "riscv64": Architecture("virt", "max", "ttyS0", "qemu-system-misc"),
}
COM_PORTS = 3
"""Serial ports of a PC where every system looks for them, beside the console's."""
CONSOLE = "main_console"
"""Its name, which no hardware of a lab can have."""
SAME = {("x86_64", "i386")}
"""Architectures (host, guest) that KVM runs beside a host's own."""


def launch(guest: Guest) -> Launch:
    """How to start a guest. Raises GuestError."""
    kind = ARCHITECTURES.get(guest.arch)
    if kind is None:
        raise GuestError(f"machine {guest.name}: there is no architecture {guest.arch!r}; choose {', '.join(ARCHITECTURES)}")
    name = f"qemu-system-{guest.arch}"
    command = program((name,), kind.package)
    found = version(command, OLDEST)
    accelerator, why = accelerated(guest.arch)
    control = guest.folder / f"{guest.name}.qmp"
    size = f"{guest.memory >> 20}M"
    words = [
        command, "-name", guest.name, "-nodefaults", "-no-user-config", "-display", "none",
        "-M", f"{kind.machine},memory-backend=ram",
        "-object", f"memory-backend-memfd,id=ram,size={size},share=on", "-m", size, "-smp", str(guest.cpus),
        "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else kind.cpu,
        "-chardev", f"stdio,id={CONSOLE},signal=off", "-serial", f"chardev:{CONSOLE}",
        "-qmp", f"unix:{_word(control)},server=on,wait=off",
    ]  # fmt: skip
    if guest.kernel:
        words += ["-kernel", readable("kernel", guest.kernel)]
        words += ["-append", guest.append or f"console={kind.console}"]
        if guest.initrd:
            words += ["-initrd", readable("initrd", guest.initrd)]
    for drive, path, medium in (("disk", guest.disk, "disk"), ("iso", guest.iso, "cdrom"), ("floppy", guest.floppy, "floppy")):
        if path:
            words += _drive(drive, readable(drive, path), medium, guest)
    if guest.arch in ("x86_64", "i386"):
        words += ["-vga", "std"]
    for device in guest.attached:
        serials = [d.name for d in guest.attached if d.kind == "serial"]
        legacy = guest.arch in ("x86_64", "i386") and device.name in serials[:COM_PORTS]
        words += _device(device, "isa-serial" if legacy else "pci-serial")
    return Launch(words, {}, control, [f"QEMU {'.'.join(map(str, found))}: {why}"])


def accelerated(arch: str) -> tuple[str, str]:
    """The accelerator for guests of an architecture, and why that one."""
    host = platform.machine()
    if arch != host and (host, arch) not in SAME:
        return "tcg", f"the host is {host}, the guest {arch}: its instructions are translated (TCG)"
    try:
        with Path("/dev/kvm").open("r+b"):
            pass
    except OSError as error:
        return "tcg", f"/dev/kvm cannot be used ({error.strerror}): the guest's instructions are translated (TCG)"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if not any(f" {word} " in flags.replace("\n", " ") for word in ("vmx", "svm", "Features")):
        return "tcg", "/dev/kvm is there, but the processor has no virtualisation (vmx, svm): translated (TCG)"
    return "kvm", f"host and guest are both {host}: the processor runs it itself (KVM)"


def _word(path: str | Path) -> str:
    """A path in an option of QEMU's, where a comma is written twice."""
    return str(path).replace(",", ",,")


def _drive(name: str, path: str, medium: str, guest: Guest) -> list[str]:
    path = _word(path)
    if medium == "floppy":
        return ["-drive", f"if=floppy,file={path},format=raw,snapshot=on"]
    if medium == "cdrom":
        return ["-drive", f"if=ide,media=cdrom,file={path},readonly=on"]
    interface = "ide" if guest.legacy else "virtio"
    return ["-drive", f"if={interface},file={path},snapshot=on,id={name}"]


def _device(device: Attached, serial: str) -> list[str]:
    name = device.name
    link = ["-chardev", f"socket,id={name},path={_word(device.socket)},reconnect=1"]
    match device.kind:
        case "disk":
            return [*link, "-device", f"vhost-user-blk-pci,chardev={name},id={name}-disk"]
        case "card":
            mac = device.mac.hex(":")
            return [
                *link, "-netdev", f"vhost-user,id={name}-net,chardev={name}",
                "-device", f"virtio-net-pci,netdev={name}-net,mac={mac},vectors=0,id={name}-card",
            ]  # fmt: skip
        case "serial":
            return [*link, "-device", f"{serial},chardev={name},id={name}-port"]
    raise GuestError(f"QEMU has nothing for hardware of kind {device.kind}")


class Control:
    """A running QEMU, by QMP. All methods raise GuestError."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.client = path, QMPClient(name)

    async def __aenter__(self) -> Control:
        try:
            await self.client.connect(str(self.path))
        except (QMPError, OSError) as error:
            raise GuestError(f"QEMU does not answer at {self.path}: {error}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def do(self, command: str, **arguments: Any) -> Any:
        """Carry out a QMP command."""
        try:
            return await asyncio.wait_for(self.client.execute(command, arguments), 30)
        except (QMPError, OSError, TimeoutError) as error:
            raise GuestError(f"QEMU refuses {command}: {error}") from None
