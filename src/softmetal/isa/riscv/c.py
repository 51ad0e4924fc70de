"""The C extension for RV64: 16-bit forms of base instructions.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 26 "C", tables of RVC instructions. Each entry
is the full instruction it stands for, with that one's parameters filled in. The forms of F and D are in their files.
"""

from __future__ import annotations

from softmetal.isa.riscv.rv64 import isa

isa.group = "C"
short = isa.short

short("000 nzuimm[5:4|9:6|2|3] rd' 00", "c.addi4spn {rd}, sp, {nzuimm}", "addi", rs1=2, imm="nzuimm")
short("010 uimm[5:3] rs1' uimm[2|6] rd' 00", "c.lw {rd}, {uimm}({rs1})", "lw", imm="uimm")
short("011 uimm[5:3] rs1' uimm[7:6] rd' 00", "c.ld {rd}, {uimm}({rs1})", "ld", imm="uimm")
short("110 uimm[5:3] rs1' uimm[2|6] rs2' 00", "c.sw {rs2}, {uimm}({rs1})", "sw", imm="uimm")
short("111 uimm[5:3] rs1' uimm[7:6] rs2' 00", "c.sd {rs2}, {uimm}({rs1})", "sd", imm="uimm")

short("000 0 00000 00000 01", "c.nop", "addi", rd=0, rs1=0, imm=0)
short("000 imm[5] rd imm[4:0] 01", "c.addi {rd}, {imm}", "addi", rs1="rd")
short("001 imm[5] rd!=0 imm[4:0] 01", "c.addiw {rd}, {imm}", "addiw", rs1="rd")
short("010 imm[5] rd imm[4:0] 01", "c.li {rd}, {imm}", "addi", rs1=0)
short("011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", "c.addi16sp sp, {nzimm}", "addi", rd=2, rs1=2, imm="nzimm")
short("011 nzimm[17] rd nzimm[16:12] 01", "c.lui {rd}, {nzimm:hi20}", "lui", imm="nzimm")
short("100 uimm[5] 00 rd' uimm[4:0] 01", "c.srli {rd}, {uimm}", "srli", rs1="rd", shamt="uimm")
short("100 uimm[5] 01 rd' uimm[4:0] 01", "c.srai {rd}, {uimm}", "srai", rs1="rd", shamt="uimm")
short("100 imm[5] 10 rd' imm[4:0] 01", "c.andi {rd}, {imm}", "andi", rs1="rd")
short("100 0 11 rd' 00 rs2' 01", "c.sub {rd}, {rs2}", "sub", rs1="rd")
short("100 0 11 rd' 01 rs2' 01", "c.xor {rd}, {rs2}", "xor", rs1="rd")
short("100 0 11 rd' 10 rs2' 01", "c.or {rd}, {rs2}", "or", rs1="rd")
short("100 0 11 rd' 11 rs2' 01", "c.and {rd}, {rs2}", "and", rs1="rd")
short("100 1 11 rd' 00 rs2' 01", "c.subw {rd}, {rs2}", "subw", rs1="rd")
short("100 1 11 rd' 01 rs2' 01", "c.addw {rd}, {rs2}", "addw", rs1="rd")
short("101 imm[11|4|9:8|10|6|7|3:1|5] 01", "c.j {pc+imm}", "jal", rd=0)
short("110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "c.beqz {rs1}, {pc+imm}", "beq", rs2=0)
short("111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "c.bnez {rs1}, {pc+imm}", "bne", rs2=0)

short("000 uimm[5] rd uimm[4:0] 10", "c.slli {rd}, {uimm}", "slli", rs1="rd", shamt="uimm")
short("010 uimm[5] rd!=0 uimm[4:2|7:6] 10", "c.lwsp {rd}, {uimm}(sp)", "lw", rs1=2, imm="uimm")
short("011 uimm[5] rd!=0 uimm[4:3|8:6] 10", "c.ldsp {rd}, {uimm}(sp)", "ld", rs1=2, imm="uimm")
short("100 0 rs1!=0 00000 10", "c.jr {rs1}", "jalr", rd=0, imm=0)
short("100 0 rd rs2!=0 10", "c.mv {rd}, {rs2}", "add", rs1=0)
short("100 1 00000 00000 10", "c.ebreak", "ebreak")
short("100 1 rs1!=0 00000 10", "c.jalr {rs1}", "jalr", rd=1, imm=0)
short("100 1 rd rs2!=0 10", "c.add {rd}, {rs2}", "add", rs1="rd")
short("110 uimm[5:2|7:6] rs2 10", "c.swsp {rs2}, {uimm}(sp)", "sw", rs1=2, imm="uimm")
short("111 uimm[5:3|8:6] rs2 10", "c.sdsp {rs2}, {uimm}(sp)", "sd", rs1=2, imm="uimm")
