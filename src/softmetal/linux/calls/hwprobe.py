"""riscv_hwprobe: which extensions the CPU has.

Sources: Linux, Documentation/arch/riscv/hwprobe.rst, and the numbers of arch/riscv/include/uapi/asm/hwprobe.h.
"""

from __future__ import annotations

import errno

from softmetal.isa.riscv.extensions import BLOCK, PROGRAMS

from ..abi import HWPROBE
from ..process import Process
from ..table import syscall
from ..waits import Result

WHICH_CPUS = 1
CPU_SET = 8
"""Bytes of the kernel's sets of CPUs. There is CPU 0."""

EXTENSIONS = {
    "c": 1, "v": 2, "zba": 3, "zbb": 4, "zbs": 5, "zicboz": 6, "zbc": 7, "zbkb": 8, "zbkc": 9, "zbkx": 10, "zknd": 11,
    "zkne": 12, "zknh": 13, "zksed": 14, "zksh": 15, "zkt": 16, "zfh": 27, "zfhmin": 28, "zihintntl": 29, "zfa": 32,
    "ztso": 33, "zacas": 34, "zicond": 35, "zihintpause": 36, "zimop": 42, "zca": 43, "zcb": 44, "zcd": 45, "zcmop": 47,
    "zawrs": 48, "zicntr": 50, "zihpm": 51, "zfbfmin": 52, "zicbom": 55, "zaamo": 56, "zalrsc": 57, "zabha": 58, "zicbop": 60,
}  # fmt: skip
"""Bits of RISCV_HWPROBE_KEY_IMA_EXT_0, by extension; bit 0 is F and D together."""
BASE, EXTENSION_BITS, CPUPERF = 3, 4, 5
FAST, UNSUPPORTED = 3, 4
BITMASKS = (BASE, EXTENSION_BITS, CPUPERF)
"""Keys whose value is a set of bits; of the others it is a number."""
KEYS = {
    0: 0,  # mvendorid
    1: 0,  # marchid
    2: 0,  # mimpid
    BASE: 1,  # IMA
    EXTENSION_BITS: ({"f", "d"} <= set(PROGRAMS)) | sum(1 << bit for name, bit in EXTENSIONS.items() if name in PROGRAMS),
    CPUPERF: FAST,  # misaligned scalar accesses
    6: BLOCK,  # of Zicboz
    7: (1 << 38) - 1,  # the highest virtual address
    8: 1_000_000_000,  # how often `time` counts in a second
    9: FAST,  # misaligned scalar accesses
    10: UNSUPPORTED,  # misaligned vector accesses
    11: 0,  # extensions of T-Head
    12: BLOCK,  # of Zicbom
    13: 0,  # extensions of SiFive
    14: 0,  # extensions of MIPS
    15: BLOCK,  # of Zicbop
}
"""`RISCV_HWPROBE_KEY_*` and what this CPU answers."""


@syscall(258, "riscv_hwprobe")
def riscv_hwprobe(p: Process, pairs: int, count: int, size: int, cpus: int, flags: int) -> Result:
    """Fill in the value of each key, -1 as the key of those that are unknown; with WHICH_CPUS name the CPUs that have them."""
    if flags == WHICH_CPUS:
        return which_cpus(p, pairs, count, size, cpus)
    if flags:
        return -errno.EINVAL
    if (size or cpus) and not online(p, size, cpus):
        return -errno.EINVAL
    for at in range(pairs, pairs + count * HWPROBE.size, HWPROBE.size):
        key, _ = p.space.unpack(HWPROBE, at)
        p.space.write(at, HWPROBE.pack(key if key in KEYS else -1, KEYS.get(key, 0)))
    return 0


def online(p: Process, size: int, cpus: int) -> bool:
    """Is CPU 0 in the guest's set? Raises Fault."""
    return bool(int.from_bytes(p.space.read(cpus, min(size, CPU_SET)), "little") & 1)


def which_cpus(p: Process, pairs: int, count: int, size: int, cpus: int) -> Result:
    """Keep the CPUs of a set that match every pair; an empty set stands for all of them."""
    if not size or not cpus:
        return -errno.EINVAL
    size = min(size, CPU_SET)
    kept = online(p, size, cpus) or not any(p.space.read(cpus, size))
    for at in range(pairs, pairs + count * HWPROBE.size, HWPROBE.size):
        key, wanted = p.space.unpack(HWPROBE, at)
        if key not in KEYS:
            p.space.write(at, HWPROBE.pack(-1, 0))
            kept = False
        elif key in BITMASKS:
            kept = kept and KEYS[key] & wanted == wanted
        else:
            kept = kept and KEYS[key] == wanted
    p.space.write(cpus, kept.to_bytes(size, "little"))
    return 0
