"""Sizes as users write them."""

from __future__ import annotations

import re

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(text: str) -> int:
    """Bytes from `512M`, `2G` or a plain number, at least 1 MiB. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,18})([KMG]?)", text, re.IGNORECASE)
    count = int(found[1]) * UNITS.get(found[2].upper(), 1) if found else 0
    if count < 1 << 20:
        raise ValueError("give a size of at least 1M, such as 512M or 4G")
    return count
