#!/usr/bin/env python3
"""A scale on a pseudo-terminal, for labs without an instrument: scale.py LINK makes LINK a name of it, and prints what it hears.

It answers each line with a weight. Two who talk at once garble their requests, as on a real line.
"""

from __future__ import annotations

import os
import pty
import sys
import tty

END = b"\r\n"


def main() -> None:
    """Until it is ended."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = sys.argv[1]
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(os.ttyname(slave), link)
    held, weight = b"", 100
    while True:
        held += os.read(master, 4096)
        while END in held:
            line, held = held.split(END, 1)
            print(line.decode(errors="replace"), flush=True)
            os.write(master, b"ST,GS,+%07.2fkg;%s" % (weight / 100, line) + END)
            weight += 1


if __name__ == "__main__":
    main()
