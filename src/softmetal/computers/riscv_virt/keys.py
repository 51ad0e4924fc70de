"""A machine's keyboard and tablet, for who uses it from Python.

Codes of keys: Linux include/uapi/linux/input-event-codes.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from softmetal.chips.virtio.input import Ev

ROWS = {2: "1234567890-=", 16: "qwertyuiop[]", 30: "asdfghjkl;'`", 43: "\\zxcvbnm,./"}
"""Characters of a keyboard with the layout of the United States, by the code of the first of each row."""
SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))
OTHERS = {" ": 57, "\n": 28, "\t": 15, "\b": 14, "\x1b": 1}
CODES = {c: first + i for first, row in ROWS.items() for i, c in enumerate(row)} | OTHERS
SHIFT = 42
BUTTONS = {"left": 0x110, "right": 0x111, "middle": 0x112}


def packed(events: Iterable[tuple[int, int, int]]) -> bytes:
    """Events that happen together, as the device takes them."""
    made = [*events, (int(Ev.SYN), 0, 0)]
    return b"".join(struct.pack("<HHI", kind, code, value & 0xFFFFFFFF) for kind, code, value in made)


def post(machine: Any, port: str, events: Iterable[tuple[int, int, int]]) -> None:
    """Post events that happen together; if the guest takes none, the user is informed that they are lost."""
    if not machine.post(port, packed(events)):
        machine.remark(f"{port}: the guest does not read its events; the last ones are lost")


class Keyboard:
    """Keys that are pressed and released."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def key(self, code: int, down: bool) -> None:
        """Press or release a key."""
        post(self._machine, "keyboard", [(Ev.KEY, code, down)])

    def press(self, *codes: int) -> None:
        """Press some keys one after the other, then release them."""
        for code in codes:
            self.key(code, True)
        for code in reversed(codes):
            self.key(code, False)

    def type(self, text: str) -> None:
        """Type a text. Raises ValueError for a character that is on no key."""
        for character in text:
            base = SHIFTED.get(character, character.lower())
            if base not in CODES:
                raise ValueError(f"no key for {character!r} on a keyboard of the United States")
            self.press(*[SHIFT] * (base != character), CODES[base])


class Tablet:
    """A pointer that is where the host's is. Coordinates go from 0 to 32767 over the screen."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def move(self, x: int, y: int) -> None:
        """Put the pointer somewhere."""
        post(self._machine, "tablet", [(Ev.ABS, 0, x), (Ev.ABS, 1, y)])

    def button(self, name: str, down: bool) -> None:
        """Press or release a button: left, right or middle."""
        post(self._machine, "tablet", [(Ev.KEY, BUTTONS[name], down)])
