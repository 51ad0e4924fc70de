"""The F, D and Zfh extensions, one instruction at a time, against qemu-riscv64 and against the host's FPU."""

from __future__ import annotations

import ctypes
import math
import struct

import pytest

from softmetal.isa.riscv.hart import ILLEGAL, LOAD_ACCESS, Hart, RiscvTrap
from softmetal.isa.riscv.zfh import isa  # with what zfh, d and f have entered
from softmetal.lang import memory, u8, u16, u32, u64
from tests.isa.riscv.float_vectors import MODES, Op, Operands, Oracle, operations

SIZE = 1 << 16
BOX = 0xFFFFFFFF << 32
NAN_S, NAN_D = BOX | 0x7FC00000, 0x7FF8 << 48
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16
FT1, FT2, FT3, FA0, T1, T2 = 1, 2, 3, 10, 6, 7


class Bench(Hart):
    """A hart with a little memory."""

    ram: memory[SIZE]

    def fetch(self, address: u64) -> u16:
        return self.ram.u16[address & SIZE - 2]

    def load16(self, address: u64) -> u16:
        return self.ram.u16[address & SIZE - 2]

    def store16(self, address: u64, value: u16) -> None:
        self.ram.u16[address & SIZE - 2] = value

    def load32(self, address: u64) -> u32:
        if address >= SIZE:
            raise RiscvTrap(LOAD_ACCESS, address)
        return self.ram.u32[min(address, SIZE - 4)]

    def load64(self, address: u64) -> u64:
        if address >= SIZE:
            raise RiscvTrap(LOAD_ACCESS, address)
        return self.ram.u64[min(address, SIZE - 8)]

    def store8(self, address: u64, value: u8) -> None:
        self.ram[address & SIZE - 1] = value

    def store32(self, address: u64, value: u32) -> None:
        self.ram.u32[min(address, SIZE - 4)] = value

    def store64(self, address: u64, value: u64) -> None:
        self.ram.u64[min(address, SIZE - 8)] = value


class Runner:
    """An engine with every instruction at an address of its own."""

    def __init__(self, engine, codes):
        self.engine = engine(isa, Bench)
        self.hart = self.engine.core
        self.places = {}
        for code in codes:
            self.at(code)

    def at(self, code):
        """The address of an instruction, apart from all others, so that none is decoded before it is there."""
        if code not in self.places:
            self.places[code] = 16 * len(self.places)
            self.hart.ram.u32[self.places[code]] = code
        return self.places[code]

    def run(self, pc, fcsr=0, a=0, b=0, c=0):
        """(fa0, t1, fflags) after the instruction at `pc`."""
        hart = self.hart
        hart.pc, hart.fflags, hart.frm = pc, fcsr & 31, fcsr >> 5
        f, x = hart.f, hart.x
        f[FT1], f[FT2], f[FT3], f[FA0] = a, b, c, 0
        x[T2], x[T1] = a, 0
        trap = self.engine.run(1)
        if trap is not None:
            raise trap
        return f[FA0], x[T1], hart.fflags


@pytest.fixture
def runner(engine):
    return Runner(engine, [])


OPS = operations()


@pytest.fixture(scope="session")
def oracle(tmp_path_factory):
    try:
        return Oracle(tmp_path_factory.mktemp("oracle"), OPS)
    except FileNotFoundError as missing:
        pytest.skip(f"{missing}: nothing to compare with")


def show(op, v, got, want):
    mode = MODES[v.fcsr >> 5]
    return (
        f"{op.text} frm={mode} fflags={v.fcsr & 31:05b} a={v.a:#018x} b={v.b:#018x} c={v.c:#018x}: "
        f"{got[0]:#x} {got[1]:05b}, qemu says {want[0]:#x} {want[1]:05b}"
    )


FAMILIES = {
    "sums": ("fadd", "fsub"),
    "products": ("fmul", "fdiv", "fsqrt"),
    "fused": ("fmadd", "fmsub", "fnmsub", "fnmadd"),
    "conversions": ("fcvt",),
    "signs": ("fsgnj", "fsgnjn", "fsgnjx", "fmv"),
    "comparisons": ("feq", "flt", "fle", "fmin", "fmax", "fclass"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_values_and_flags_are_those_of_qemu_in_every_rounding_mode(engine, oracle, family):
    operands = Operands(len(family))
    chosen = [i for i, op in enumerate(OPS) if op.name.split(".")[0] in FAMILIES[family]]
    vectors = [operands.vector(i, OPS[i]) for i in chosen for _ in range(300)]
    runner = Runner(engine, oracle.codes)
    wrong = []
    for v, want in zip(vectors, oracle.answer(vectors), strict=True):
        fa0, t1, flags = runner.run(runner.at(oracle.codes[v.op]), v.fcsr, v.a, v.b, v.c)
        got = (fa0 if " fa0" in OPS[v.op].text else t1, flags)
        if got != want:
            wrong.append(show(OPS[v.op], v, got, want))
    assert not wrong, f"{len(wrong)} of {len(vectors)} differ:\n" + "\n".join(wrong[:10])


def test_the_table_gives_gnu_as_s_codes_the_same_names(oracle):
    names = [isa.decode(code).name for code in oracle.codes]
    assert names == [op.name for op in OPS]


def test_every_instruction_of_the_table_is_compared(oracle):
    compared = {isa.decode(code).name for code in oracle.codes}
    entered = {i.name for i in isa.insns if i.group in ("F", "D", "Zfh", "Zfhmin")}
    assert entered - compared == {"flh", "fsh", "flw", "fsw", "fld", "fsd"}


# -- without other tools

ADD_D, MUL_D, DIV_D, SQRT_D = 0x0220F553, 0x1220F553, 0x1A20F553, 0x5A00F553  # fa0, ft1, ft2, dyn
FMADD_S = 0x1820F543  # fa0, ft1, ft2, ft3, dyn
SINGLE = ~(1 << 25)


def double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def single(bits):
    value = bits if bits >= BOX else NAN_S
    return struct.unpack("<f", struct.pack("<I", value & 0xFFFFFFFF))[0]


def bits_of_double(value):
    return NAN_D if math.isnan(value) else struct.unpack("<Q", struct.pack("<d", value))[0]


def bits_of_single(value):
    if math.isnan(value):
        return NAN_S
    return BOX | struct.unpack("<I", struct.pack("<f", ctypes.c_float(value).value))[0]


def divide(a, b):
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


HOST = {
    ADD_D: lambda a, b: a + b,
    MUL_D: lambda a, b: a * b,
    DIV_D: divide,
    SQRT_D: lambda a, b: math.sqrt(a) if a >= 0 else math.nan,
}


@pytest.mark.parametrize("kind", ["d", "s"])
@pytest.mark.parametrize("before", [0, NX], ids=["exact flags", "NX set"])
def test_to_nearest_is_what_the_host_computes(runner, kind, before):
    operands = Operands(7)
    decode, encode = (double, bits_of_double) if kind == "d" else (single, bits_of_single)
    for code, host in HOST.items():
        pc = runner.at(code if kind == "d" else code & SINGLE)
        for _ in range(700):
            a, b = operands.number(kind), operands.number(kind)
            assert runner.run(pc, before, a, b)[0] == encode(host(decode(a), decode(b))), (hex(code), hex(a), hex(b))


FAST = [f"{name}.{s}" for s in "sd" for name in ("fadd", "fsub", "fmul", "fdiv", "fsqrt", *FAMILIES["fused"])]


@pytest.mark.parametrize("name", [*FAST, "fcvt.s.d"])
def test_the_short_way_gives_what_the_long_way_gives(runner, name):
    """With NX set, to nearest, the host's operation may be used; without it never."""
    entry = isa.by_name[name]
    op = Op(name, name[-1], sum(o.name.startswith("rs") for o in entry.operands))
    pc = runner.at(entry.match | code_of(op.count))
    operands = Operands(11)
    for _ in range(1000):
        v = operands.vector(0, op)
        slow = runner.run(pc, 0, v.a, v.b, v.c)
        fast = runner.run(pc, NX, v.a, v.b, v.c)
        assert fast == (slow[0], slow[1], slow[2] | NX), [hex(n) for n in v]


def code_of(count):
    """The bits of `fa0, ft1, ft2, ft3, dyn`, as many operands as there are."""
    return FA0 << 7 | FT1 << 15 | (FT2 << 20 if count > 1 else 0) | (FT3 << 27 if count > 2 else 0) | 7 << 12


@pytest.mark.parametrize("before", [0, NX], ids=["exact flags", "NX set"])
def test_fused_single_is_rounded_once(runner, before):
    """(1 + 2**-12)**2 lies in the middle of two singles; an addend too small for binary64 decides."""
    pc = runner.at(FMADD_S)
    a = bits_of_single(1 + 2.0**-12)
    tiny = BOX | 1
    up, down = bits_of_single(1 + 2.0**-11 + 2.0**-23), bits_of_single(1 + 2.0**-11)
    assert runner.run(pc, before, a, a, tiny)[0] == up
    assert runner.run(pc, before, a, a, tiny | 1 << 31)[0] == down
    assert runner.run(pc, before, a, a, BOX)[0] == down  # a tie, to even


def test_tininess_is_detected_after_rounding(runner):
    """The largest number below the smallest normal one that rounds up to it, and the one before."""
    pc = runner.at(MUL_D)
    smallest = 0x0010 << 48
    assert runner.run(pc, 0, smallest | 1, bits_of_double(1 - 2.0**-53))[::2] == (smallest, NX)
    assert runner.run(pc, 0, smallest, bits_of_double(1 - 2.0**-53))[::2] == (smallest, NX | UF)
    assert runner.run(pc, 0, smallest, bits_of_double(0.5))[::2] == (0x0008 << 48, 0)  # tiny but exact


def test_dividing_by_zero_raises_dz_and_zero_by_zero_nv(runner):
    pc = runner.at(DIV_D)
    for before in (0, NX):
        assert runner.run(pc, before, bits_of_double(-1.0), 0)[::2] == (bits_of_double(-math.inf), DZ | before)
        assert runner.run(pc, before, 0, 0)[::2] == (NAN_D, NV | before)
        assert runner.run(pc, before, bits_of_double(math.inf), 0)[::2] == (bits_of_double(math.inf), before)


def test_what_is_no_boxed_single_counts_as_the_canonical_nan(runner):
    unboxed = 0x3F800000
    fclass_s = 0xE0009353  # fclass.s t1, ft1
    assert runner.run(runner.at(fclass_s), 0, unboxed)[1] == 1 << 9
    assert runner.run(runner.at(fclass_s), 0, BOX | unboxed)[1] == 1 << 6
    assert runner.run(runner.at(ADD_D & SINGLE), 0, unboxed, BOX | unboxed)[::2] == (NAN_S, 0)
    fsgnj_s, feq_s = 0x20208553, 0xA020A353
    assert runner.run(runner.at(fsgnj_s), 0, unboxed, BOX | 1 << 31)[0] == NAN_S | 1 << 31
    assert runner.run(runner.at(feq_s), 0, unboxed, unboxed)[1:] == (0, 0)
    fmv_x_w = 0xE0008353  # moves bits, boxed or not
    assert runner.run(runner.at(fmv_x_w), 0, 0x1234_5678_8765_4321)[1] == 0xFFFF_FFFF_8765_4321


ROUNDING = [c for c in isa.insns if c.group in ("F", "D", "Zfh", "Zfhmin") and any(o.name == "rm" for o in c.operands)]


@pytest.mark.parametrize("entry", ROUNDING, ids=lambda entry: entry.name)
def test_reserved_rounding_modes_are_illegal_instructions(runner, entry):
    one = {"d": bits_of_double(1.0), "h": 0xFFFFFFFFFFFF << 16 | 0x3C00}.get(entry.name[-1], BOX | 0x3F800000)
    base = entry.match | FA0 << 7 | FT1 << 15
    for rm, frm in [(5, 0), (6, 0), (7, 5), (7, 6), (7, 7)]:
        for before in (0, NX):
            code = base | rm << 12
            with pytest.raises(RiscvTrap) as trap:
                runner.run(runner.at(code), frm << 5 | before, one, one, one)
            assert (trap.value.cause, trap.value.tval) == (ILLEGAL, code)
            assert (runner.hart.f[FA0], runner.hart.x[FA0], runner.hart.fflags) == (0, 0, before)
    for rm, frm in [(0, 7), (4, 5), (7, 4)]:
        runner.run(runner.at(base | rm << 12), frm << 5, one, one, one)


def test_loads_box_singles_and_stores_take_the_bits_that_are_there(runner):
    hart = runner.hart
    hart.ram.u64[0x8000] = 0x1122_3344_89AB_CDEF
    hart.x[10] = 0x8008
    flw, fld = 0xFF852087, 0xFF853087  # ft1, -8(a0)
    runner.run(runner.at(flw))
    assert hart.f[FT1] == BOX | 0x89AB_CDEF
    runner.run(runner.at(fld))
    assert hart.f[FT1] == 0x1122_3344_89AB_CDEF
    fsw, fsd = 0x00152227, 0x00153427  # ft1, 4(a0) and 8(a0)
    runner.run(runner.at(fsw), a=0x5555_5555_7777_7777)
    runner.run(runner.at(fsd), a=0x5555_5555_7777_7777)
    assert [hart.ram.u64[0x8008], hart.ram.u64[0x8010]] == [0x7777_7777_0000_0000, 0x5555_5555_7777_7777]


def test_a_load_that_traps_leaves_its_register(runner):
    runner.hart.x[10] = 1 << 40
    with pytest.raises(RiscvTrap):
        runner.run(runner.at(0xFF853087), a=42)
    assert runner.hart.f[FT1] == 42


@pytest.mark.parametrize(
    ("short", "full"),
    [(0x2D08, 0x01853507), (0x30E2, 0x03813087), (0xAD08, 0x00A53C27), (0xA806, 0x00113827), (0x3FFC, 0x0F87B787)],
    ids=["c.fld", "c.fldsp", "c.fsd", "c.fsdsp", "c.fld far"],
)
def test_compressed_loads_and_stores_are_their_long_forms(short, full):
    """Codes as GNU as makes them; the pairs mean the same registers and the same offset."""
    a, b = isa.decode(short), isa.decode(full)
    assert (a.form_of, a.size, b.size) == (b.name, 2, 4)
    assert a.arguments(short) == b.arguments(full)


@pytest.mark.parametrize("kind", ["h", "s", "d"])
def test_generated_operands_are_of_every_class(runner, kind):
    """What the comparisons above stand on."""
    operands = Operands(3)
    pc = runner.at(isa.by_name[f"fclass.{kind}"].match | T1 << 7 | FT1 << 15)
    assert {runner.run(pc, 0, operands.number(kind))[1] for _ in range(2000)} == {1 << n for n in range(10)}
