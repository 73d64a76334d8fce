// Runs at EL2: reads records (10 doublewords), sets the registers, executes AT, notes PAR_EL1.
        .equ RECORDS, 0x44000000
        .equ RESULTS, 0x46000000
        .global _start
_start: adr     x0, vectors
        msr     vbar_el2, x0
        adr     x0, stack
        mov     sp, x0
        ldr     x19, =RECORDS
        ldr     x20, [x19], #8          // how many
        ldr     x21, =RESULTS
next:   cbz     x20, finish
        ldp     x0, x1, [x19], #16
        msr     hcr_el2, x0
        msr     vtcr_el2, x1
        ldp     x0, x1, [x19], #16
        msr     vttbr_el2, x0
        msr     sctlr_el1, x1
        ldp     x0, x1, [x19], #16
        msr     tcr_el1, x0
        msr     ttbr0_el1, x1
        ldp     x0, x1, [x19], #16
        msr     ttbr1_el1, x0
        msr     mair_el1, x1
        isb
        tlbi    alle1
        dsb     sy
        isb
        ldp     x22, x23, [x19], #16    // va, operation
        adr     x24, operations
        add     x24, x24, x23, lsl #3
        mov     x25, #0
        blr     x24
        isb
        mrs     x0, par_el1
        cbz     x25, 1f
        mov     x0, x25
1:      str     x0, [x21], #8
        sub     x20, x20, #1
        b       next
operations:
        at      s1e1r, x22
        ret
        at      s1e1w, x22
        ret
        at      s1e0r, x22
        ret
        at      s1e0w, x22
        ret
        at      s12e1r, x22
        ret
        at      s12e1w, x22
        ret
        at      s12e0r, x22
        ret
        at      s12e0w, x22
        ret
finish: ldr     x0, =name
        adr     x0, openargs
        mov     x1, x0
        mov     w0, #1                  // SYS_OPEN
        hlt     #0xf000
        adr     x1, writeargs
        str     x0, [x1]
        ldr     x2, =RESULTS
        sub     x2, x21, x2
        str     x2, [x1, #16]
        mov     w0, #5                  // SYS_WRITE
        hlt     #0xf000
        adr     x1, exitargs
        mov     w0, #0x18               // SYS_EXIT
        hlt     #0xf000
        b       .
        .balign 8
openargs: .quad name, 5, 6
writeargs: .quad 0, RESULTS, 0
exitargs: .quad 0x20026, 0
name:   .asciz  "result"
        .ltorg
        .balign 2048
vectors:                                // an exception is noted instead of PAR_EL1
        .rept   16
        .balign 128
        mrs     x25, esr_el2
        lsl     x25, x25, #1
        orr     x25, x25, #0x8000000000000001
        mrs     x0, elr_el2
        add     x0, x0, #4
        msr     elr_el2, x0
        eret
        .endr
        .balign 16
        .space 256
stack:
