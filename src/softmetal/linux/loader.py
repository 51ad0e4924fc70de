"""Starting a program: `execve` from the path to the first instruction.

Source: Linux's `binfmt_elf` and `binfmt_script` as seen from user space (man 2 execve, man 3 getauxval), and the
riscv64 process start: all registers zero but `sp`, which points to `argc`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from softmetal.isa.riscv.extensions import PROGRAMS, letters

from . import elf
from .areas import GROWS_DOWN, page_up
from .cpu import PAGE, W
from .elf import Elf, Segment
from .errors import NOT_FOUND, RunError
from .files import RegularFile
from .nodes import Node
from .signals import TRAMPOLINE
from .space import PROT_EXEC, PROT_READ, PROT_WRITE, USER_END
from .vfs import Vfs

if TYPE_CHECKING:
    from .process import Process

SCRIPT_DEPTH = 5
FIRST_STACK = 128 << 10
"""Bytes of stack below the arguments from the start; it grows from there."""
STACK_GAP = 128 << 20
"""What is kept free for the stack at least, whatever its limit is."""
MOST_ARGUMENTS, LEAST_ARGUMENTS = 6 << 20, 128 << 10
"""Bounds of what arguments and environment may take; between them it is a quarter of RLIMIT_STACK (man 2 execve)."""
PIE_BASE = 0x2AAAAAA000
"""Two thirds of the address space, as Linux places a position-independent program."""

HWCAP = letters(e for e in PROGRAMS if len(e) == 1)
AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY = 3, 4, 5, 6, 7, 8, 9
AT_UID, AT_EUID, AT_GID, AT_EGID, AT_HWCAP, AT_CLKTCK, AT_SECURE, AT_RANDOM = 11, 12, 13, 14, 16, 17, 23, 25
AT_EXECFN, AT_MINSIGSTKSZ = 31, 51


class Image(NamedTuple):
    """A program that has been found to be good."""

    file: RegularFile
    elf: Elf
    name: str


class Where(NamedTuple):
    """Where programs are looked for."""

    vfs: Vfs
    cwd: Node
    advice: str = ""
    """What to add when a file of the guest's system is missing."""
    busy: Callable[[int], bool] | None = None
    """Whether the file of a host descriptor is open for writing, so that it may not be run."""


class Program(NamedTuple):
    """What `execve` will start."""

    main: Image
    interpreter: Image | None
    arguments: list[bytes]
    path: bytes
    """AT_EXECFN: the path that was asked for."""


def show(path: bytes) -> str:
    """A path for a message."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode()


def open_program(where: Where, path: bytes) -> RegularFile:
    """Open a file to execute it. Raises RunError naming it."""
    name = show(path)
    try:
        node = where.vfs.walk(path, where.cwd).existing()
        if node.is_dir:
            raise RunError(f"{name}: is a directory", error=errno.EACCES)
        if not stat.S_ISREG(node.mode):
            raise RunError(f"{name}: not a regular file", error=errno.EACCES)
        file = node.open(0)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        reason = "not found" if missing else "cannot be read: " + os.strerror(error.errno or errno.EIO)
        raise RunError(f"{name}: {reason}", NOT_FOUND if missing else 126, error.errno or errno.EIO) from None
    if not isinstance(file, RegularFile):
        raise RunError(f"{name}: not a regular file", error=errno.EACCES)
    if where.busy is not None and where.busy(file.fd):
        raise RunError(f"{name}: is open for writing", error=errno.ETXTBSY)
    return file


def read_image(file: RegularFile, name: str) -> Elf:
    """What the loader needs to know of a program. Raises RunError."""
    return elf.parse(lambda offset, length: os.pread(file.fd, length, offset), os.fstat(file.fd).st_size, name)


def find(where: Where, path: bytes, arguments: list[bytes], need_mode: bool) -> Program:
    """Find out what running `path` means, through `#!` lines and the interpreter. Raises RunError."""
    asked = path
    for _ in range(SCRIPT_DEPTH):
        file = open_program(where, path)
        name = show(path)
        if need_mode and not os.fstat(file.fd).st_mode & 0o111:
            raise RunError(f"{name}: permission denied: the file is not executable", error=errno.EACCES)
        data = os.pread(file.fd, 256, 0)
        if data[:2] == b"#!":
            line = data[2:256].split(b"\n")[0].strip(b" \t\r")
            parts = line.split(None, 1)
            if not parts:
                raise RunError(f"{name}: its #! line names no interpreter")
            extra = [parts[1].strip(b" \t")] if len(parts) > 1 else []
            interpreter = parts[0]
            try:
                open_program(where, interpreter)
            except RunError as error:
                raise RunError(
                    f"{name}: its #! line names {show(interpreter)}, which does not exist{where.advice}",
                    error=error.errno,
                ) from None  # fmt: skip
            arguments = [interpreter, *extra, path, *arguments[1:]]
            path = interpreter
            continue
        main = Image(file, read_image(file, name), name)
        loader: Image | None = None
        if main.elf.interpreter is not None:
            wanted = main.elf.interpreter
            try:
                opened = open_program(where, wanted)
            except RunError as error:
                why = f"its interpreter {show(wanted)} does not exist{where.advice}"
                raise RunError(f"{name}: {why}", error=error.errno) from None
            loader = Image(opened, read_image(opened, show(wanted)), show(wanted))
        return Program(main, loader, arguments, asked)
    raise RunError(f"{show(asked)}: too many #! scripts one after the other", error=errno.ELOOP)


def place(process: Process, image: Image, bias: int) -> None:
    """Map the segments of `image`."""
    for segment in image.elf.segments:
        place_segment(process, image, segment, bias)


def place_segment(process: Process, image: Image, segment: Segment, bias: int) -> None:
    """Map one segment, over existing mappings, as Linux's `elf_load` does: whole pages of the file, what the segment has
    of its last page beyond them cleared, and zeros for the rest."""
    space = process.space
    prot = 0
    for flag, bit in ((elf.PF_R, PROT_READ), (elf.PF_W, PROT_WRITE), (elf.PF_X, PROT_EXEC)):
        prot |= bit if segment.flags & flag else 0
    start, end = segment.start + bias, segment.end + bias
    file_end = segment.address + segment.file_size + bias
    zeros = page_up(file_end) if segment.file_size else start
    if segment.file_size:
        fd, path = image.file.fd, image.file.path
        offset = segment.offset - segment.address % PAGE
        space.map(start, zeros, prot, name=path, file=space.backing(fd, path), offset=offset)
        if space.fill(start, fd, offset, zeros - start) < file_end - start:
            raise RunError(f"{image.name}: truncated while it was loaded")
        if segment.memory_size > segment.file_size and prot & PROT_WRITE:
            space.ram[file_end:zeros] = bytes(zeros - file_end)
    if end > zeros:
        space.map(zeros, end, prot)


def execute(process: Process, program: Program, environment: list[bytes]) -> None:
    """Replace what runs in `process` by `program`. Raises RunError or OSError only before anything is lost."""
    arguments = program.arguments
    room = sum(len(s) + 9 for s in arguments) + sum(len(s) + 9 for s in environment)
    space, entropy = process.space, process.entropy
    if room > min(max(space.stack_limit // 4, LEAST_ARGUMENTS), MOST_ARGUMENTS):
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    main = program.main
    process.exec_begins()
    space.clear()

    stack_top = USER_END - entropy.below(1 << 14) * PAGE
    stack_bottom = stack_top - page_up(room) - FIRST_STACK
    gap = min(max(space.stack_limit, STACK_GAP), USER_END // 6 * 5)
    space.top = stack_top - page_up(gap) - (1 + entropy.below(1 << 12)) * PAGE
    bias = 0
    if main.elf.relocatable:
        bias = (PIE_BASE + entropy.below(1 << 12) * PAGE - main.elf.low) & -main.elf.alignment
    stack_prot = PROT_READ | PROT_WRITE | (PROT_EXEC if main.elf.executable_stack else 0)
    space.map(stack_bottom, stack_top, stack_prot, name=b"[stack]", marks=GROWS_DOWN)
    try:
        place(process, main, bias)
        base = 0
        entry = main.elf.entry + bias
        if program.interpreter is not None:
            inner = program.interpreter.elf
            if inner.relocatable:
                slack = inner.alignment - PAGE
                base = (space.gap(inner.high - inner.low + slack) + slack & -inner.alignment) - inner.low
            place(process, program.interpreter, base)
            entry = inner.entry + base
    except OSError as error:
        raise RunError(f"{main.name}: cannot be loaded: {os.strerror(error.errno or errno.ENOMEM)}") from None
    space.brk_start = space.brk = page_up(main.elf.high + bias) + entropy.below(1 << 8) * PAGE

    code = space.gap(PAGE)
    space.map(code, code + PAGE, PROT_READ | PROT_EXEC, name=b"[vdso]")
    space.ram[code : code + len(TRAMPOLINE)] = TRAMPOLINE
    space.cpu.code_changed(code, code + PAGE)
    process.signals.trampoline = code

    sp = build_stack(process, program, environment, stack_top, bias, base, entry)
    cpu = process.cpu
    for index in range(32):
        cpu.x[index] = 0
        cpu.f[index] = 0
    cpu.fcsr = 0
    cpu.x[2] = sp
    cpu.pc = entry & ~1
    cpu.clear_reservation()


def build_stack(process: Process, program: Program, environment: list[bytes], top: int, bias: int, base: int, entry: int) -> int:
    """Fill the stack with strings, auxiliary vector, environment and arguments; answers `sp`."""
    space = process.space
    at = top - 16
    strings = bytearray()

    def push(data: bytes) -> int:
        strings[:0] = data
        return at - len(strings)

    path = push(program.path + b"\0")
    pieces = [*program.arguments, *environment]
    block = b"".join(piece + b"\0" for piece in pieces)
    address = push(block)
    pointers = []
    for piece in pieces:
        pointers.append(address)
        address += len(piece) + 1
    random = push(process.entropy.take(16))
    process.arguments_at = (pointers[0] if pointers else 0, len(b"".join(p + b"\0" for p in program.arguments)))
    process.arguments = list(program.arguments)
    process.environment = list(environment)

    headers = program.main.elf.headers_address
    uid, gid = os.getuid(), os.getgid()
    vector = [
        (AT_HWCAP, HWCAP), (AT_PAGESZ, PAGE), (AT_CLKTCK, 100), (AT_PHDR, headers + bias if headers else 0),
        (AT_PHENT, elf.SEGMENT.size), (AT_PHNUM, program.main.elf.headers_count), (AT_BASE, base), (AT_FLAGS, 0),
        (AT_ENTRY, program.main.elf.entry + bias), (AT_UID, uid), (AT_EUID, os.geteuid()), (AT_GID, gid),
        (AT_EGID, os.getegid()), (AT_SECURE, 0), (AT_RANDOM, random), (AT_EXECFN, path), (AT_MINSIGSTKSZ, 2048),
        (0, 0),
    ]  # fmt: skip
    count = len(program.arguments)
    words = [count, *pointers[:count], 0, *pointers[count:], 0]
    for key, value in vector:
        words += [key, value]
    process.auxiliary = b"".join(word.to_bytes(8, "little") for pair in vector for word in pair)
    sp = (at - len(strings) - 8 * len(words)) & -16
    table = b"".join(word.to_bytes(8, "little") for word in words)
    space.view(sp, top - sp, W)[: len(table)] = table
    space.ram[at - len(strings) : at] = strings
    return sp
