"""The extensions of the RISC-V architecture that are here: one list, from which everything that names them is derived.

`misa`, the device tree, /proc/cpuinfo, AT_HWCAP and riscv_hwprobe of programs all say what stands here.

Names and their order are those of the property `riscv,isa-extensions`. Sources: The RISC-V Instruction Set Manual, Volumes I
and II (20240411); RISC-V Profiles 1.0 (RVA22) for names of what is no instruction (Za64rs, Zic64b, Ziccamoa, Ziccif, Zicclsm,
Ziccrse, Ss...); Linux, Documentation/devicetree/bindings/riscv/extensions.yaml.
Not claimed: Zkt (how long an instruction takes is the host's matter), Svade and Svadu (accessed and dirty bits are always set
by hardware, and no bit of menvcfg changes that), V.
"""

from __future__ import annotations

from collections.abc import Iterable

PROGRAMS = (
    "i", "m", "a", "f", "d", "c",
    "zic64b", "zicbom", "zicbop", "zicboz", "ziccamoa", "ziccif", "zicclsm", "ziccrse", "zicntr", "zicond", "zicsr",
    "zifencei", "zihintntl", "zihintpause", "zimop", "za64rs", "zaamo", "zalrsc", "zawrs", "zfa", "zfh", "zfhmin",
    "zca", "zcb", "zcd", "zcmop", "zba", "zbb", "zbc", "zbkb", "zbkc", "zbkx", "zbs",
)  # fmt: skip
"""What a program can use, on any hart."""
SYSTEMS = ("zihpm", "ssccptr", "sscounterenw", "sstc", "sstvala", "sstvecd", "svinval", "svnapot", "svpbmt")
"""What a hart with privileged modes has besides."""
ALL = (*PROGRAMS, *SYSTEMS)

BLOCK = 64
"""Bytes of a cache block, for management (Zicbom), zeros (Zicboz) and prefetches (Zicbop)."""


def isa_string(extensions: Iterable[str]) -> str:
    """Extensions as one name: rv64imac_zicsr."""
    names = list(extensions)
    return "_".join(["rv64" + "".join(n for n in names if len(n) == 1), *(n for n in names if len(n) > 1)])


def letters(extensions: Iterable[str]) -> int:
    """Bit 0 for A to bit 25 for Z: the extensions of one letter, and B where all of its parts are there."""
    names = set(extensions) | ({"b"} if {"zba", "zbb", "zbs"} <= set(extensions) else set())
    return sum(1 << ord(n) - ord("a") for n in names if len(n) == 1)


MISA = 2 << 62 | letters((*ALL, "s", "u"))
"""`misa`: 64 bits, the extensions of one letter, supervisor and user mode."""
