"""What the host does for a machine's devices while the machine is stopped: disks, shared directories, output."""

from __future__ import annotations

from typing import Any

from softmetal.chips.virtio.blk import Kind
from softmetal.chips.virtio.p9 import MOST_MESSAGE
from softmetal.host.disks.requests import carry_out

MOST_SENT = 4096
"""Frames that wait for a `Link` or `Switch`."""
FAILED = 1
"""A disk's answer."""


def drain(machine: Any) -> None:
    """Take out what the guest has written to its consoles and sent to the network."""
    board = machine.board
    if board.uart.tx.head != board.uart.tx.tail:
        machine.notify(machine.console.wrote, board.uart.tx.drain())
    if board.console.tx.head != board.console.tx.tail:
        machine.notify(machine.consoles["hvc"].wrote, board.console.tx.drain())
    if board.net.tx.head != board.net.tx.tail:
        machine.sent += board.net.frames()[: max(0, MOST_SENT - len(machine.sent))]


def serve(machine: Any) -> bool:
    """Serve the devices' requests, as far as their price in ticks has passed: see `RiscvVirt.charge`. Was there any?"""
    board, computer = machine.board, machine.computer
    drain(machine)
    busy = False
    while board.needs_host and not board.finisher.finished:
        busy = True
        for i, disk in enumerate(computer.disks):
            if board.disks[i].calls and not board.owing:
                _serve_disk(machine, i, disk)
        for i, share in enumerate(computer.shares):
            if board.shares[i].calls and not board.owing:
                _serve_share(machine, i, share)
        machine.engine.call("ports_changed")
        drain(machine)
    return busy


def _serve_disk(machine: Any, number: int, disk: Any) -> None:
    call, board = machine.engine.call, machine.board
    for request in board.disks[number].requests():
        into = request.writable if request.kind == Kind.IN else ()
        status = 0
        port = f"disk{number}"
        if machine.answered(port, bytes([request.index])):
            status = FAILED
        else:
            try:
                carry_out(disk, request, machine.span)
            except Exception as error:
                status = FAILED
                machine.log_answer(port, bytes([request.index]))
                machine.warn(f"disk {number}: {error}")
                if not isinstance(error, OSError):
                    machine.raise_later(error)
        for address, length in into if status else ():  # the same bytes, wherever it was that reading failed
            machine.span(address, length)[:] = bytes(length)
        call("disk_done", number, request.index, status, 0 if status else sum(n for _, n in into))
        if board.owing:
            break
    call("disk_resume", number)


def _serve_share(machine: Any, number: int, share: Any) -> None:
    call, port, board = machine.engine.call, f"share{number}", machine.board
    for request in board.shares[number].requests():
        reply = machine.answered(port)
        if reply is None:
            message = bytearray()
            for a, n in request.readable:
                message += machine.span(a, min(n, MOST_MESSAGE - len(message)))
            room = min(sum(n for _, n in request.writable), MOST_MESSAGE)
            reply = share.handle(bytes(message), room)[:room]
            machine.log_answer(port, reply)
        rest = reply
        for address, length in request.writable:
            piece, rest = rest[:length], rest[length:]
            if piece:
                machine.span(address, len(piece))[:] = piece
                call("memory_changed", address, len(piece))
        call("share_done", number, request.index, len(reply))
        if board.owing:
            break
    call("share_resume", number)
