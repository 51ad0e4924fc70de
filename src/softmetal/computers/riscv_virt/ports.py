"""The virt board's ports: how what comes from outside gets to its devices."""

from __future__ import annotations

from typing import Any

from softmetal.computers.riscv_virt import csrs
from softmetal.machine.computer import Kind, Port, feeding, ring


def _resize(machine: Any, data: bytes) -> None:
    machine.engine.call("resize", int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little"))


def _generation(machine: Any, data: bytes) -> None:
    machine.engine.call("new_generation", int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little"))


def _entropy(machine: Any, data: bytes) -> None:
    machine.board.entropy.seed = int.from_bytes(data, "little")


def _mac(machine: Any, data: bytes) -> None:
    machine.board.net.mac[0:6] = data


def _serial(machine: Any, data: bytes) -> None:
    place = machine.board.disks[data[0]].serial
    for i, byte in enumerate(data[1:].ljust(len(place), b"\0")):
        place[i] = byte


def _csr(machine: Any, data: bytes) -> None:
    csrs.write_csr(machine.board, data[0], int.from_bytes(data[1:3], "little"), int.from_bytes(data[3:11], "little"))


PORTS = {
    "uart": ring(Kind.STREAM, lambda board: board.uart.rx),
    "hvc": ring(Kind.STREAM, lambda board: board.console.rx),
    "net": Port(
        Kind.PACKET, feeding(lambda board, data: board.net.feed(data)),
        lambda board, count: count if board.net.rx.fits(count) else 0,
    ),
    "keyboard": ring(Kind.PACKET, lambda board: board.keyboard.rx),
    "tablet": ring(Kind.PACKET, lambda board: board.tablet.rx),
    "resize": Port(Kind.EVENT, _resize),  # columns and rows of the terminal, 2 bytes each
    "link": Port(Kind.EVENT, lambda machine, data: machine.engine.call("set_link", data[0])),  # 1: the cable is in
    "generation": Port(Kind.EVENT, _generation),  # 16 bytes, for vmgenid
    "entropy": Port(Kind.EVENT, _entropy),  # the seed of the entropy device, 8 bytes
    "mac": Port(Kind.EVENT, _mac),
    "serial": Port(Kind.EVENT, _serial),  # a disk's number, then its serial number
    "csr": Port(Kind.EVENT, _csr),  # hart, address (2 bytes), value (8 bytes)
}
