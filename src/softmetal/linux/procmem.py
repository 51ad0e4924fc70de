"""What `/proc/PID` shows of a process's memory. Source: man 5 proc_pid_maps, proc_pid_smaps, proc_pid_pagemap, proc_pid_statm.

Which pages the host holds is the host's affair; so every page that may be used counts as resident.
"""

from __future__ import annotations

import os
import struct

from .areas import LOCKED, MARKS, Area
from .cpu import PAGE, PAGE_BITS
from .space import PROT_WRITE, USER_END, Space

HEADER_WIDTH = 73
"""The column in which Linux begins the name."""


def line(area: Area) -> bytes:
    """One line of `maps`."""
    flags = "".join(c if area.prot & bit else "-" for c, bit in (("r", 1), ("w", 2), ("x", 4)))
    flags += "s" if area.shared else "p"
    device, inode = area.file.identity if area.file is not None else (0, 0)
    where = f"{os.major(device):02x}:{os.minor(device):02x} {inode}"
    head = f"{area.start:08x}-{area.end:08x} {flags} {area.offset if area.file else 0:08x} {where} ".encode()
    return head.ljust(HEADER_WIDTH) + area.name.replace(b"\n", b"\\012") + b"\n" if area.name else head + b"\n"


def maps(space: Space) -> bytes:
    """`/proc/PID/maps`."""
    return b"".join(map(line, space.areas))


def counts(area: Area) -> dict[str, int]:
    """The numbers of one area in `smaps`, in KiB."""
    size = (area.end - area.start) // 1024
    resident = size if area.prot else 0
    anonymous = resident if not area.shared and (area.file is None or area.prot & PROT_WRITE) else 0
    clean = "Shared_Clean" if area.shared else "Private_Clean"
    numbers = dict.fromkeys((
        "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced",
        "Anonymous", "KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb",
        "Private_Hugetlb", "Swap", "SwapPss", "Locked",
    ), 0)  # fmt: skip
    numbers["Rss"] = numbers["Pss"] = numbers["Referenced"] = resident
    numbers["Anonymous"] = numbers["Private_Dirty"] = numbers["Pss_Dirty"] = anonymous
    numbers[clean] += resident - anonymous
    numbers["Locked"] = resident if area.marks & LOCKED else 0
    return numbers


def rows(numbers: dict[str, int]) -> bytes:
    """The lines of `smaps` for some numbers."""
    return "".join(f"{name + ':':16}{value:8} kB\n" for name, value in numbers.items()).encode()


def smaps(space: Space) -> bytes:
    """`/proc/PID/smaps`."""
    parts = []
    for area in space.areas:
        sizes = {"Size": (area.end - area.start) // 1024, "KernelPageSize": 4, "MMUPageSize": 4}
        words = [w for bit, w in ((1, "rd"), (2, "wr"), (4, "ex")) if area.prot & bit]
        words += ["sh"] if area.shared else []
        words += [w for bit, w in ((1, "mr"), (2, "mw"), (4, "me")) if area.max_prot & bit]
        words += ["ms"] if area.shared else []
        words += [w for mark, w in MARKS if area.marks & mark]
        flags = "VmFlags: " + " ".join(words) + " \n"
        parts += [line(area), rows(sizes), rows(counts(area)), b"THPeligible:           0\n", flags.encode()]
    return b"".join(parts)


def smaps_rollup(space: Space) -> bytes:
    """`/proc/PID/smaps_rollup`: the sums."""
    if not space.areas:
        return b""
    sums: dict[str, int] = {}
    for area in space.areas:
        for name, value in counts(area).items():
            sums[name] = sums.get(name, 0) + value
    head = f"{space.areas[0].start:08x}-{space.areas[-1].end:08x} ---p 00000000 00:00 0 ".encode().ljust(HEADER_WIDTH)
    return head + b"[rollup]\n" + rows(sums)


def statm(space: Space) -> str:
    """`/proc/PID/statm`: size, resident, shared, text, 0, data, 0, in pages."""
    numbers = [counts(a) for a in space.areas]
    resident = sum(n["Rss"] for n in numbers) * 1024 // PAGE
    shared = resident - sum(n["Anonymous"] for n in numbers) * 1024 // PAGE
    code = sum(a.end - a.start for a in space.areas if a.prot & 4) // PAGE
    data = sum(a.end - a.start for a in space.areas if a.prot & PROT_WRITE and not a.shared) // PAGE
    return f"{space.total() // PAGE} {resident} {shared} {code} 0 {data} 0\n"


def sizes(space: Space) -> str:
    """The `Vm...` lines of `/proc/PID/status`."""
    kib: dict[str, int] = dict.fromkeys(("Data", "Stk", "Exe", "Lib"), 0)
    for area in space.areas:
        if area.name == b"[stack]":
            key = "Stk"
        elif area.prot & 4:
            key = "Lib" if b".so" in area.name else "Exe"
        elif area.prot & PROT_WRITE and not area.shared:
            key = "Data"
        else:
            continue
        kib[key] += (area.end - area.start) // 1024
    numbers = [counts(a) for a in space.areas]
    resident = sum(n["Rss"] for n in numbers)
    anonymous = sum(n["Anonymous"] for n in numbers)
    shared = sum(n["Rss"] for n, a in zip(numbers, space.areas, strict=True) if a.shared)
    table = [
        ("VmPeak", space.total() // 1024), ("VmSize", space.total() // 1024), ("VmLck", space.locked() // 1024), ("VmPin", 0),
        ("VmHWM", resident), ("VmRSS", resident), ("RssAnon", anonymous), ("RssFile", resident - anonymous - shared),
        ("RssShmem", shared), ("VmData", kib["Data"]), ("VmStk", kib["Stk"]), ("VmExe", kib["Exe"]),
        ("VmLib", kib["Lib"]), ("VmPTE", 4 * (1 + space.total() // PAGE // 512)), ("VmSwap", 0),
    ]  # fmt: skip
    return "".join(f"{name}:\t{value:8} kB\n" for name, value in table)


PRESENT, FILE_PAGE, EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
WORD = struct.Struct("<Q")


def pagemap(space: Space, offset: int, length: int) -> bytes:
    """`/proc/PID/pagemap` as a process without CAP_SYS_ADMIN sees it: no frame numbers."""
    first, last = offset // 8, min((offset + length + 7) // 8, USER_END >> PAGE_BITS)
    words = bytearray()
    for page in range(first, last):
        area = space.find(page << PAGE_BITS)
        value = 0
        if area is not None and area.prot and not space.beyond(area, page << PAGE_BITS):
            value = PRESENT | (FILE_PAGE if area.file is not None else 0) | (0 if area.shared else EXCLUSIVE)
        words += WORD.pack(value)
    return bytes(words[offset % 8 : offset % 8 + length])
