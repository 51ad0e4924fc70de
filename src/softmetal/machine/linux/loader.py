"""Starting a program: `execve` from the path to the first instruction.

Source: Linux's `binfmt_elf` and `binfmt_script` as seen from user space (man 2 execve, man 3 getauxval), and the
riscv64 process start: all registers zero but `sp`, which points to `argc`.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from softmetal.isa.riscv.extensions import PROGRAMS, letters

from . import elf
from .cpu import PAGE, W
from .elf import Elf, Segment
from .errors import NOT_FOUND, RunError
from .files import RegularFile
from .signals import TRAMPOLINE
from .space import PROT_EXEC, PROT_READ, PROT_WRITE, USER_END, page_up
from .vfs import Node, Vfs

if TYPE_CHECKING:
    from .process import Process

HEAD = 1 << 16
SCRIPT_DEPTH = 5
STACK_SIZE = 8 << 20
ARGUMENTS_LIMIT = STACK_SIZE // 4
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
    return file


def read_image(file: RegularFile, name: str) -> tuple[bytes, int]:
    """The first bytes of a program and its size."""
    return os.pread(file.fd, HEAD, 0), os.fstat(file.fd).st_size


def find(where: Where, path: bytes, arguments: list[bytes], need_mode: bool) -> Program:
    """Find out what running `path` means, through `#!` lines and the interpreter. Raises RunError."""
    asked = path
    for _ in range(SCRIPT_DEPTH):
        file = open_program(where, path)
        name = show(path)
        if need_mode and not os.fstat(file.fd).st_mode & 0o111:
            raise RunError(f"{name}: permission denied: the file is not executable", error=errno.EACCES)
        data, size = read_image(file, name)
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
                    f"{name}: its #! line wants {show(interpreter)}, which is not there{where.advice}",
                    error=error.errno,
                ) from None  # fmt: skip
            arguments = [interpreter, *extra, path, *arguments[1:]]
            path = interpreter
            continue
        main = Image(file, elf.parse(data, size, name), name)
        loader: Image | None = None
        if main.elf.interpreter is not None:
            wanted = main.elf.interpreter
            try:
                opened = open_program(where, wanted)
            except RunError as error:
                raise RunError(f"{name}: its interpreter {show(wanted)} is not there{where.advice}", error=error.errno) from None
            data, size = read_image(opened, show(wanted))
            loader = Image(opened, elf.parse(data, size, show(wanted)), show(wanted))
        return Program(main, loader, arguments, asked)
    raise RunError(f"{show(asked)}: too many #! scripts one after the other", error=errno.ELOOP)


def place(process: Process, image: Image, bias: int) -> None:
    """Map the segments of `image`."""
    for segment in image.elf.segments:
        place_segment(process, image, segment, bias)


def place_segment(process: Process, image: Image, segment: Segment, bias: int) -> None:
    """Map one segment: the file's part is copied, the rest stays zero."""
    space = process.space
    prot = 0
    for flag, bit in ((elf.PF_R, PROT_READ), (elf.PF_W, PROT_WRITE), (elf.PF_X, PROT_EXEC)):
        prot |= bit if segment.flags & flag else 0
    start, end = segment.start + bias, segment.end + bias
    below = space.find(start)
    if below is not None:  # two segments in one page: keep what is there and allow what both allow
        prot_shared = prot | below.prot
        space.protect(start, start + PAGE, prot_shared)
        if end > start + PAGE:
            space.map(start + PAGE, end, prot, name=image.file.path)
    else:
        space.map(start, end, prot, name=image.file.path)
    got = space.fill(segment.address + bias, image.file.fd, segment.offset, segment.file_size)
    if got < segment.file_size:
        raise RunError(f"{image.name}: truncated while it was loaded")


def execute(process: Process, program: Program, environment: list[bytes]) -> None:
    """Replace what runs in `process` by `program`. Raises RunError or OSError only before anything is lost."""
    arguments = program.arguments
    if sum(len(s) + 9 for s in arguments) + sum(len(s) + 9 for s in environment) > ARGUMENTS_LIMIT:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    space, entropy = process.space, process.entropy
    main = program.main
    process.exec_begins()
    space.clear()

    stack_top = USER_END - entropy.below(1 << 14) * PAGE
    stack_bottom = stack_top - STACK_SIZE
    space.top = stack_bottom - (1 + entropy.below(1 << 12)) * PAGE
    bias = 0
    if main.elf.relocatable:
        bias = PIE_BASE + entropy.below(1 << 12) * PAGE - main.elf.low
    space.map(stack_bottom, stack_top, PROT_READ | PROT_WRITE, name=b"[stack]")
    try:
        place(process, main, bias)
        base = 0
        entry = main.elf.entry + bias
        if program.interpreter is not None:
            inner = program.interpreter.elf
            if inner.relocatable:
                base = space.gap(inner.high - inner.low) - inner.low
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
    sp = (at - len(strings) - 8 * len(words)) & -16
    table = b"".join(word.to_bytes(8, "little") for word in words)
    space.view(sp, top - sp, W)[: len(table)] = table
    space.ram[at - len(strings) : at] = strings
    return sp
