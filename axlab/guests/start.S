// Before main of a guest in C: stacks, vectors, and what a second vCPU does first.
// The GNU assembler reads this file.

        .equ    STACK_SIZE, 0x4000

        .section .text.start, "ax"
        .global _start, vcpu_entry
_start:                                         // vCPU 0; x0 = address of the device tree
        mov     x19, x0
        bl      set_up
        mov     x0, x19
        bl      main
        b       power_off

vcpu_entry:                                     // another vCPU; x0 = its struct vcpu_job
        mov     x19, x0
        bl      set_up
        ldp     x1, x0, [x19]
        blr     x1
        b       vcpu_off

set_up:                                         // a stack for this vCPU, and the vectors
        mrs     x1, mpidr_el1
        and     x1, x1, #7
        add     x1, x1, #1
        mov     x2, #STACK_SIZE
        adrp    x3, stacks
        add     x3, x3, :lo12:stacks
        madd    x1, x1, x2, x3
        mov     sp, x1
        adrp    x1, vectors
        add     x1, x1, :lo12:vectors
        msr     vbar_el1, x1
        isb
        mov     x29, #0                         // the first frame of the call stack
        ret

        .text
irq:
        sub     sp, sp, #192
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x29, [sp, #144]
        mrs     x0, elr_el1
        mrs     x1, spsr_el1
        stp     x30, x0, [sp, #160]
        str     x1, [sp, #176]
        bl      handle_interrupt
        ldr     x1, [sp, #176]
        ldp     x30, x0, [sp, #160]
        msr     spsr_el1, x1
        msr     elr_el1, x0
        ldp     x18, x29, [sp, #144]
        ldp     x16, x17, [sp, #128]
        ldp     x14, x15, [sp, #112]
        ldp     x12, x13, [sp, #96]
        ldp     x10, x11, [sp, #80]
        ldp     x8, x9, [sp, #64]
        ldp     x6, x7, [sp, #48]
        ldp     x4, x5, [sp, #32]
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp]
        add     sp, sp, #192
        eret

exception:                                      // what no guest of this kind expects: say so, and end
        mrs     x0, esr_el1
        mrs     x1, elr_el1
        mrs     x2, far_el1
        bl      handle_exception
        b       .

        .balign 2048
        .global vectors
vectors:
        .rept   4                               // from EL1 with SP_EL0
        b       exception
        .balign 128
        .endr
        b       exception                       // from EL1: synchronous, IRQ, FIQ, SError
        .balign 128
        b       irq
        .balign 128
        .rept   10                              // and from EL0
        b       exception
        .balign 128
        .endr

        .bss
        .balign 16
stacks: .skip   8 * STACK_SIZE
