"""Decimal mode on the NMOS 6502, all operands, against the rules as B. Clark states them ("Decimal Mode", 2004)."""

from __future__ import annotations

import random

import pytest

from softmetal.boards.flat_6502 import Flat6502
from softmetal.isa.mos6502 import isa
from softmetal.isa.mos6502.operations import adc, sbc
from softmetal.lang.golden import golden


def signed(byte):
    return byte - 256 if byte > 127 else byte


def adc_rule(a, b, c):
    """(A, N, V, Z, C) after ADC with D set; digits by divmod, N and V by signed arithmetic."""
    (ah, al), (bh, bl) = divmod(a, 16), divmod(b, 16)
    digit, carry = al + bl + c, 0
    if digit >= 10:
        digit, carry = (digit - 10) % 16, 1
    middle = signed(ah * 16) + signed(bh * 16) + carry * 16 + digit
    high, c_out = ah + bh + carry, 0
    if high >= 10:
        high, c_out = (high - 10) % 16, 1
    return high * 16 + digit, (middle % 256) // 128, int(not -128 <= middle <= 127), int((a + b + c) % 256 == 0), c_out


def sbc_rule(a, b, c):
    """(A, N, V, Z, C) after SBC with D set: digits borrow in tens, flags are the binary difference's."""
    (ah, al), (bh, bl) = divmod(a, 16), divmod(b, 16)
    digit, borrow = al - bl - (1 - c), 0
    if digit < 0:
        digit, borrow = (digit + 10) % 16, 1
    high = ah - bh - borrow
    if high < 0:
        high += 10
    binary = a - b - (1 - c)
    v = int(not -128 <= signed(a) - signed(b) - (1 - c) <= 127)
    return high % 16 * 16 + digit, (binary % 256) // 128, v, int(binary % 256 == 0), int(binary >= 0)


CASES = {"adc": (0x69, adc, adc_rule), "sbc": (0xE9, sbc, sbc_rule)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("c", [0, 1])
def test_every_pair_of_bytes_follows_the_rule(name, c):
    _, operation, rule = CASES[name]
    run, core = golden(operation), Flat6502()
    core.d = 1
    wrong = []
    for a in range(256):
        for b in range(256):
            core.a, core.c = a, c
            run(core, b)
            if (core.a, core.n, core.v, core.z, core.c) != rule(a, b, c):
                wrong.append((a, b))
    assert wrong == []


@pytest.mark.parametrize("name", CASES)
def test_instructions_in_decimal_mode_follow_the_rule(engine, name):
    opcode, _, rule = CASES[name]
    runner = engine(isa, Flat6502)
    core = runner.core
    draw = random.Random(6502)
    for _ in range(2000):
        a, b, c = draw.randrange(256), draw.randrange(256), draw.randrange(2)
        core.pc, core.a, core.c, core.d = 0x400, a, c, 1
        core.ram[0x400], core.ram[0x401] = opcode, b
        runner.step()
        assert (core.a, core.n, core.v, core.z, core.c) == rule(a, b, c), (a, b, c)


@pytest.mark.parametrize("c", [0, 1])
def test_decimal_digits_add_and_subtract_as_on_paper(c):
    for m in range(100):
        for n in range(100):
            a, b = int(str(m), 16), int(str(n), 16)
            total, difference = m + n + c, m - n - (1 - c)
            assert adc_rule(a, b, c)[0] == int(str(total % 100), 16)
            assert adc_rule(a, b, c)[4] == (total > 99)
            assert sbc_rule(a, b, c)[0] == int(str(difference % 100), 16)
            assert sbc_rule(a, b, c)[4] == (difference >= 0)
