"""RISC-V assembly beyond the instructions: names of operands' values, and the pseudo-instructions.

Sources: RISC-V Assembly Programmer's Manual, "Pseudoinstructions"; The RISC-V Instruction Set Manual, Volume I
(20240411), chapters 2.7 (FENCE), 4 (Zihintpause), "Zihintntl", 14 (aq and rl), 20.2 (rounding modes). Pseudo-instructions of
floating point that come in all sizes are in `f` and `zfa`.
"""

from __future__ import annotations

from softmetal.isa.expressions import ExpressionError, sign
from softmetal.isa.riscv.rv64 import isa

MODES = {"rne": 0, "rtz": 1, "rdn": 2, "rup": 3, "rmm": 4, "dyn": 7}
isa.names["rm"] = {"": 7, **MODES}  # left out: dynamic
isa.names["rne"] = {"": 0, **MODES}  # where rounding cannot happen: left out, to nearest
isa.names["aqrl"] = {"": 0, ".rl": 1, ".aq": 2, ".aqrl": 3}
isa.names["order"] = {
    "".join(letter for bit, letter in enumerate("wroi") if value >> bit & 1)[::-1]: value for value in range(1, 16)
}

pseudo = isa.pseudo


def li(rd: str, value: int) -> list[str]:
    """Load any 64-bit constant: from the top, 12 bits at a time, zeros in between by the shifts."""
    if not -(1 << 63) <= value < 1 << 64:
        raise ExpressionError(f"li: value = {value} is outside -2**63..2**64-1")
    return load(rd, sign(value, 64))


def load(rd: str, value: int) -> list[str]:
    """The instructions of `li` for a signed value."""
    low = sign(value, 12)
    if value == low:
        return [f"addi {rd}, zero, {value}"]
    if -(1 << 31) <= value < 1 << 31:
        upper = f"lui {rd}, {value - low >> 12 & 0xFFFFF:#x}"
        return [upper, f"addiw {rd}, {rd}, {low}"] if low else [upper]
    rest = sign(value - low, 64)
    shift = (rest & -rest).bit_length() - 1
    lines = [*load(rd, rest >> shift), f"slli {rd}, {rd}, {shift}"]
    return [*lines, f"addi {rd}, {rd}, {low}"] if low else lines


pseudo("nop", "addi zero, zero, 0")
pseudo("li {rd}, {value}", li)
for _name in ("la", "lla"):
    pseudo(_name + " {rd}, {symbol}", "auipc {rd}, %pcrel_hi({symbol})", "addi {rd}, {rd}, %pcrel_lo(.-4)")
for _name in ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"):
    pseudo(_name + " {rd}, {symbol}", "auipc {rd}, %pcrel_hi({symbol})", _name + " {rd}, %pcrel_lo(.-4)({rd})")
for _name in ("sb", "sh", "sw", "sd"):
    pseudo(_name + " {rs2}, {symbol}, {rd}", "auipc {rd}, %pcrel_hi({symbol})", _name + " {rs2}, %pcrel_lo(.-4)({rd})")
for _name in ("flh", "flw", "fld", "fsh", "fsw", "fsd"):
    pseudo(_name + " {rs2:f}, {symbol}, {rd}", "auipc {rd}, %pcrel_hi({symbol})", _name + " {rs2}, %pcrel_lo(.-4)({rd})")

pseudo("mv {rd}, {rs1}", "addi {rd}, {rs1}, 0")
pseudo("not {rd}, {rs1}", "xori {rd}, {rs1}, -1")
pseudo("neg {rd}, {rs1}", "sub {rd}, zero, {rs1}")
pseudo("negw {rd}, {rs1}", "subw {rd}, zero, {rs1}")
pseudo("sext.w {rd}, {rs1}", "addiw {rd}, {rs1}, 0")
pseudo("zext.w {rd}, {rs1}", "add.uw {rd}, {rs1}, zero")
pseudo("zext.b {rd}, {rs1}", "andi {rd}, {rs1}, 255")
pseudo("seqz {rd}, {rs1}", "sltiu {rd}, {rs1}, 1")
pseudo("snez {rd}, {rs1}", "sltu {rd}, zero, {rs1}")
pseudo("sltz {rd}, {rs1}", "slt {rd}, {rs1}, zero")
pseudo("sgtz {rd}, {rs1}", "slt {rd}, zero, {rs1}")
pseudo("sgt {rd}, {rs1}, {rs2}", "slt {rd}, {rs2}, {rs1}")
pseudo("sgtu {rd}, {rs1}, {rs2}", "sltu {rd}, {rs2}, {rs1}")

pseudo("beqz {rs1}, {target}", "beq {rs1}, zero, {target}")
pseudo("bnez {rs1}, {target}", "bne {rs1}, zero, {target}")
pseudo("blez {rs1}, {target}", "bge zero, {rs1}, {target}")
pseudo("bgez {rs1}, {target}", "bge {rs1}, zero, {target}")
pseudo("bltz {rs1}, {target}", "blt {rs1}, zero, {target}")
pseudo("bgtz {rs1}, {target}", "blt zero, {rs1}, {target}")
pseudo("bgt {rs1}, {rs2}, {target}", "blt {rs2}, {rs1}, {target}")
pseudo("ble {rs1}, {rs2}, {target}", "bge {rs2}, {rs1}, {target}")
pseudo("bgtu {rs1}, {rs2}, {target}", "bltu {rs2}, {rs1}, {target}")
pseudo("bleu {rs1}, {rs2}, {target}", "bgeu {rs2}, {rs1}, {target}")

pseudo("j {target}", "jal zero, {target}")
pseudo("jal {target}", "jal ra, {target}")
pseudo("jr {rs1}", "jalr zero, 0({rs1})")
pseudo("jr {imm}({rs1})", "jalr zero, {imm}({rs1})")
pseudo("jalr {rs1}", "jalr ra, 0({rs1})")
pseudo("jalr {imm}({rs1})", "jalr ra, {imm}({rs1})")
pseudo("jalr {rd}, {rs1}", "jalr {rd}, 0({rs1})")
pseudo("jalr {rd}, {rs1}, {imm}", "jalr {rd}, {imm}({rs1})")
pseudo("ret", "jalr zero, 0(ra)")
pseudo("call {target}", "auipc ra, %pcrel_hi({target})", "jalr ra, %pcrel_lo(.-4)(ra)")
pseudo("call {rd}, {target}", "auipc {rd}, %pcrel_hi({target})", "jalr {rd}, %pcrel_lo(.-4)({rd})")
pseudo("tail {target}", "auipc t1, %pcrel_hi({target})", "jalr zero, %pcrel_lo(.-4)(t1)")

pseudo("fence", "fence iorw, iorw")
pseudo("pause", "fence w, 0")
for _name, _register in (("p1", "sp"), ("pall", "gp"), ("s1", "tp"), ("all", "t0")):  # Zihintntl
    pseudo(f"ntl.{_name}", f"add zero, zero, {_register}")
    pseudo(f"c.ntl.{_name}", f"c.add zero, {_register}")
pseudo("sfence.vma", "sfence.vma zero, zero")
pseudo("sfence.vma {rs1}", "sfence.vma {rs1}, zero")
pseudo("unimp", "csrrw zero, cycle, zero")
pseudo("csrr {rd}, {csr:csr}", "csrrs {rd}, {csr}, zero")
for _name in ("w", "s", "c"):
    pseudo(f"csr{_name} {{csr:csr}}, {{rs1}}", f"csrr{_name} zero, {{csr}}, {{rs1}}")
    pseudo(f"csr{_name}i {{csr:csr}}, {{uimm}}", f"csrr{_name}i zero, {{csr}}, {{uimm}}")
for _name in ("cycle", "time", "instret"):
    pseudo(f"rd{_name} {{rd}}", f"csrrs {{rd}}, {_name}, zero")
for _name, _csr in (("csr", "fcsr"), ("rm", "frm"), ("flags", "fflags")):
    pseudo(f"fr{_name} {{rd}}", f"csrrs {{rd}}, {_csr}, zero")
    pseudo(f"fs{_name} {{rd}}, {{rs1}}", f"csrrw {{rd}}, {_csr}, {{rs1}}")
    pseudo(f"fs{_name} {{rs1}}", f"csrrw zero, {_csr}, {{rs1}}")
for _name, _csr in (("rm", "frm"), ("flags", "fflags")):
    pseudo(f"fs{_name}i {{rd}}, {{uimm}}", f"csrrwi {{rd}}, {_csr}, {{uimm}}")
    pseudo(f"fs{_name}i {{uimm}}", f"csrrwi zero, {_csr}, {{uimm}}")
