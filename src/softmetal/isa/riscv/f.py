"""RV64F, single precision, and the table that every floating-point format of RISC-V fills in: `enter`.

Where the host's own operation is known to give the same bits and to raise nothing new, it does the work: the rounding
mode is to nearest, NX is set already, and the result is `certain`. All else goes through `softfloat`.

In syntax, a rounding mode `{rm:rm}` is left out where it is dynamic, `{rm:rne}` where it is to nearest: so GNU as does
it for the instructions that have the field but never round.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapters 21 and 22, and the opcode map of chapter 34.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from softmetal.isa.riscv import softfloat
from softmetal.isa.riscv.hart import Hart
from softmetal.isa.riscv.rv64 import illegal, isa
from softmetal.isa.riscv.softfloat import DYN, NV, NX, RMM, RNE, is_nan, is_signaling, nan
from softmetal.lang import (
    bits32,
    bits64,
    cold,
    f64,
    float32,
    fma,
    s12,
    s32,
    s64,
    s65,
    sqrt,
    u1,
    u2,
    u3,
    u4,
    u5,
    u6,
    u7,
    u32,
    u64,
)

BOX = 0xFFFFFFFF << 32
"""The upper half of a register that holds a single."""
NAN_S = 0x7FC00000
INFINITY_S = 0x7F800000


class Format(NamedTuple):
    """A floating-point format: its letter and `fmt` field, its registers, and the host's operations on its patterns."""

    letter: str
    fmt: str
    fbits: int
    ebits: int
    get: Callable[..., Any]
    put: Callable[..., Any]
    add: Callable[..., Any]
    mul: Callable[..., Any]
    div: Callable[..., Any]
    sqrt: Callable[..., Any]
    fma: Callable[..., Any]
    equal: Callable[..., Any]
    less: Callable[..., Any]
    at_most: Callable[..., Any]
    integer: Callable[..., Any]


# -- what the instructions share


def nearest(hart: Hart, rm: u3) -> u1:
    """May the host's operation stand in? It rounds to nearest, and does not report whether it was exact."""
    return hart.fflags & NX and (hart.frm if rm == DYN else rm) == RNE


def certain(result: u64, least: u2, fbits: u6, ebits: u4) -> u1:
    """Is it finite, so that nothing but NX was raised? With `least` = 2 also too large to have been tiny."""
    exponent = result >> fbits & (1 << ebits) - 1
    return least <= exponent and exponent < (1 << ebits) - 1


def rounding(hart: Hart, rm: u3, code: u32) -> u3:
    """The rounding mode that applies. Reserved modes are illegal, by whichever field they come.

    `code` is the instruction without `rm`. It is put together from operands, which any engine has.
    """
    mode = hart.frm if rm == DYN else rm
    if mode > RMM:
        illegal(hart, code | rm << 12)
    return mode


def arith(
    hart: Hart, rd: u5, rs1: u5, rs2: u5, rm: u3,
    get: Callable, put: Callable, host: Callable, exact: Callable, flip: u64, least: u2,
    match: u32, fbits: u6, ebits: u4,
) -> None:  # fmt: skip
    a = get(hart, rs1)
    b = get(hart, rs2) ^ flip
    if nearest(hart, rm):
        quick = host(a, b)
        if certain(quick, least, fbits, ebits):
            put(hart, rd, quick)
            return
    mode = rounding(hart, rm, match | rs2 << 20 | rs1 << 15 | rd << 7)
    result, flags = exact(a, b, mode, fbits, ebits)
    hart.fflags |= flags
    put(hart, rd, result)


def root(
    hart: Hart, rd: u5, rs1: u5, rm: u3, get: Callable, put: Callable, host: Callable, match: u32, fbits: u6, ebits: u4
) -> None:
    a = get(hart, rs1)
    if nearest(hart, rm):
        quick = host(a)
        if certain(quick, 0, fbits, ebits):
            put(hart, rd, quick)
            return
    mode = rounding(hart, rm, match | rs1 << 15 | rd << 7)
    result, flags = softfloat.sqrt(a, mode, fbits, ebits)
    hart.fflags |= flags
    put(hart, rd, result)


def fused(
    hart: Hart, rd: u5, rs1: u5, rs2: u5, rs3: u5, rm: u3,
    get: Callable, put: Callable, host: Callable, flip: u64, flip_sum: u64, match: u32, fbits: u6, ebits: u4,
) -> None:  # fmt: skip
    a = get(hart, rs1) ^ flip
    b = get(hart, rs2)
    c = get(hart, rs3) ^ flip_sum
    if nearest(hart, rm):
        quick = host(a, b, c)
        if certain(quick, 2, fbits, ebits):
            put(hart, rd, quick)
            return
    mode = rounding(hart, rm, match | rs3 << 27 | rs2 << 20 | rs1 << 15 | rd << 7)
    result, flags = softfloat.fma(a, b, c, mode, fbits, ebits)
    hart.fflags |= flags
    put(hart, rd, result)


def sign(hart: Hart, rd: u5, rs1: u5, rs2: u5, get: Callable, put: Callable, keep: u64, invert: u64, top: u64) -> None:
    put(hart, rd, get(hart, rs1) & keep ^ (get(hart, rs2) ^ invert) & top)


def extremum(hart: Hart, rd: u5, rs1: u5, rs2: u5, get: Callable, put: Callable, greatest: u1, fbits: u6, ebits: u4) -> None:
    a = get(hart, rs1)
    b = get(hart, rs2)
    if is_nan(a, fbits, ebits) or is_nan(b, fbits, ebits):
        put(hart, rd, number(hart, a, b, fbits, ebits))
    else:
        put(hart, rd, a if before(a, b, fbits + ebits) != greatest else b)


def before(a: u64, b: u64, top: u7) -> u1:
    """Is one number less than another, where -0 is less than 0? `top` is the sign's place."""
    return a >> top if (a ^ b) >> top else (a < b) ^ a >> top


@cold
def number(hart: Hart, a: u64, b: u64, fbits: u6, ebits: u4) -> u64:
    """The smaller or larger of two operands of which one is a NaN: the other, and a NaN only where both are."""
    if is_signaling(a, fbits, ebits) or is_signaling(b, fbits, ebits):
        hart.fflags |= NV
    if is_nan(a, fbits, ebits):
        return nan(fbits, ebits) if is_nan(b, fbits, ebits) else b
    return a


def compare(hart: Hart, rd: u5, rs1: u5, rs2: u5, get: Callable, relation: Callable, quiet: u1, fbits: u6, ebits: u4) -> None:
    a = get(hart, rs1)
    b = get(hart, rs2)
    holds = relation(a, b)
    if holds == 0 and (is_nan(a, fbits, ebits) or is_nan(b, fbits, ebits)):
        if not quiet or is_signaling(a, fbits, ebits) or is_signaling(b, fbits, ebits):
            hart.dirty_float(0)
            hart.fflags |= NV
    hart.set_x(rd, holds)


def classify(hart: Hart, rd: u5, rs1: u5, get: Callable, fbits: u6, ebits: u4) -> None:
    hart.set_x(rd, softfloat.classify(get(hart, rs1), fbits, ebits))


def to_integer(
    hart: Hart, rd: u5, rs1: u5, rm: u3, get: Callable, least: u64, most: u64, match: u32, fbits: u6, ebits: u4
) -> None:
    hart.dirty_float(0)
    mode = rounding(hart, rm, match | rs1 << 15 | rd << 7)
    value, flags = softfloat.to_int(get(hart, rs1), mode, least, most, fbits, ebits)
    hart.fflags |= flags
    hart.set_x(rd, s32(value) if most >> 32 == 0 else value)


def from_integer(
    hart: Hart, rd: u5, rs1: u5, rm: u3,
    source: Callable, put: Callable, host: Callable, match: u32, fbits: u6, ebits: u4,
) -> None:  # fmt: skip
    hart.use_float(0)
    mode = rounding(hart, rm, match | rs1 << 15 | rd << 7)
    value = source(hart.x[rs1])
    magnitude: u64 = abs(value)
    if magnitude >> fbits + 1 == 0:  # exact
        put(hart, rd, host(value))
        return
    result, flags = softfloat.from_int(value < 0, magnitude, mode, fbits, ebits)
    hart.fflags |= flags
    put(hart, rd, result)


def signed_word(value: u64) -> s65:
    return s32(value)


def unsigned_word(value: u64) -> s65:
    return u32(value)


def signed_long(value: u64) -> s65:
    return s64(value)


def unsigned_long(value: u64) -> s65:
    return value


# -- the table

INTEGERS = (
    ("w", "00000", 32, signed_word, 1 << 31, (1 << 31) - 1, "a signed 32-bit integer"),
    ("wu", "00001", 32, unsigned_word, 0, (1 << 32) - 1, "an unsigned 32-bit integer"),
    ("l", "00010", 64, signed_long, 1 << 63, (1 << 63) - 1, "a signed 64-bit integer"),
    ("lu", "00011", 64, unsigned_long, 0, (1 << 64) - 1, "an unsigned 64-bit integer"),
)


def fixed_bits(pattern: str) -> int:
    """An instruction's code with 0 for all of its operands, registers and `rm`."""
    width = {"rm": 3}
    return int("".join(w if w.isdigit() else "0" * width.get(w, 5) for w in pattern.split()), 2)


def enter(form: Format) -> None:
    """Enter what every format has: arithmetic, comparison, classification, conversion from and to integers."""
    letter, fmt, get, put = form.letter, form.fmt, form.get, form.put
    size = {"fbits": form.fbits, "ebits": form.ebits}
    both = {"get": get, "put": put, **size}
    top = 1 << form.fbits + form.ebits

    def add(pattern: str, syntax: str, doc: str, meaning: Any, **bound: Any) -> None:
        if " rm " in pattern:
            bound["match"] = fixed_bits(pattern)
        made = partial(meaning, **bound)
        made.__doc__ = doc
        isa.add(pattern, syntax, made)

    for name, funct, host, exact, flip, least, doc in (
        ("fadd", "00000", form.add, softfloat.add, 0, 0, "Add."),
        ("fsub", "00001", form.add, softfloat.add, top, 0, "Subtract."),
        ("fmul", "00010", form.mul, softfloat.mul, 0, 2, "Multiply."),
        ("fdiv", "00011", form.div, softfloat.div, 0, 2, "Divide."),
    ):
        add(
            f"{funct}{fmt} rs2 rs1 rm rd 1010011",
            f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rs2:f}}, {{rm:rm}}",
            doc,
            arith,
            host=host,
            exact=exact,
            flip=flip,
            least=least,
            **both,
        )
    add(
        f"01011{fmt} 00000 rs1 rm rd 1010011",
        f"fsqrt.{letter} {{rd:f}}, {{rs1:f}}, {{rm:rm}}",
        "Square root.",
        root,
        host=form.sqrt,
        **both,
    )
    for name, opcode, flip, flip_sum, doc in (
        ("fmadd", "1000011", 0, 0, "Multiply and add: rs1 * rs2 + rs3, rounded once."),
        ("fmsub", "1000111", 0, top, "Multiply and subtract: rs1 * rs2 - rs3, rounded once."),
        ("fnmsub", "1001011", top, 0, "Multiply, negate and add: -(rs1 * rs2) + rs3, rounded once."),
        ("fnmadd", "1001111", top, top, "Multiply, negate and subtract: -(rs1 * rs2) - rs3, rounded once."),
    ):
        add(
            f"rs3 {fmt} rs2 rs1 rm rd {opcode}",
            f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rs2:f}}, {{rs3:f}}, {{rm:rm}}",
            doc,
            fused,
            host=form.fma,
            flip=flip,
            flip_sum=flip_sum,
            **both,
        )
    for name, funct, keep, invert, doc in (
        ("fsgnj", "000", top - 1, 0, "Inject a sign: the magnitude of rs1 with the sign of rs2."),
        ("fsgnjn", "001", top - 1, top, "Inject a sign: the magnitude of rs1 with the opposite of the sign of rs2."),
        ("fsgnjx", "010", 2 * top - 1, 0, "Inject a sign: rs1, its sign flipped where rs2 is negative."),
    ):
        add(
            f"00100{fmt} rs2 rs1 {funct} rd 1010011",
            f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rs2:f}}",
            doc,
            sign,
            get=get,
            put=put,
            keep=keep,
            invert=invert,
            top=top,
        )
    for name, funct, greatest, doc in (
        ("fmin", "000", 0, "The smaller number; -0 is less than 0, and a NaN is no number."),
        ("fmax", "001", 1, "The larger number; -0 is less than 0, and a NaN is no number."),
    ):
        add(
            f"00101{fmt} rs2 rs1 {funct} rd 1010011",
            f"{name}.{letter} {{rd:f}}, {{rs1:f}}, {{rs2:f}}",
            doc,
            extremum,
            greatest=greatest,
            **both,
        )
    for name, funct, relation, quiet, doc in (
        ("feq", "010", form.equal, 1, "Set if equal; only a signaling NaN is invalid."),
        ("flt", "001", form.less, 0, "Set if less; any NaN is invalid."),
        ("fle", "000", form.at_most, 0, "Set if less or equal; any NaN is invalid."),
    ):
        add(
            f"10100{fmt} rs2 rs1 {funct} rd 1010011",
            f"{name}.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}",
            doc,
            compare,
            get=get,
            relation=relation,
            quiet=quiet,
            **size,
        )
    add(
        f"11100{fmt} 00000 rs1 001 rd 1010011",
        f"fclass.{letter} {{rd}}, {{rs1:f}}",
        "Classify: one bit of ten, from minus infinity to quiet NaN.",
        classify,
        get=get,
        **size,
    )
    for kind, code, bits, source, least, most, what in INTEGERS:
        add(
            f"11000{fmt} {code} rs1 rm rd 1010011",
            f"fcvt.{kind}.{letter} {{rd}}, {{rs1:f}}, {{rm:rm}}",
            f"Convert to {what}; to its nearer end outside.",
            to_integer,
            get=get,
            least=least,
            most=most,
            **size,
        )
        add(
            f"11010{fmt} {code} rs1 rm rd 1010011",
            f"fcvt.{letter}.{kind} {{rd:f}}, {{rs1}}, {{rm:{'rne' if bits <= form.fbits else 'rm'}}}",
            f"Convert from {what}.",
            from_integer,
            source=source,
            put=put,
            host=form.integer,
            **size,
        )
    isa.pseudo(f"fmv.{letter} {{rd:f}}, {{rs:f}}", f"fsgnj.{letter} {{rd}}, {{rs}}, {{rs}}")
    isa.pseudo(f"fneg.{letter} {{rd:f}}, {{rs:f}}", f"fsgnjn.{letter} {{rd}}, {{rs}}, {{rs}}")
    isa.pseudo(f"fabs.{letter} {{rd:f}}, {{rs:f}}", f"fsgnjx.{letter} {{rd}}, {{rs}}, {{rs}}")
    isa.pseudo(f"fgt.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}", f"flt.{letter} {{rd}}, {{rs2}}, {{rs1}}")
    isa.pseudo(f"fge.{letter} {{rd}}, {{rs1:f}}, {{rs2:f}}", f"fle.{letter} {{rd}}, {{rs2}}, {{rs1}}")


# -- single precision: the host computes in binary64 and rounds once more, which changes nothing but for fma


def get_s(hart: Hart, n: u5) -> u32:
    """A single in a register; what is no boxed single counts as the canonical NaN."""
    hart.use_float(0)
    value = hart.f[n]
    return value if value >= BOX else NAN_S


def put_s(hart: Hart, n: u5, value: u32) -> None:
    hart.dirty_float(0)
    hart.f[n] = value | BOX


def add_s(a: u32, b: u32) -> u32:
    return bits32(float32(a) + float32(b))


def mul_s(a: u32, b: u32) -> u32:
    return bits32(float32(a) * float32(b))


def div_s(a: u32, b: u32) -> u32:
    return bits32(float32(a) / float32(b))


def sqrt_s(a: u32) -> u32:
    return bits32(sqrt(float32(a)))


def fma_s(a: u32, b: u32, c: u32) -> u32:
    """An infinity, so that the exact path decides, where the first rounding may have hit the middle of two singles."""
    result = fma(float32(a), float32(b), float32(c))
    return INFINITY_S if bits64(result) & (1 << 29) - 1 == 1 << 28 else bits32(result)


def equal_s(a: u32, b: u32) -> u1:
    return float32(a) == float32(b)


def less_s(a: u32, b: u32) -> u1:
    return float32(a) < float32(b)


def at_most_s(a: u32, b: u32) -> u1:
    return float32(a) <= float32(b)


def integer_s(value: s64) -> u32:
    return bits32(f64(value))


before_f, isa.group = isa.group, "F"
SINGLE = Format("s", "00", 23, 8, get_s, put_s, add_s, mul_s, div_s, sqrt_s, fma_s, equal_s, less_s, at_most_s, integer_s)
enter(SINGLE)


@isa.insn("imm[11:0] rs1 010 rd 0000111", "flw {rd:f}, {imm}({rs1})")
def flw(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:
    """Load a single."""
    hart.use_float(0)
    put_s(hart, rd, hart.load32(hart.x[rs1] + imm))


@isa.insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100111", "fsw {rs2:f}, {imm}({rs1})")
def fsw(hart: Hart, rs1: u5, rs2: u5, imm: s12) -> None:
    """Store the low 32 bits of a floating-point register."""
    hart.use_float(0)
    hart.store32(hart.x[rs1] + imm, hart.f[rs2])


@isa.insn("1110000 00000 rs1 000 rd 1010011", "fmv.x.w {rd}, {rs1:f}")
def fmv_x_w(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move the low 32 bits of a floating-point register, sign-extended, to an integer register."""
    hart.use_float(0)
    hart.set_x(rd, s32(hart.f[rs1]))


@isa.insn("1111000 00000 rs1 000 rd 1010011", "fmv.w.x {rd:f}, {rs1}")
def fmv_w_x(hart: Hart, rd: u5, rs1: u5) -> None:
    """Move the low 32 bits of an integer register to a floating-point register."""
    put_s(hart, rd, hart.x[rs1])


isa.pseudo("fmv.x.s {rd}, {rs1:f}", "fmv.x.w {rd}, {rs1}")
isa.pseudo("fmv.s.x {rd:f}, {rs1}", "fmv.w.x {rd}, {rs1}")
isa.group = before_f
