"""The host's terminal as a guest's console: raw, with Ctrl-A as the way out of the guest."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable
from typing import Any

ESCAPE = 1
HELP = "Ctrl-A x: quit   Ctrl-A c: monitor   Ctrl-A s: snapshot   Ctrl-A a: send Ctrl-A   Ctrl-A h: this help"


class TerminalError(Exception):
    """What the guest writes cannot be shown."""


def open_standard_streams() -> None:
    """A standard stream that is closed becomes /dev/null, so that no file of ours gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


class Terminal:
    """Standard input and output, for a `with`. Keys that follow Ctrl-A go to `commands`, by their letter.

    `typing`: what is typed is for the guest. Else the terminal stays as it is, and Ctrl-C a signal.
    """

    def __init__(self, commands: dict[str, Callable[[], None]], resized: Callable[[int, int], None], typing: bool = True) -> None:
        self.commands, self._resized = commands, resized
        self.is_terminal = typing and sys.stdin.isatty()
        self._has_new_size = self.is_terminal
        self._escaped = False
        self._ended = False
        self._old: list[Any] | None = None

    def __enter__(self) -> Terminal:
        self.raw()
        if self.is_terminal:
            signal.signal(signal.SIGWINCH, self._winch)
        return self

    def __exit__(self, *_: object) -> None:
        self.cooked()
        if self.is_terminal:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)

    def raw(self) -> None:
        """Every key goes to the guest."""
        if self.is_terminal and self._old is None:
            self._old = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead stays

    def cooked(self) -> None:
        """The terminal as it was."""
        if self._old is not None:
            with contextlib.suppress(termios.error):  # it may have gone
                termios.tcsetattr(0, termios.TCSADRAIN, self._old)
            self._old = None

    def _winch(self, *_: object) -> None:
        self._has_new_size = True  # passed on between two slices

    def _pass_size_on(self) -> None:
        self._has_new_size = False
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(0)
            if size.columns and size.lines:
                self._resized(size.columns, size.lines)

    def write(self, data: bytes) -> None:
        """Show what the guest has written."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(1, view) :]
            except BlockingIOError:
                select.select([], [1], [])
            except BrokenPipeError:
                raise
            except OSError as error:
                raise TerminalError(f"the guest's output cannot be written: {error.strerror}") from None

    def say(self, text: str) -> None:
        """Show a line of our own."""
        end = "\r\n" if self._old is not None else "\n"
        print(f"{end if self._old is not None else ''}softmetal: {text}", end=end, file=sys.stderr, flush=True)

    def keys(self, wait: float) -> bytes:
        """What has been typed for the guest, after waiting for it at most so many seconds; commands are done."""
        if self._has_new_size:
            self._pass_size_on()
        if self._ended:
            if wait:
                select.select([], [], [], wait)
            return b""
        ready, _, _ = select.select([0], [], [], wait)
        if not ready:
            return b""
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return b""
        except OSError:  # the terminal was closed
            data = b""
        if not data:
            self._ended = True
        return self._without_commands(data) if self.is_terminal else data

    def _without_commands(self, data: bytes) -> bytes:
        kept = bytearray()
        for byte in data:
            if not self._escaped:
                self._escaped = byte == ESCAPE
                if not self._escaped:
                    kept.append(byte)
                continue
            self._escaped = False
            letter = chr(byte)
            if letter == "a":
                kept.append(ESCAPE)
            elif letter in self.commands:
                self.commands[letter]()
            else:
                self.say(HELP)
        return bytes(kept)
