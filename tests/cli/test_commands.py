"""The commands, as a user types them: what they print, how they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
DEMO = PROJECT / "examples" / "mandelbrot" / "mandelbrot.riscv64"


def softmetal(*args: object) -> subprocess.CompletedProcess[str]:
    """Run a command; COLUMNS fixes the width of help texts."""
    command = [sys.executable, "-m", "softmetal", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "100"})


MULHU = """\
mulhu a0, a1, a2
  code      0x02c5b533  (4 bytes: 33 b5 c5 02)
  pattern   0000001 rs2 rs1 011 rd 0110011
  rs2       12 (a2)
  rs1       11 (a1)
  rd        10 (a0)
  does      Multiply unsigned by unsigned, high 64 bits.
  a0        0x0000000000000000 -> 0x0000000000000006
  pc        0x0000000000010000 -> 0x0000000000010004
"""


@pytest.mark.parametrize("engine", ["golden", "native"])
@pytest.mark.parametrize("insn", ["mulhu a0, a1, a2", "0x02c5b533", "mulhu x10, x11, x12"])
def test_insn_shows_encoding_fields_and_what_changed(insn: str, engine: str) -> None:
    done = softmetal("insn", insn, "--set", "a1=-1", "--set", "a2=7", "--engine", engine)
    assert (done.stdout, done.stderr, done.returncode) == (MULHU, "", 0)


def test_insn_of_the_6502_shows_flags_memory_and_cycles() -> None:
    done = softmetal("insn", "--isa", "6502", "inc $10", "--poke", "0x10=7f")
    assert "  n         0 -> 1\n" in done.stdout
    assert "  ram[0x10] 7f -> 80\n" in done.stdout
    assert "  cycles    0x0000000000000000 -> 0x0000000000000005\n" in done.stdout


def test_insn_shows_a_trap() -> None:
    done = softmetal("insn", "0xffffffff")
    assert done.stdout.splitlines()[1:] == [
        "  code      0xffffffff",
        "  is not an instruction of RV64GC with bit manipulation, half precision and more",
        "  raises    RiscvTrap: cause 2, tval 0xffffffff",
    ]


def test_insn_shows_llvm_ir_and_host_code_with_the_operands_known() -> None:
    done = softmetal("insn", "add a0, a1, a2", "--show", "ir", "--show", "asm")
    assert "define" in done.stdout
    assert "add i64" in done.stdout
    assert "host code, with the operands known:\ninsn:\n" in done.stdout


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["addi a0, a1, 5000"], "addi: imm = 5000 is outside -2048..2047"),
        (["foo a0"], "no instruction 'foo' in rv64"),
        (["mul a0"], "cannot read `mul a0`; mul is written `mul rd, rs1, rs2`"),
        (["nop", "--isa", "z80"], "no instruction set 'z80'; there are rv64, 6502, or give a .py file of your own"),
        (["nop", "--set", "a0"], "--set a0: give NAME=VALUE"),
        (["nop", "--set", "a0=1.5"], "--set a0=1.5: give a whole number of at most 64 bits"),
        (["nop", "--isa", "6502", "--set", "a=256"], "--set a=256: give a whole number of at most 8 bits"),
        (["nop", "--isa", "6502", "--set", "p=-129"], "--set p=-129: give a whole number of at most 8 bits"),
        (
            ["nop", "--isa", "6502", "--set", "q=1"],
            "--set q: no register or field of that name; there are p, a, x, y, s, pc, "
            "n, v, d, i, z, c, irq, nmi, nmi_was, jammed, cycles",
        ),
        (["nop", "--set", "a0=x"], "--set a0=x: 'x' is not a number"),
        (["nop", "--set", "zero=1"], "--set zero: this register is always 0"),
        (["nop", "--poke", "4=zz"], "--poke 4=zz: give ADDRESS=HEXDIGITS, as in 0x2000=01ff"),
        (["nop", "--show", "c"], "--show c: give ir or asm"),
        (["nop", "--engine", "jit"], "--engine jit: choose golden or native"),
        (["0x1ffffffff"], "0x1ffffffff: no instruction of rv64 is that long"),
    ],
)
def test_insn_reports_an_error_in_one_line(args: list[str], text: str) -> None:
    done = softmetal("insn", *args)
    assert (done.stdout, done.stderr, done.returncode) == ("", f"softmetal insn: {text}\n", 2)


def test_insn_sets_a_status_register_as_a_whole() -> None:
    shown = softmetal("insn", "--isa", "6502", "adc #$01", "--set", "p=0x09", "--set", "a=0x98").stdout
    assert "a         0x98 -> 0x00" in shown  # decimal, with carry
    assert "n         0 -> 1" in shown  # of the binary sum


HELLO = """
_start: li   a7, 64
        li   a0, 1
        la   a1, text
        li   a2, 6
        ecall
        li   a7, 93
        li   a0, 7
        ecall
text:   .string "hello\\n"
"""


def test_an_assembled_program_runs(tmp_path: Path) -> None:
    source, program = tmp_path / "hello.s", tmp_path / "hello"
    source.write_text(HELLO)
    assert softmetal("asm", source, "-o", program).returncode == 0
    for engine in ("golden", "native"):
        done = softmetal("run", "--engine", engine, program)
        assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 7)
    shown = softmetal("disasm", program).stdout
    assert shown.splitlines()[0] == "   10000:  04000893    addi a7, zero, 64"


def test_bare_bytes_round_trip(tmp_path: Path) -> None:
    source, program = tmp_path / "x.s", tmp_path / "x.bin"
    source.write_text("loop: lda $1234,x\n dex\n bne loop\n")
    assert softmetal("asm", "--isa", "6502", source, "-o", program, "--origin", "0x400").returncode == 0
    assert program.read_bytes() == bytes([0xBD, 0x34, 0x12, 0xCA, 0xD0, 0xFA])
    shown = softmetal("disasm", "--isa", "6502", "--origin", "0x400", program).stdout
    assert [line.split("  ")[-1].strip() for line in shown.splitlines()] == ["lda $1234,x", "dex", "bne $0400"]


def test_disasm_names_functions(tmp_path: Path) -> None:
    if not shutil.which("riscv64-linux-gnu-gcc"):
        pytest.skip("riscv64-linux-gnu-gcc is not installed (./dev setup installs it)")
    source, program = tmp_path / "f.c", tmp_path / "f"
    source.write_text("int twice(int x) { return 2 * x; } void _start(void) { twice(1); }")
    build = ["riscv64-linux-gnu-gcc", "-O1", "-nostdlib", "-static", str(source), "-o", str(program)]
    subprocess.run(build, check=True)
    shown = softmetal("disasm", program).stdout
    assert "<twice>:" in shown
    assert "<_start>:" in shown


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["disasm", sys.executable], "is for "),
        (["disasm", PROJECT / "README.md"], "not an ELF file"),
        (["disasm", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["asm", "/nonexistent", "-o", "/tmp/x"], "/nonexistent: No such file or directory"),
    ],
)
def test_files_that_do_not_fit_are_reported_in_one_line(args: list[object], text: str) -> None:
    done = softmetal(*args)
    assert done.returncode == 2
    assert done.stderr.startswith(f"softmetal {args[0]}: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_assembly_errors_name_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "bad.s"
    source.write_text("nop\nadd a0, a1\n")
    done = softmetal("asm", source, "-o", tmp_path / "bad")
    assert done.returncode == 1
    assert done.stderr == f"{source}:2: cannot read `add a0, a1`; add is written `add rd, rs1, rs2`\n"


def test_the_demo_draws_the_same_picture_on_both_engines() -> None:
    pictures = [softmetal("run", "--engine", e, DEMO, "8").stdout for e in ("golden", "native")]
    assert pictures[0] == pictures[1]
    assert pictures[0].count("\n") == 3
    assert "@" in pictures[0]


def test_the_demo_draws_the_same_picture_under_qemu() -> None:
    if not shutil.which("qemu-riscv64"):
        pytest.skip("qemu-riscv64 is not installed (./dev setup installs it)")
    ours = softmetal("run", DEMO).stdout
    assert ours == subprocess.run(["qemu-riscv64", DEMO], capture_output=True, text=True, check=True).stdout


def test_reference_pages_come_from_the_tables() -> None:
    done = softmetal("reference", "--isa", "rv64")
    assert "`mulhu rd, rs1, rs2`" in done.stdout


def test_help_and_version() -> None:
    assert softmetal("--version").stdout == "softmetal 0.1.0\n"
    for command in ("run", "insn", "asm", "disasm", "reference"):
        done = softmetal(command, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout
