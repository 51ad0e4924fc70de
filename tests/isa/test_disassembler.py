"""The disassembler and the assembler, derived from tables, against each other, Capstone and GNU as."""

from __future__ import annotations

import random
import re
import shutil
import subprocess

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmetal.isa.assembler import assemble
from softmetal.isa.disassembler import disassemble, disassemble_all
from softmetal.isa.mos6502 import isa as mos6502
from softmetal.isa.riscv import isa as rv64
from tests.isa.samples import code_of, codes, in_bytes

TABLES = {"rv64": rv64, "6502": mos6502}
ENTRIES = [pytest.param(isa, insn, id=f"{name}-{insn.syntax}") for name, isa in TABLES.items() for insn in isa.insns]
GNU_AS, GNU_OBJCOPY = shutil.which("riscv64-linux-gnu-as"), shutil.which("riscv64-linux-gnu-objcopy")


@pytest.mark.parametrize(("isa", "insn"), ENTRIES)
def test_what_is_disassembled_assembles_to_the_same_code(isa, insn):
    draw = random.Random(insn.syntax)
    pc = 0x8000 if isa is mos6502 else 0x10000
    found = codes(isa, insn, draw, 8)
    assert found
    for code in found:
        text = disassemble(isa, code, pc)
        assert assemble(isa, text, pc).code == in_bytes(insn, code), text


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_run_of_instructions_survives_the_round_trip(data):
    isa = data.draw(st.sampled_from(list(TABLES.values())))
    pc = data.draw(st.integers(0, 0xF000)) & ~1
    program = b""
    for insn in data.draw(st.lists(st.sampled_from(isa.insns), max_size=12)):
        code = code_of(isa, insn, lambda n: data.draw(st.integers(0, (1 << n) - 1)))
        program += in_bytes(insn, code) if code is not None else b""
    lines = [line.text for line in disassemble_all(isa, program, pc)]
    assert assemble(isa, "\n".join(lines), pc).code == program


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_survive_the_round_trip_on_the_6502(program):
    lines = [line.text for line in disassemble_all(mos6502, program, 0x400)]
    assert assemble(mos6502, "\n".join(lines), 0x400).code == program


def test_code_that_no_entry_recognises_becomes_data():
    lines = list(disassemble_all(rv64, bytes.fromhex("0000 ffffffff 13"), 0x100))
    assert [line.text for line in lines] == [".2byte 0", ".4byte 0xffffffff", ".byte 19"]
    assert [line.address for line in lines] == [0x100, 0x102, 0x106]


def test_targets_are_shown_by_name_where_symbols_are_known():
    symbols = {"main": 0x1000, "far": 0x4000}
    assert disassemble(rv64, bytes.fromhex("6ff0dfff"), 0x1004, symbols) == "jal zero, main"
    assert disassemble(rv64, bytes.fromhex("6f008000"), 0x1004, symbols) == "jal zero, main+0xc"
    assert disassemble(rv64, bytes.fromhex("6ff0dfff"), 0x2004, symbols) == "jal zero, 0x2000"
    assert disassemble(mos6502, bytes.fromhex("200040"), 0x300, symbols) == "jsr far"


# --- other people's tools


KNOWN_TO_BOTH = [n for name, n in rv64.names["csr"].items() if name not in ("pmpaddr13", "pmpaddr14")]
"""Registers that capstone names as the manual does; version 5 has two of them the wrong way round."""


def capstone_text(tool, code, address):
    found = next(tool.disasm(code, address), None)
    return f"{found.mnemonic} {found.op_str}" if found and len(found.bytes) == len(code) else None


NOT_IN_CAPSTONE_5 = (
    "Zba", "Zbb", "Zbc", "Zbkb", "Zbkx", "Zbs", "Zfa", "Zfh", "Zfhmin", "Zicond", "Zicbom", "Zicbop", "Zicboz", "Zawrs",
    "Zimop", "Zcmop", "Zcb", "Svinval",
)  # fmt: skip
NOT_IN_BINUTILS_2_40 = ("Zfa", "Zicond", "Zimop", "Zcmop", "Zcb")


@pytest.mark.parametrize("insn", [i for i in rv64.insns if i.group not in NOT_IN_CAPSTONE_5], ids=lambda i: i.syntax)
def test_capstone_reads_the_same_riscv_instruction(insn):
    """Its text, aliases and all, assembles to the code again; its branch targets are distances, so all lies at 0."""
    tool = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC)
    draw = random.Random(insn.syntax)
    agreed = 0
    for code in codes(rv64, insn, draw, 40):
        if "{csr:csr}" in insn.syntax:  # of those that have names, the ones that ours knows
            code = code & 0xFFFFF | draw.choice(KNOWN_TO_BOTH) << 20
        text = capstone_text(tool, in_bytes(insn, code), 0)
        if text is not None and "unknown" not in text:
            text = re.sub(r"(?<=[ ,])-(?=\d|0x)", "0-", text)
            assert assemble(rv64, text).code == in_bytes(insn, code), text
            agreed += 1
    assert agreed


@pytest.mark.parametrize("insn", [i for i in mos6502.insns if i.group == "documented"], ids=lambda i: i.syntax)
def test_capstone_reads_the_same_6502_instruction(insn):
    tool = capstone.Cs(capstone.CS_ARCH_MOS65XX, capstone.CS_MODE_MOS65XX_6502)
    draw = random.Random(insn.syntax)
    for code in codes(mos6502, insn, draw, 20):
        data = in_bytes(insn, code)
        found = next(tool.disasm(data + b"\0", 0x8000))
        text = found.mnemonic if found.mnemonic == "brk" else f"{found.mnemonic} {found.op_str}"
        assert assemble(mos6502, text, 0x8000).code == data, text


def gnu_as(tmp_path, text):
    """The bytes that GNU as makes of a program whose every instruction is 2 or 4 bytes as written."""
    source, thing, image = tmp_path / "a.s", tmp_path / "a.o", tmp_path / "a.bin"
    source.write_text(f".option norelax\n.option norvc\n{text}\n")
    extensions = "zba_zbb_zbc_zbkb_zbkx_zbs_zfh_zfhmin_zicsr_zifencei_zihintpause_zicbom_zicbop_zicboz_zawrs_svinval"
    march = f"-march=rv64gc_{extensions}"
    subprocess.run([GNU_AS, march, "-mabi=lp64d", "-mno-arch-attr", "-o", thing, source], check=True)
    subprocess.run([GNU_OBJCOPY, "-O", "binary", "-j", ".text", thing, image], check=True)
    return image.read_bytes()


@pytest.mark.skipif(not (GNU_AS and GNU_OBJCOPY), reason="riscv64-linux-gnu-as is not installed")
def test_gnu_as_makes_the_same_code_of_every_disassembled_instruction(tmp_path):
    draw = random.Random(64)
    program, lines = b"", []
    for insn in rv64.insns:
        for code in codes(rv64, insn, draw, 12) if insn.group not in NOT_IN_BINUTILS_2_40 else ():
            text = disassemble(rv64, code, 0)
            if re.search(r"0x[56]$", text) and insn.group in ("F", "D", "Zfh", "Zfhmin"):
                continue  # reserved rounding modes: GNU as has no way to write them
            if re.search(r", (r..|dyn)$", text) and "{rm:rne}" in insn.syntax:
                continue  # rounding modes where nothing is rounded: Binutils 2.40 has no way to write them
            if re.search(r"\b0x0(,|$)", text) and insn.name == "fence":
                continue  # no accesses at all: likewise
            if "pc+" in insn.syntax:
                target = int(text.rpartition(" ")[2], 16)
                distance = (target ^ 1 << 63) - (1 << 63)
                text = text.rpartition(" ")[0] + f" . + {distance}"
            option = "rvc" if insn.size == 2 else "norvc"
            lines += [f".option {option}", text]
            program += in_bytes(insn, code)
    assert gnu_as(tmp_path, "\n".join(lines)) == program
    assert len(lines) > 2 * 2000


PSEUDO = """
nop
mv a0, a1
not a0, a1
neg a0, a1
negw a0, a1
sext.w a0, a1
zext.w a0, a1
zext.b a0, a1
sext.b a0, a1
sext.h a0, a1
zext.h a0, a1
seqz a0, a1
snez a0, a1
sltz a0, a1
sgtz a0, a1
sgt a0, a1, a2
sgtu a0, a1, a2
1: beqz a0, 1b
bnez a0, 1b
blez a0, 1b
bgez a0, 1b
bltz a0, 1b
bgtz a0, 1f
bgt a0, a1, 1f
ble a0, a1, 1f
bgtu a0, a1, 1f
bleu a0, a1, 1b
1: j 1b
jal 1b
jr a0
jr 8(a0)
jalr a0
jalr 8(a0)
jalr t0, a0, -4
jalr t0, a0
ret
fence
fence r, rw
pause
sfence.vma
sfence.vma a0
sfence.vma zero, a1
sfence.vma a0, a1
cbo.zero (a0)
cbo.clean 0(a1)
prefetch.w -32(a0)
add zero, zero, sp
unimp
csrr a0, fcsr
csrr a0, 0x345
csrw fcsr, a0
csrs fflags, a0
csrc frm, a0
csrwi frm, 3
csrsi fflags, 16
csrci fflags, 31
rdcycle a0
rdtime a0
rdinstret a0
frcsr a0
fscsr a0, a1
fscsr a0
frrm a0
fsrm a0, a1
fsrm a0
fsrmi a0, 2
fsrmi 2
frflags a0
fsflags a0, a1
fsflags a0
fsflagsi a0, 2
fsflagsi 2
fmv.s fa0, fa1
fabs.s fa0, fa1
fneg.s fa0, fa1
fmv.d fa0, fa1
fabs.d fa0, fa1
fneg.d fa0, fa1
fgt.d a0, fa1, fa2
fge.s a0, fa1, fa2
fmv.h fa0, fa1
fgt.h a0, fa1, fa2
lw a0, (a1)
sd x5, (sp)
lr.d.aq a4, 0(a2)
amoadd.w a0, a1, 0(a2)
fld f5, 16(x2)
li a0, 0
li a0, -2048
li a0, 2047
li a0, 2048
li a0, 0x12345678
li a0, -0x80000000
li t0, 0x7fffffff
c.add a0, a1
c.lwsp a0, 8(x2)
lui a0, %hi(0x12345fff)
addi a0, a0, %lo(0x12345fff)
addi a0, a0, 'A' + 3 * 4 - (1 << 2 | 1)
.byte 1, -1, 0xff
.half 0x1234
.2byte 0x1234
.word -1, 0xffffffff
.dword 0x123456789abcdef0
.string "a\\n\\t\\"\\\\\\x41\\101"
.ascii "b", "c"
.balign 8, 0
.zero 3
.space 2, 7
.fill 3, 2, 0x0102
.p2align 4, 0
"""


@pytest.mark.skipif(not (GNU_AS and GNU_OBJCOPY), reason="riscv64-linux-gnu-as is not installed")
def test_gnu_as_agrees_about_pseudo_instructions_and_directives(tmp_path):
    explicit = re.sub(r"(?m)^(c\..*)$", r".option rvc\n\1\n.option norvc", PSEUDO)
    assert assemble(rv64, PSEUDO).code.hex(" ", 4) == gnu_as(tmp_path, explicit).hex(" ", 4)


PROGRAM = """
typedef unsigned long u64;
u64 mix(u64 a, u64 b) { for (int i = 0; i < 100; i++) { a = a * 636413 + b; b ^= a >> 29; if ((a & 7) == 3) b += i; } return a ^ b; }
double poly(double x, int n) { double r = x; while (n--) r = r * x + (double)n; return r < 0 ? -r : r; }
float narrow(float a, long b) { return a * b + (float)(int)a; }
int compare(const char *a, const char *b) { while (*a && *a == *b) { a++; b++; } return *a - *b; }
long atomic(long *p) { __atomic_fetch_add(p, 3, 5); long e = 1; __atomic_compare_exchange_n(p, &e, 2, 0, 4, 2); return *p; }
u64 divide(u64 a, int b) { return a / (b | 1) + ((long)a % (b | 1)) + (a >> 3 | a << 61); }
u64 fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
"""  # noqa: E501
GCC = shutil.which("riscv64-linux-gnu-gcc")


@pytest.mark.skipif(not (GCC and GNU_AS and GNU_OBJCOPY), reason="riscv64-linux-gnu-gcc is not installed")
@pytest.mark.parametrize("option", ["-O0", "-O2", "-Os"])
def test_what_gcc_writes_assembles_as_gnu_as_and_ld_do_it(tmp_path, option):
    source, assembly, thing = tmp_path / "a.c", tmp_path / "a.s", tmp_path / "a.elf"
    source.write_text(PROGRAM)
    arch = ["-march=rv64gc_zba_zbb_zbs", "-mabi=lp64d"]
    subprocess.run([GCC, "-S", option, *arch, "-fno-pic", "-o", assembly, source], check=True)
    text = re.sub(r"(?m)^\s*\.(option|attribute).*$", "", assembly.read_text())
    assembly.write_text(".option norelax\n.option norvc\n" + text)
    link = ["-nostdlib", "-static", "-Wl,--no-relax,-Ttext=0x10000,-e,fib,--build-id=none"]
    subprocess.run([GCC, *arch, *link, "-o", thing, assembly], check=True)
    subprocess.run([GNU_OBJCOPY, "-O", "binary", "-j", ".text", thing, tmp_path / "a.bin"], check=True)
    made = assemble(rv64, text, 0x10000)
    assert made.code[: made.sections[".text"][1]] == (tmp_path / "a.bin").read_bytes()
