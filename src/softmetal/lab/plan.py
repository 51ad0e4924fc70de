"""The lab file: what hardware there is, which machines, and what each of them uses.

A plan is what the file says with everything filled in: copies have their names and addresses, parts of disks their places.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from softmetal.host.arbiter import FrameRule, Terms
from softmetal.lab.errors import LabError
from softmetal.lab.source import Source

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
RESERVED = ("control", "hw", "layer", "lock", "supervisor")
"""Names in the folder of a running lab that are no machines'."""
MOST_COPIES = 1000
FILES = ("path", "kernel", "initrd", "disk", "iso", "floppy", "root")
"""Keys that name files: variables of the environment may stand in them."""
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
PAGE = 1 << 20
"""Parts of disks, and memories, are whole MiB."""
OF_DISKS, OF_OTHERS = ("size",), ("frame", "idle", "max_hold", "deadline", "quiet", "speed")
"""Keys that only a disk has, and that only other hardware has."""
OF_LENGTHS = ("length_at", "extra", "little")
BOOTS = {
    "softmetal": ("kernel", "initrd", "append", "disk"),
    "qemu": ("kernel", "initrd", "append", "disk", "iso", "floppy", "legacy"),
    "uml": ("root", "initrd", "append"),
}
"""What machines of each engine start from."""


def option(default: Any, text: str) -> Any:
    """A key of the file, with what it means; a default that is a type is made anew each time."""
    if isinstance(default, type):
        return field(default_factory=default, metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Hardware:
    """A table [hardware.NAME]."""

    name: str
    kind: Literal["disk", "serial", "device"] = option("disk", "what it is")
    path: str = option("", "the file or device of the host")
    command: str = option("", "of a serial device: a program that behaves like one, on its standard input and output")
    size: str = option("", "of a disk image that is made if it is not there: 20G")
    policy: Literal["shared", "exclusive"] = option("shared", "shared: all at once, by weight; exclusive: one holder at a time")
    frame: dict[str, Any] = option(dict, 'where a transaction ends: { ends = "\\r\\n" } and the like; see `FrameRule`')  # noqa: RUF009
    idle: float = option(0.0, "seconds after which a lease ends when nothing moves; 0: never")
    max_hold: float = option(0.0, "seconds for which a lease may last while others wait; 0: as long as it takes")
    deadline: float = option(0.0, "seconds that a guest waits at most; 0: as long as it takes")
    quiet: float = option(0.0, "seconds of silence after a lease was taken away")
    speed: int = option(0, "of a serial line, in bits a second")

    @property
    def terms(self) -> Terms:
        """Of an exclusive device."""
        idle = self.idle or float(self.frame.get("gap", 0))
        return Terms(idle or None, self.max_hold or None, self.deadline or None, self.quiet)

    @property
    def rule(self) -> FrameRule:
        """Where frames end."""
        given: dict[str, Any] = {k: v.encode("latin-1") if isinstance(v, str) else v for k, v in self.frame.items()}
        return FrameRule(**given)


@dataclass(frozen=True)
class MachineTable:
    """A table [machines.NAME]."""

    name: str
    engine: Literal["", "softmetal", "qemu", "uml"] = option("", "what runs it; chosen by what it boots if it is not given")
    arch: Literal["", "riscv64", "x86_64", "i386", "aarch64"] = option("", "of its processor")
    kernel: str = option("", "a kernel image")
    initrd: str = option("", "its first file system")
    append: str = option("", "its command line")
    disk: str = option("", "a disk image to boot; what is written to it is dropped in the end")
    iso: str = option("", "an image of a CD")
    floppy: str = option("", "an image of a floppy disk")
    root: str = option("", "a folder of the host as root file system (user-mode Linux)")
    memory: str = option("256M", "size of its memory")
    cpus: int = option(1, "processors")
    copies: int = option(1, "machines of this kind: NAME1, NAME2, ...")
    uses: list[str] = option(list, 'hardware: "NAME", "DISK:10G" (a part of it), "net:NAME" (a network)')  # noqa: RUF009
    weight: float = option(1.0, "of its share of hardware that is shared")
    bandwidth: str = option("", "bytes a second of shared disks at most: 50M")
    rate: float = option(0.0, "accesses a second of shared disks at most")
    priority: int = option(0, "in queues for exclusive hardware; higher is first")
    legacy: bool = option(False, "the system has no virtio drivers")
    arguments: list[str] = option(list, "more words for the command line of QEMU or user-mode Linux")  # noqa: RUF009


@dataclass(frozen=True)
class Use:
    """A piece of hardware that a machine uses: a network has the card's address, a disk's part its place."""

    hardware: str
    kind: Literal["disk", "network", "serial"]
    start: int = 0
    size: int = 0
    mac: bytes = b""


@dataclass(frozen=True)
class Machine:
    """One machine."""

    name: str
    table: MachineTable
    engine: str
    arch: str
    memory: int
    uses: tuple[Use, ...]
    why: str
    """Why this engine."""


@dataclass(frozen=True)
class Plan:
    """A lab. `folder`: where the file is, from which relative paths go."""

    folder: Path
    hardware: dict[str, Hardware]
    machines: dict[str, Machine]
    networks: tuple[str, ...]


def size_of(text: str) -> int:
    """Bytes: 512M. Raises ValueError."""
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text)
    if not found:
        raise ValueError(f"{text!r} is no size; write 512M or 10G")
    return int(found[1]) * UNITS[found[2]]


def read(path: Path) -> Plan:
    """The plan of a lab file. Raises LabError, with line and column."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LabError(f"{path}: there is no such file; a lab is described in lab.toml") from None
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    try:
        data = tomllib.loads(text)
    except ValueError as error:  # tomllib's own, and Python's, for a number of thousands of digits
        raise LabError(f"{path}:{_place(str(error), text)}") from None
    except RecursionError:
        raise LabError(f"{path}:1:1: is nested too deeply") from None
    source = Source(path, text)
    for key in data:
        if key not in ("hardware", "machines"):
            raise source.error(f"unknown key {key!r}{_nearest(key, ['hardware', 'machines'])}", key)
    hardware = {n: _table(Hardware, n, t, source, "hardware") for n, t in _tables(data, "hardware", source).items()}
    tables = {n: _table(MachineTable, n, t, source, "machines") for n, t in _tables(data, "machines", source).items()}
    if not tables:
        raise source.error("no machine: write a table [machines.NAME]")
    for each in hardware.values():
        _check_hardware(each, source)
    return Plan(path.parent, hardware, *_machines(path, hardware, tables, source))


def _place(problem: str, text: str) -> str:
    """A problem of the TOML parser, with line and column in front."""
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", problem)
    if found:
        return f"{found[2]}:{found[3]}: {found[1]}"
    end = " (at end of document)"
    if problem.endswith(end):
        return f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}: {problem.removesuffix(end)}: the file ends here"
    return f"1:1: {problem}"


def _tables(data: Mapping[str, Any], key: str, source: Source) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise source.error(f"{key} is a table of tables: write [{key}.NAME]", key)
    for name, table in found.items():
        if not isinstance(table, dict):
            raise source.error(f"{key}.{name} is a table: write [{key}.{name}]", key, name)
        if not NAME.fullmatch(name):
            raise source.error(f"{name!r} is no name: small letters, digits and -, a letter first, at most 24", key, name)
        if name in RESERVED:
            raise source.error(f"{name!r} is a name that labs use themselves; choose another", key, name)
    return found


def _table(cls: type, name: str, given: Mapping[str, Any], source: Source, kind: str) -> Any:
    known = {f.name: f for f in fields(cls) if f.name != "name"}
    types = typing.get_type_hints(cls)
    for key, value in given.items():
        if key not in known:
            raise source.error(f"unknown key {key!r}{_nearest(key, list(known))}", kind, name, key)
        _check_type(types[key], key, value, source, kind, name)
    return cls(name=name, **{k: _expanded(k, v, source, kind, name) if k in FILES else v for k, v in given.items()})


def _expanded(key: str, text: str, source: Source, *where: str) -> str:
    """A file's name, variables of the environment put in."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in os.environ:
            raise source.error(f"{key}: the environment has no variable {name}", *where, key)
        return os.environ[name]

    return VARIABLE.sub(value, text)


def _check_type(wanted: Any, key: str, value: Any, source: Source, *where: str) -> None:
    choices = typing.get_args(wanted) if typing.get_origin(wanted) is Literal else ()
    if choices:
        if value not in choices:
            listed = ", ".join(repr(c) for c in choices if c)
            raise source.error(f"{key} is {value!r}; choose {listed}", *where, key)
        return
    plain: Any = typing.get_origin(wanted) or wanted
    allowed = (int, float) if plain is float else plain
    names = {str: 'a text in "quotes"', int: "a whole number", float: "a number", bool: "true or false"}
    names |= {list: 'a list of texts: ["a", "b"]', dict: "a table: { key = value }"}
    if not isinstance(value, allowed) or (isinstance(value, bool) and plain is not bool):
        raise source.error(f"{key} is {value!r}; write {names[plain]}", *where, key)
    if isinstance(value, float) and not math.isfinite(value):
        raise source.error(f"{key} is {value}; write {names[plain]}, and not {value}", *where, key)
    if isinstance(value, str) and "\0" in value:
        raise source.error(f"{key} is {value!r}; a text has no zero bytes", *where, key)
    if isinstance(value, list) and not all(isinstance(v, str) for v in value):
        raise source.error(f'{key} is a list of texts: ["a", "b"]', *where, key)
    if isinstance(value, int | float) and value < 0 and key != "extra":
        raise source.error(f"{key} is {value}; it cannot be below 0", *where, key)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _check_hardware(each: Hardware, source: Source) -> None:
    where = ("hardware", each.name)
    if each.name == "net":
        raise source.error("hardware net has the name that stands for networks: name it otherwise", *where)
    if not each.path and not each.command:
        raise source.error(f"hardware {each.name} has no path: write path = ...", *where)
    if each.command and (each.path or each.kind == "disk"):
        raise source.error("a device has a path or a command, a disk a path", *where, "command")
    if each.kind != "disk" and each.policy != "exclusive":
        raise source.error(f'a {each.kind} has one user at a time: write policy = "exclusive"', *where, "policy")
    if each.kind == "disk" and each.policy != "shared":
        raise source.error('a disk is shared: machines have parts of it ("NAME:10G"), or one has it all', *where, "policy")
    for key in OF_OTHERS if each.kind == "disk" else OF_DISKS:
        if getattr(each, key):
            raise source.error(f"a {each.kind} has no {key}", *where, key)
    if each.size and not _size(each.size, "size", source, *where):
        raise source.error(f"size is {each.size!r}; a disk has some bytes", *where, "size")
    _check_frame(each.frame, source, *where, "frame")


def _check_frame(frame: Mapping[str, Any], source: Source, *where: str) -> None:
    types = typing.get_type_hints(FrameRule) | {"ends": str, "request": str}
    for key, value in frame.items():
        if key not in types:
            raise source.error(f"frame: unknown key {key!r}{_nearest(key, list(types))}", *where, key)
        _check_type(types[key], key, value, source, *where)
    for key in ("ends", "request"):
        end = frame.get(key, "\n")
        if not end or any(ord(c) > 0xFF for c in end):
            raise source.error(f"{key} is {end!r}; write one or more bytes, as in \"\\r\\n\" or \"\\u0003\"", *where, key)
    rules = [key for key in ("ends", "length_size", "gap") if frame.get(key)]
    if len(rules) > 1:
        raise source.error(f"frame has {' and '.join(rules)}; it ends in one way", *where, rules[1])
    for key in OF_LENGTHS:
        if key in frame and not frame.get("length_size"):
            raise source.error(f"{key} is of a length field: give length_size, its bytes", *where, key)


def _size(text: str, key: str, source: Source, *where: str) -> int:
    try:
        return size_of(text)
    except ValueError as error:
        raise source.error(f"{key}: {error}", *where, key) from None


def _machines(
    path: Path, hardware: dict[str, Hardware], tables: dict[str, MachineTable], source: Source
) -> tuple[dict[str, Machine], tuple[str, ...]]:
    machines: dict[str, Machine] = {}
    networks: dict[str, None] = {}
    next_free = dict.fromkeys(hardware, 0)
    for table in tables.values():
        where = ("machines", table.name)
        if not 1 <= table.copies <= MOST_COPIES:
            raise source.error(f"copies is {table.copies}; 1 to {MOST_COPIES}", *where, "copies")
        memory = _size(table.memory, "memory", source, *where)
        if not memory or memory % PAGE:
            raise source.error(f"memory is {table.memory!r}; a memory is whole MiB", *where, "memory")
        if table.bandwidth:
            _size(table.bandwidth, "bandwidth", source, *where)
        for key in ("weight", "cpus"):
            if not getattr(table, key):
                raise source.error(f"{key} is 0; it is more than that", *where, key)
        engine, arch, why = _engine(table, source)
        _check_engine(table, engine, arch, source)
        for copy in range(1, table.copies + 1):
            name = table.name if table.copies == 1 else f"{table.name}{copy}"
            if name in machines:
                raise source.error(f"two machines have the name {name}", *where)
            uses = tuple(_use(path, name, text, hardware, next_free, source, where) for text in table.uses)
            networks |= dict.fromkeys(u.hardware for u in uses if u.kind == "network")
            for use in uses:
                if [u.hardware for u in uses].count(use.hardware) > 1:
                    raise source.error(f"uses names {use.hardware} twice", *where, "uses")
                if engine == "softmetal" and use.kind != "disk" and [u.kind for u in uses].count(use.kind) > 1:
                    raise source.error(f"a machine of engine softmetal has one {use.kind} device: use one", *where, "uses")
            machines[name] = Machine(name, table, engine, arch, memory, uses, why)
    for each in hardware.values():
        users = [m.name for m in machines.values() for u in m.uses if u.hardware == each.name and u.kind == "disk" and not u.size]
        if len(users) > 1 or (users and next_free[each.name]):
            text = f"{users[0]} would have all of disk {each.name}, which others use: give each a part, as in {each.name}:10G"
            raise source.error(text, "machines", machines[users[0]].table.name, "uses")
    return machines, tuple(networks)


def _use(
    path: Path, machine: str, text: str, hardware: dict[str, Hardware], next_free: dict[str, int], source: Source,
    where: tuple[str, ...],
) -> Use:  # fmt: skip
    name, colon, rest = text.partition(":")
    if name == "net":
        if not NAME.fullmatch(rest):
            raise source.error(f"{text!r}: a network has a name, as in net:lan", *where, "uses")
        if rest in hardware:
            raise source.error(f"{text!r}: {rest} is a {hardware[rest].kind}: name the network otherwise", *where, "uses")
        digest = hashlib.blake2b(f"{path.resolve()} {machine} {rest}".encode(), digest_size=5).digest()
        return Use(rest, "network", mac=b"\x02" + digest)
    if name not in hardware:
        raise source.error(f"there is no hardware {name!r}{_nearest(name, [*hardware, 'net:lan'])}", *where, "uses")
    if hardware[name].kind != "disk":
        if colon:
            raise source.error(f"{text!r}: only a disk has parts", *where, "uses")
        return Use(name, "serial")
    if not colon:
        return Use(name, "disk")
    try:
        size = size_of(rest)
    except ValueError as error:
        raise source.error(f"{text!r}: {error}", *where, "uses") from None
    if not size or size % PAGE:
        raise source.error(f"{text!r}: a part of a disk is whole MiB", *where, "uses")
    start = next_free[name]
    most = size_of(hardware[name].size) if hardware[name].size else 0
    if most and start + size > most:
        left = f"disk {name} has {most >> 20} MiB, of which {max(0, most - start) >> 20} are left"
        raise source.error(f"{text!r}, for {machine}: {left}", *where, "uses")
    next_free[name] = start + size
    return Use(name, "disk", start, size)


def _engine(table: MachineTable, source: Source) -> tuple[str, str, str]:
    """Engine and architecture of a machine, and why."""
    where = ("machines", table.name)
    if not (table.kernel or table.disk or table.iso or table.floppy or table.root or table.initrd):
        raise source.error("nothing to boot: give kernel, disk, iso, floppy or root", *where)
    if table.engine == "uml" or (not table.engine and table.root):
        why = "a Linux on a folder of the host: user-mode Linux starts in a second and needs no KVM"
        return "uml", table.arch or "x86_64", why
    pc = table.iso or table.floppy
    if table.engine == "softmetal" or (not table.engine and table.arch in ("", "riscv64") and table.kernel and not pc):
        if table.arch not in ("", "riscv64"):
            raise source.error(f"softmetal emulates riscv64 computers; {table.arch} is for engine qemu", *where, "arch")
        return "softmetal", "riscv64", "a riscv64 computer of our own: deterministic, with snapshots, forks and recordings"
    arch = table.arch or "x86_64"
    return "qemu", arch, f"a system for a PC or board of architecture {arch}: QEMU has its devices"


def _check_engine(table: MachineTable, engine: str, arch: str, source: Source) -> None:
    """What an engine would leave aside is an error."""
    where = ("machines", table.name)
    for key in dict.fromkeys(key for keys in BOOTS.values() for key in keys):
        if getattr(table, key) and key not in BOOTS[engine]:
            raise source.error(f"engine {engine} takes no {key}; it takes {', '.join(BOOTS[engine])}", *where, key)
    if engine == "uml":
        if arch != "x86_64":
            raise source.error(f"user-mode Linux runs on x86_64; {arch} is for engine qemu", *where, "arch")
        if table.cpus > 1:
            raise source.error(f"cpus is {table.cpus}; user-mode Linux has one processor", *where, "cpus")
        if table.root and table.initrd:
            raise source.error("user-mode Linux starts from root or initrd, not both", *where, "initrd")
    elif not table.kernel:
        if engine == "softmetal":
            raise source.error("a machine of engine softmetal starts with a kernel: give kernel", *where)
        for key in ("initrd", "append"):
            if getattr(table, key):
                raise source.error(f"{key} is of a kernel: give kernel", *where, key)
