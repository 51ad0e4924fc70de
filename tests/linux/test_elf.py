"""Every layout of an ELF file that Linux runs. Source: System V ABI; Linux fs/binfmt_elf.c (`load_elf_binary`, `elf_load`)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOAD, INTERP, STACK = 1, 3, 0x6474E551
R, W, X = 4, 2, 1
CODE = 0x10000


def elf(
    contents: dict[int, bytes], *segments: tuple[int, int, int, int, int, int], kind: int = 2, entry: int = CODE + 0x400,
    headers: int = 64, align: int = 4096, size: int = 0x6000,
) -> bytes:  # fmt: skip
    """A program: bytes by file offset, and segments of (type, flags, offset, address, bytes in the file, in memory)."""
    head = HEADER.pack(b"\x7fELF\2\1\1" + bytes(9), kind, 243, 1, entry, headers, 0, 0, 64, 56, len(segments), 0, 0, 0)
    rows = b"".join(SEGMENT.pack(t, f, o, a, a, s, m, align) for t, f, o, a, s, m in segments)
    pieces = {0: head, headers: rows, **contents}
    data = bytearray(max(size, *(at + len(piece) for at, piece in pieces.items())))
    for at, piece in pieces.items():
        data[at : at + len(piece)] = piece
    return bytes(data)


def exit_with_byte(address: int) -> bytes:
    """`lui a0, high; lbu a0, low(a0); li a7, 93; ecall`: the exit code is the byte at `address`."""
    high, low = (address + 0x800) >> 12, address & 0xFFF
    return struct.pack("<4I", high << 12 | 0x537, low << 20 | 0x54503, 93 << 20 | 0x893, 0x73)


def text(address: int) -> dict[int, bytes]:
    """Code at file offset 0x400 that exits with the byte at `address`."""
    return {0x400: exit_with_byte(address)}


FIRST = (LOAD, R | X, 0, CODE, 0x500, 0x500)
DATA = bytes(range(1, 201))
PROGRAMS = {
    "the rest of the last page is cleared": (
        elf({**text(0x20000 + 100), 0x1000: DATA}, FIRST, (LOAD, R | W, 0x1000, 0x20000, 100, 0x3000)), 0),
    "the file's part stays": (
        elf({**text(0x20000 + 99), 0x1000: DATA}, FIRST, (LOAD, R | W, 0x1000, 0x20000, 100, 0x3000)), 100),
    "zeros reach over the page's end": (
        elf({**text(0x22FFF), 0x1000: DATA}, FIRST, (LOAD, R | W, 0x1000, 0x20000, 100, 0x3000)), 0),
    "without zeros the last page shows the file": (
        elf({**text(0x20000 + 150), 0x1000: DATA}, FIRST, (LOAD, R | W, 0x1000, 0x20000, 100, 100)), 151),
    "two segments in one page": (
        elf({**text(0x10900), 0x900: b"\x2a"}, (LOAD, R | X, 0, CODE, 0x800, 0x800), (LOAD, R | X, 0x900, 0x10900, 8, 8)), 42),
    "segments that overlap: the later one counts": (
        elf({**text(0x20010), 0x1010: b"\1", 0x2010: b"\2"}, FIRST, (LOAD, R, 0x1000, 0x20000, 0x100, 0x100),
            (LOAD, R, 0x2000, 0x20000, 0x100, 0x100)), 2),
    "segments in any order": (
        elf({**text(0x20010), 0x1010: b"\7"}, (LOAD, R, 0x1000, 0x20000, 0x100, 0x100), FIRST), 7),
    "only zeros, at an odd offset": (elf(text(0x30123), FIRST, (LOAD, R | W, 0x777, 0x30100, 0, 0x100)), 0),
    "nothing at all in a segment": (elf(text(CODE), FIRST, (LOAD, R, 0x123, 0x40000, 0, 0)), 0x7F),
    "headers far behind": (elf(text(CODE), FIRST, headers=0x20000), 0x7F),
    "a position-independent program whose segments want 2 MiB": (
        elf({0x400: struct.pack("<5I", 0x00000517, 0x02B51513, 0x03555513, 93 << 20 | 0x893, 0x73)},
            (LOAD, R | X, 0, 0, 0x500, 0x500), kind=3, entry=0x400, align=1 << 21), 1),
    "more headers than fit in a page": (elf({0x1400: exit_with_byte(CODE)}, (LOAD, R | X, 0, CODE, 0x2000, 0x2000),
                                            *[(0x60000000, 0, 0, 0, 0, 0)] * 70, entry=CODE + 0x1400), 0x7F),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_layout_that_linux_takes_runs(name: str, run: Callable[..., Any], tmp_path: Path) -> None:
    data, code = PROGRAMS[name]
    path = tmp_path / "prog"
    path.write_bytes(data)
    path.chmod(0o755)
    found = run(path)
    assert (found.stderr, found.returncode) == ("", code)


def test_an_interpreters_name_without_its_nul_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "prog"
    path.write_bytes(elf({**text(CODE), 0x300: b"/lib/ld.so"}, FIRST, (INTERP, R, 0x300, 0x10300, 10, 10)))
    path.chmod(0o755)
    found = run(path)
    assert found.stderr == f"softmetal run: {path}: bad ELF file: the interpreter's name does not end with a NUL byte\n"
    assert found.returncode == 126


NESTED = r"""
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
static int apply(int (*f)(int), int x) { return f(x); }
static void show(void *at) {
    char line[300];
    unsigned long a, b;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &a, &b) == 2 && (unsigned long)at >= a && (unsigned long)at < b)
            printf("%.4s\n", strchr(line, ' ') + 1);
    fclose(maps);
}
int main(int argc, char **argv) {
    int k = argc + 3;
    int f(int x) { return x + k; }
    printf("%d\n", apply(f, 2));
    show(&k);
    mprotect((void *)((unsigned long)&k & -4096L), 4096, PROT_READ | PROT_WRITE | PROT_GROWSDOWN);
    show(&k);
    return 0;
}
"""


def test_nested_functions_run_on_a_stack_that_the_file_asks_to_be_executable(
    build: Callable[..., Path], run: Callable[..., Any]
) -> None:
    assert run(build("nested.c", "-static", text=NESTED)).stdout == "6\nrwxp\nrw-p\n"


IMPLIED = r"""
#include <stdio.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (argc == 1) { personality(READ_IMPLIES_EXEC); execl("/proc/self/exe", argv[0], "again", NULL); }
    unsigned *code = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code[0] = 0x02a00513; /* li a0, 42 */
    code[1] = 0x00008067; /* ret */
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    printf("%x %d\n", personality(-1), ((int (*)(void))code)());
}
"""


def test_read_implies_exec_is_kept_over_exec_and_makes_readable_memory_executable(
    build: Callable[..., Path], run: Callable[..., Any]
) -> None:
    assert run(build("implied.c", "-static", text=IMPLIED)).stdout == "400000 42\n"
