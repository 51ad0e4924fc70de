"""Root without its right to read and write everything: what ordinary users meet is tested by root, too.

Source: man 7 capabilities, man 2 capset.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

_OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_VERSION = 0x20080522
_PR_CAPBSET_DROP = 24
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, header: bytes, data: ctypes.Array[ctypes.c_char]) -> None:
    if getattr(_libc, name)(header, data):
        raise OSError(ctypes.get_errno(), name)


@contextlib.contextmanager
def ordinary() -> Iterator[None]:
    """Here this process has no more rights to files than their modes give its user."""
    header, data = struct.pack("<Ii", _VERSION, 0), ctypes.create_string_buffer(24)
    _call("capget", header, data)
    before = data.raw
    words = list(struct.unpack("<6I", before))
    words[0] &= ~_OVERRIDES
    _call("capset", header, ctypes.create_string_buffer(struct.pack("<6I", *words), 24))
    try:
        yield
    finally:
        _call("capset", header, ctypes.create_string_buffer(before, 24))


def drop() -> None:
    """For `preexec_fn`: the program that is started has no such rights either."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
