"""Operands for floating-point tests, and what another implementation makes of them.

The other implementation is qemu-riscv64: `Oracle` builds a riscv64 program that holds every instruction once for each
rounding mode, and feeds it operands. The same bytes, as GNU as made them, run on the engine under test.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

CC, OBJCOPY, QEMU = "riscv64-linux-gnu-gcc", "riscv64-linux-gnu-objcopy", "qemu-riscv64"
MODES = ("rne", "rtz", "rdn", "rup", "rmm", "dyn")

# Registers: fa0 = result, ft1, ft2, ft3 = operands a, b, c; t1 = result, t2 = operand a.
ARITH = ("fadd", "fsub", "fmul", "fdiv")
FUSED = ("fmadd", "fmsub", "fnmsub", "fnmadd")
PLAIN = ("fsgnj", "fsgnjn", "fsgnjx", "fmin", "fmax")
COMPARE = ("feq", "flt", "fle")
INTEGERS = ("w", "wu", "l", "lu")


class Op(NamedTuple):
    """An instruction: its text, and the kind of its first operand: h, s, d (floats), x (integer), r (raw bits)."""

    text: str
    kind: str
    count: int

    @property
    def name(self) -> str:
        return self.text.split()[0]


def operations() -> list[Op]:
    """Every instruction, those that round once for each mode."""
    made = []
    for s in "hsd":
        for name in ARITH:
            made += [Op(f"{name}.{s} fa0, ft1, ft2, {m}", s, 2) for m in MODES]
        made += [Op(f"fsqrt.{s} fa0, ft1, {m}", s, 1) for m in MODES]
        for name in FUSED:
            made += [Op(f"{name}.{s} fa0, ft1, ft2, ft3, {m}", s, 3) for m in MODES]
        made += [Op(f"{name}.{s} fa0, ft1, ft2", s, 2) for name in PLAIN]
        made += [Op(f"{name}.{s} t1, ft1, ft2", s, 2) for name in COMPARE]
        made.append(Op(f"fclass.{s} t1, ft1", s, 1))
        for i in INTEGERS:
            made += [Op(f"fcvt.{i}.{s} t1, ft1, {m}", s, 1) for m in MODES]
            exact = s == "d" and i in ("w", "wu")
            made += [Op(f"fcvt.{s}.{i} fa0, t2" + ("" if exact else f", {m}"), "x", 1) for m in MODES[: 1 if exact else 6]]
    made += [Op(f"fcvt.{b}.{a} fa0, ft1, {m}", a, 1) for a, b in ("ds", "sh", "dh") for m in MODES]
    made += [Op(f"fcvt.{b}.{a} fa0, ft1", a, 1) for a, b in ("sd", "hs", "hd")]
    made += [Op("fmv.x.h t1, ft1", "r", 1), Op("fmv.h.x fa0, t2", "x", 1)]
    made += [Op("fmv.x.w t1, ft1", "r", 1), Op("fmv.w.x fa0, t2", "x", 1)]
    made += [Op("fmv.x.d t1, ft1", "r", 1), Op("fmv.d.x fa0, t2", "x", 1)]
    return made


class Vector(NamedTuple):
    """Operands of an operation (by number), and frm and fflags before it."""

    op: int
    fcsr: int
    a: int
    b: int
    c: int


class Oracle:
    """A riscv64 program that executes vectors. Raises FileNotFoundError where a tool is missing."""

    def __init__(self, folder: Path, ops: list[Op]) -> None:
        for tool in (CC, OBJCOPY, QEMU):
            if not shutil.which(tool):
                raise FileNotFoundError(f"{tool} is not installed")
        self.program = folder / "oracle"
        lines = [".option norvc", ".text", ".globl stubs", "stubs:"]
        for op in ops:
            result = "fsd fa0, 0(a1)" if " fa0" in op.text else "sd t1, 0(a1)"
            lines += ["fld ft1, 8(a0)", "fld ft2, 16(a0)", "fld ft3, 24(a0)", "ld t2, 8(a0)"]
            lines += ["lwu t0, 4(a0)", "fscsr t0", op.text, "frflags t0", result, "sd t0, 8(a1)", "ret", "nop"]
        (folder / "stubs.s").write_text("\n".join(lines) + "\n")
        (folder / "insns.s").write_text("\n".join([".option norvc", *(op.text for op in ops)]) + "\n")
        (folder / "main.c").write_text(MAIN)
        self._run(CC, "-c", "-march=rv64gc_zfh", "insns.s", "-o", "insns.o", cwd=folder)
        self._run(OBJCOPY, "-O", "binary", "insns.o", "insns.bin", cwd=folder)
        self._run(CC, "-O1", "-static", "-march=rv64gc_zfh", "main.c", "stubs.s", "-o", "oracle", cwd=folder)
        self.codes = [c for (c,) in struct.iter_unpack("<I", (folder / "insns.bin").read_bytes())]

    def _run(self, *command: str, cwd: Path) -> None:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)

    def answer(self, vectors: list[Vector]) -> list[tuple[int, int]]:
        """(result, fflags) of each vector."""
        asked = b"".join(struct.pack("<IIQQQ", *v) for v in vectors)
        command = [QEMU, "-cpu", "rv64,Zfh=true", str(self.program)]
        answer = subprocess.run(command, input=asked, check=True, capture_output=True).stdout
        return list(struct.iter_unpack("<QQ", answer))


MAIN = """
#include <stdint.h>
#include <stdio.h>
struct vector { uint32_t op, fcsr; uint64_t a, b, c; };
extern char stubs[];
int main(void) {
    struct vector v;
    uint64_t out[2];
    while (fread(&v, sizeof v, 1, stdin) == 1) {
        ((void (*)(struct vector *, uint64_t *))(stubs + 48 * v.op))(&v, out);
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
"""

SIZES = {"h": (10, 5), "s": (23, 8), "d": (52, 11)}
BOX = {"h": 0xFFFFFFFFFFFF << 16, "s": 0xFFFFFFFF << 32, "d": 0}


def pack(kind: str, sign: int, exponent: int, fraction: int) -> int:
    """A register that holds a number; an exponent outside the format's is brought in."""
    fbits, ebits = SIZES[kind]
    exponent = min(max(exponent, 0), (1 << ebits) - 1)
    bits = sign << fbits + ebits | exponent << fbits | fraction & (1 << fbits) - 1
    return bits | BOX[kind]


def corners(kind: str) -> list[int]:
    """Zeros, subnormals, the ends of the normal numbers, powers of two and their neighbours, infinities, NaNs."""
    fbits, ebits = SIZES[kind]
    top, bias, ones = (1 << ebits) - 1, (1 << ebits - 1) - 1, (1 << fbits) - 1
    made = []
    for sign in (0, 1):
        fractions = (0, 1, 2, ones >> 1, (ones >> 1) + 1, ones - 1, ones)
        made += [pack(kind, sign, e, f) for e in (0, 1, 2, top - 1, top) for f in fractions]
        for power in (-fbits - 2, -2, -1, 0, 1, 2, fbits - 1, fbits, fbits + 1, 30, 31, 32, 33, 62, 63, 64, 65):
            made += [pack(kind, sign, bias + power, f) for f in (0, 1, ones)]
    return made


def integers() -> list[int]:
    """Integers at the ends of their types and where the formats begin to round."""
    made = {0}
    for power in (0, 1, 2, 23, 24, 25, 31, 32, 33, 52, 53, 54, 62, 63, 64):
        made |= {sign * (1 << power) + d & (1 << 64) - 1 for d in (-2, -1, 0, 1, 2) for sign in (1, -1)}
    return sorted(made)


class Operands:
    """Random operands that are likely to hit something."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.corners = {kind: corners(kind) for kind in SIZES}
        self.integers = integers()

    def fraction(self, fbits: int) -> int:
        """Random bits, all of them, or few: then sums and products are often exact or halfway."""
        r = self.random
        short = r.choice((fbits, fbits, fbits // 2, 3))
        return r.getrandbits(short) << fbits - short | r.choice((0, 0, 0, 1))

    def number(self, kind: str) -> int:
        """A number of a format in a register."""
        r = self.random
        how = r.random()
        fbits, ebits = SIZES[kind]
        if how < 0.1:  # zero, infinity, the least subnormal number, NaNs
            return pack(kind, r.getrandbits(1), r.choice((0, -1)) & (1 << ebits) - 1, r.choice((0, 0, 1, 1 << fbits - 1)))
        if how < 0.25:
            return r.choice(self.corners[kind])
        if how < 0.35:
            return pack(kind, r.getrandbits(1), r.getrandbits(ebits), self.fraction(fbits))
        if how < 0.38 and kind != "d":
            return r.getrandbits(64)  # hardly ever boxed
        return pack(kind, r.getrandbits(1), (1 << ebits - 1) + r.randint(-fbits, fbits), self.fraction(fbits))

    def near(self, kind: str, value: int) -> int:
        """A neighbour, of either sign: for cancellation."""
        fbits, ebits = SIZES[kind]
        r = self.random
        low = value + r.choice((-2, -1, 0, 0, 1, 2, 1 << fbits, -1 << fbits)) & (1 << fbits + ebits) - 1
        return pack(kind, r.getrandbits(1), low >> fbits, low)

    def addend(self, kind: str, a: int, b: int) -> int:
        """A number close to `a * b` in size, or a little below its last place: for fma."""
        fbits, ebits = SIZES[kind]
        r, mask = self.random, (1 << ebits) - 1
        exponent = (a >> fbits & mask) + (b >> fbits & mask) - (mask >> 1)
        exponent += r.choice((0, 1, -fbits - 1, -fbits - 2, fbits, r.randint(-2 * fbits - 3, fbits + 3)))
        return pack(kind, r.getrandbits(1), exponent, self.fraction(fbits))

    def halfway(self, kind: str, to: str) -> int:
        """A number that lies at, or just beside, the middle of two of a smaller format, with an exponent of its and beyond."""
        r = self.random
        (fbits, ebits), (kept, exponents) = SIZES[kind], SIZES[to]
        fraction = self.fraction(kept) << fbits - kept | 1 << fbits - kept - 1
        half, bias = 1 << exponents - 1, (1 << ebits - 1) - 1
        return pack(kind, r.getrandbits(1), bias + r.randint(-half - kept - 1, half + 2), fraction + r.choice((-1, 0, 0, 1)))

    def vector(self, number: int, op: Op) -> Vector:
        """Operands, rounding mode and flags for an operation."""
        r = self.random
        fcsr = r.randrange(5) << 5 | r.choice((0, 0, 1, 1, r.getrandbits(5)))
        if op.kind == "x":
            a = r.choice(self.integers) if r.random() < 0.3 else r.getrandbits(64) >> r.randrange(64)
            return Vector(number, fcsr, a if r.random() < 0.7 else -a & (1 << 64) - 1, 0, 0)
        if op.kind == "r":
            return Vector(number, fcsr, r.getrandbits(64), 0, 0)
        kind = op.kind
        narrows = op.name in ("fcvt.s.d", "fcvt.h.s", "fcvt.h.d")
        a = self.halfway(kind, op.name[5]) if narrows and r.random() < 0.5 else self.number(kind)
        b = self.near(kind, a) if op.count == 2 and r.random() < 0.3 else self.number(kind)
        c = self.addend(kind, a, b) if op.count == 3 and r.random() < 0.6 else self.number(kind)
        return Vector(number, fcsr, a, b, c)
