"""Zcb: more 16-bit forms.

Source: The RISC-V Instruction Set Manual, Volume I (20240411), chapter "Zc*" Extension for Code Size Reduction ("Zcb").
"""

from __future__ import annotations

from softmetal.isa.riscv.rv64 import isa

isa.group = "Zcb"
short = isa.short

short("100000 rs1' uimm[0|1] rd' 00", "c.lbu {rd}, {uimm}({rs1})", "lbu", imm="uimm")
short("100001 rs1' 0 uimm[1] rd' 00", "c.lhu {rd}, {uimm}({rs1})", "lhu", imm="uimm")
short("100001 rs1' 1 uimm[1] rd' 00", "c.lh {rd}, {uimm}({rs1})", "lh", imm="uimm")
short("100010 rs1' uimm[0|1] rs2' 00", "c.sb {rs2}, {uimm}({rs1})", "sb", imm="uimm")
short("100011 rs1' 0 uimm[1] rs2' 00", "c.sh {rs2}, {uimm}({rs1})", "sh", imm="uimm")
short("100111 rd' 11 000 01", "c.zext.b {rd}", "andi", rs1="rd", imm=255)
short("100111 rd' 11 001 01", "c.sext.b {rd}", "sext.b", rs1="rd")
short("100111 rd' 11 010 01", "c.zext.h {rd}", "zext.h", rs1="rd")
short("100111 rd' 11 011 01", "c.sext.h {rd}", "sext.h", rs1="rd")
short("100111 rd' 11 100 01", "c.zext.w {rd}", "add.uw", rs1="rd", rs2=0)
short("100111 rd' 11 101 01", "c.not {rd}", "xori", rs1="rd", imm=-1)
short("100111 rd' 10 rs2' 01", "c.mul {rd}, {rs2}", "mul", rs1="rd")
