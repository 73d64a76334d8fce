// events: a guest that leaves as often as it can, as drivers do. Each of ROUNDS rounds polls the UART's flag register, prints
// a character, makes a hypercall, computes for a while that differs from round to round, and sleeps until its timer.

        .equ    ROUNDS, 20000

        .include "axlab.S"

        .global _start
_start:
        mov     x0, #0x08000000                 // PPI 27, the virtual timer
        bl      gic_enable
        ldr     x20, =UART_DR
        ldr     x21, =ROUNDS
        mov     x22, #1
round:
        ldr     w1, [x20, #0x18]                // UARTFR
        tbnz    w1, #5, round                   // full
        and     w1, w22, #0x1f
        add     w1, w1, #0x40
        strb    w1, [x20]                       // UARTDR
        ldr     w0, =PSCI_VERSION
        hvc     #0
        mov     x2, #25173                      // a linear congruential generator
        mul     x22, x22, x2
        add     x22, x22, #13
        and     x3, x22, #0xff
        add     x3, x3, #1
spin:
        sub     x3, x3, #1
        cbnz    x3, spin
        and     x3, x22, #0x3ff
        add     x3, x3, #64
        msr     cntv_tval_el0, x3
        mov     x3, #1
        msr     cntv_ctl_el0, x3
        wfi                                     // interrupts are masked: it wakes, and takes none
        msr     cntv_ctl_el0, xzr
        mrs     x3, icc_iar1_el1
        msr     icc_eoir1_el1, x3
        sub     x21, x21, #1
        cbnz    x21, round
        b       power_off
