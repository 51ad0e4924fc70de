"""The reference page: every entry of a table is on it."""

from __future__ import annotations

import re

import pytest

from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.reference import reference
from softmetal.isa.riscv import isa as rv64


@pytest.mark.parametrize("isa", [rv64, mos6502], ids=["rv64", "6502"])
def test_every_instruction_has_a_row_and_every_link_leads_somewhere(isa):
    page = reference(isa)
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(isa.insns) + len(isa.pseudos)
    anchors = set(re.findall(r'<a id="([^"]+)">', page))
    links = set(re.findall(r"\]\(#(source-[^)]+)\)", page))
    assert links == anchors
    for row in rows:
        assert row.count(" | ") == (3 if len(row.split(" | ")) == 4 else 1), row


def test_a_row_gives_syntax_bits_effect_and_meaning():
    page = reference(rv64).replace("\u00a0", " ")
    assert (
        "| `addi rd, rs1, imm` "
        "| `imm[11:0] ¦ rs1   ¦ 000   ¦ rd   ¦ 0010011`<br>`31-20     ¦ 19-15 ¦ 14-12 ¦ 11-7 ¦ 6-0    ` "
        "| Add an immediate. | [addi](#source-addi) |"
    ) in page
    assert "\ndef addi(hart: Hart, rd: u5, rs1: u5, imm: s12) -> None:\n" in page
    assert "| `fadd.s rd, rs1, rs2[, rm]` |" in page
    assert "| `amoadd.w{aqrl} rd, rs2, (rs1)` |" in page


def test_a_composed_meaning_shows_its_parts():
    row = next(line for line in reference(mos6502).splitlines() if line.startswith("| `lda abs,x`"))
    assert "[read](#source-read)(op=[lda](#source-lda), mode=[absx](#source-absx))" in row
    assert "Load the accumulator. Absolute, plus X; one cycle more across a page." in row
