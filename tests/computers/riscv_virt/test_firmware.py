"""The firmware, on QEMU's virt machine: what a supervisor gets of each extension."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from softmetal.boards import riscv_virt as board
from softmetal.chips import plic
from softmetal.computers.riscv_virt.firmware import ADDRESS, SIZE, assembly, firmware
from softmetal.isa.assembler import assemble
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.privileged import mmu

QEMU = shutil.which("qemu-system-riscv64")
pytestmark = pytest.mark.skipif(not QEMU, reason="qemu-system-riscv64 is not installed")

ENTRY = 0x8020_0000
OK, NOT_SUPPORTED, INVALID_PARAM, INVALID_ADDRESS, ALREADY_AVAILABLE = 0, -2, -3, -5, -6
BASE, TIME, IPI, RFENCE = 0x10, 0x54494D45, 0x735049, 0x52464E43
HSM, SRST, DBCN = 0x48534D, 0x53525354, 0x4442434E
SHUTDOWN = "li a7, 0x53525354; li a6, 0; li a0, 0; li a1, 0; ecall\n"

REPORT = """
report:                   # print a0 and a1
        mv s8, a1
        li a1, 0x20
        mv s7, ra
        call number
        mv a0, s8
        li a1, 0x0a
        mv ra, s7
number: li t0, 60       # print a0 in 16 digits, then the character a1
        la t1, buffer
1:      srl t2, a0, t0
        andi t2, t2, 15
        sltiu t3, t2, 10
        addi t2, t2, 'a' - 10
        beqz t3, 2f
        addi t2, t2, '0' - 'a' + 10
2:      sb t2, 0(t1)
        addi t1, t1, 1
        addi t0, t0, -4
        bgez t0, 1b
        sb a1, 0(t1)
        li a0, 17
        la a1, buffer
        li a2, 0
        li a7, 0x4442434e
        li a6, 0
        ecall
        ret
        .balign 8
buffer: .zero 24
"""


@dataclass(frozen=True)
class Outcome:
    """What the console showed, and how the machine ended."""

    text: str
    code: int

    @property
    def reported(self) -> list[tuple[int, int]]:
        """Every pair that was printed, signed."""
        return [(signed(a), signed(b)) for a, b in re.findall(r"([0-9a-f]{16}) ([0-9a-f]{16})\n", self.text)]


def signed(digits):
    value = int(digits, 16)
    return value - (value >> 63 << 64)


def call(extension, function, *arguments):
    """Assembly that calls the firmware; an argument is a number or a label."""
    loads = [f"{'la' if isinstance(a, str) else 'li'} a{n}, {a}" for n, a in enumerate(arguments)]
    return "; ".join([*loads, f"li a7, {extension}", f"li a6, {function}", "ecall"]) + "\n"


def ask(extension, function, *arguments):
    """The same, and print the answer."""
    return call(extension, function, *arguments) + "call report\n"


@pytest.fixture
def run(tmp_path):
    """Run assembly in supervisor mode, on the firmware; by itself it shuts down at its end."""

    def run(text, harts=2, typed=b""):
        program = assemble(isa, text + SHUTDOWN + REPORT, ENTRY)
        (tmp_path / "firmware").write_bytes(firmware(ENTRY))
        (tmp_path / "payload").write_bytes(program.code)
        machine = ["-M", "virt", "-smp", str(harts), "-m", "64M", "-nographic", "-no-reboot", "-monitor", "none"]
        files = ["-bios", tmp_path / "firmware", "-device", f"loader,file={tmp_path / 'payload'},addr={ENTRY:#x},force-raw=on"]
        done = subprocess.run([QEMU, *machine, *files], input=typed, capture_output=True, timeout=60, check=False)
        assert not done.stderr, done.stderr.decode()
        return Outcome(done.stdout.decode().replace("\r", ""), done.returncode)

    return run


def test_the_image_fits_its_memory_and_enters_at_the_given_address():
    assert len(firmware()) < SIZE
    assert firmware(0x8765_4321_8000_1000)[8:16] == (0x8765_4321_8000_1000).to_bytes(8, "little")
    assert ADDRESS + SIZE <= ENTRY


def test_its_addresses_are_the_board_s():
    names = {"FIRMWARE": mmu.RAM_BASE, "CLINT": board.ACLINT, "UART": board.UART, "FINISHER": board.FINISHER}
    names |= {"FIRMWARE_END": ADDRESS + SIZE, "MAX_HARTS": plic.MAX_HARTS}
    assert {name: assembly().symbols[name] for name in names} == names


def test_hart_0_enters_with_its_number_the_device_tree_and_supervisor_state_at_rest(run):
    text = "mv s1, a1; mv a1, a0; li a0, 7; call report; lwu a0, 0(s1); csrr a1, satp; call report\n"
    text += "csrr a0, sstatus; andi a0, a0, 2; csrr a1, sie; call report; csrr a0, sip; csrr a1, stimecmp; call report\n"
    assert run(text).reported == [(7, 0), (0xEDFE0DD0, 0), (0, 0), (0, -1)]


def test_base_reports_its_version_and_the_extensions(run):
    here, absent = [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, *range(9)], [9, 0x504D55, 0x53555350, -1]
    text = ask(BASE, 0) + ask(BASE, 1) + ask(BASE, 2) + "".join(ask(BASE, 3, e) for e in [*here, *absent])
    reported = run(text).reported
    assert reported[:3] == [(OK, 0x200_0000), (OK, 0x736D000), (OK, 1)]
    assert reported[3:] == [(OK, 1)] * len(here) + [(OK, 0)] * len(absent)


def test_base_passes_on_the_machine_s_identity(run):
    errors = [error for error, _ in run("".join(ask(BASE, function) for function in (4, 5, 6))).reported]
    assert errors == [OK] * 3


def test_what_there_is_not_is_not_supported(run):
    unknown = [
        (BASE, 7),
        (TIME, 1),
        (IPI, 1),
        (RFENCE, 3),
        (RFENCE, 7),
        (HSM, 4),
        (SRST, 1),
        (DBCN, 3),
        (0x504D55, 0),
        (-1, 0),
        (9, 0),
    ]
    assert run("".join(ask(*each) for each in unknown)).reported == [(NOT_SUPPORTED, 0)] * len(unknown)


def test_registers_other_than_the_answer_s_are_kept(run):
    kept = [n for n in range(1, 32) if n not in (10, 11, 16, 17)]
    text = "".join(f"li x{n}, {0x1000 + n}\n" for n in kept) + call(IPI, 0, 1, 0)
    text += "".join(f"addi x{n}, x{n}, -{n}; xori x{n}, x{n}, 1; li a0, 0x1001; bne x{n}, a0, 9f\n" for n in kept)
    assert run(text + "li a0, 5; li a1, 6; call report\n9:\n").reported == [(5, 6)]


def test_the_timer_interrupts_when_its_time_has_come(run):
    text = "li t0, 0x20; csrw sie, t0; rdtime a0; addi a0, a0, 1000; li a7, 0x54494d45; li a6, 0; ecall; call report\n"
    text += "1: csrr a0, sip; andi a0, a0, 0x20; beqz a0, 1b; li a1, 0; call report\n"
    text += ask(TIME, 0, -1) + "csrr a0, sip; li a1, 0; call report\n"
    assert run(text).reported == [(OK, 0), (0x20, 0), (OK, 0), (0, 0)]


def test_a_console_write_returns_how_much_it_wrote(run):
    text = ask(DBCN, 0, 5, "hello", 0) + ask(DBCN, 2, ord("!")) + ask(DBCN, 0, 0, "hello", 0)
    outcome = run(text + 'j 9f\nhello: .ascii "hello"\n.balign 4\n9:\n')
    assert outcome.text.startswith("hello")
    assert "!" in outcome.text
    assert outcome.reported == [(OK, 5), (OK, 0), (OK, 0)]


@pytest.mark.parametrize(
    ("function", "address", "high"),
    [
        *[(f, *where) for f in (0, 1) for where in ((ADDRESS, 0), (ADDRESS + SIZE - 1, 0), (ENTRY, 1), (-4, 0))],
        (0, 0x10_0000_0000_0000, 0),
    ],
)
def test_the_console_touches_neither_the_firmware_nor_what_is_not_there(run, function, address, high):
    assert run(ask(DBCN, function, 8, address, high)).reported == [(INVALID_PARAM, 0)]


def test_the_console_reads_what_was_typed_and_does_not_wait(run):
    text = ask(DBCN, 1, 0, ENTRY + 0x1000, 0)
    text += "li s2, 0; li s3, 3\n1: la a1, 0x80300000; add a1, a1, s2; sub a0, s3, s2\n"
    text += "li a2, 0; li a6, 1; li a7, 0x4442434e; ecall; add s2, s2, a1; bne s2, s3, 1b\n"
    text += "li t0, 0x80300000; lwu a1, 0(t0); call report\n" + ask(DBCN, 1, 9, 0x8030_0000, 0)
    assert run(text, typed=b"abc").reported == [(OK, 0), (OK, 0x636261), (OK, 0)]


PENDING = "csrr a0, sip; csrr a1, sie; call report\n"


def test_an_ipi_to_oneself_is_pending_until_cleared(run):
    text = ask(IPI, 0, 1, 0) + PENDING + call(3, 0) + PENDING + ask(IPI, 0, 0, -1) + PENDING
    assert run(text).reported == [(OK, 0), (2, 0), (0, 0), (OK, 0), (2, 0)]


@pytest.mark.parametrize(("mask", "base"), [(4, 0), (1, 2), (1, 8), (1, 64), (1 << 63, 1), (2, -2), (1, 1 << 63)])
def test_harts_that_are_not_there_are_refused(run, mask, base):
    text = ask(IPI, 0, mask, base) + ask(RFENCE, 0, mask, base) + PENDING
    assert run(text).reported == [(INVALID_PARAM, 0), (INVALID_PARAM, 0), (0, 0)]


SECOND = """
        j 9f
second: la t0, here     # what it was given, for the other hart
        sd a0, 8(t0)
        sd a1, 16(t0)
        li t1, 1
        sd t1, 0(t0)
        li t1, 2
        csrw sie, t1
1:      wfi
        csrr t1, sip
        andi t1, t1, 2
        beqz t1, 1b
        li a7, 0x48534d
        li a6, 1
        ecall           # stop
        .balign 8
here:   .dword 0, 0, 0
9:
"""
SEEN = "1: ld t0, here; beqz t0, 1b; sd zero, here, t0; ld a0, here + 8; ld a1, here + 16; call report\n"
STOPPED = f"1: {call(HSM, 2, 1).strip()}; li t0, 1; bne a1, t0, 1b; call report\n"


def test_a_hart_starts_runs_takes_an_ipi_stops_and_starts_again(run):
    text = SECOND + ask(HSM, 2, 0) + ask(HSM, 2, 1) + ask(HSM, 0, 1, "second", 0x77) + SEEN + ask(HSM, 2, 1)
    text += ask(HSM, 0, 1, "second", 0) + ask(IPI, 0, 2, 0) + STOPPED + ask(HSM, 0, 1, "second", 0x78) + SEEN
    assert run(text).reported == [
        *[(OK, 0), (OK, 1), (OK, 0), (1, 0x77), (OK, 0)],
        *[(ALREADY_AVAILABLE, 0), (OK, 0), (OK, 1), (OK, 0), (1, 0x78)],
    ]


@pytest.mark.parametrize("harts", [8, 32])
def test_all_harts_start_and_one_more_is_not_there(run, harts):
    text = SECOND + "".join(ask(HSM, 0, hart, "second", hart * 16) + SEEN for hart in range(1, harts))
    outcome = run(text + ask(HSM, 0, harts, "second", 0) + ask(HSM, 2, -1), harts=harts)
    assert outcome.reported[1 : 2 * harts - 2 : 2] == [(hart, hart * 16) for hart in range(1, harts)]
    assert outcome.reported[2 * harts - 2 :] == [(INVALID_PARAM, 0), (INVALID_PARAM, 0)]


def test_a_hart_does_not_start_in_the_firmware_or_where_there_is_none(run):
    text = ask(HSM, 0, 1, ADDRESS, 0) + ask(HSM, 0, 2, ENTRY, 0) + ask(HSM, 2, 2) + ask(HSM, 0, 0, ENTRY, 0)
    assert run(text).reported == [(INVALID_ADDRESS, 0), (INVALID_PARAM, 0), (INVALID_PARAM, 0), (ALREADY_AVAILABLE, 0)]


def test_a_suspended_hart_goes_on_at_the_next_interrupt(run):
    text = "li t0, 0x20; csrw sie, t0; rdtime t0; li t1, 10000; add t0, t0, t1; csrw stimecmp, t0\n"
    text += ask(HSM, 3, 0, 0, 0) + "csrr a0, sip; csrr a1, sie; call report\n"
    text += (
        ask(HSM, 3, 1, 0, 0) + ask(HSM, 3, 0x8000_0000, 0, 0) + ask(HSM, 3, 0x8000_0001, 0, 0) + ask(HSM, 3, 0x1000_0000, 0, 0)
    )
    assert run(text).reported == [
        *[(OK, 0), (0x20, 0x20)],
        *[(INVALID_PARAM, 0), (NOT_SUPPORTED, 0), (INVALID_PARAM, 0), (NOT_SUPPORTED, 0)],
    ]


TABLES = """
        j 9f
translate:              # Sv39: memory where it is, and the page at 0xc0000000 elsewhere
        li t0, 0x80400000
        li t1, 0x200000cf
        sd t1, 16(t0)
        li t1, 0x80401000 >> 2 | 1
        sd t1, 24(t0)
        li t1, 0x80402000 >> 2 | 1
        li t2, 0x80401000
        sd t1, 0(t2)
        li t0, 8 << 60 | 0x80400
        csrw satp, t0
        sfence.vma
        ret
map:    srli a0, a0, 2  # the page at 0xc0000000 is at a0
        ori a0, a0, 0xc7
        li t0, 0x80402000
        sd a0, 0(t0)
        fence
        ret
other:  call translate  # the second hart: look at the page whenever it is asked to
1:      ld t0, asked
        beqz t0, 1b
        fence
        li t0, 0xc0000000
        ld t0, 0(t0)
        sd t0, seen, t1
        fence
        sd zero, asked, t1
        j 1b
look:   li t0, 1
        sd t0, asked, t1
1:      ld t0, asked
        bnez t0, 1b
        fence
        ld a1, seen
        ret
        .balign 8
asked:  .dword 0
seen:   .dword 0
9:      li t0, 0x80410000
        li t1, 0x111
        sd t1, 0(t0)
        li t0, 0x80411000
        li t1, 0x222
        sd t1, 0(t0)
        li a0, 0x80410000
        call map
        call translate
"""


@pytest.mark.parametrize(
    ("function", "span"),
    [
        (1, (0xC000_0000, 4096)),
        (1, (0xC000_0080, 8)),
        (1, (0, 0)),
        (1, (0, -1)),
        (1, (0, 1 << 40)),
        (2, (0xC000_0000, 4096, 0)),
        (2, (0, -1, 0)),
    ],
)
def test_a_remote_fence_makes_the_other_hart_see_the_new_page(run, function, span):
    text = TABLES + call(HSM, 0, 1, "other", 0) + "call look; call report\n"
    text += "li a0, 0x80411000; call map\n" + ask(RFENCE, function, 3, 0, *span) + "call look; li a0, 1; call report\n"
    text += "li t0, 0xc0000000; ld a1, 0(t0); li a0, 2; call report\n"
    reported = run(text).reported
    assert [reported[0][1], *reported[1:]] == [0x111, (OK, 0), (1, 0x222), (2, 0x222)]


def test_harts_that_fence_each_other_at_once_all_finish(run):
    crowd = """
        j 9f
crowd:  li s2, 20
1:      li a0, 0
        li a1, -1
        li a2, 0
        li a3, -1
        li a6, 1
        li a7, 0x52464e43
        ecall
        bnez a0, 1b
        addi s2, s2, -1
        bnez s2, 1b
        la t0, finished
        li t1, 1
        amoadd.d zero, t1, (t0)
2:      wfi
        j 2b
        .balign 8
finished: .dword 0
9:
"""
    text = crowd + "".join(call(HSM, 0, hart, "crowd", 0) for hart in (1, 2, 3)) + ask(RFENCE, 0, 0, -1)
    text += "li s3, 3\n1: ld t0, finished; bne t0, s3, 1b; mv a0, t0; li a1, 0; call report\n"
    assert run(text, harts=4).reported == [(OK, 0), (3, 0)]


CATCH = """
        la t0, caught
        csrw stvec, t0
        j 9f
        .balign 4
caught: csrr a0, scause
        csrr a1, stval
        call report
        csrr a0, sepc
        la t0, there
        sub a0, a0, t0
        csrr a1, sstatus
        andi a1, a1, 0x122
        call report
        j end
9:
"""


@pytest.mark.parametrize(
    ("code", "cause", "value"),
    [
        (".4byte 0xffffffff", 2, 0xFFFFFFFF),
        ("csrr t0, mstatus", 2, 0x300022F3),
        ("ebreak", 3, None),
        ("lw t1, 0(s1)", 5, ADDRESS),
        ("sw t1, 0(s1)", 7, ADDRESS),
        ("jalr zero, 0(s1)", 1, ADDRESS),
    ],
)
@pytest.mark.parametrize("enabled", [0, 2])
def test_exceptions_of_supervisor_mode_arrive_there(run, code, cause, value, enabled):
    text = CATCH + f"csrwi sstatus, {enabled}; li s1, {ADDRESS}\nthere: {code}\nend:\n"
    reported = run(text).reported
    assert reported[0] == (cause, reported[0][1] if value is None else value)
    assert reported[1] == (ADDRESS - ENTRY if cause == 1 else 0, 0x100 | enabled << 4) or cause == 1


@pytest.mark.parametrize(("code", "cause"), [("ecall", 8), (".4byte 0xffffffff", 2), ("lw t1, 0(s1)", 5)])
def test_exceptions_of_user_mode_arrive_in_supervisor_mode(run, code, cause):
    text = CATCH + f"li s1, {ADDRESS}; la t0, there; csrw sepc, t0; csrwi sstatus, 0; sret\nthere: {code}\nend:\n"
    reported = run(text).reported
    assert (reported[0][0], reported[1]) == (cause, (0, 0))


def test_an_interrupt_of_machine_mode_leaves_supervisor_registers_alone(run):
    text = "li t0, 0x80300000; li t1, 1\n" + call(IPI, 0, 1, 0) + "mv a0, t0; mv a1, t1; call report\n"
    assert run(text).reported == [(0x8030_0000, 1)]


def test_legacy_calls_answer_in_a0_alone(run):
    text = (
        call(1, 0, ord("A")) + call(1, 0, ord("B")) + ask(2, 0, 0, 0x55) + ask(0, 0, -1, 0x56) + ask(4, 0, "mask", 0x57) + PENDING
    )
    text += ask(3, 0, 0, 0x58) + ask(5, 0, 0, 0x59) + ask(6, 0, "mask", 0, -1) + ask(7, 0, "mask", 0, -1, 0)
    outcome = run("j 9f\n.balign 8\nmask: .dword 1\n9:\n" + text)
    assert outcome.text.startswith("AB")
    assert outcome.reported == [(-1, 0x55), (0, 0x56), (0, 0x57), (2, 0), (0, 0x58), (0, 0x59), (0, 0), (0, 0)]


def test_a_legacy_mask_lies_at_a_virtual_address(run):
    text = TABLES + "li t0, 0xc0000000; li t1, 1; sd t1, 0(t0)\n" + ask(4, 0, 0xC000_0000) + PENDING + ask(4, 0, 0xD000_0000)
    assert [error for error, _ in run(text).reported] == [OK, 2, INVALID_PARAM]


@pytest.mark.parametrize(
    ("ending", "code"),
    [(call(SRST, 0, 0, 0), 0), (call(SRST, 0, 0, 1), 1), (call(SRST, 0, 1, 0), 0), (call(SRST, 0, 2, 0), 0), (call(8, 0), 0)],
)
def test_the_machine_is_ended_with_a_reason(run, ending, code):
    outcome = run(call(1, 0, ord("x")) + ending + "li a0, 1; call report\n")
    assert (outcome.code, outcome.text) == (code, "x")


def test_a_reset_of_an_unknown_kind_is_refused(run):
    text = ask(SRST, 0, 3, 0) + ask(SRST, 0, 0, 2) + ask(SRST, 0, -1, 0)
    assert run(text).reported == [(INVALID_PARAM, 0)] * 3
