"""IEEE 754 arithmetic on bit patterns, exact, with every rounding mode and flag, for any format up to binary64.

A format is two numbers: `fbits`, its fraction's width, and `ebits`, its exponent's. An operation takes patterns and a
rounding mode and gives a pattern and the exceptions it raised. A NaN result is the canonical one; tininess is detected
after rounding.

Inside, a finite number other than 0 is a sign, an exponent and a significand of 64 bits whose top bit is set:
`sig * 2**(exp - 63)`. No format has more than 53 bits of significand, so there are at least 11 bits below, for what
decides a rounding. What lies below those is *jammed*: the lowest bit is 1 where any of it is.

Sources: IEEE 754-2019, clauses 4.3, 5.4, 6 and 7; The RISC-V Instruction Set Manual, Volume I (20240411), chapter 21.
Not modelled: significands of more than 53 bits (binary128 needs wider ones).
"""

from __future__ import annotations

from softmetal.lang import cold, s16, s17, u1, u3, u4, u5, u6, u7, u53, u64, u128

# Rounding modes, as `frm` and the instructions' `rm` encode them.
RNE, RTZ, RDN, RUP, RMM, DYN = 0, 1, 2, 3, 4, 7

# Exceptions, as `fflags` accrues them.
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16

# What a pattern means.
ZERO, FINITE, INFINITE, QUIET, SIGNALING = 0, 1, 2, 3, 4

LOW64 = (1 << 64) - 1


def nan(fbits: u6, ebits: u4) -> u64:
    """The canonical NaN: quiet, positive, payload 0."""
    return ((1 << ebits) - 1 << fbits) | 1 << fbits >> 1


def infinity(sign: u1, fbits: u6, ebits: u4) -> u64:
    return sign << fbits + ebits | (1 << ebits) - 1 << fbits


def zero(sign: u1, fbits: u6, ebits: u4) -> u64:
    return sign << fbits + ebits


def is_nan(a: u64, fbits: u6, ebits: u4) -> u1:
    return a & (1 << fbits + ebits) - 1 > (1 << ebits) - 1 << fbits


def is_signaling(a: u64, fbits: u6, ebits: u4) -> u1:
    return is_nan(a, fbits, ebits) & (a << 1 >> fbits & 1 ^ 1)


def unpack(a: u64, fbits: u6, ebits: u4) -> tuple[u3, u1, s16, u64]:
    """What a pattern means, its sign, and where it is FINITE its exponent and significand."""
    top = (1 << ebits) - 1
    bias = top >> 1
    sign: u1 = a >> fbits + ebits
    raw = a >> fbits & top
    fraction = a & (1 << fbits) - 1
    if raw == top:
        if fraction == 0:
            return INFINITE, sign, 0, 0
        return SIGNALING if fraction << 1 >> fbits == 0 else QUIET, sign, 0, 0
    if raw != 0:
        return FINITE, sign, raw - bias, 1 << 63 | fraction << 63 - fbits
    if fraction == 0:
        return ZERO, sign, 0, 0
    n: u6 = 64 - fraction.bit_length()
    return FINITE, sign, 64 - bias - fbits - n, fraction << n


def jam(sig: u128) -> u64:
    """The upper half of a significand."""
    return sig >> 64 | (sig & LOW64 != 0)


def shift_jam(sig: u128, n: u7) -> u128:
    return sig >> n | (sig & (1 << n) - 1 != 0)


def round_up(mode: u3, sign: u1, odd: u1, rest: u64, half: u64) -> u1:
    """Does rounding go away from 0, where `rest` is cut off below a unit of `2 * half`, that is `odd` or not?"""
    if mode == RNE:
        return rest + odd > half
    if mode == RDN:
        return sign & (rest != 0)
    if mode == RUP:
        return (sign ^ 1) & (rest != 0)
    return mode == RMM and rest >= half


def round_pack(sign: u1, exp: s16, sig: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """The pattern of a finite number that is not 0, its significand jammed."""
    top = (1 << ebits) - 1
    drop = 63 - fbits
    below = (1 << drop) - 1
    half = 1 << drop >> 1
    flags: u5 = 0
    biased: s17 = exp + (top >> 1)
    if biased < 1:
        # Tiny: below the smallest normal number even if rounded as though exponents had no end.
        up = round_up(mode, sign, sig >> drop, sig & below, half)
        if biased < 0 or (sig >> drop) + up < 2 << fbits:
            flags = UF
        n: u6 = min(1 - biased, 63)
        sig = sig >> n | (sig & (1 << n) - 1 != 0)
        biased = 1
    rest = sig & below
    kept = (sig >> drop) + round_up(mode, sign, sig >> drop, rest, half)
    # The significand's top bit adds 1 to the exponent, and a carry out of it once more.
    packed = (biased - 1 << fbits) + kept
    if packed >= top << fbits:
        away = mode & 3 == 0 or mode == RUP - sign  # RNE and RMM, or towards this sign's infinity
        return sign << fbits + ebits | (top << fbits) - (not away), OF | NX
    return sign << fbits + ebits | packed, flags | NX if rest != 0 else 0


def invalid(kind_a: u3, kind_b: u3) -> u5:
    """The exception that operands raise of which one is a NaN."""
    return NV if kind_a == SIGNALING or kind_b == SIGNALING else 0


@cold
def add(a: u64, b: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    kind_a, sign_a, exp_a, sig_a = unpack(a, fbits, ebits)
    kind_b, sign_b, exp_b, sig_b = unpack(b, fbits, ebits)
    if kind_a == FINITE and kind_b == FINITE:
        return sum_of(sign_a, exp_a, sig_a << 64, sign_b, exp_b, sig_b << 64, mode, fbits, ebits)
    if kind_a >= QUIET or kind_b >= QUIET:
        return nan(fbits, ebits), invalid(kind_a, kind_b)
    if kind_a == INFINITE and kind_b == INFINITE and sign_a != sign_b:
        return nan(fbits, ebits), NV
    if kind_a == ZERO and kind_b == ZERO and sign_a != sign_b:
        return zero(mode == RDN, fbits, ebits), 0
    return a if kind_a == INFINITE or kind_b == ZERO else b, 0


def sum_of(
    sign_a: u1, exp_a: s16, sig_a: u128, sign_b: u1, exp_b: s16, sig_b: u128, mode: u3, fbits: u6, ebits: u4
) -> tuple[u64, u5]:
    """The rounded sum of two finite numbers `sig * 2**(exp - 127)` whose top bits are set."""
    if exp_a > exp_b or (exp_a == exp_b and sig_a >= sig_b):
        return sum_ordered(sign_a, exp_a, sig_a, sign_b, exp_b, sig_b, mode, fbits, ebits)
    return sum_ordered(sign_b, exp_b, sig_b, sign_a, exp_a, sig_a, mode, fbits, ebits)


def sum_ordered(
    sign: u1, exp: s16, large: u128, sign_b: u1, exp_b: s16, sig_b: u128, mode: u3, fbits: u6, ebits: u4
) -> tuple[u64, u5]:
    """The same, where the first is not the smaller one.

    Two bits or more are jammed only where the exponents differ by 2 or more; then the difference has at least 126 bits.
    """
    small = shift_jam(sig_b, min(exp - exp_b, 127))
    if sign == sign_b:
        total = large + small
        carry = total >> 128
        return round_pack(sign, exp + carry, jam(total >> carry | total & carry), mode, fbits, ebits)
    difference: u128 = large - small
    if difference == 0:
        return zero(mode == RDN, fbits, ebits), 0
    n: u7 = 128 - difference.bit_length()
    return round_pack(sign, exp - n, jam(difference << n), mode, fbits, ebits)


def product(exp_a: s16, sig_a: u64, exp_b: s16, sig_b: u64) -> tuple[s16, u128]:
    """The exact product of two finite numbers, `sig * 2**(exp - 127)` with its top bit set."""
    sig: u128 = sig_a * sig_b
    top = sig >> 127
    return exp_a + exp_b + top, sig << (1 - top)


@cold
def mul(a: u64, b: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    kind_a, sign_a, exp_a, sig_a = unpack(a, fbits, ebits)
    kind_b, sign_b, exp_b, sig_b = unpack(b, fbits, ebits)
    sign = sign_a ^ sign_b
    if kind_a == FINITE and kind_b == FINITE:
        exp, sig = product(exp_a, sig_a, exp_b, sig_b)
        return round_pack(sign, exp, jam(sig), mode, fbits, ebits)
    if kind_a >= QUIET or kind_b >= QUIET:
        return nan(fbits, ebits), invalid(kind_a, kind_b)
    if kind_a == INFINITE or kind_b == INFINITE:
        if kind_a == ZERO or kind_b == ZERO:
            return nan(fbits, ebits), NV
        return infinity(sign, fbits, ebits), 0
    return zero(sign, fbits, ebits), 0


@cold
def div(a: u64, b: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    kind_a, sign_a, exp_a, sig_a = unpack(a, fbits, ebits)
    kind_b, sign_b, exp_b, sig_b = unpack(b, fbits, ebits)
    sign = sign_a ^ sign_b
    if kind_a == FINITE and kind_b == FINITE:
        sig = quotient(sig_a >> 11, sig_b >> 11)
        n: u6 = 64 - sig.bit_length()
        return round_pack(sign, exp_a - exp_b + 7 - n, sig << n, mode, fbits, ebits)
    if kind_a >= QUIET or kind_b >= QUIET:
        return nan(fbits, ebits), invalid(kind_a, kind_b)
    if kind_a == kind_b:  # two infinities or two zeros
        return nan(fbits, ebits), NV
    if kind_a == INFINITE or kind_b == ZERO:
        return infinity(sign, fbits, ebits), DZ if kind_a == FINITE else 0
    return zero(sign, fbits, ebits), 0


def quotient(a: u53, b: u53) -> u64:
    """`a / b * 2**56`, jammed, of two significands with their top bits set: eleven bits at a time."""
    divisor = b | 1 << 52
    found: u64 = a >= divisor
    rest: u53 = a - divisor if a >= divisor else a
    for _ in range(5):
        dividend = rest << 11
        digits = dividend // divisor
        found = found << 11 | digits
        rest = dividend - digits * divisor
    return found << 1 | (rest != 0)


@cold
def sqrt(a: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    kind, sign, exp, sig = unpack(a, fbits, ebits)
    if kind >= QUIET:
        return nan(fbits, ebits), invalid(kind, kind)
    if kind == ZERO:
        return a, 0
    if sign:
        return nan(fbits, ebits), NV
    if kind == INFINITE:
        return a, 0
    return round_pack(0, exp >> 1, root(sig >> (exp & 1 ^ 1)), mode, fbits, ebits)


def root(sig: u64) -> u64:
    """The square root of `sig / 2**62`, which is from 1 to below 4, times 2**63, jammed: a bit at a time."""
    found: u64 = 0
    rest: u64 = 0
    for _ in range(56):
        rest = rest << 2 | sig >> 62
        sig = sig << 2
        trial = found << 2 | 1
        found = found << 1
        if rest >= trial:
            rest -= trial
            found |= 1
    return found << 8 | (rest != 0)


@cold
def fma(a: u64, b: u64, c: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """`a * b + c`, rounded once."""
    kind_a, sign_a, exp_a, sig_a = unpack(a, fbits, ebits)
    kind_b, sign_b, exp_b, sig_b = unpack(b, fbits, ebits)
    kind_c, sign_c, exp_c, sig_c = unpack(c, fbits, ebits)
    sign = sign_a ^ sign_b
    if kind_a == FINITE and kind_b == FINITE and kind_c <= FINITE:
        exp, sig = product(exp_a, sig_a, exp_b, sig_b)
        if kind_c == ZERO:
            return round_pack(sign, exp, jam(sig), mode, fbits, ebits)
        return sum_of(sign, exp, sig, sign_c, exp_c, sig_c << 64, mode, fbits, ebits)
    if (kind_a == INFINITE and kind_b == ZERO) or (kind_a == ZERO and kind_b == INFINITE):
        return nan(fbits, ebits), NV  # even where c is a quiet NaN
    if kind_a >= QUIET or kind_b >= QUIET or kind_c >= QUIET:
        return nan(fbits, ebits), invalid(kind_a, kind_b) | invalid(kind_c, kind_c)
    if kind_a == INFINITE or kind_b == INFINITE:
        if kind_c == INFINITE and sign_c != sign:
            return nan(fbits, ebits), NV
        return infinity(sign, fbits, ebits), 0
    if kind_c == ZERO and sign_c != sign:  # and the product is 0
        return zero(mode == RDN, fbits, ebits), 0
    return c, 0


@cold
def convert(a: u64, mode: u3, from_fbits: u6, from_ebits: u4, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """The same number in another format."""
    kind, sign, exp, sig = unpack(a, from_fbits, from_ebits)
    if kind == FINITE:
        return round_pack(sign, exp, sig, mode, fbits, ebits)
    if kind == ZERO:
        return zero(sign, fbits, ebits), 0
    if kind == INFINITE:
        return infinity(sign, fbits, ebits), 0
    return nan(fbits, ebits), invalid(kind, kind)


@cold
def from_int(sign: u1, magnitude: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    if magnitude == 0:
        return 0, 0
    n: u6 = 64 - magnitude.bit_length()
    return round_pack(sign, 63 - n, magnitude << n, mode, fbits, ebits)


def to_int(a: u64, mode: u3, least: u64, most: u64, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """The nearest integer as two's complement, from `-least` to `most`; the nearer end where it is outside."""
    kind, sign, exp, sig = unpack(a, fbits, ebits)
    if kind == ZERO:
        return 0, 0
    if kind >= QUIET:
        return most, NV
    if kind == INFINITE or exp > 63:
        return -least if sign else most, NV
    n: u7 = min(63 - exp, 66)
    fixed = sig << 64 >> n
    rest = fixed & LOW64
    whole = (fixed >> 64) + round_up(mode, sign, fixed >> 64, rest, 1 << 63)
    if whole > (least if sign else most):
        return -least if sign else most, NV
    return -whole if sign else whole, NX if rest != 0 else 0


@cold
def to_integral(a: u64, mode: u3, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """The nearest integer, in the same format; NX where that is another number."""
    kind, sign, exp, sig = unpack(a, fbits, ebits)
    if kind >= QUIET:
        return nan(fbits, ebits), invalid(kind, kind)
    if kind != FINITE or exp >= fbits:
        return a, 0
    n: u7 = min(63 - exp, 66)
    fixed = sig << 64 >> n
    rest = fixed & LOW64
    whole = (fixed >> 64) + round_up(mode, sign, fixed >> 64, rest, 1 << 63)
    flags: u5 = NX if rest != 0 else 0
    if whole == 0:
        return zero(sign, fbits, ebits), flags
    result, _exact = from_int(sign, whole, mode, fbits, ebits)
    return result, flags


@cold
def to_int_modulo(a: u64, fbits: u6, ebits: u4) -> tuple[u64, u5]:
    """The integer towards 0, of which the low 32 bits count; NV where it does not fit into 32 bits with a sign."""
    kind, sign, exp, sig = unpack(a, fbits, ebits)
    if kind == ZERO:
        return 0, 0
    if kind != FINITE or exp > 95:  # above that the low 32 bits are 0
        return 0, NV
    n: u7 = max(-32, min(63 - exp, 64)) + 32
    fixed = sig << 96 >> n
    whole = fixed >> 64
    if whole > (1 << 31) - (sign ^ 1):
        return -whole if sign else whole, NV
    return -whole if sign else whole, NX if fixed & LOW64 != 0 else 0


def classify(a: u64, fbits: u6, ebits: u4) -> u64:
    """One bit of ten that says what a pattern is, from minus infinity (bit 0) up to quiet NaN (bit 9)."""
    kind, sign, _, _ = unpack(a, fbits, ebits)
    if kind == SIGNALING:
        return 1 << 8
    if kind == QUIET:
        return 1 << 9
    rank = 0  # counted from 0 outwards: zero, subnormal, normal, infinite
    if kind == INFINITE:
        rank = 3
    elif kind == FINITE:
        rank = 2 if a >> fbits & (1 << ebits) - 1 else 1
    return 1 << (3 - rank if sign else 4 + rank)
