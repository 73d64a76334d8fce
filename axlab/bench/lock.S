// lock: vCPUs that share a counter behind a spin lock. vCPU 0 starts as many others as the word at COUNT says; each adds 1
// to the counter as often as the next word says, goes round for itself in between as often as the third one says, and
// then adds itself to those that are done.
// It ends with the counter in x19 and powers the VM off.

        .equ    LOCK, 0x40200000
        .equ    COUNTER, 0x40200040
        .equ    DONE, 0x40200080
        .equ    COUNT, 0x402000c0
        .equ    PSCI_CPU_ON, 0xc4000003
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .global _start
_start:
        ldr     x20, =COUNT
        ldr     w20, [x20]
start_one:
        cbz     w20, work
        ldr     x0, =PSCI_CPU_ON
        mov     w1, w20                         // its MPIDR
        adr     x2, work
        hvc     #0
        sub     w20, w20, #1
        b       start_one

work:
        ldr     x10, =LOCK
        ldr     x11, =COUNTER
        ldr     x14, =COUNT
        ldp     w12, w15, [x14, #4]
        mov     w13, #1
acquire:
        ldaxr   w0, [x10]
        cbnz    w0, acquire
        stxr    w1, w13, [x10]
        cbnz    w1, acquire
        ldr     x2, [x11]
        add     x2, x2, #1
        str     x2, [x11]
        stlr    wzr, [x10]
        mov     x3, x15
alone:
        mul     x4, x3, x12
        eor     x5, x5, x4
        sub     x3, x3, #1
        cbnz    x3, alone
        sub     x12, x12, #1
        cbnz    x12, acquire

        ldr     x10, =DONE
finish:
        ldaxr   w0, [x10]
        add     w0, w0, #1
        stlxr   w1, w0, [x10]
        cbnz    w1, finish
        mrs     x1, mpidr_el1
        tst     x1, #0xff
        b.ne    rest
        ldr     x20, =COUNT
        ldr     w20, [x20]
        add     w20, w20, #1
wait:                                           // for all to be done
        ldar    w0, [x10]
        cmp     w0, w20
        b.ne    wait
        ldr     x19, [x11]
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
rest:
        wfi
        b       rest
