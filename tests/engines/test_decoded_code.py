"""What the threaded engine keeps of decoded code: it must never be seen, whatever becomes of the code."""

from __future__ import annotations

import pytest

from softmetal.engines.native import native_engine, new_board
from softmetal.engines.native.frame import LONGEST, WATCHES
from softmetal.isa.decoding import Ahead
from softmetal.isa.riscv import isa
from softmetal.isa.riscv.hart import BREAKPOINT, ECALL_U
from softmetal.isa.table import Isa
from softmetal.lang import Chip, Trap, host, memory, u1, u5, u8, u26, u32, u64
from tests.engines.harts import CODE, ENGINES, WATCHED, LinuxRiscv64, R, W, X, allow, go, put

C_NOP, C_ADDI = (0x0001).to_bytes(2, "little"), (0x0505).to_bytes(2, "little")
C_EBREAK, ECALL = (0x9002).to_bytes(2, "little"), (0x73).to_bytes(4, "little")
LUI = (0x02B7).to_bytes(2, "little")  # `lui t0, 0x2b70` from either half of a run of these
DATA = 0x8000_0000


@pytest.fixture
def threaded():
    return ENGINES["threaded"]()


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


# -- runs without a jump, longer than what is decoded in one go


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 2 * LONGEST + 1, 150_000])
def test_a_run_without_a_jump_may_have_any_length(threaded, length):
    put(threaded, C_ADDI * length + ECALL)
    for start in (length - 10, length // 2, LONGEST // 2, 1, 0, length - 5):
        done = length - start
        for budget in (done, 3 * length, done - 1, min(done, LONGEST), min(done, LONGEST + 1), 7):
            threaded.core.x[10] = 0
            expected = (done, (ECALL_U, 0)) if budget > done else (budget, None)
            assert go(threaded, CODE + 2 * start, budget) == expected
            assert threaded.core.x[10] == min(done, budget)


def test_two_ways_to_read_code_may_meet_after_a_long_run(threaded):
    """A run from an even half meets one from an odd half, and both together are too long to be decoded at once."""
    before, shared, after = 20_000, 25_000, 25_000
    put(threaded, C_NOP * before + LUI * (2 * shared + 1) + C_NOP * (after + 1) + ECALL)
    odd, odd_done = CODE + 2 * before + 2, shared + after + 1
    even, even_done = CODE, before + shared + 1 + after
    for start, done in ((odd, odd_done), (even, even_done), (odd, odd_done), (odd + 4, odd_done - 1), (even, even_done)):
        assert go(threaded, start, 1_000_000) == (done, (ECALL_U, 0))
        assert go(threaded, start, done - 1) == (done - 1, None)


@pytest.mark.parametrize("place", range(LONGEST - 2, LONGEST + 2))
def test_the_instruction_at_which_a_long_run_is_cut_may_store_to_code(threaded, place):
    put(threaded, C_NOP * place + bytes.fromhex("23300500") + C_NOP + ECALL + C_NOP * 10, allowed=R | W | X)
    target = threaded.core.x[10] = CODE + 2 * place + 16
    for _ in range(2):
        threaded.core.ram.u64[target] = 5
        assert go(threaded, CODE, LONGEST + 100) == (place + 2, (ECALL_U, 0))
        assert threaded.core.ram.u64[target] == 0


# -- code that changes


def test_a_store_to_the_next_instruction_counts(engine):
    put(engine, "sw a1, 4(a0)\nli a2, 1\necall", allowed=R | W | X)
    engine.core.x[10], engine.core.x[11] = CODE, 0x00200613  # li a2, 2
    for _ in range(2):
        assert go(engine, CODE, 10) == (2, (ECALL_U, 0))
        assert engine.core.x[12] == 2


def test_a_store_to_the_second_half_of_an_instruction_in_two_pages_counts(engine):
    """Nothing else is decoded in the second page, and the first cannot be written."""
    put(engine, "j .+0x2000", CODE + 0xFFE)
    allow(engine.core, CODE + 0x1000, 1, R | W | X)
    put(engine, ECALL, CODE + 0x2FFE)
    put(engine, C_EBREAK, CODE + 0x30FE)
    put(engine, "sh a1, 0(a0)\njr a2", CODE + 0x4000)
    assert go(engine, CODE + 0xFFE, 2) == (1, (ECALL_U, 0))
    engine.core.x[10:13] = [CODE + 0x1000, 0x1000, CODE + 0xFFE]  # with this half it is j .+0x2100
    assert go(engine, CODE + 0x4000, 4) == (3, (BREAKPOINT, CODE + 0x30FE))


@pytest.mark.parametrize("changed", [(0, 0x1000), (0x1000, 0x2000), (0x1000, 0x1001), (0xFFF, 0x1000)])
def test_code_changed_in_either_page_of_an_instruction_is_decoded_again(threaded, changed):
    put(threaded, "j .+0x2000", CODE + 0xFFE)
    put(threaded, ECALL, CODE + 0x2FFE)
    put(threaded, C_EBREAK, CODE + 0x3FFE)
    assert go(threaded, CODE + 0xFFE, 2) == (1, (ECALL_U, 0))
    threaded.core.ram[CODE + 0xFFE : CODE + 0x1002] = (0x0000306F).to_bytes(4, "little")  # j .+0x3000
    threaded.code_changed(CODE + changed[0], CODE + changed[1])
    assert go(threaded, CODE + 0xFFE, 2) == (1, (BREAKPOINT, CODE + 0x3FFE))


def test_code_changed_elsewhere_keeps_what_is_decoded(threaded):
    put(threaded, "nop\necall")
    go(threaded, CODE, 9)
    decoded = threaded.translations
    for start, end in ((0, CODE), (CODE + 0x1000, 1 << 28), (CODE + 0x1000, CODE + 0x1000), (1 << 37, 1 << 37 | 1)):
        threaded.code_changed(start, end)
    go(threaded, CODE, 9)
    assert threaded.translations == decoded
    threaded.code_changed(0, 1 << 38)
    go(threaded, CODE, 9)
    assert threaded.translations == decoded + 1


def test_discarded_memory_is_zero_and_runs_as_such(threaded):
    put(threaded, "nop\necall")
    assert go(threaded, CODE, 9) == (1, (ECALL_U, 0))
    from softmetal.lang.chip import Board

    ram = Board.of(LinuxRiscv64).memories["ram"][0]
    threaded.core.__mapping__.discard(ram + CODE, ram + CODE + 4096)
    threaded.code_changed(CODE, CODE + 4096)
    assert go(threaded, CODE, 9) == (0, (2, 0))


def test_a_page_that_becomes_executable_ends_the_wall_before_it(threaded):
    """A page may be made executable without notifying the engine: nothing can have been decoded there. Nor does it stay slow."""
    put(threaded, C_NOP * 4, CODE + 0xFF8)
    assert go(threaded, CODE + 0xFF8, 9)[0] == 4
    threaded.core.ram[CODE + 0x1000 : CODE + 0x1008] = C_NOP * 2 + ECALL
    allow(threaded.core, CODE + 0x1000, 1, R | X)
    calls = []
    step = threaded._golden.run
    threaded._golden.run = lambda n: (calls.append(n), step(n))[1]
    for _ in range(10):
        assert go(threaded, CODE + 0xFF8, 9) == (6, (ECALL_U, 0))
    assert len(calls) == 1


@pytest.mark.parametrize("pages", [WATCHES - 2, WATCHES - 1, WATCHES, WATCHES + 300])
def test_settling_gives_every_page_its_permission_back(threaded, pages):
    core = threaded.core
    allow(core, DATA, pages << 12, R | W | X)
    jump = (0x0000106F).to_bytes(4, "little")  # j .+0x1000
    for page in range(pages):
        core.ram[DATA + 4096 * page : DATA + 4096 * page + 4] = jump
    core.ram[DATA + 4096 * (pages - 1) :][:4] = ECALL
    before = bytes(core.perm[DATA >> 12 : (DATA >> 12) + pages])
    for _ in range(2):
        assert go(threaded, DATA, 1 << 20) == (pages - 1, (ECALL_U, 0))
        assert all(b & WATCHED and not b & W for b in core.perm[DATA >> 12 : (DATA >> 12) + pages])
        threaded.drop_code()
        assert bytes(core.perm[DATA >> 12 : (DATA >> 12) + pages]) == before


def test_a_store_to_a_page_beyond_the_list_of_watched_ones_is_done(threaded):
    pages = WATCHES + 10
    core = threaded.core
    allow(core, DATA, pages << 12, R | W | X)
    for page in range(pages):
        core.ram[DATA + 4096 * page : DATA + 4096 * page + 4] = (0x0000106F).to_bytes(4, "little")
    core.ram[DATA + 4096 * (pages - 1) :][:8] = bytes.fromhex("23300500") + ECALL  # sd zero, 0(a0)
    for page in (0, WATCHES - 2, WATCHES - 1, WATCHES, pages - 1):
        core.x[10] = DATA + 4096 * page + 8
        core.ram[core.x[10]] = 5
        threaded.code_changed(core.x[10], core.x[10] + 1)
        assert go(threaded, DATA, 1 << 20) == (pages, (ECALL_U, 0))
        assert core.ram[core.x[10]] == 0


def test_settling_leaves_nothing_behind_the_state_but_zeros(threaded):
    put(threaded, "li a0, 3\nloop: addi a0, a0, -1\nbnez a0, loop\necall", (1 << 38) - 16)
    go(threaded, (1 << 38) - 16, 100)
    threaded.drop_code()
    places, view = threaded.places, threaded.core.__mapping__.view
    for address in range((1 << 38) - 4096, (1 << 38) + 4096, 64):
        at = places.code + (address << places.shift)
        assert not any(view[at : at + 1024])
    assert not any(threaded._marks[-8192:])


# -- boards that cannot be, and tables unlike RISC-V


def test_a_board_without_room_is_refused():
    with pytest.raises(ValueError, match=r"no room for decoded instructions: make it with new_board\(\)"):
        native_engine(isa, LinuxRiscv64())


class Halt(Trap):
    """The end."""

    pc: u64


class Small(Chip):
    """A CPU of 32-bit instructions in 64 KiB, whose memory repeats for ever."""

    decoding = Ahead(code_bits=16)
    r: u64[32]
    pc: u64
    next_pc: u64
    count: u64
    watched: u8
    ram: memory[1 << 16]

    def fetch(self, address: u64) -> u32:
        return self.ram.u32[min(address & 0xFFFF, 0xFFFC)]

    def watch(self, address: u64) -> u1:
        return 0

    @host
    def unwatch(self, page):
        pass


def unknown(cpu: Small, code: u32) -> None:
    raise Halt(cpu.pc)


def nop(cpu: Small) -> None:
    """Nothing."""


def jump(cpu: Small, r: u5) -> None:
    """Go where a register says, whatever it says."""
    cpu.next_pc = cpu.r[r]


def skip(cpu: Small, n: u26) -> None:
    """Go some bytes on."""
    cpu.next_pc = cpu.pc + (n & 0xFFFFF)


def inc(cpu: Small, r: u5) -> None:
    """Count."""
    cpu.r[r] += 1


def table(illegal=unknown, core=Small):
    small = Isa("small", core=core, parcel=32, illegal=illegal)
    small.add("000001 00000000000000000000000000", "nop", nop)
    small.add("000010 000000000000000000000 r", "jump {r}", jump)
    small.add("000011 n", "skip {n}", skip)
    small.add("000100 000000000000000000000 r", "inc {r}", inc)
    return small


NOP, JUMP, SKIP, INC = (n << 26 for n in (1, 2, 3, 4))


def small(codes):
    from softmetal.engines.golden import golden_engine

    isa = table()
    sides = golden_engine(isa, Small()), native_engine(isa, new_board(isa, Small))
    for side in sides:
        for address, code in codes.items():
            side.core.ram.u32[address] = code
    return sides


def run_both(sides, pc, budget, r=()):
    outcomes = []
    for side in sides:
        side.core.pc = side.core.next_pc = pc
        side.core.count = 0
        side.core.r[:] = [*r, *[0] * (32 - len(r))]
        trap = side.run(budget)
        outcomes.append((trap and trap.values, side.core.pc, side.core.next_pc, side.core.count, list(side.core.r)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize("target", [2, 1, 3, 6, 0x1001, 0xFFFE, 0x10002, 1 << 62 | 4, (1 << 64) - 2])
def test_a_jump_into_the_middle_of_a_parcel_runs_what_lies_there(target):
    sides = small({0: JUMP | 1, 4: INC | 2, 8: SKIP | 8})
    for _ in range(2):
        for budget in (1, 2, 3, 4):
            run_both(sides, 0, budget, (0, target))


def test_a_relative_jump_into_the_middle_of_a_parcel_runs_what_lies_there():
    codes = {0: SKIP | 6, 4: INC | 2, 8: INC | 3}
    codes[6] = INC | 4 & 0xFFFF
    sides = small(codes)
    for budget in (1, 2, 3):
        run_both(sides, 0, budget)


def test_code_that_runs_on_behind_the_end_of_the_records_does_what_the_golden_engine_does():
    """Memory repeats: so nothing but the engine itself keeps the program inside."""
    sides = small({0xFFF0: SKIP | 0xFFFF0, 0xFFE0: NOP, 0xFFF4: NOP, 0xFFF8: NOP, 0xFFFC: INC | 3, 0: INC | 4, 4: SKIP | 0xFFFEC})
    for start in (0xFFF0, 0xFFF8, 0xFFFC, 0, 0x2FFF8):
        for budget in (1, 2, 5, 60):
            run_both(sides, start, budget)


def test_illegal_codes_that_do_not_trap_are_refused():
    def goes_on(cpu: Small, code: u32) -> None:
        cpu.r[0] = code

    isa = table(goes_on)
    isa.name = "small.goes.on"
    with pytest.raises(ValueError, match="must end in a trap"):
        native_engine(isa, new_board(isa, Small))
