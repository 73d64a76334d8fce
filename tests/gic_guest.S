// Start, vectors and hypercalls of gic_guest.c. The second CPU comes in at the same place.
.section .text.start, "ax"
.globl _start
_start:
    mrs     x1, mpidr_el1
    and     x1, x1, #0xff
    ldr     x2, =0x40c00000
    sub     x2, x2, x1, lsl #16
    mov     sp, x2
    adr     x2, vectors
    msr     vbar_el1, x2
    isb
    cbnz    x1, 1f
    bl      first_cpu
1:  bl      second_cpu

.balign 0x800
vectors:
.rept 5
    b       .
    .balign 0x80
.endr
    b       on_irq              // 0x280: IRQ from this exception level
    .balign 0x80
.rept 10
    b       .
    .balign 0x80
.endr

// Interrupts nest: ELR and SPSR are saved too.
on_irq:
    sub     sp, sp, #176
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x0, x1, [sp, #160]
    bl      handle_irq
    ldp     x0, x1, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    add     sp, sp, #176
    eret

.globl psci
psci:
    hvc     #0
    ret
