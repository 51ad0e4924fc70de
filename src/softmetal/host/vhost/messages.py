"""The messages of vhost-user, as they stand on the socket.

Source: QEMU docs/interop/vhost-user.rst. All numbers are little-endian here: the protocol has the host's order, and so have we.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from softmetal.host.errors import HostError

HEADER = struct.Struct("<III")
U64 = struct.Struct("<Q")
STATE = struct.Struct("<II")  # a ring, and a number
ADDRESS = struct.Struct("<II4Q")  # a ring, flags, descriptors, used ring, available ring, log
REGION = struct.Struct("<4Q")  # guest address, size, user address, offset in the file
SINGLE = struct.Struct("<Q4Q")
LOG = struct.Struct("<QQ")
CONFIG = struct.Struct("<III")
INFLIGHT = struct.Struct("<QQHH4x")
LARGEST = 4096
"""Bytes of a payload."""
MOST_FDS = 8
VERSION, REPLY, NEED_REPLY = 1, 4, 8
NO_FD = 1 << 8  # flag beside a ring's number


class Message(IntEnum):
    """Requests of a front end."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SET_BACKEND_REQ_FD = 21
    GET_CONFIG = 24
    SET_CONFIG = 25
    GET_INFLIGHT_FD = 31
    SET_INFLIGHT_FD = 32
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38


CONFIG_CHANGED = 2
"""The one message that a back end sends of its own accord here: VHOST_USER_BACKEND_CONFIG_CHANGE_MSG."""


class Protocol(IntFlag):
    """Protocol features."""

    MQ = 1 << 0
    LOG_SHMFD = 1 << 1
    REPLY_ACK = 1 << 3
    BACKEND_REQ = 1 << 5
    CONFIG = 1 << 9
    INFLIGHT_SHMFD = 1 << 12
    CONFIGURE_MEM_SLOTS = 1 << 15


PROTOCOL_FEATURES = 30  # the feature bit that stands for them
LOG_ALL = 26  # and the one that stands for logging writes


class ProtocolError(HostError):
    """A front end sent what none may send: the connection ends."""

    def __init__(self, text: str) -> None:
        super().__init__(71, text)  # EPROTO


@dataclass
class Received:
    """A message, and the descriptors that came with it: whoever handles it owns them."""

    number: int
    flags: int
    payload: bytes
    fds: list[int]

    def unpack(self, layout: struct.Struct, at: int = 0) -> tuple[int, ...]:
        """The numbers of the payload. Raises ProtocolError where it is too short."""
        if len(self.payload) < at + layout.size:
            raise ProtocolError(f"{name(self.number)} has {len(self.payload)} bytes, {at + layout.size} are needed")
        return layout.unpack_from(self.payload, at)

    def take_fd(self) -> int:
        """The descriptor that came with it. Raises ProtocolError where there is none."""
        if not self.fds:
            raise ProtocolError(f"{name(self.number)} came without a descriptor")
        return self.fds.pop(0)

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def name(number: int) -> str:
    """A message's name."""
    try:
        return Message(number).name
    except ValueError:
        return f"message {number}"


def receive(sock: socket.socket) -> Received | None:
    """The next message of a blocking socket; None at its end. Raises ProtocolError."""
    data, fds, _, _ = socket.recv_fds(sock, HEADER.size, MOST_FDS)
    found = Received(0, 0, b"", fds)
    try:
        if not data:
            return None
        data += _exactly(sock, HEADER.size - len(data))
        found.number, found.flags, size = HEADER.unpack(data)
        if found.flags & 3 != VERSION or size > LARGEST:
            raise ProtocolError(f"no vhost-user message: flags {found.flags:#x}, {size} bytes")
        found.payload = _exactly(sock, size)
    except BaseException:
        found.close()
        raise
    return found


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ProtocolError("the front end went away in the middle of a message")
        data += piece
    return data


def reply(sock: socket.socket, number: int, payload: bytes, fds: list[int] | None = None) -> None:
    """Answer a message."""
    data = HEADER.pack(number, VERSION | REPLY, len(payload)) + payload
    if fds:
        socket.send_fds(sock, [data], fds)
    else:
        sock.sendall(data)
