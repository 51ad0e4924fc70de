# A guest for the debugger's tests: two harts, a function that is called, a variable that is written, a page table.
        .globl  _start, loop, store, total, other, off
        .text
_start: csrr    t0, mhartid
        la      sp, stack
        bnez    t0, other
        la      t1, table
        li      t2, 0x200000cf          # 0x80000000 maps to itself, all rights, accessed and dirty
        sd      t2, 16(t1)
        srli    t1, t1, 12
        li      t2, 8 << 60             # Sv39
        or      t1, t1, t2
        csrw    satp, t1
        li      t1, -1
        csrw    pmpaddr0, t1
        li      t1, 0x1f
        csrw    pmpcfg0, t1
        la      t1, supervisor
        csrw    mepc, t1
        li      t1, 0x800
        csrs    mstatus, t1
        mret
supervisor:
        li      s0, 0
loop:   addi    s0, s0, 1
        mv      a0, s0
        call    store
        j       loop

        .type   store, @function
store:  addi    sp, sp, -16
        sd      ra, 8(sp)
        la      t0, total
        ld      t1, 0(t0)
        add     t1, t1, a0
written:
        sd      t1, 0(t0)
        ld      ra, 8(sp)
        addi    sp, sp, 16
        ret
        .size   store, . - store

other:  addi    s1, s1, 1
        j       other

off:    csrw    satp, zero              # the test finisher: power off
        li      t0, 0x100000
        li      t1, 0x5555
        sw      t1, 0(t0)
        j       off

        .data
        .align  12
table:  .zero   4096
        .type   total, @object
total:  .dword  0
        .size   total, 8
        .zero   4096
stack:
