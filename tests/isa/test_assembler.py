"""The assembler: programs in, bytes, symbols and one-line errors out."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from softmetal.isa.assembler import AssemblyError, SourceLine, assemble
from softmetal.isa.disassembler import disassemble_all
from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.riscv import isa as rv64


def lines(isa, text, origin=0, symbols=None):
    made = assemble(isa, text, origin)
    return [line.text for line in disassemble_all(isa, made.code, made.origin, symbols)]


# --- what programs may say


def test_labels_lie_where_they_stand_and_lines_are_mapped():
    made = assemble(rv64, "start: nop\n\n  j start # back\nend:\n .byte 1\n", origin=0x1000)
    assert made.symbols == {"start": 0x1000, "end": 0x1008}
    assert made.lines == [SourceLine(0x1000, 4, 1), SourceLine(0x1004, 4, 3), SourceLine(0x1008, 1, 5)]
    assert made.origin == 0x1000
    assert made.code == bytes.fromhex("13000000 6ff0dfff 01")


def test_numeric_labels_recur():
    text = "1: beq a0, a1, 1f\n1: beq a0, a1, 1b\n beq a0, a1, 1f\n1: nop"
    assert [line.rpartition(" ")[2] for line in lines(rv64, text)[:3]] == ["0x4", "0x4", "0xc"]


def test_registers_have_abi_and_numeric_names_in_any_case():
    assert lines(rv64, "add x10, FP, S0\nfadd.d f10, ft0, fa0") == ["add a0, s0, s0", "fadd.d fa0, ft0, fa0"]


def test_comments_do_not_reach_into_strings():
    text = "/* two\nlines */ .ascii \"a#b;c//d/*e*/\" // end\n.byte '#', ';' # end ; more\nnop; nop;"
    assert assemble(rv64, text).code == b"a#b;c//d/*e*/#;" + bytes.fromhex("13000000" * 2)


def test_a_hash_is_no_comment_on_the_6502():
    assert assemble(mos6502, "lda #$12 ; load\nlda #'#' // and again").code == bytes.fromhex("a912 a923")


def test_addresses_are_split_for_two_instructions():
    text = "la a0, there\nauipc a1, %pcrel_hi(there)\n1: lw a1, %pcrel_lo(1b-4)(a1)\n.zero 0x7f0\nthere: .word 5"
    assert lines(rv64, text, 0x10000)[:4] == [
        "auipc a0, 0x1",
        "addi a0, a0, -2048",
        "auipc a1, 0x0",
        "lw a1, 2040(a1)",
    ]


def test_calls_and_tails_reach_any_label():
    text = "call far\ntail far\n.zero 0x100000\nfar: ret"
    assert lines(rv64, text)[:4] == ["auipc ra, 0x100", "jalr ra, 16(ra)", "auipc t1, 0x100", "jalr zero, 8(t1)"]


def test_sections_follow_each_other():
    made = assemble(rv64, ".data\nd: .dword x\n.text\nlw a0, %lo(d)(zero)\n.section .rodata\nx: .byte 7\n", 0x100)
    assert made.sections == {".text": (0x100, 4), ".data": (0x110, 8), ".rodata": (0x120, 1)}
    assert made.symbols == {"d": 0x110, "x": 0x120}
    assert made.code[0x10:0x18] == (0x120).to_bytes(8, "little")
    assert len(made.code) == 0x21


def test_constants_are_expressions_that_may_come_later():
    text = "li a0, SIZE\n.equ SIZE, 4 * (2 + 3)\nN = end - start\nstart: .byte N, SIZE\n.2byte N\nend:"
    with pytest.raises(AssemblyError, match=r"<assembly>:1: value = SIZE must be known here, and 'SIZE' is not yet"):
        assemble(rv64, text)
    made = assemble(rv64, text.replace("li a0, SIZE\n", ""))
    assert made.code == bytes([4, 20, 4, 0])
    assert made.symbols["N"] == 4


def test_code_is_aligned_with_instructions():
    assert lines(rv64, "nop\n.balign 16\nret")[:4] == ["addi zero, zero, 0"] * 4
    assert lines(rv64, "c.nop\n.align 3\nret")[:3] == ["c.nop", "c.nop", "addi zero, zero, 0"]


def test_org_at_the_beginning_is_the_origin_and_later_a_gap():
    made = assemble(mos6502, "* = $400\nnop\n.org $404\nrts")
    assert (made.origin, made.code) == (0x400, bytes.fromhex("ea00000060"))


def test_expressions_have_c_precedence():
    text = ".4byte 1 | 2 ^ 3 & 4 << 1 + 1 * 2, -7 / 2, -7 % 2, ~0, 0b101 + 0x1_0 + '\\n', 10 % 4"
    values = assemble(rv64, text).code
    found = [int.from_bytes(values[i : i + 4], "little", signed=True) for i in range(0, len(values), 4)]
    assert found == [1 | 2 ^ 3 & 4 << 1 + 1 * 2, -3, -1, -1, 5 + 16 + 10, 2]


NUMBERS = st.one_of(st.integers(0, 99).map(str), st.integers(0, 999).map(hex), st.sampled_from(["'a'", "there", "."]))
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "&", "|", "^", "<<", ">>"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("~{}".format),
    ),
    max_leaves=8,
)


def value_in_python(text, widest=255):
    """The value; None where a shift on the way is negative or wider than the assembler takes."""

    class Number(int):
        def __lshift__(self, by):
            if not 0 <= by <= widest:
                raise ValueError
            return Number(int(self) << by)

        def __rshift__(self, by):
            if not 0 <= by <= widest:
                raise ValueError
            return Number(int(self) >> by)

    for name in ("add", "sub", "mul", "and", "or", "xor"):
        method = getattr(int, f"__{name}__")
        setattr(Number, f"__{name}__", lambda a, b, method=method: Number(method(a, b)))
    for name in ("neg", "invert"):
        method = getattr(int, f"__{name}__")
        setattr(Number, f"__{name}__", lambda a, method=method: Number(method(a)))
    try:
        return int(eval(re.sub(r"\b\w+\b", r"Number(\g<0>)", text), {"Number": Number}))
    except ValueError:
        return None


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS)
def test_expressions_mean_what_they_mean_in_python(text):
    spelled = text.replace("'a'", "97").replace("there", "0x40").replace(".", "0x30")
    expected = value_in_python(spelled)
    source = f".equ x, {text}\n.zero 16\nthere: .8byte (x) & 0xffffffff"
    if expected is not None:
        assert int.from_bytes(assemble(rv64, source, 0x30).code[16:], "little") == expected & 0xFFFFFFFF


def test_the_6502_form_is_the_shortest_that_holds_the_address():
    text = "lda $12\nlda $0012\nlda $123\nlda later\nsta n,x\nstx $34,y\nldx $34,y\nldy far,x\n.equ n, 5\nlater:"
    made = "a512 ad1200 ad2301 ad1500 9d0500 9634 b634 bc3412"
    assert assemble(mos6502, ".equ far, $1234\n" + text).code == bytes.fromhex(made)


def test_6502_pointers_are_distinguished_from_parentheses_in_expressions():
    text = "v = $fe\nlda (v),y\nlda (v,x)\nlda (v-1)+1\njmp ($1234)\nlda #<$1234\nlda #>$1234\nasl\nasl a\n.word *"
    assert assemble(mos6502, text).code == bytes.fromhex("b1fe a1fe a5fe 6c3412 a934 a912 0a 0a 0f00")


@settings(max_examples=300, deadline=None)
@given(st.integers(-(1 << 63), (1 << 64) - 1))
@example(0x7FFFFFFF_FFFFF800)
@example(0x7FFFFFFF)
@example(0x7FFFF800)
@example(-(1 << 63))
@example((1 << 64) - 1)
@example(0xFFFFFFFF)
def test_li_loads_any_constant(value):
    """Runs what it stands for, with four operations done by hand."""
    x = 0
    for text in lines(rv64, f"li a0, {value}"):
        name, operands = text.split(" ", 1)
        number = int(operands.split(", ")[-1], 0)
        if name == "lui":
            x = number << 12
            x -= (x & 1 << 31) << 1
        elif name == "slli":
            x <<= number
        else:
            assert name in ("addi", "addiw")
            x = number if operands.split(", ")[1] == "zero" else x + number
            if name == "addiw":
                x = (x & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
        x &= (1 << 64) - 1
    assert x == value & (1 << 64) - 1
    assert len(lines(rv64, f"li a0, {value}")) <= 8


# --- what is wrong, and where


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adi a0, a0, 1", "no instruction 'adi' in rv64; did you mean "),
        ("add a0, a1", "cannot read `add a0, a1`; add is written `add rd, rs1, rs2`"),
        ("add a0, a1, a9", "'a9' is no x register; did you mean "),
        ("fadd.s fa0, fa1, a0", "'a0' is no f register"),
        ("addi a0, a0, 2048", "addi: imm = 2048 is outside -2048..2047"),
        ("addi a0, a0, foo", "undefined label 'foo'"),
        ("food: addi a0, a0, foo", "undefined label 'foo'; did you mean food?"),
        ("beq a0, a1, 0x2000", "beq: the target 0x2000 is +8192 bytes away, which is outside -4096..4094"),
        ("beq a0, a1, 3", "beq: the target 0x3 is +3 bytes away, which is not a multiple of 2"),
        ("lui a0, 0x100000", "lui: imm = 0x100000 is outside 0..0xfffff"),
        ("c.lui sp, 1", "c.lui: with these operands the code means 'c.addi16sp sp, nzimm'"),
        ("c.add a0, zero", "c.add: rs2 must not be 0"),
        ("c.lw a0, 0(t0)", "c.lw: rs1 = 5 is outside 8..15"),
        ("csrr a0, fcrs", "'fcrs' is none of fflags, frm, fcsr"),
        ("fadd.s fa0, fa1, fa2, near", "'near' is none of rne, rtz, rdn, rup, rmm, dyn"),
        ("x: nop\nx: nop", "label 'x' is already defined on line 1"),
        ("x: nop\nx = 3", "'x' is already a label, on line 1"),
        (".bite 3", "no directive '.bite'; did you mean .byte"),
        (".byte 256", "256 = 256 does not fit in 1 bytes"),
        (".byte 1 +", "'1 +' ends too early"),
        (".byte (1", "a ')' is missing in '(1'"),
        (".byte 1 2", "cannot read '1 2' from '2' on"),
        (".byte 1 / 0", "division by 0 in '1 / 0'"),
        (".byte 1 << 1000", "a shift by 1000 in '1 << 1000'"),
        (".byte @", "cannot read '@' in '@'"),
        (".byte ,1", "a value is missing"),
        (".byte %high(3)", "no function %high; there are %hi %lo %pcrel_hi %pcrel_lo"),
        (".ascii text", 'text has to be in quotes: "...", not text'),
        (".zero later\nlater:", "a size must be known here, and 'later' is not yet"),
        (".org 8\nnop\n.org 4", ".org 0x4 is not ahead of 0xc (by at most 2**28)"),
        ("j 1b", "there is no label 1 above"),
        ("j 1f", "there is no label 1 below"),
        ("lw a0, %pcrel_lo(0)(a0)", "%pcrel_lo takes the label of an instruction with %pcrel_hi; there is none at 0x0"),
        ("lui a0, %hi(0x123456789)", "%hi cannot reach 0x123456789: it is outside -2**31..2**31"),
        (".equ 3", "a constant is written `.equ name, value` or `name = value`"),
    ],
)
def test_errors_name_the_line_and_what_is_accepted(text, message):
    with pytest.raises(AssemblyError) as error:
        assemble(rv64, "nop\n" * (text.startswith("j ")) + text, filename="prog.s")
    number = 1 + text.count("\n") + text.startswith("j ")
    if text.startswith(".zero"):
        number = 1
    first = str(error.value)
    assert first.startswith(f"prog.s:{number}: {message}"), first
    assert "\n" not in first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lda #256", "lda: imm = 256 is outside 0..255"),
        ("lda", "cannot read `lda`; lda is written `lda (zp,x)` or `lda (zp),y` or `lda #imm`"),
        ("ldx ($12),y", "no form of this instruction takes '($12)'; parentheses around all of it mean a pointer"),
        ("stx $123,y", "stx: zp = 291 is outside 0..255"),
        ("stx $0012,y", "stx: $0012 has more digits than zp can have"),
        ("bne $200", "bne: the target 0x200 is +510 bytes away, which is outside -128..127"),
        ("lda $12345", "lda: abs = 74565 is outside 0..65535"),
    ],
)
def test_errors_on_the_6502_do_so_too(text, message):
    with pytest.raises(AssemblyError) as error:
        assemble(mos6502, text)
    assert str(error.value).startswith(f"<assembly>:1: {message}"), str(error.value)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="a01bf:.,()+-*/%<>='\"\\#$~ \nxlidnoprsztwequ_", max_size=40))
def test_any_text_gives_bytes_or_one_line(text):
    for isa in (rv64, mos6502):
        try:
            outcome = assemble(isa, text).code
        except AssemblyError as error:
            outcome = str(error)
        assert isinstance(outcome, bytes) or "\n" not in outcome
