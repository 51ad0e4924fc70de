; A monitor for the 6502 computer: it shows and changes memory, runs programs, and counts time.
;
;   softmetal asm --isa 6502 examples/monitor/monitor.s -o monitor.rom
;   softmetal run --board mos6502-sbc --rom monitor.rom
;
;   0200            eight bytes from $0200 on
;   0200=a9 41 60   puts bytes there
;   0200!           calls the program there (RTS comes back; A is shown)
;   t               hundredths of a second since power-on, in hexadecimal
;   q               stops the processor, which ends the run

acia_data    = $5000
acia_status  = $5001
acia_command = $5002
via_t1       = $6004
via_acr      = $600b
via_ier      = $600e
cycles       = 9998             ; timer 1 interrupts every cycles + 2: 100 times a second at 1 MHz

ticks  = $10                    ; two bytes
addr   = $12                    ; two bytes
value  = $14                    ; two bytes
at     = $16                    ; place in the line
digits = $17
line   = $0200

* = $e000

reset:  cld
        ldx #$ff
        txs
        lda #0
        sta ticks
        sta ticks+1
        lda #$0b                ; ready, no interrupts
        sta acia_command
        lda #$40                ; timer 1 runs free
        sta via_acr
        lda #<cycles
        sta via_t1
        lda #>cycles
        sta via_t1+1
        lda #$c0
        sta via_ier
        cli
        ldx #0
hello:  lda banner,x
        beq prompt
        jsr put
        inx
        bne hello

prompt: jsr newline
        lda #'*'
        jsr put
        ldx #0
next:   jsr get
        cmp #13
        beq done
        cmp #10
        beq done
        jsr put
        sta line,x
        inx
        cpx #60
        bne next
done:   lda #0
        sta line,x
        sta at
        jsr skip
        beq prompt
        cmp #'t'
        beq time
        cmp #'q'
        beq quit
        jsr number
        lda digits
        beq wrong
        lda value
        sta addr
        lda value+1
        sta addr+1
        jsr skip
        beq show
        cmp #'='
        beq change
        cmp #'!'
        beq run
wrong:  jsr newline
        lda #'?'
        jsr put
        jmp prompt

quit:   jam

time:   jsr newline
        sei
        lda ticks+1
        ldx ticks
        cli
        jsr hex
        txa
        jsr hex
        jmp prompt

show:   jsr newline
        ldy #0
each:   lda (addr),y
        jsr hex
        lda #' '
        jsr put
        iny
        cpy #8
        bne each
        jmp prompt

change: inc at
        ldy #0
more:   jsr skip
        beq over
        jsr number
        lda digits
        beq wrong
        lda value
        sta (addr),y
        iny
        bne more
over:   jmp prompt

run:    jsr called
        pha
        jsr newline
        pla
        jsr hex
        jmp prompt
called: jmp (addr)

; the next character of the line that is no space, in A; Z at its end
skip:   ldx at
        lda line,x
        cmp #' '
        bne skipped
        inc at
        bne skip
skipped: cmp #0
        rts

; a hexadecimal number from the line, in value; how many digits there were, in digits
number: lda #0
        sta value
        sta value+1
        sta digits
digit:  ldx at
        lda line,x
        sec
        sbc #'0'
        cmp #10
        bcc found
        sbc #'a'-'0'            ; carry is set
        cmp #6
        bcs end
        adc #10                 ; carry is clear
found:  ldx #4
shift:  asl value
        rol value+1
        dex
        bne shift
        ora value
        sta value
        inc at
        inc digits
        bne digit
end:    rts

; A as two digits
hex:    pha
        lsr a
        lsr a
        lsr a
        lsr a
        jsr nibble
        pla
        pha
        and #15
        jsr nibble
        pla
        rts
nibble: cmp #10
        bcc small
        adc #'a'-'0'-11         ; carry is set
small:  adc #'0'
        jmp put

newline: lda #13
        jsr put
        lda #10
put:    pha
busy:   lda acia_status
        and #$10
        beq busy
        pla
        sta acia_data
        rts

get:    lda acia_status
        and #$08
        beq get
        lda acia_data
        rts

tick:   pha
        lda via_t1              ; acknowledges
        inc ticks
        bne ticked
        inc ticks+1
ticked: pla
button: rti

banner: .byte 13, 10
        .asciz "6502 monitor"

* = $fffa
        .word button, reset, tick
