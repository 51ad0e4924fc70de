"""Small guests of the 6502 computer, and the machine that runs them: each does what the guest of the same name does on the virt
board (see `guests`)."""

from __future__ import annotations

from pathlib import Path

from softmetal.computers.mos6502_sbc import Sbc
from softmetal.isa.assembler import assemble
from softmetal.isa.mos6502 import isa
from softmetal.machine.machine import Machine

START = 0xC000
SERIAL = """
        lda #$0b                ; ready, without interrupts
        sta $5002
"""
TIMER = """
        lda #$40                ; timer 1 runs free: every 1002 cycles
        sta $600b
        lda #$c0
        sta $600e
        lda #$e8
        sta $6004
        lda #$03
        sta $6005
"""
TIMERS = f"""
        ; every 16th interrupt of a timer it writes a letter; what is typed comes back, plus one
        ldx #$ff
        txs
        lda #0
        sta $11
        {SERIAL}{TIMER}
        cli
loop:   inc $10
        ldx $10
        txa
        sta words,x
        lda $5001
        and #8
        beq loop
        lda $5000
        clc
        adc #1
        sta $5000
        jmp loop
irq:    pha
        lda $6004               ; acknowledges
        inc $11
        lda $11
        and #15
        bne out
        lda #'A'
        sta $5000
out:    pla
        rti
words = $0300
"""
COUNTER = """
        ; counts in memory, one byte after the other
        ldx #0
loop:   inx
        inc words,x
        jmp loop
words = $0300
"""
FROM_TWO = "ldx #2\nloop: inx\ncounted: nop\njmp loop"
TWO = f"inx\njmp {START}"
IN_COUNTER = START + 2, START + 3
"""Addresses of two instructions of COUNTER's loop."""
LATE = """
        ; runs for half a millisecond, then the processor stops
        ldx #0
        ldy #0
loop:   inx
        bne loop
        iny
        cpy #1
        bne loop
        jam
"""
HALT = "jam\n"
ECHO = HALT  # an NMOS 6502 cannot wait for an interrupt: what comes while it stands still is not answered
ECHOED = b""
STORE_AND_HALT = """
        ldx #7
        stx $0200
        jam
"""
LOOP = """
        cld
        ldx #0
        ldy #0
        nop
loop:   inx
        stx data
        lda data+8
target: iny
        nop
        lda data
        jmp loop
data = $0200
"""
TRAPS = """
        ldx #$ff
        txs
        ldx #0
loop:   inx
        brk
        nop                     ; BRK's second byte
        jmp loop
irq:    rti
"""
INTERRUPTED = f"""
        ldx #$ff
        txs
        {TIMER}
        cli
loop:   inx
        jmp loop
irq:    pha
        lda $6004
        pla
        rti
"""
CHANGED = """
        ; writes another instruction over `patch`, each time round
        ldx #0
copy:   lda code,x
        sta patch,x
        inx
        cpx #11
        bne copy
        jmp patch
code:   iny
        lda patch
        eor #$40                ; INY $c8, DEY $88
        nop
        nop
        jmp again
again:  sta patch
        jmp patch
patch = $0400
"""


def rom(tmp_path: Path, text: str) -> str:
    """A file with an assembled program at START, and the vectors; `irq` and `nmi` are those of the program, if it has them."""
    made = assemble(isa, text, START)
    image = bytearray(0x10000 - START)
    image[: len(made.code)] = made.code
    for at, name in ((0xFFFA, "nmi"), (0xFFFC, ""), (0xFFFE, "irq")):
        image[at - START : at - START + 2] = made.symbols.get(name, START).to_bytes(2, "little")
    path = tmp_path / "guest.rom"
    path.write_bytes(image)
    return str(path)


def machine(tmp_path: Path, text: str = TIMERS, engine: str = "native", **parts) -> Machine:
    """A small machine that runs a program."""
    return Machine(Sbc(rom=rom(tmp_path, text), **parts), engine=engine)
