"""Where random privileged programs run: on our board, and on qemu-system-riscv64."""

from __future__ import annotations

import shutil
import struct
import subprocess
from itertools import zip_longest

from softmetal.boards.riscv_virt import RiscvVirt
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.hart import BREAKPOINT, FETCH_ACCESS, ILLEGAL, LOAD_ACCESS, STORE_ACCESS
from softmetal.lang.chip import Board
from tests.conform.privileged_harness import (
    END,
    FINAL,
    LOG,
    LOGGED,
    RAM,
    RECORD,
    REGIONS,
    SIZE,
    SLOT,
    TABLE,
    VARIABLES,
    address_of,
    image,
)
from tests.conform.privileged_programs import OTHERS, Program
from tests.conform.qemu_states import ABSENT

QEMU = "qemu-system-riscv64"
CPU = (
    "rv64,h=false,v=false,debug=false,zba=true,zbb=true,zbc=false,zbs=true,Zfh=false,Zfhmin=false,sstc=true,"
    "x-smaia=true,x-ssaia=true,svinval=true,svnapot=true,svpbmt=true"
)
ENOUGH = 20_000
"""Instructions: a program that takes more does not end."""


class Runner:
    """Our board, with an engine and some memory."""

    def __init__(self, make, size=SIZE):
        self.engine = make(isa, RiscvVirt)
        self.core = core = self.engine.core
        core.ram_size = size
        core.reset()
        view = core.__mapping__.view
        board = Board.of(RiscvVirt)
        self.block = view[: board.block_size]
        start, _ = board.memories["ram"]
        self.ram = view[start : start + size]
        pages, _ = board.memories["code.fetched"]
        self.fetched = view[pages : pages + (size >> 12)]
        self.power_on = bytes(self.block)

    def load(self, ram):
        """Power on, with this in memory."""
        self.block[:] = self.power_on
        self.fetched[:] = bytes(len(self.fetched))
        self.ram[:] = ram
        self.engine.drop_code()
        self.core.pc = self.core.next_pc = RAM

    def run(self, most):
        """Run to the end; whether that came."""
        done = 0
        while done < most and not self.core.finisher.finished:
            some = self.engine.advance(most - done)
            done += some
            if some == 0:
                break
        return bool(self.core.finisher.finished)


class Filter(Runner):
    """Says which programs end: nothing is known of how far another machine gets with those that do not."""

    def __init__(self, make):
        super().__init__(make)
        self.load(image({}))

    def ends(self, slot, content):
        self.block[:] = self.power_on
        self.engine.drop_code()
        self.core.pc = self.core.next_pc = RAM
        at = address_of(slot) - RAM
        self.ram[TABLE - RAM : TABLE - RAM + 16] = address_of(slot).to_bytes(8, "little") + bytes(8)
        self.ram[at : at + SLOT] = content
        ended = self.run(ENOUGH)
        (log,) = struct.unpack_from("<Q", self.ram, VARIABLES - RAM + 16)
        return ended and log <= address_of(slot) + SLOT


def qemu(folder, ram):
    """Memory after QEMU has run what is in it to the end. Raises FileNotFoundError without QEMU, TimeoutExpired."""
    if not shutil.which(QEMU):
        raise FileNotFoundError(f"{QEMU} is not installed")
    path = folder / "ram"
    path.write_bytes(ram)
    memory = f"memory-backend-file,id=m,size={SIZE},mem-path={path},share=on"
    command = [QEMU, "-machine", "virt,memory-backend=m", "-m", str(SIZE >> 20), "-object", memory, "-cpu", CPU, "-bios", "none"]
    command += ["-smp", "1,maxcpus=2", "-display", "none", "-serial", "none", "-monitor", "none", "-no-reboot"]
    subprocess.run(command, check=True, capture_output=True, timeout=10)
    return path.read_bytes()


def records(content):
    """The log of a program, as tuples; the slot's bytes are `content`."""
    found = []
    for at in range(LOG, SLOT - RECORD, RECORD):
        words = struct.unpack_from(f"<{RECORD // 8}Q", content, at)
        if words[0] == 0:
            break
        found.append(words)
    return found


def named(words):
    """The values of a record that are compared, by name."""
    names = ["entered", "cause", "epc", "tval", "status", "pending", *(f"x{n}" for n in LOGGED)]
    found = dict(zip(names, words, strict=False))
    for cause, tval in (("cause", "tval"), ("x16", "x18")):
        found[tval] = comparable(found[cause], found[tval])
    return found


SINVAL, SINVAL_MASK = 0x16000073, 0xFE007FFF


def comparable(cause, tval):
    """What of a tval is compared.

    For `sinval.vma` QEMU gives 0. An access fault of QEMU's may name the aligned address around the one that it was.
    """
    if cause == BREAKPOINT or (cause == ILLEGAL and (floating(tval) or tval & SINVAL_MASK == SINVAL)):
        return 0
    return tval & ~7 if cause in (LOAD_ACCESS, STORE_ACCESS) else tval


def difference(ours, theirs):
    """(what differs first between the slots of a program, whether the difference is a known one); None if nothing does."""
    for i, pair in enumerate(zip_longest(records(ours), records(theirs))):
        if None in pair:
            return f"record {i}: {[r and {k: hex(v) for k, v in named(r).items()} for r in pair]}", False
        a, b = (named(r) for r in pair)
        wrong = [f"{n} {a[n]:#x}, qemu's is {b[n]:#x}" for n in a if a[n] != b[n]]
        if wrong:
            return f"record {i} (cause {a['cause']:#x} at {a['epc']:#x}): " + ", ".join(wrong), excused(a, b)
    mine, other = final(ours), final(theirs)
    wrong = [f"{n} {mine[n]:#x}, qemu's is {other[n]:#x}" for n in mine if mine[n] != other[n]]
    for at in range(0, END, 8):
        if ours[at : at + 8] != theirs[at : at + 8]:
            wrong.append(f"{at:#x}: {ours[at : at + 8].hex()}, qemu's is {theirs[at : at + 8].hex()}")
    return (", ".join(wrong), False) if wrong else None


def excused(a, b):
    """Is it a known difference, behind which there is no comparing?"""
    causes = STORE_ACCESS, LOAD_ACCESS
    atomic = causes in ((a["x16"], b["x16"]), (a["cause"], b["cause"])) and a["epc"] == b["epc"]
    absent = a["cause"] in (FETCH_ACCESS, LOAD_ACCESS, STORE_ACCESS) and any(a["tval"] in r for r in OTHERS)
    unknown = any(b[c] == ILLEGAL and newer(b[t]) for c, t in (("cause", "tval"), ("x16", "x18")))
    return atomic or absent or unknown


def newer(code):
    """Is it an instruction of an extension that QEMU 7.2 does not know? Random data may be run."""
    entry = isa.decode(code)
    return entry is not None and entry.group in ABSENT


def floating(code):
    """Is it an instruction that floating point has to be on for?"""
    if code & 3 != 3:
        return code & 3 != 1 and code >> 13 & 3 == 1
    return code & 0x7F in (0x07, 0x27, 0x43, 0x47, 0x4B, 0x4F, 0x53)


def final(content):
    """Registers at the end, by name, as far as they are compared."""
    names = [c.name.lower() for c in FINAL] + [f"pmpaddr{i}" for i in range(REGIONS)]
    found = dict(zip(names, struct.unpack_from(f"<{len(names)}Q", content, END), strict=True))
    return found | {f"f{i}": v for i, v in enumerate(struct.unpack_from("<32Q", content, END + 1024))}


def programs(runner, seeds, locks=False):
    """Slots and programs: those of the seeds' that end."""
    made = ((slot, Program(seed, slot, locks).content) for slot, seed in enumerate(seeds))
    return {slot: content for slot, content in made if runner.ends(slot, content)}
