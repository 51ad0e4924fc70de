"""One list says which extensions there are: what names them, says the same; what is in no list of QEMU 7.2's, by the book.

Truth: The RISC-V Instruction Set Manual, Volume I (20240411), the chapters of the extensions; values worked out by hand or
with Python's exact fractions.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest

from softmetal.boards.linux_riscv64 import MAPPED, LinuxRiscv64, R, W, X
from softmetal.computers.riscv_virt.tree import virt_tree
from softmetal.isa.assembler import assemble
from softmetal.isa.disassembler import disassemble
from softmetal.isa.riscv import extensions, isa
from softmetal.isa.riscv.hart import ILLEGAL, STORE_ACCESS
from softmetal.isa.riscv.privileged.csr import MISA
from softmetal.linux.calls.hwprobe import EXTENSIONS, KEYS
from softmetal.linux.loader import HWCAP
from softmetal.linux.procfs import ISA

CODE, DATA = 0x10000, 0x40000
ALL = (1 << 64) - 1
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16
FORMATS = {"h": (10, 5), "s": (23, 8), "d": (52, 11)}


# --- one list


def test_every_group_of_the_table_is_an_extension_of_the_list_and_no_other_list_disagrees():
    groups = {entry.group.lower() for entry in isa.insns} - {"privileged"}
    assert groups <= set(extensions.ALL)
    assert ISA.startswith("rv64imafdc_")
    assert ISA.split("_")[1:] == [n for n in extensions.PROGRAMS if len(n) > 1]
    assert HWCAP == sum(1 << "abcdefghijklmnopqrstuvwxyz".index(n) for n in "imafdc")
    assert MISA == 2 << 62 | HWCAP | 1 << 1 | 1 << 18 | 1 << 20  # B, S, U
    claimed = {n for n, bit in EXTENSIONS.items() if KEYS[4] >> bit & 1}
    assert claimed == set(extensions.PROGRAMS) & set(EXTENSIONS)
    assert KEYS[4] & 1  # F and D


def test_names_stand_in_the_order_of_the_architecture():
    """Letters, then Z by the category that the second letter names, then S (Volume I, chapter "ISA Extension Naming")."""
    for names in (extensions.PROGRAMS, extensions.SYSTEMS):
        many = [n for n in names if len(n) > 1]
        order = ["imafdcb k".index(n[1]) if n[0] == "z" else 10 for n in many]
        assert order == sorted(order)
        assert len(set(names)) == len(names)
    assert extensions.isa_string(["i", "m", "zicsr", "zba"]) == "rv64im_zicsr_zba"


def test_the_device_tree_has_the_list_and_the_sizes_of_cache_blocks():
    tree = virt_tree(harts=1, ram_bytes=1 << 28)
    assert "\0".join(extensions.ALL).encode() in tree
    assert extensions.isa_string(extensions.ALL).encode() in tree
    for name in ("cbom", "cbop", "cboz"):
        assert f"riscv,{name}-block-size".encode() in tree
    assert b"cbom" not in virt_tree(harts=1, ram_bytes=1 << 28, extensions=("i", "m"))


# --- instructions, one at a time


class Bench:
    """A hart with a page of code and some of data."""

    def __init__(self, engine):
        self.engine = engine(isa, LinuxRiscv64)
        self.core = core = self.engine.core
        core.perm[CODE >> 12] = R | X | MAPPED
        core.perm[DATA >> 12] = R | W | MAPPED
        core.perm[(DATA >> 12) + 1] = R | MAPPED
        core.perm[(DATA >> 12) + 2] = X | MAPPED
        self.places = {}

    def run(self, text, **registers):
        """Run a line of assembly; registers are those of the ABI. The trap, or None."""
        core = self.core
        if text not in self.places:
            at = self.places[text] = CODE + 4 * len(self.places)
            code = assemble(isa, text, at).code.ljust(4, b"\1")
            core.ram[at : at + 4] = code
            self.engine.code_changed(at, at + 4)
        core.x[:] = core.f[:] = [0] * 32
        core.fflags = core.frm = 0
        for name, value in registers.items():
            if name in ("fflags", "frm"):
                setattr(core, name, value)
            else:
                file = core.f if name.startswith("f") else core.x
                file[isa.registers["f" if name.startswith("f") else "x"].index(name)] = value & ALL
        core.pc = core.next_pc = self.places[text]
        return self.engine.run(1)

    def x(self, text, **registers):
        assert self.run(text, **registers) is None
        return self.core.x[10]

    def f(self, text, **registers):
        assert self.run(text, **registers) is None
        return self.core.f[10], self.core.fflags


@pytest.fixture
def bench(engine):
    return Bench(engine)


def test_conditional_zeros(bench):
    for a1, a2 in ((7, 0), (7, 1), (7, 1 << 63), (0, 0), (ALL, ALL)):
        assert bench.x("czero.eqz a0, a1, a2", a1=a1, a2=a2) == (a1 if a2 else 0)
        assert bench.x("czero.nez a0, a1, a2", a1=a1, a2=a2) == (0 if a2 else a1)


def test_may_be_operations_write_0_and_their_16_bit_forms_nothing(bench):
    for n in range(32):
        assert bench.x(f"mop.r.{n} a0, a1", a0=5, a1=7) == 0
    for n in range(8):
        assert bench.x(f"mop.rr.{n} a0, a1, a2", a0=5, a1=7, a2=9) == 0
    for n in range(1, 16, 2):
        given = {isa.registers["x"][i]: 100 + i for i in range(1, 32)}
        assert bench.run(f"c.mop.{n}", **given) is None
        assert list(bench.core.x) == [0, *(100 + i for i in range(1, 32))]
        assert int.from_bytes(assemble(isa, f"c.mop.{n}").code, "little") == 0x6081 | n >> 1 << 8
    assert int.from_bytes(assemble(isa, "mop.r.31 a0, a1").code, "little") == 0xCDF5C573
    assert int.from_bytes(assemble(isa, "mop.rr.7 a0, a1, a2").code, "little") == 0xCEC5C573


def test_short_forms_mean_their_long_ones(bench):
    for short, full in (
        ("c.zext.b a0", "andi a0, a0, 255"),
        ("c.sext.b a0", "sext.b a0, a0"),
        ("c.zext.h a0", "zext.h a0, a0"),
        ("c.sext.h a0", "sext.h a0, a0"),
        ("c.zext.w a0", "add.uw a0, a0, zero"),
        ("c.not a0", "xori a0, a0, -1"),
        ("c.mul a0, a1", "mul a0, a0, a1"),
    ):
        for a0 in (0x0123456789ABCDEF, 0xFEDCBA9876543210, 0, ALL):
            assert bench.x(short, a0=a0, a1=0x987654321) == bench.x(full, a0=a0, a1=0x987654321)
    data = bytes.fromhex("81a2c3e4")
    for at in range(4):
        bench.core.ram[DATA : DATA + 4] = data
        assert bench.x(f"c.lbu a0, {at}(a1)", a1=DATA) == data[at]
        assert bench.run(f"c.sb a0, {at}(a1)", a0=0x77, a1=DATA) is None
        assert bench.core.ram[DATA + at] == 0x77
    for at in (0, 2):
        bench.core.ram[DATA : DATA + 4] = data
        half = int.from_bytes(data[at : at + 2], "little")
        assert bench.x(f"c.lhu a0, {at}(a1)", a1=DATA) == half
        assert bench.x(f"c.lh a0, {at}(a1)", a1=DATA) == half | ALL << 16 & ALL
        assert bench.run(f"c.sh a0, {at}(a1)", a0=0x1234, a1=DATA) is None
        assert bytes(bench.core.ram[DATA + at : DATA + at + 2]) == b"\x34\x12"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0x8188, "c.lbu a0, 0(a1)"), (0x81C8, "c.lbu a0, 1(a1)"), (0x81A8, "c.lbu a0, 2(a1)"), (0x81E8, "c.lbu a0, 3(a1)"),
        (0x8588, "c.lhu a0, 0(a1)"), (0x85A8, "c.lhu a0, 2(a1)"), (0x85C8, "c.lh a0, 0(a1)"), (0x85E8, "c.lh a0, 2(a1)"),
        (0x89C8, "c.sb a0, 1(a1)"), (0x8DA8, "c.sh a0, 2(a1)"), (0x9D61, "c.zext.b a0"), (0x9D65, "c.sext.b a0"),
        (0x9D69, "c.zext.h a0"), (0x9D6D, "c.sext.h a0"), (0x9D71, "c.zext.w a0"), (0x9D75, "c.not a0"),
        (0x9D4D, "c.mul a0, a1"), (0x0EC5D533, "czero.eqz a0, a1, a2"), (0x0EC5F533, "czero.nez a0, a1, a2"),
        (0x0015A00F, "cbo.clean (a1)"), (0x0045A00F, "cbo.zero (a1)"), (0x00D00073, "wrs.nto"), (0x01D00073, "wrs.sto"),
        (0xF0140553, "fli.s fa0, 0.25"), (0x28C5A553, "fminm.s fa0, fa1, fa2"), (0x42C5B553, None),
        (0x4045F553, "fround.s fa0, fa1"), (0x42559553, "froundnx.d fa0, fa1, rtz"), (0xC2859553, "fcvtmod.w.d a0, fa1, rtz"),
        (0xA0C5C553, "fleq.s a0, fa1, fa2"), (0xA4C5D553, "fltq.h a0, fa1, fa2"),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_manual_s_rows(code, text):
    """Made by hand from the opcode rows of each chapter."""
    entry = isa.decode(code)
    if text is None:
        assert entry is None
        return
    assert disassemble(isa, code, 0) == text
    assert int.from_bytes(assemble(isa, text).code, "little") == code


def test_hints_change_nothing(bench):
    given = {isa.registers["x"][i]: 100 + i for i in range(1, 32)}
    for text in (
        "wrs.nto", "wrs.sto", "pause", "ntl.p1", "ntl.pall", "ntl.s1", "ntl.all", "c.ntl.all",
        "prefetch.i -2048(a1)", "prefetch.r 0(a1)", "prefetch.w 2016(a1)",
    ):  # fmt: skip
        before = bench.core.count
        assert bench.run(text, **given) is None
        assert list(bench.core.x) == [0, *(100 + i for i in range(1, 32))]
        assert bench.core.count == before + 1


def test_cache_blocks(bench):
    core = bench.core
    core.ram[DATA : DATA + 256] = b"\xaa" * 256
    for address in (DATA + 64, DATA + 127, DATA + 100):
        core.ram[DATA + 64 : DATA + 128] = b"\xaa" * 64
        assert bench.run("cbo.zero (a1)", a1=address) is None
        assert bytes(core.ram[DATA : DATA + 256]) == b"\xaa" * 64 + bytes(64) + b"\xaa" * 128
    for page, store, load in ((0, True, True), (1, False, True), (2, False, False), (3, False, False)):
        address = DATA + 4096 * page + 5
        trap = bench.run("cbo.zero (a1)", a1=address)
        assert (trap is None) if store else (trap.cause, trap.tval) == (STORE_ACCESS, address)
        for text in ("cbo.clean (a1)", "cbo.flush (a1)"):
            trap = bench.run(text, a1=address)
            assert (trap is None) if load else (trap.cause, trap.tval) == (STORE_ACCESS, address)
    trap = bench.run("cbo.inval (a1)", a1=DATA)  # not for programs
    assert (trap.cause, trap.tval) == (ILLEGAL, 0x0005A00F)


# --- Zfa, with exact fractions


def boxed(kind, bits):
    return bits | {"h": 0xFFFFFFFFFFFF << 16, "s": 0xFFFFFFFF << 32, "d": 0}[kind]


def value_of(kind, bits):
    """A finite number as a fraction; None for what is none."""
    fbits, ebits = FORMATS[kind]
    raw, fraction = bits >> fbits & (1 << ebits) - 1, bits & (1 << fbits) - 1
    if raw == (1 << ebits) - 1:
        return None
    scale = Fraction(2) ** (max(raw, 1) - (1 << ebits - 1) + 1 - fbits)
    size = (fraction + ((1 << fbits) if raw else 0)) * scale
    return -size if bits >> fbits + ebits else size


def bits_of(kind, value, sign):
    """A number that the format can hold exactly."""
    fbits, ebits = FORMATS[kind]
    size = Fraction(abs(value))
    if size == 0:
        return sign << fbits + ebits
    exponent = 0
    while size >= 2:
        size, exponent = size / 2, exponent + 1
    while size < 1:
        size, exponent = size * 2, exponent - 1
    raw = exponent + (1 << ebits - 1) - 1
    if raw < 1:
        return sign << fbits + ebits | int(size * Fraction(2) ** (raw - 1 + fbits))
    fraction = (size - 1) * (1 << fbits)
    assert fraction.denominator == 1
    return sign << fbits + ebits | raw << fbits | int(fraction)


def rounded(value, mode):
    """The integer that a rounding mode chooses."""
    down = math.floor(value)
    rest = value - down
    match mode:
        case 0:
            return down + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2))
        case 1:
            return math.trunc(value)
        case 2:
            return down
        case 3:
            return math.ceil(value)
        case _:
            return down + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value > 0))


def numbers(kind, draw, count):
    """Patterns around those where something changes: ties, integers, the ends, NaNs."""
    fbits, ebits = FORMATS[kind]
    bias, top = (1 << ebits - 1) - 1, (1 << ebits) - 1
    found = [0, 1, top << fbits, top << fbits | 1, top << fbits | 1 << fbits - 1, (top << fbits) - 1, 1 << fbits]
    for _ in range(count):
        exponent = draw.choice((bias + draw.randrange(-3, fbits + 2), draw.randrange(top)))
        fraction = draw.choice((draw.getrandbits(fbits), draw.getrandbits(3) << fbits - 3, 0, (1 << fbits) - 1))
        found.append(min(exponent, top - 1) << fbits | fraction)
    return [bits | sign << fbits + ebits for bits in found for sign in (0, 1)]


def is_nan(kind, bits):
    fbits, ebits = FORMATS[kind]
    return bits & (1 << fbits + ebits) - 1 > ((1 << ebits) - 1) << fbits


def signaling(kind, bits):
    return is_nan(kind, bits) and not bits >> FORMATS[kind][0] - 1 & 1


def canonical(kind):
    fbits, ebits = FORMATS[kind]
    return ((1 << ebits) - 1) << fbits | 1 << fbits - 1


MODES = {0: "rne", 1: "rtz", 2: "rdn", 3: "rup", 4: "rmm"}


@pytest.mark.parametrize("kind", FORMATS)
def test_fround_rounds_to_an_integer_and_froundnx_says_so(bench, kind):
    draw = random.Random(kind)
    for bits in numbers(kind, draw, 60):
        value = value_of(kind, bits)
        for mode, name in MODES.items():
            if value is None:
                want, flags, exact = bits, 0, 0
                if is_nan(kind, bits):
                    want, flags = canonical(kind), NV if signaling(kind, bits) else 0
                    exact = flags
            else:
                near = rounded(value, mode)
                want, flags, exact = bits_of(kind, near, bits >> sum(FORMATS[kind])), 0, NX if near != value else 0
            where = (kind, hex(bits), name)
            assert bench.f(f"fround.{kind} fa0, fa1, {name}", fa1=boxed(kind, bits)) == (boxed(kind, want), flags), where
            assert bench.f(f"froundnx.{kind} fa0, fa1, {name}", fa1=boxed(kind, bits)) == (boxed(kind, want), exact), where
    dynamic = bench.f(f"fround.{kind} fa0, fa1", fa1=boxed(kind, bits_of(kind, Fraction(5, 2), 0)), frm=3)
    assert dynamic == (boxed(kind, bits_of(kind, Fraction(3), 0)), 0)
    for code, frm in ((f"fround.{kind} fa0, fa1", 5), (f"froundnx.{kind} fa0, fa1", 7)):
        assert bench.run(code, frm=frm).cause == ILLEGAL


CONSTANTS = [
    Fraction(-1), None, Fraction(1, 1 << 16), Fraction(1, 1 << 15), Fraction(1, 256), Fraction(1, 128), Fraction(1, 16),
    Fraction(1, 8), Fraction(1, 4), Fraction(5, 16), Fraction(3, 8), Fraction(7, 16), Fraction(1, 2), Fraction(5, 8),
    Fraction(3, 4), Fraction(7, 8), Fraction(1), Fraction(5, 4), Fraction(3, 2), Fraction(7, 4), Fraction(2), Fraction(5, 2),
    Fraction(3), Fraction(4), Fraction(8), Fraction(16), Fraction(128), Fraction(256), Fraction(1 << 15), Fraction(1 << 16),
]  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_fli_loads_the_table_s_constants_and_raises_nothing(bench, kind):
    fbits, ebits = FORMATS[kind]
    names = {number: name for name, number in isa.names["fli"].items()}
    infinity = ((1 << ebits) - 1) << fbits
    for number in range(32):
        if number < 30:
            want = 1 << fbits if number == 1 else bits_of(kind, CONSTANTS[number], number == 0)
        else:
            want = infinity if number == 30 else canonical(kind)
        if kind == "h" and number == 29:
            want = infinity  # 2**16 is too large
        assert bench.f(f"fli.{kind} fa0, {names[number]}") == (boxed(kind, want), 0), names[number]


@pytest.mark.parametrize("kind", FORMATS)
def test_fminm_and_fmaxm_give_nan_where_there_is_one_and_quiet_comparisons_mind_signaling_ones_only(bench, kind):
    draw = random.Random(kind + "2")
    pool = numbers(kind, draw, 8)
    for a in pool:
        for b in pool:
            flags = NV if signaling(kind, a) or signaling(kind, b) else 0
            order = {"fa1": boxed(kind, a), "fa2": boxed(kind, b)}
            if is_nan(kind, a) or is_nan(kind, b):
                least = most = canonical(kind)
                less = equal = False
            else:
                key = sorted((a, b), key=lambda n: ranked(kind, n))
                least, most = key
                less = value(kind, a) < value(kind, b)
                equal = value(kind, a) == value(kind, b)
            assert bench.f(f"fminm.{kind} fa0, fa1, fa2", **order) == (boxed(kind, least), flags)
            assert bench.f(f"fmaxm.{kind} fa0, fa1, fa2", **order) == (boxed(kind, most), flags)
            assert bench.x(f"fltq.{kind} a0, fa1, fa2", **order) == less
            assert bench.core.fflags == flags
            assert bench.x(f"fleq.{kind} a0, fa1, fa2", **order) == (less or equal)
            assert bench.core.fflags == flags


def ranked(kind, bits):
    """Order with -0 below 0."""
    size = bits & (1 << sum(FORMATS[kind])) - 1
    return -size - 1 if bits >> sum(FORMATS[kind]) else size


def value(kind, bits):
    found = value_of(kind, bits)
    return found if found is not None else math.inf * (-1 if bits >> sum(FORMATS[kind]) else 1)


def test_fcvtmod_keeps_the_low_32_bits(bench):
    draw = random.Random(5)
    for bits in numbers("d", draw, 400) + [bits_of("d", Fraction(n), n < 0) for n in (
        2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**32 + 5, -(2**32) - 5, 2**52 + 2**31 + 1, 2**83 + 2**31, 2**84, 2**95,
    )]:  # fmt: skip
        number = value_of("d", bits)
        if number is None:
            want, flags = 0, NV
        else:
            whole = math.trunc(number)
            want = (whole & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)
            flags = NV if not -(1 << 31) <= whole < 1 << 31 else NX if whole != number else 0
        assert bench.x("fcvtmod.w.d a0, fa1, rtz", fa1=bits) == want & ALL, hex(bits)
        assert bench.core.fflags == flags, hex(bits)
