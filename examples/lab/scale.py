#!/usr/bin/env python3
"""A scale, for labs without an instrument: it answers each line of its standard input with a weight.

Two who talk at once garble their requests, as on a real line.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Until its line is closed."""
    for weight, line in enumerate(sys.stdin.buffer, 7200):
        answer = b"ST,GS,+%07.2fkg;%s\r\n" % (weight / 100, line.strip())
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
