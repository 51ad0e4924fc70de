"""Bit manipulation for cryptography: Zbkb (what Zbb does not have of it) and Zbkx.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 28 "B" ("Zbkb", "Zbkx"). `zext.h` is `packw` with x0.
"""

from __future__ import annotations

from functools import partial

from softmetal.isa.riscv.b import ONE, TWO, one, two
from softmetal.isa.riscv.rv64 import isa
from softmetal.lang import cold, s32, u8, u16, u32, u64


def pack(a: u32, b: u32) -> u64:
    """Join the low words of two registers."""
    return a | b << 32


def packh(a: u8, b: u8) -> u64:
    """Join the low bytes of two registers."""
    return a | b << 8


def packw(a: u16, b: u16) -> u64:
    """Join the low halfwords of two registers, sign-extended."""
    return s32(a | b << 16)


def brev8(a: u64) -> u64:
    """Reverse the bits of each byte."""
    a = a >> 1 & 0x5555555555555555 | (a & 0x5555555555555555) << 1
    a = a >> 2 & 0x3333333333333333 | (a & 0x3333333333333333) << 2
    return a >> 4 & 0x0F0F0F0F0F0F0F0F | (a & 0x0F0F0F0F0F0F0F0F) << 4


@cold
def xperm4(a: u64, b: u64) -> u64:
    """Look up each nibble of rs2 among those of rs1."""
    found: u64 = 0
    for i in range(0, 64, 4):
        found |= (a >> 4 * (b >> i & 15) & 15) << i
    return found


@cold
def xperm8(a: u64, b: u64) -> u64:
    """Look up each byte of rs2 among those of rs1; 0 where there is none of that number."""
    found: u64 = 0
    for i in range(0, 64, 8):
        index = b >> i & 255
        found |= (a >> 8 * (index & 7) & 255) << i if index < 8 else 0
    return found


isa.group = "Zbkb"
isa.add("0000100 rs2 rs1 100 rd 0110011", f"pack {TWO}", partial(two, op=pack))
isa.add("0000100 rs2 rs1 111 rd 0110011", f"packh {TWO}", partial(two, op=packh))
isa.add("0000100 rs2 rs1 100 rd 0111011", f"packw {TWO}", partial(two, op=packw))
isa.add("011010000111 rs1 101 rd 0010011", f"brev8 {ONE}", partial(one, op=brev8))

isa.group = "Zbkx"
isa.add("0010100 rs2 rs1 010 rd 0110011", f"xperm4 {TWO}", partial(two, op=xperm4))
isa.add("0010100 rs2 rs1 100 rd 0110011", f"xperm8 {TWO}", partial(two, op=xperm8))
