"""An instrument on a pseudo-terminal: it answers one request at a time, and notices when two talk at once.

A request is "NAME:NUMBER" and a line's end; the answer is the same with "=" and the request's length, in two pieces. It keeps
a log of requests in their order; a request that is not whole, or of two, is garble.
"""

from __future__ import annotations

import os
import pty
import re
import threading
import tty

END = b"\r\n"


class Instrument:
    """Runs in a thread of its own. `silent`: requests of these names get no answer."""

    def __init__(self, silent: tuple[str, ...] = ()) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave  # held open: a pty whose last user goes hangs up
        self.silent = silent
        self.ends = False
        self.log: list[tuple[str, int]] = []
        self.garbled: list[bytes] = []
        self.heard = threading.Condition()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        held = b""
        while True:
            try:
                held += os.read(self.master, 4096)
            except OSError:
                return
            if self.ends:
                return
            while END in held:
                line, held = held.split(END, 1)
                self._request(line)
                if held:  # the next began before this one had its answer
                    with self.heard:
                        self.garbled.append(line + b" with " + held)

    def _request(self, line: bytes) -> None:
        found = re.fullmatch(rb"(\w+):(\d+)", line)
        with self.heard:
            if found:
                self.log.append((found[1].decode(), int(found[2])))
            else:
                self.garbled.append(line)
            self.heard.notify_all()
        if found and found[1].decode() not in self.silent:
            os.write(self.master, line[:3])
            os.write(self.master, line[3:] + b"=%d" % len(line) + END)

    def wait(self, count: int, seconds: float = 20) -> None:
        """Until it has heard so many requests."""
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.log) + len(self.garbled) >= count, seconds)

    def close(self) -> None:
        """Hang up: to those who have the line open it is gone."""
        if not self.ends:
            self.ends = True
            os.write(self.slave, END)  # wakes the thread
            self.thread.join()
            os.close(self.slave)
            os.close(self.master)


def request(name: str, number: int) -> bytes:
    return b"%s:%d" % (name.encode(), number) + END


def answer(name: str, number: int) -> bytes:
    line = b"%s:%d" % (name.encode(), number)
    return line + b"=%d" % len(line) + END
