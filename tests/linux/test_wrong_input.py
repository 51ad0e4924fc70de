"""What cannot be run is refused in one line that says why; what dies says where. The texts are part of the interface."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rights import drop

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SUPPORTED = "softmetal run supports 64-bit little-endian RISC-V (riscv64) Linux programs"


def elf(
    *segments: tuple[int, int, int, int], machine: int = 243, kind: int = 2, bits: int = 2, order: int = 1, tail: int = 4096
) -> bytes:
    """A program of (offset, address, bytes in the file, bytes in memory) segments."""
    ident = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    header = HEADER.pack(ident, kind, machine, 1, 0x10000, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    if order == 2:
        header = header[:16] + struct.pack(">HH", kind, machine) + header[20:]
    rows = b"".join(SEGMENT.pack(1, 7, o, a, a, f, m, 4096) for o, a, f, m in segments)
    return (header + rows).ljust(tail, b"\0")


GOOD = (0, 0x10000, 4096, 4096)
CASES = {
    "text": (b"just some text\n", f"not an ELF file and not a #! script; {SUPPORTED}"),
    "empty": (b"", "the file is empty"),
    "short": (elf(GOOD)[:40], "truncated ELF file: 40 bytes, the header alone has 64"),
    "x86": (elf(GOOD, machine=62), f"this is a program for x86-64; {SUPPORTED}"),
    "arm": (elf(GOOD, machine=183), f"this is a program for AArch64; {SUPPORTED}"),
    "sparc": (elf(GOOD, machine=43, order=2), f"this is a program for SPARC V9; {SUPPORTED}"),
    "unknown": (elf(GOOD, machine=9999), f"this is a program for machine 9999; {SUPPORTED}"),
    "rv32": (elf(GOOD, bits=1), f"this is a 32-bit RISC-V program; {SUPPORTED}"),
    "big-endian": (elf(GOOD, order=2), f"this is a big-endian RISC-V program; {SUPPORTED}"),
    "object": (elf(GOOD, kind=1), "not a program but an object file: link it first"),
    "core": (elf(GOOD, kind=4), "not a program but a core dump"),
    "no segments": (elf(), "bad ELF file: 0 program headers of 56 bytes"),
    "headers cut": (elf(GOOD, GOOD)[:130], "truncated ELF file: its program headers end at byte 176, the file has 130"),
    "segment cut": (
        elf((0, 0x10000, 9000, 9000)),
        "truncated ELF file: the segment at 0x10000 ends at byte 9000, the file has 4096",
    ),
    "too high": (
        elf((0, 1 << 40, 4096, 4096)),
        "bad ELF file: the segment at 0x10000000000 (0x1000 bytes) is outside of the address space",
    ),
    "huge": (
        elf((0, 0x10000, 4096, 1 << 50)),
        "bad ELF file: the segment at 0x10000 (0x4000000000000 bytes) is outside of the address space",
    ),
    "more in file": (
        elf((0, 0x10000, 4096, 100)),
        "bad ELF file: the segment at 0x10000 has more bytes in the file than in memory",
    ),
    "unaligned": (elf((1, 0x10000, 100, 100)), "bad ELF file: the segment at 0x10000 is not aligned with its place in the file"),
    "empty script": (b"#!\necho\n", "its #! line names no interpreter"),
    "script": (
        b"#!/bin/sh\necho\n",
        "its #! line names /bin/sh, which does not exist; give the guest's file tree with --root DIR",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_no_program_is_refused(name: str, run: Callable[..., Any], tmp_path: Path) -> None:
    data, text = CASES[name]
    path = tmp_path / "prog"
    path.write_bytes(data)
    path.chmod(0o755)
    found = run(path)
    assert found.stderr == f"softmetal run: {path}: {text}\n"
    assert (found.returncode, found.stdout) == (126, "")


def test_a_missing_program_gives_127(run: Callable[..., Any], tmp_path: Path) -> None:
    found = run(tmp_path / "nothing")
    assert found.stderr == f"softmetal run: {tmp_path}/nothing: not found\n"
    assert found.returncode == 127


def test_a_directory_is_refused(run: Callable[..., Any], tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.stderr == f"softmetal run: {tmp_path}: is a directory\n"
    assert found.returncode == 126


def test_an_unreadable_file_is_refused(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(elf(GOOD))
    path.chmod(0)
    found = subprocess.run([*command, path], capture_output=True, text=True, check=False, preexec_fn=drop)
    assert found.stderr == f"softmetal run: {path}: cannot be read: Permission denied\n"
    assert found.returncode == 126


def test_a_device_is_refused(run: Callable[..., Any]) -> None:
    found = run("/dev/zero")
    assert found.stderr == "softmetal run: /dev/zero: not a regular file\n"
    assert found.returncode == 126


def test_a_dynamic_program_without_a_root_is_refused_with_advice(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    program = build("wild.c")
    found = run(program)
    loader = "/lib/ld-linux-riscv64-lp64d.so.1"
    advice = "give the guest's file tree with --root DIR"
    assert found.stderr == f"softmetal run: {program}: its interpreter {loader} does not exist; {advice}\n"
    assert found.returncode == 126


def test_a_root_that_is_not_there_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    found = run("--root", tmp_path / "no", "/bin/true")
    assert found.stderr == f"softmetal run: --root {tmp_path}/no: No such file or directory\n"
    assert found.returncode == 126


@pytest.mark.parametrize(
    ("how", "code", "pattern"),
    [
        ("store", 139, "SIGSEGV: no access to address 0x1230, pc 0x{pc} in wild"),
        ("load", 139, "SIGSEGV: no access to address 0xdeadbeef000, pc 0x{pc} in wild"),
        ("jump", 139, "SIGSEGV: no access to address 0x4560: no instruction can be fetched there (return address 0x"),
        ("illegal", 132, "SIGILL: illegal instruction at 0x{pc}, pc 0x{pc} in wild"),
        ("break", 133, "SIGTRAP: breakpoint at 0x{pc}, pc 0x{pc} in wild"),
        ("recurse", 139, "SIGSEGV: no access to address 0x3f"),
    ],
)
def test_a_signal_that_kills_is_reported_with_address_and_instruction(
    how: str, code: int, pattern: str, build: Callable[..., Path], run: Callable[..., Any]
) -> None:
    import re

    program = build("wild.c", "-static")
    found = run(program, how)
    assert found.returncode == code
    expected = re.escape(f"softmetal run: {program}: " + pattern).replace(r"\{pc\}", "[0-9a-f]+")
    assert re.match(expected, found.stderr)
    assert found.stderr.count("\n") == 1
    if "pc" in pattern:
        assert re.search(r"instruction 0x[0-9a-f]{4,8}\b", found.stderr)


def test_a_missing_call_is_named_once_and_answers_enosys(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    program = build("wild.c", "-static")
    found = run(program, "missing")
    assert found.stdout == "-1 -1 -1\n"
    assert found.stderr.splitlines() == [
        f"softmetal run: {program}: system call mq_open is not implemented; the program got ENOSYS",
        f"softmetal run: {program}: system call number 9999 is not implemented; the program got ENOSYS",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--engine", "warp"], "--engine warp: choose native or golden"),
        (["--env", "=1"], "--env =1: give KEY=VALUE, or KEY for the host's value"),
        (["--env", "NO_THING"], "--env NO_THING: there is no such variable in the host's environment; give NO_THING=VALUE"),
        (["--dir", "/tmp"], "--dir /tmp: give HOST:GUEST or HOST:GUEST:ro, with an absolute GUEST path"),
        (["--mem", "lots"], "--mem lots: give a size of at least 1M, such as 512M or 4G"),
    ],
)
def test_a_wrong_option_is_reported_in_one_line(arguments: list[str], text: str, run: Callable[..., Any]) -> None:
    found = run(*arguments, "prog")
    assert found.stderr == f"softmetal run: {text}\n"
    assert found.returncode == 2


def test_a_call_that_is_not_there_is_named_once_in_a_run(build: Callable[..., Path], run: Callable[..., Any]) -> None:
    text = (
        "#define _GNU_SOURCE\n#include <errno.h>\n#include <stdio.h>\n#include <sys/syscall.h>\n#include <sys/wait.h>\n"
        "#include <unistd.h>\nint main(){for(int i=0;i<3;i++)if(!fork()){for(int n=0;n<2;n++)if(syscall(425,1,0)!=-1||"
        'errno!=ENOSYS)_exit(1);_exit(0);}int s,bad=0;while(wait(&s)>0)bad+=s;printf("%d %d\\n",bad,(int)syscall(444,0,0,1));}'
    )
    program = build("absent.c", "-static", text=text)
    found = run(program)
    assert found.stdout == "0 -1\n"
    assert sorted(found.stderr.splitlines()) == [
        f"softmetal run: {program}: system call {name} is not implemented; the program got ENOSYS"
        for name in ("io_uring_setup", "landlock_create_ruleset")
    ]
