"""The messages of 9P2000.L: their layouts, and how bytes become fields.

Sources: the Plan 9 manual, section 5 (intro, walk, ...); Linux's include/net/9p/9p.h for the ".L" messages and bits;
the diod project's protocol.md, which describes them.
"""

from __future__ import annotations

import struct
from typing import Any

REQUESTS = {
    8: ("statfs", "I"),
    12: ("lopen", "II"),
    14: ("lcreate", "IsIII"),
    16: ("symlink", "IssI"),
    18: ("mknod", "IsIIII"),
    20: ("rename", "IIs"),
    22: ("readlink", "I"),
    24: ("getattr", "IQ"),
    26: ("setattr", "IIIIIQqQqQ"),
    30: ("xattrwalk", "IIs"),
    32: ("xattrcreate", "IsQI"),
    40: ("readdir", "IQI"),
    50: ("fsync", "II"),
    52: ("lock", "IBIQQIs"),
    54: ("getlock", "IBQQIs"),
    70: ("link", "IIs"),
    72: ("mkdir", "IsII"),
    74: ("renameat", "IsIs"),
    76: ("unlinkat", "IsI"),
    100: ("version", "Is"),
    104: ("attach", "IIssI"),
    108: ("flush", "H"),
    110: ("walk", "IIw"),
    116: ("read", "IQI"),
    118: ("write", "IQd"),
    120: ("clunk", "I"),
    122: ("remove", "I"),
}
"""Type of a request: its name, and its fields: letters of `struct`, s a string, w a list of strings, d data."""

RLERROR = 7
HEADER = struct.Struct("<IBH")  # size of the message, type, tag
QID = struct.Struct("<BIQ")
ATTRIBUTES = struct.Struct("<Q13sIII" + 15 * "Q")
MOST_NAMES = 16  # in a walk


class Malformed(ValueError):
    """A message that is none."""


def string(body: memoryview, at: int) -> tuple[bytes, int]:
    """The string that begins here, and where it ends."""
    (length,) = struct.unpack_from("<H", body, at)
    end = at + 2 + length
    if end > len(body):
        raise Malformed
    return bytes(body[at + 2 : end]), end


def fields(layout: str, body: memoryview) -> list[Any]:
    """The fields of a message. Raises `Malformed` or `struct.error`; bytes after the last field are ignored."""
    out: list[Any] = []
    at = 0
    for letter in layout:
        if letter == "s":
            text, at = string(body, at)
            out.append(text)
        elif letter == "w":
            (count,) = struct.unpack_from("<H", body, at)
            at += 2
            if count > MOST_NAMES:
                raise Malformed
            names = []
            for _ in range(count):
                text, at = string(body, at)
                names.append(text)
            out.append(names)
        elif letter == "d":
            (count,) = struct.unpack_from("<I", body, at)
            at += 4
            if at + count > len(body):
                raise Malformed
            out.append(body[at : at + count])
        else:
            form = "<" + letter
            out += struct.unpack_from(form, body, at)
            at += struct.calcsize(form)
    return out


def pack_string(text: bytes) -> bytes:
    """A string as messages hold it."""
    return struct.pack("<H", len(text)) + text
