# The firmware of the RISC-V virt board: the Supervisor Binary Interface, version 2.0, in machine mode.
#
# All harts enter at the first byte with a1 = device tree. Hart 0 goes on to `entry` in supervisor mode with a0 = its number
# and a1 = device tree; the others wait for HSM's hart_start. Harts need Sstc (the timer is stimecmp), PMP, A and Zbb.
#
# Sources: RISC-V SBI Specification 2.0, chapters 3 to 12; The RISC-V Instruction Set Manual, Volume II (20240411), chapter 3
# and "Sstc"; the well-known virt machine's address map.
# Not here: PMU, SUSP, NACL, STA and CPPC extensions, the hypervisor's fences, non-retentive suspend, emulated instructions.
#
# In the trap handler sp is the hart's area, s0 the mepc and s1 the mstatus to return with. A handler gets the caller's a0..a6
# and answers in a0 (error) and a1 (value); it may use every register that the area has room for, and returns to ra.

.equ FIRMWARE, 0x80000000
.equ FIRMWARE_END, 0x80040000   # what PMP keeps from supervisor mode, and the device tree from the kernel
.equ CLINT, 0x2000000
.equ UART, 0x10000000
.equ FINISHER, 0x100000
.equ MAX_HARTS, 32

# A hart's area: registers by their number, then
.equ AREA_SHIFT, 9
.equ STATE, 256                 # HSM's state
.equ ADDRESS, 264               # where hart_start wants it
.equ OPAQUE, 272                # and with what in a1
.equ REQUESTS, 280              # what other harts want; set before its software interrupt

.equ IPI, 1                     # requests
.equ FENCE, 2
.equ GO, 4

.equ STARTED, 0                 # states
.equ STOPPED, 1
.equ START_PENDING, 2
.equ SUSPENDED, 4

.equ NOT_SUPPORTED, -2          # errors
.equ INVALID_PARAM, -3
.equ INVALID_ADDRESS, -5
.equ ALREADY_AVAILABLE, -6

.equ SSIP, 2                    # bits of mip and mie
.equ MSIP, 8
.equ SUPERVISOR, 0x222
.equ MPP_S, 0x800               # of mstatus
.equ MPP, 0x1800
.equ MPRV, 0x20000

        j boot
        .balign 8
entry:  .dword 0x80200000       # the loader may put another address here

# --- the start

boot:   csrr s2, mhartid
        li t0, MAX_HARTS
1:      bgeu s2, t0, 1b
        la sp, areas
        slli t0, s2, AREA_SHIFT
        add sp, sp, t0
        csrw mscratch, sp
        la t0, trap
        csrw mtvec, t0
        li t0, MSIP
        csrw mie, t0
        li t0, 0xb1fb           # what supervisor mode sees directly: all but illegal instructions and its own calls
        csrw medeleg, t0
        li t0, SUPERVISOR
        csrw mideleg, t0
        li t0, 3 << 62 | 0xf0   # supervisor mode has stimecmp, memory types of pages, and all that cache blocks offer
        csrw menvcfg, t0
        li t0, -1
        csrw stimecmp, t0
        csrw mcounteren, t0
        csrw scounteren, t0
        csrw pmpaddr1, t0       # everything
        li t0, FIRMWARE >> 2 | (FIRMWARE_END - FIRMWARE >> 3) - 1
        csrw pmpaddr0, t0
        li t0, 0x1f18           # both naturally aligned; 0: no access, 1: any
        csrw pmpcfg0, t0
        bnez s2, park
        la t0, areas + STATE
        li t1, MAX_HARTS
        li t2, STOPPED
1:      sd t2, 0(t0)
        addi t0, t0, 1 << AREA_SHIFT
        addi t1, t1, -1
        bnez t1, 1b
        call find_harts
        ld t0, entry
        sd t0, ADDRESS(sp)
        sd a1, OPAQUE(sp)

# Enter supervisor mode as hart_start promises.
start:  sd zero, STATE(sp)
        ld t0, ADDRESS(sp)
        csrw mepc, t0
        csrw satp, zero
        sfence.vma
        fence.i
        csrci mip, SSIP
        li t0, MSIP
        csrw mie, t0
        li t0, MPP_S
        csrw mstatus, t0
        csrr a0, mhartid
        ld a1, OPAQUE(sp)
        mret

# Wait for hart_start.
park:   li t0, MSIP
        csrw mie, t0
1:      wfi
        call serve
        andi a0, a0, GO
        beqz a0, 1b
        j start

# Set `present` from the property reg of the nodes cpu@N of the device tree at a1. (N itself is decimal in some trees.)
find_harts:
        li t5, 1                # without a tree: this one
        lwu t0, 0(a1)
        li t1, 0xedfe0dd0       # its magic number; all its numbers are big-endian
        bne t0, t1, 5f
        lwu t4, 12(a1)
        rev8 t4, t4
        srli t4, t4, 32
        add t4, a1, t4          # the names of properties
        lwu t0, 8(a1)
        rev8 t0, t0
        srli t0, t0, 32
        add t0, a1, t0          # the structure
1:      li t6, 0                # is this node one of them?
2:      lwu t1, 0(t0)
        addi t0, t0, 4
        rev8 t1, t1
        srli t1, t1, 32
        li t2, 1
        beq t1, t2, 3f          # a node begins
        li t2, 3
        beq t1, t2, 6f          # a property
        li t2, 9
        bne t1, t2, 1b
5:      sd t5, present, t0
        ret
3:      lwu t1, 0(t0)
        li t2, 0x40757063       # cpu@
        xor t6, t1, t2
        seqz t6, t6
4:      lbu t1, 0(t0)           # skip the name
        addi t0, t0, 1
        bnez t1, 4b
        j 8f
6:      lwu t1, 0(t0)
        rev8 t1, t1
        srli t1, t1, 32         # its length
        lwu t2, 4(t0)
        rev8 t2, t2
        srli t2, t2, 32
        add t2, t4, t2
        lbu t3, 0(t2)
        xori t3, t3, 'r'
        bnez t3, 7f
        lbu t3, 1(t2)
        xori t3, t3, 'e'
        bnez t3, 7f
        lbu t3, 2(t2)
        xori t3, t3, 'g'
        bnez t3, 7f
        lbu t3, 3(t2)
        bnez t3, 7f
        lwu t2, 8(t0)
        rev8 t2, t2
        srli t2, t2, 32         # the hart's number
        sltiu t3, t2, MAX_HARTS
        and t3, t3, t6
        sll t3, t3, t2
        or t5, t5, t3
7:      addi t1, t1, 8          # skip length, name and value
        add t0, t0, t1
8:      addi t0, t0, 3
        andi t0, t0, -4
        j 2b

# --- traps

        .balign 4
trap:   csrrw sp, mscratch, sp
        sd ra, 8(sp)
        sd t0, 40(sp); sd t1, 48(sp); sd t2, 56(sp); sd t3, 224(sp); sd t4, 232(sp); sd t5, 240(sp)
        sd s0, 64(sp); sd s1, 72(sp); sd s2, 144(sp); sd s3, 152(sp); sd s4, 160(sp); sd s5, 168(sp)
        sd a0, 80(sp); sd a1, 88(sp); sd a2, 96(sp); sd a3, 104(sp)
        sd a4, 112(sp); sd a5, 120(sp); sd a6, 128(sp); sd a7, 136(sp)
        csrrw t0, mscratch, sp
        sd t0, 16(sp)
        csrr s0, mepc
        csrr s1, mstatus
        csrr t0, mcause
        bltz t0, interrupt
        li t1, 9
        beq t0, t1, supervisor_call
        srli t1, s1, 11
        andi t1, t1, 3
        li t2, 3
        beq t1, t2, broken

# An exception that is not for us: what would have happened, had it been delegated.
        csrw scause, t0
        csrw sepc, s0
        csrr t0, mtval
        csrw stval, t0
        csrr s0, stvec
        andi s0, s0, -4
        andi t1, t1, 1
        slli t1, t1, 8          # SPP = was it supervisor mode
        andi t0, s1, 2
        slli t0, t0, 4          # SPIE = SIE
        or t1, t1, t0
        li t0, 0x122
        not t0, t0
        and s1, s1, t0
        or s1, s1, t1           # SIE = 0
        li t0, MPP
        not t0, t0
        and s1, s1, t0
        li t0, MPP_S
        or s1, s1, t0
        j leave

interrupt:
        call serve

leave:  csrw mepc, s0
        csrw mstatus, s1
        ld ra, 8(sp)
        ld t0, 40(sp); ld t1, 48(sp); ld t2, 56(sp); ld t3, 224(sp); ld t4, 232(sp); ld t5, 240(sp)
        ld s0, 64(sp); ld s1, 72(sp); ld s2, 144(sp); ld s3, 152(sp); ld s4, 160(sp); ld s5, 168(sp)
        ld a0, 80(sp); ld a1, 88(sp); ld a2, 96(sp); ld a3, 104(sp)
        ld a4, 112(sp); ld a5, 120(sp); ld a6, 128(sp); ld a7, 136(sp)
        ld sp, 16(sp)
        mret

# A trap in the firmware itself: end the run as failed.
broken: li t0, FINISHER
        li t1, 0xff3333
        sw t1, 0(t0)
1:      wfi
        j 1b

supervisor_call:
        addi s0, s0, 4
        li t0, 8
        bgeu t0, a7, legacy
        mv a0, a7
        call find
        ld t0, 8(t0)
        ld a0, 80(sp)
        jalr t0
answer: sd a0, 80(sp)
        sd a1, 88(sp)
        j leave

# t0 = the entry of extension a0; a0 = is it there?
find:   la t0, extensions
1:      ld t1, 0(t0)
        beq t1, a0, 2f
        addi t0, t0, 16
        bnez t1, 1b
        addi t0, t0, -16
2:      snez a0, t1
        ret

extensions:
        .dword 0x10, base
        .dword 0x54494d45, time
        .dword 0x735049, ipi
        .dword 0x52464e43, rfence
        .dword 0x48534d, hsm
        .dword 0x53525354, srst
        .dword 0x4442434e, dbcn
        .dword 0, not_supported

not_supported:
        li a0, NOT_SUPPORTED
        li a1, 0
        ret

invalid:
        li a0, INVALID_PARAM
        li a1, 0
        ret

success:
        li a0, 0
        li a1, 0
        ret

# --- Base

base:   li t0, 6
        bltu t0, a6, not_supported
        la t0, 1f
        slli a6, a6, 3
        add t0, t0, a6
        mv a1, a0
        li a0, 0
        jr t0
1:      li a1, 0x2000000; ret   # version 2.0; two instructions each, from here on
        li a1, 0x736d000; ret   # implementation: "sm", not in the specification's list
        li a1, 1; ret           # its version
        j probe; nop
        csrr a1, mvendorid; ret
        csrr a1, marchid; ret
        csrr a1, mimpid; ret

probe:  li t0, 8
        sltu a0, t0, a1
        beqz a0, 1f             # the legacy extensions are all there
        mv a0, a1
        mv s2, ra
        call find
        mv ra, s2
        mv a1, a0
        li a0, 0
        ret
1:      li a1, 1
        ret

# --- Timer

time:   bnez a6, not_supported
        csrw stimecmp, a0
        j success

# --- Between harts

# a0 = the harts that mask a0 from hart a1 on means, a1 = error
targets:
        ld t1, present
        addi t0, a1, 1
        beqz t0, 2f             # -1: all
        beqz a0, 1f
        li t0, MAX_HARTS
        bgeu a1, t0, 3f
        sll t0, a0, a1
        srl t2, t0, a1
        bne t2, a0, 3f
        mv a0, t0
        not t1, t1
        and t0, t0, t1
        bnez t0, 3f
1:      li a1, 0
        ret
2:      mv a0, t1
        li a1, 0
        ret
3:      li a1, INVALID_PARAM
        ret

# Put requests a1 to the harts a0.
send:   la t0, areas + REQUESTS
        li t1, CLINT
        fence rw, rw
1:      andi t2, a0, 1
        beqz t2, 2f
        amoor.d zero, a1, (t0)
        fence rw, rw
        sw t2, 0(t1)
2:      addi t0, t0, 1 << AREA_SHIFT
        addi t1, t1, 4
        srli a0, a0, 1
        bnez a0, 1b
        ret

# Do what other harts want of this one; a0 = their requests.
serve:  csrr t0, mhartid
        slli t0, t0, 2
        li t1, CLINT
        add t1, t1, t0
        sw zero, 0(t1)
        fence rw, rw
        addi t0, sp, REQUESTS
        amoswap.d a0, zero, (t0)
        andi t0, a0, IPI
        beqz t0, 1f
        csrsi mip, SSIP
1:      andi t0, a0, FENCE
        beqz t0, 2f
        mv s5, ra
        call do_fence
        mv ra, s5
        csrr t0, mhartid
        li t1, 1
        sll t1, t1, t0
        not t1, t1
        la t0, fence_left
        fence rw, rw
        amoand.d zero, t1, (t0)
2:      ret

ipi:    bnez a6, not_supported
        mv s2, ra
        call targets
        mv ra, s2
        bnez a1, invalid
        mv s2, ra
        li a1, IPI
        call send
        mv ra, s2
        j success

# One remote fence is under way at a time: whoever has the lock describes it and waits until `fence_left` is empty.
rfence: li t0, 2
        bltu t0, a6, not_supported
        mv s2, ra
        call targets
        mv ra, s2
        bnez a1, invalid
        mv s2, ra
        mv s3, a0
        la s4, fence_lock
1:      li t0, 1
        amoswap.d.aq t0, t0, (s4)
        beqz t0, 2f
        call serve              # who has the lock may be waiting for us
        pause
        j 1b
2:      la t0, fence_kind
        sd a6, 0(t0)
        sd a2, 8(t0)
        sd a3, 16(t0)
        sd a4, 24(t0)
        la t0, areas + STATE    # a stopped hart fences when it starts
        li t1, 1
        li t3, STOPPED
3:      ld t2, 0(t0)
        bne t2, t3, 4f
        andn s3, s3, t1
4:      addi t0, t0, 1 << AREA_SHIFT
        slli t1, t1, 1
        srli t2, t1, MAX_HARTS
        beqz t2, 3b
        sd s3, fence_left, t0
        mv a0, s3
        li a1, FENCE
        call send
        call serve              # our own part
5:      ld t0, fence_left
        pause
        bnez t0, 5b
        amoswap.d.rl zero, zero, (s4)
        mv ra, s2
        j success

# The fence that is described.
do_fence:
        ld t0, fence_kind
        bnez t0, 1f
        fence.i
        ret
1:      ld t1, fence_start
        ld t2, fence_size
        ld t3, fence_asid
        addi t0, t0, -1         # 0: all address spaces
        li t4, 64 * 4096
        bgtu t2, t4, 4f         # large, or -1
        beqz t2, 4f
        slli t4, t1, 52
        srli t4, t4, 52
        add t2, t2, t4          # from the page's beginning
        li t4, 4096
2:      bnez t0, 3f
        sfence.vma t1, zero
        j 5f
3:      sfence.vma t1, t3
5:      add t1, t1, t4
        sub t2, t2, t4
        bgtz t2, 2b
        ret
4:      bnez t0, 6f
        sfence.vma
        ret
6:      sfence.vma zero, t3
        ret

# --- Hart state management

hsm:    li t0, 1
        beq a6, t0, hart_stop
        li t0, 3
        beq a6, t0, hart_suspend
        bltu t0, a6, not_supported
        li t0, MAX_HARTS        # hart_start and hart_get_status
        bgeu a0, t0, invalid
        ld t0, present
        srl t0, t0, a0
        andi t0, t0, 1
        beqz t0, invalid
        la t0, areas
        slli t1, a0, AREA_SHIFT
        add t0, t0, t1          # that hart's area
        beqz a6, hart_start
        ld a1, STATE(t0)
        li a0, 0
        ret

hart_start:
        li t1, FIRMWARE_END
        bgeu a1, t1, 1f
        li t1, FIRMWARE
        bgeu a1, t1, 3f
1:      addi t3, t0, STATE
        li t1, STOPPED
        li t4, START_PENDING
2:      lr.d.aqrl t2, (t3)
        bne t2, t1, 4f
        sc.d.aqrl t2, t4, (t3)
        bnez t2, 2b
        sd a1, ADDRESS(t0)
        sd a2, OPAQUE(t0)
        li t0, 1
        sll a0, t0, a0
        li a1, GO
        mv s2, ra
        call send
        mv ra, s2
        j success
3:      li a0, INVALID_ADDRESS
        li a1, 0
        ret
4:      li a0, ALREADY_AVAILABLE
        li a1, 0
        ret

hart_stop:
        li t0, STOPPED
        addi t1, sp, STATE
        amoswap.d.rl zero, t0, (t1)
        j park

hart_suspend:                   # only the retentive one, until an interrupt of supervisor mode is there
        sext.w a0, a0
        beqz a0, 1f
        slli a0, a0, 33
        beqz a0, not_supported
        srli a0, a0, 33 + 28
        beqz a0, invalid        # reserved types
        j not_supported
1:      li t0, SUSPENDED
        sd t0, STATE(sp)
        mv s2, ra
2:      wfi
        call serve
        csrr t0, mip
        csrr t1, mie
        and t0, t0, t1
        andi t0, t0, SUPERVISOR
        beqz t0, 2b
        sd zero, STATE(sp)
        mv ra, s2
        j success

# --- System reset

srst:   bnez a6, not_supported
        li t0, 2
        bltu t0, a0, invalid
        li t0, 1
        bltu t0, a1, invalid
        li t1, 0x7777           # cold or warm: the same to this board
        bnez a0, 1f
        li t1, 0x5555
        beqz a1, 1f
        li t1, 0x13333          # a system failure
1:      li t0, FINISHER
        sw t1, 0(t0)
2:      wfi
        j 2b

# --- Console

dbcn:   li t0, UART
        li t1, 2
        beq a6, t1, write_byte
        bltu t1, a6, not_supported
        bnez a2, invalid
        li t1, FIRMWARE_END
        bltu a1, t1, invalid
        add a2, a1, a0          # the end
        bltu a2, a1, invalid
        mv a5, a1
        la t1, no_access
        csrw mtvec, t1
        bnez a6, console_read
1:      beq a5, a2, 2f
        lbu t2, 0(a5)
        lbu t1, 5(t0)           # LSR
        andi t1, t1, 0x20
        beqz t1, 2f
        sb t2, 0(t0)
        addi a5, a5, 1
        j 1b
2:      la t1, trap
        csrw mtvec, t1
        sub a1, a5, a1
        li a0, 0
        ret
console_read:
        beq a5, a2, 2b
        lbu t1, 5(t0)
        andi t1, t1, 1
        beqz t1, 2b
        lbu t1, 0(t0)
        sb t1, 0(a5)
        addi a5, a5, 1
        j console_read

write_byte:
        lbu t1, 5(t0)
        andi t1, t1, 0x20
        pause
        beqz t1, write_byte
        sb a0, 0(t0)
        j success

# The caller gave an address that cannot be reached.
        .balign 4
no_access:
        la t1, trap
        csrw mtvec, t1
        csrw mstatus, s1
        li a0, INVALID_PARAM
        li a1, 0
        j answer

# --- The legacy extensions 0 to 8: one result, in a0

legacy: la t0, 1f
        slli a7, a7, 2
        add t0, t0, a7
        li a6, 0
        jalr t0
        sd a0, 80(sp)
        j leave
1:      j time
        j console_putchar
        j console_getchar
        j clear_ipi
        j 2f                    # send_ipi
        j 2f                    # remote fence.i
        j 2f                    # remote sfence.vma
        j 2f                    # the same with an address space
        li a0, 0; li a1, 0; j srst
2:      mv a4, a3
        mv a3, a2
        mv a2, a1
        li a1, -1
        beqz a0, 3f             # no mask: all
        li a1, 0
        la t0, no_access
        csrw mtvec, t0
        li t0, MPRV             # the mask lies at the caller's virtual address
        csrs mstatus, t0
        ld a0, 0(a0)
        csrc mstatus, t0
        la t0, trap
        csrw mtvec, t0
3:      srli a7, a7, 2
        addi a7, a7, -5
        bltz a7, ipi
        mv a6, a7
        j rfence

console_putchar:
        li t0, UART
        j write_byte

console_getchar:
        li t0, UART
        lbu t1, 5(t0)
        andi t1, t1, 1
        li a0, -1
        beqz t1, 1f
        lbu a0, 0(t0)
1:      ret

clear_ipi:
        csrci mip, SSIP
        li a0, 0
        ret

# --- What the harts share

        .balign 8
present: .dword 0               # a bit for each hart
fence_lock: .dword 0
fence_left: .dword 0
fence_kind: .dword 0            # the function's number
fence_start: .dword 0
fence_size: .dword 0
fence_asid: .dword 0

        .balign 8
areas:
        .zero MAX_HARTS << AREA_SHIFT
