"""Guests that do anything at all: random instructions, registers, CSRs, page tables and device accesses.

Whatever they do, the run comes back, in as many instructions as it was given, and nothing outside the guest's memory has
changed. SOFTMETAL_FUZZ_OPS says how many instructions that is to be tried with.
"""

from __future__ import annotations

import os
import random

import pytest

from softmetal.boards.riscv_virt import ACLINT, FINISHER, PLIC, RTC, UART, VIRTIO, RiscvVirt, Slot
from softmetal.engines.native import native_engine, new_board
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.privileged.state import RAM_BASE, Csr

INSTRUCTIONS = int(os.environ.get("SOFTMETAL_FUZZ_OPS", "3000000"))
RAM = 256 << 10
BEYOND = 1 << 20
DEVICES = [
    FINISHER,
    RTC,
    ACLINT,
    ACLINT + 0x4000,
    ACLINT + 0xBFF8,
    PLIC,
    PLIC + 0x200000,
    UART,
    *(VIRTIO + 0x1000 * i for i in range(10)),
]
SLOTS = [Slot.DISK, Slot.SHARE, Slot.NET, Slot.CONSOLE, Slot.ENTROPY, Slot.GPU, Slot.KEYBOARD, Slot.TABLET]
INSNS = sorted(isa.insns, key=lambda i: i.name)
OFTEN = [
    i for i in INSNS if i.name in ("ld", "sd", "lw", "sw", "lb", "sb", "jal", "jalr", "beq", "csrrw", "csrrs", "sret", "mret")
]


def parcel_bytes(rng: random.Random) -> bytes:
    """An instruction, most often one that there is."""
    if rng.random() < 0.02:
        return rng.randbytes(4)
    insn = rng.choice(OFTEN if rng.random() < 0.3 else INSNS)
    code = rng.getrandbits(32) & ~insn.mask | insn.match
    if insn.name.startswith("csr"):
        code = code & ~(0xFFF << 20) | int(rng.choice(list(Csr))) << 20
    return (code & (1 << 8 * insn.size) - 1).to_bytes(insn.size, "little")


def word(rng: random.Random) -> int:
    """A number that is often an address."""
    kind = rng.random()
    if kind < 0.5:
        return RAM_BASE + rng.randrange(RAM) & ~rng.choice([0, 7, 4095])
    if kind < 0.7:
        return rng.choice(DEVICES) + 4 * rng.randrange(64)
    if kind < 0.8:
        return RAM_BASE + RAM + rng.randrange(-16, 16)
    return rng.choice(
        [0, 1, rng.getrandbits(64), (1 << 64) - rng.randrange(1, 1 << 20), 1 << rng.randrange(64), rng.getrandbits(39)]
    )


def entry(rng: random.Random) -> int:
    """A page table entry, most often one that leads into memory."""
    if rng.random() < 0.05:
        return rng.getrandbits(64)
    frame = (RAM_BASE + rng.randrange(RAM) >> 12) if rng.random() < 0.9 else rng.choice(DEVICES) >> 12
    flags = rng.choice([0xCF, 0xDF, 0xC7, 0x01, 0x01, rng.getrandbits(8)])
    return frame << 10 | flags


def scramble(board, rng: random.Random) -> None:
    """Make everything that a guest controls random."""
    code = b"".join(parcel_bytes(rng) for _ in range(RAM // 2 // 3))[: RAM // 2]
    tables = b"".join(entry(rng).to_bytes(8, "little") for _ in range(RAM // 4 // 8))
    rest = b"".join(word(rng).to_bytes(8, "little") for _ in range(RAM // 4 // 8))
    board.ram[0:RAM] = (code + tables + rest).ljust(RAM, b"\0")
    for i in range(1, 32):
        board.x[i] = word(rng)
    board.pc = board.next_pc = RAM_BASE + rng.randrange(RAM // 2) & ~1
    board.mode = rng.choice([0, 1, 3])
    for name in ("sie", "mie", "mprv", "sum", "mxr", "mpp", "spp"):
        setattr(board, name, rng.getrandbits(1))
    board.fs = rng.getrandbits(2)
    board.medeleg, board.mideleg, board.enabled = rng.getrandbits(16) & 0xB3FF, rng.choice([0, 0x222]), rng.getrandbits(12)
    board.mtvec = board.stvec = 0
    board.mtvec, board.stvec = (RAM_BASE + rng.randrange(RAM // 2) & ~3 | rng.getrandbits(1) for _ in range(2))
    board.satp = rng.choice([0, 0, 8, 9, 10]) << 60 | (RAM_BASE + RAM // 2 >> 12) + rng.randrange(16)
    board.menvcfg, board.mcounteren = rng.choice([0, 1 << 63]), 7
    if rng.random() < 0.5:
        board.pmpcfg[0], board.pmpaddr[0] = 0x1F, (1 << 54) - 1
    board.reprotect()
    board.rekey()


@pytest.mark.parametrize("seed", range(4))
def test_a_guest_can_do_anything_and_the_run_comes_back(seed):
    rng = random.Random(seed)
    board = new_board(isa, RiscvVirt)
    board.ram_size, board.harts = RAM, 1 + seed % 2
    board.reset()
    for i, kind in enumerate(SLOTS):
        board.slots[i] = kind
    for chip in (
        board.disks[0],
        board.shares[0],
        board.net,
        board.console,
        board.entropy,
        board.gpu,
        board.keyboard,
        board.tablet,
    ):
        chip.present = 1
    board.disks[0].capacity = 1000
    engine = native_engine(isa, board)
    done = 0
    while done < INSTRUCTIONS // 4:
        scramble(board, rng)
        engine.call("memory_changed", RAM_BASE, RAM)
        for _ in range(10):
            budget = rng.randrange(1, 5000)
            ran = engine.advance(budget, board.clock() + 10_000_000)
            assert 0 <= ran <= budget
            done += max(ran, 100)
            board.finisher.finished = 0
            board.uart.tx.drain()
            board.net.frames()
            for request in board.disks[0].requests():
                engine.call("disk_done", 0, request.index, rng.randrange(3), rng.getrandbits(16))
            engine.call("disk_resume", 0)
            for request in board.shares[0].requests():
                engine.call("share_done", 0, request.index, rng.getrandbits(32))
            engine.call("share_resume", 0)
            engine.call("ports_changed")
    assert not any(board.ram[RAM : RAM + BEYOND]), "a guest wrote behind its memory"
