// copy: memory, in the loops of every C library. A megabyte is filled byte by byte, measured as a string, and
// copied twice: in pairs of registers, and word by word with an index.
// It ends with the string's size, its end included, in x19 and powers the VM off.

        .equ    SOURCE, 0x40200000
        .equ    TARGET, 0x40400000
        .equ    SIZE, 0x100000
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .global _start
_start:
        ldr     x20, =SOURCE
        ldr     x21, =TARGET

        mov     x0, x20
        ldr     x1, =SIZE
        mov     w2, #1
fill:                                           // with bytes that are never 0
        strb    w2, [x0], #1
        add     w2, w2, #3
        orr     w2, w2, #1
        subs    x1, x1, #1
        b.ne    fill
        strb    wzr, [x0, #-1]

        mov     x0, x20
measure:                                        // strlen
        ldrb    w2, [x0], #1
        cbnz    w2, measure
        sub     x19, x0, x20

        mov     x0, x21
        mov     x1, x20
        add     x3, x20, #SIZE
copy_pairs:
        ldp     x4, x5, [x1], #16
        stp     x4, x5, [x0], #16
        cmp     x1, x3
        b.lo    copy_pairs

        mov     x6, #0
copy_words:
        ldr     x4, [x20, x6]
        str     x4, [x21, x6]
        add     x6, x6, #8
        cmp     x6, #SIZE
        b.ne    copy_words

        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
