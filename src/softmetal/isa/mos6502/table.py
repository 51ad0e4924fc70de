"""The NMOS 6502's instruction table: all 256 opcodes, documented and not.

Syntax: `{imm}` is an immediate byte, `{zp}` an address in page 0, `{abs}` an address of 16 bits, `{next+rel}` the
target of a branch, given as an address, coded as its distance from the next instruction. Where an operand fits `{zp}`
and `{abs}`, the shorter form is meant. Where several opcodes do the same, all but the first have their opcode behind
the name (`nop.1a`), so that what is disassembled can be assembled to the same bytes.

Operands that a meaning takes are fetched before it runs, low byte first; `jsr` fetches its own, for it does other
things between the two bytes.

Sources: MCS6500 Microcomputer Family Programming Manual (1976), appendix B; 64doc, "Documented and undocumented
instructions"; "NMOS 6510 Unintended Opcodes" (groepaz, v0.99), whose names the undocumented opcodes have here.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from softmetal.isa.mos6502 import modes as m
from softmetal.isa.mos6502 import operations as o
from softmetal.isa.mos6502 import shapes as s
from softmetal.isa.mos6502.core import Mos6502
from softmetal.isa.table import Isa
from softmetal.lang import s8, u8, u16

isa = Isa(
    "6502",
    core=Mos6502,
    parcel=8,
    order="bytes",
    fetching=True,
    title="MOS 6502 (NMOS)",
    operands={"imm": u8, "zp": u8, "abs": u16, "rel": s8},
    hex="$",
    word=16,
)

# The data sheet's matrix: a row is the opcode's high digit, a column its low digit.
COLUMNS_0_TO_7 = """
0  brk        ora indx   jam        slo indx   nop zp     ora zp     asl zp     slo zp
1  bpl rel    ora indy   jam        slo indy   nop zpx    ora zpx    asl zpx    slo zpx
2  jsr abs    and indx   jam        rla indx   bit zp     and zp     rol zp     rla zp
3  bmi rel    and indy   jam        rla indy   nop zpx    and zpx    rol zpx    rla zpx
4  rti        eor indx   jam        sre indx   nop zp     eor zp     lsr zp     sre zp
5  bvc rel    eor indy   jam        sre indy   nop zpx    eor zpx    lsr zpx    sre zpx
6  rts        adc indx   jam        rra indx   nop zp     adc zp     ror zp     rra zp
7  bvs rel    adc indy   jam        rra indy   nop zpx    adc zpx    ror zpx    rra zpx
8  nop imm    sta indx   nop imm    sax indx   sty zp     sta zp     stx zp     sax zp
9  bcc rel    sta indy   jam        sha indy   sty zpx    sta zpx    stx zpy    sax zpy
a  ldy imm    lda indx   ldx imm    lax indx   ldy zp     lda zp     ldx zp     lax zp
b  bcs rel    lda indy   jam        lax indy   ldy zpx    lda zpx    ldx zpy    lax zpy
c  cpy imm    cmp indx   nop imm    dcp indx   cpy zp     cmp zp     dec zp     dcp zp
d  bne rel    cmp indy   jam        dcp indy   nop zpx    cmp zpx    dec zpx    dcp zpx
e  cpx imm    sbc indx   nop imm    isc indx   cpx zp     sbc zp     inc zp     isc zp
f  beq rel    sbc indy   jam        isc indy   nop zpx    sbc zpx    inc zpx    isc zpx
"""
COLUMNS_8_TO_F = """
0  php        ora imm    asl a      anc imm    nop abs    ora abs    asl abs    slo abs
1  clc        ora absy   nop        slo absy   nop absx   ora absx   asl absx   slo absx
2  plp        and imm    rol a      anc imm    bit abs    and abs    rol abs    rla abs
3  sec        and absy   nop        rla absy   nop absx   and absx   rol absx   rla absx
4  pha        eor imm    lsr a      alr imm    jmp abs    eor abs    lsr abs    sre abs
5  cli        eor absy   nop        sre absy   nop absx   eor absx   lsr absx   sre absx
6  pla        adc imm    ror a      arr imm    jmp ind    adc abs    ror abs    rra abs
7  sei        adc absy   nop        rra absy   nop absx   adc absx   ror absx   rra absx
8  dey        nop imm    txa        ane imm    sty abs    sta abs    stx abs    sax abs
9  tya        sta absy   txs        tas absy   shy absx   sta absx   shx absy   sha absy
a  tay        lda imm    tax        lxa imm    ldy abs    lda abs    ldx abs    lax abs
b  clv        lda absy   tsx        las absy   ldy absx   lda absx   ldx absy   lax absy
c  iny        cmp imm    dex        sbx imm    cpy abs    cmp abs    dec abs    dcp abs
d  cld        cmp absy   nop        dcp absy   nop absx   cmp absx   dec absx   dcp absx
e  inx        sbc imm    nop        sbc imm    cpx abs    sbc abs    inc abs    isc abs
f  sed        sbc absy   nop        isc absy   nop absx   sbc absx   inc absx   isc absx
"""


class Mode(NamedTuple):
    """An addressing mode: the bytes behind the opcode, how it is written, its address when read and when written."""

    bytes: str
    syntax: str
    reads: Any = None
    writes: Any = None


MODES = {
    "": Mode("", ""),
    "a": Mode("", " a"),
    "imm": Mode("imm", " #{imm}"),
    "zp": Mode("zp", " {zp}", m.direct, m.direct),
    "zpx": Mode("zp", " {zp},x", m.zpx, m.zpx),
    "zpy": Mode("zp", " {zp},y", m.zpy, m.zpy),
    "abs": Mode("abs[7:0] abs[15:8]", " {abs}", m.direct, m.direct),
    "absx": Mode("abs[7:0] abs[15:8]", " {abs},x", m.absx, m.absx_w),
    "absy": Mode("abs[7:0] abs[15:8]", " {abs},y", m.absy, m.absy_w),
    "ind": Mode("abs[7:0] abs[15:8]", " ({abs})"),
    "indx": Mode("zp", " ({zp},x)", m.indx, m.indx),
    "indy": Mode("zp", " ({zp}),y", m.indy, m.indy_w),
    "rel": Mode("rel", " {next+rel}"),
}

READS = {
    "lda": o.lda, "ldx": o.ldx, "ldy": o.ldy, "ora": o.ora, "and": o.and_, "eor": o.eor, "bit": o.bit, "cmp": o.cmp,
    "cpx": o.cpx, "cpy": o.cpy, "adc": o.adc, "sbc": o.sbc, "nop": o.ignore, "lax": o.lax, "las": o.las, "anc": o.anc,
    "alr": o.alr, "arr": o.arr, "ane": o.ane, "lxa": o.lxa, "sbx": o.sbx,
}  # fmt: skip
MODIFIES = {
    "asl": o.asl, "lsr": o.lsr, "rol": o.rol, "ror": o.ror, "inc": o.inc, "dec": o.dec,
    "slo": o.slo, "rla": o.rla, "sre": o.sre, "rra": o.rra, "dcp": o.dcp, "isc": o.isc,
}  # fmt: skip
STORES = {"sta": o.sta, "stx": o.stx, "sty": o.sty, "sax": o.sax}
STORES_AND_HIGH = {"sha": o.sax, "shx": o.stx, "shy": o.sty, "tas": o.tas}
IMPLIED = {
    "nop": o.nop, "tax": o.tax, "tay": o.tay, "txa": o.txa, "tya": o.tya, "tsx": o.tsx, "txs": o.txs, "inx": o.inx,
    "iny": o.iny, "dex": o.dex, "dey": o.dey, "clc": o.clc, "sec": o.sec, "cli": o.cli, "sei": o.sei, "clv": o.clv,
    "cld": o.cld, "sed": o.sed,
}  # fmt: skip
BRANCHES = {
    "bpl": o.bpl, "bmi": o.bmi, "bvc": o.bvc, "bvs": o.bvs, "bcc": o.bcc, "bcs": o.bcs, "bne": o.bne, "beq": o.beq,
}  # fmt: skip
OTHERS = {
    "brk": s.brk, "jsr abs": s.jsr, "rti": s.rti, "rts": s.rts, "jmp abs": s.jmp, "jmp ind": s.jmp_ind, "jam": s.jam,
    "pha": partial(s.push, op=o.pha), "php": partial(s.push, op=o.php),
    "pla": partial(s.pull, op=o.pla), "plp": partial(s.pull, op=o.plp),
}  # fmt: skip
UNDOCUMENTED = {
    "slo", "rla", "sre", "rra", "sax", "lax", "dcp", "isc", "anc", "alr", "arr", "ane", "lxa", "sbx", "las", "tas",
    "sha", "shx", "shy", "jam", "nop",
}  # fmt: skip


def meaning(cell: str) -> Any:
    """The meaning of a cell of the matrix: an operation in its shape, with its addressing mode."""
    name, _, mode = cell.partition(" ")
    if cell in OTHERS:
        return OTHERS[cell]
    if mode == "rel":
        return partial(s.branch, op=BRANCHES[name])
    if mode == "imm":
        return partial(s.immediate, op=READS[name])
    if mode == "a":
        return partial(s.accumulator, op=MODIFIES[name])
    if mode == "":
        return partial(s.implied, op=IMPLIED[name])
    if name in READS:
        return partial(s.read, op=READS[name], mode=MODES[mode].reads)
    if name in MODIFIES:
        return partial(s.modify, op=MODIFIES[name], mode=MODES[mode].writes)
    if name in STORES:
        return partial(s.store, op=STORES[name], mode=MODES[mode].writes)
    base = s.through_zp if mode == "indy" else s.absolute
    return partial(s.store_and_high, op=STORES_AND_HIGH[name], base=base, index=s.by_x if mode == "absx" else s.by_y)


def documented(opcode: int, name: str) -> bool:
    """Is this opcode in MOS's own manual?"""
    return opcode == 0xEA or (opcode != 0xEB and name not in UNDOCUMENTED)


def enter(opcode: int, cell: str) -> None:
    """Enter one cell of the matrix."""
    name, _, mode = cell.partition(" ")
    operand = MODES[mode].bytes.partition("[")[0]
    takes = operand in ("zp", "abs") and name != "jsr"
    bound = {"operand": operand} if takes else {}
    isa.group = "documented" if documented(opcode, name) else "undocumented"
    syntax = MODES[mode].syntax
    if any(known.syntax == name + syntax for known in isa.insns):
        name = f"{name}.{opcode:02x}"
    isa.add(f"{opcode:08b} {MODES[mode].bytes}", name + syntax, meaning(cell), **bound)


def cells() -> list[tuple[int, str]]:
    """(opcode, cell) for the whole matrix; documented ones first, for an assembler takes the first that fits."""
    found = []
    for half, first in ((COLUMNS_0_TO_7, 0), (COLUMNS_8_TO_F, 8)):
        for row in half.strip().splitlines():
            for column in range(8):
                cell = row[3 + 11 * column :][:11].strip()
                found.append((int(row[0], 16) << 4 | first + column, cell))
    return sorted(found, key=lambda f: (not documented(f[0], f[1].partition(" ")[0]), f[0]))


for _opcode, _cell in cells():
    enter(_opcode, _cell)

for _name in ("asl", "lsr", "rol", "ror"):
    isa.pseudo(_name, f"{_name} a")
