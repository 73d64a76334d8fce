// alu: arithmetic on registers alone. A million steps of a Weyl sequence, mixed and summed up.
// It ends with the sum in x19 and powers the VM off.

        .equ    STEPS, 1000000
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .global _start
_start:
        mov     x0, #1
        ldr     x1, =STEPS
        ldr     x2, =0x9e3779b97f4a7c15         // 2^64 / golden ratio
        mov     x19, #0
step:
        add     x0, x0, x2
        eor     x3, x0, x0, lsr #30
        and     x4, x3, #0xffff
        add     x19, x19, x4
        lsr     x6, x3, #7
        orr     x7, x6, #1
        sub     x1, x1, #1
        cbnz    x1, step

        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
