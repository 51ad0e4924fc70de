"""User-mode Linux: Linux as a program of the host. It computes at native speed, and needs no KVM.

Sources: Linux Documentation/virt/uml, arch/um/drivers/virtio_uml.c (`virtio_uml.device=SOCKET:ID:NUMBER`), mconsole_kern.c.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
from pathlib import Path

from softmetal.hypervisors.guest import Attached, Guest, GuestError, Launch, program, readable, version

OLDEST = (5, 15, 0)
DISK, CARD, CONSOLE = 2, 1, 3  # virtio's numbers of device types
REQUEST = struct.Struct("<III512s")
ANSWER = struct.Struct("<iii512s")
MOST = 512
"""Bytes of a command."""
MAGIC, PROTOCOL = 0xCAFEBABE, 2


def launch(guest: Guest) -> Launch:
    """How to start a guest. Raises GuestError."""
    if platform.machine() != "x86_64" or guest.arch != "x86_64":
        here = f"this is {guest.arch} on {platform.machine()}"
        raise GuestError(f"machine {guest.name}: user-mode Linux runs x86_64 on x86_64 only, {here}")
    for what, given in (("disk", guest.disk), ("iso", guest.iso), ("floppy", guest.floppy), ("kernel", guest.kernel)):
        if given:
            raise GuestError(f"machine {guest.name}: user-mode Linux is its own kernel and boots no {what}; give root or initrd")
    command = os.environ.get("SOFTMETAL_UML") or program(("linux.uml", "linux"), "user-mode-linux")
    found = version(command, OLDEST)
    words = [
        command, f"mem={guest.memory >> 20}M", f"umid={guest.name}", f"uml_dir={guest.folder}/",
        "con=null", "con0=fd:0,fd:1", "ssl=null",
    ]  # fmt: skip
    if guest.initrd:
        words.append(f"initrd={readable('initrd', guest.initrd)}")
    elif guest.root:
        if not os.path.isdir(guest.root):
            raise GuestError(f"root {guest.root}: there is no such folder")
        if any(c.isspace() or c == '"' for c in os.path.abspath(guest.root)):
            raise GuestError(f"root {guest.root}: user-mode Linux takes no path with spaces or quotes")
        words += ["rootfstype=hostfs", f"rootflags={os.path.abspath(guest.root)}", "rw"]
    number = {"disk": 0, "card": 0, "serial": 0}
    for device in guest.attached:
        number[device.kind] = number.get(device.kind, 0) + 1
        words.append(_device(guest, device, number))
    words += guest.append.split()
    why = f"user-mode Linux {'.'.join(map(str, found))}: a Linux for the host's own processor, without KVM"
    return Launch(words, {"TMPDIR": "/dev/shm"}, guest.folder / guest.name / "mconsole", [why])


def _device(guest: Guest, device: Attached, number: dict[str, int]) -> str:
    match device.kind:
        case "disk":
            return f"virtio_uml.device={device.socket}:{DISK}:{number['disk']}"
        case "card":
            return f"virtio_uml.device={device.socket}:{CARD}:{16 + number['card']}"
        case "serial":
            return f"virtio_uml.device={device.socket}:{CONSOLE}:{32 + number['serial']}"
    raise GuestError(f"machine {guest.name}: user-mode Linux has nothing for hardware of kind {device.kind}")


def command(control: Path, text: str) -> str:
    """Carry out a command of the management console (stop, go, cad, halt, sysrq...); its answer. Raises GuestError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind(b"\0softmetal" + os.urandom(8).hex().encode())
        data = text.encode()
        if len(data) > MOST:
            raise GuestError(f"user-mode Linux takes commands of {MOST} bytes, and this one has {len(data)}")
        try:
            sock.sendto(REQUEST.pack(MAGIC, PROTOCOL, len(data), data), os.fspath(control))
            parts = b""
            while True:
                failed, more, size, part = ANSWER.unpack(sock.recv(ANSWER.size))
                parts += part[:size].rstrip(b"\0")
                if not more:
                    break
        except struct.error:
            raise GuestError(f"what answers at {control} is no user-mode Linux") from None
        except OSError as error:
            raise GuestError(f"user-mode Linux does not answer at {control}: {error.strerror or error}") from None
    answer: str = parts.decode(errors="replace")
    if failed:
        raise GuestError(f"user-mode Linux refuses {text.split()[0]}: {answer.strip()}")
    return answer
