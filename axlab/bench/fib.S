// fib: calls. The 26th Fibonacci number by plain recursion, with the frames that a compiler makes.
// It ends with the number in x19 and powers the VM off.

        .equ    N, 26
        .equ    STACK, 0x40100000
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .global _start
_start:
        ldr     x0, =STACK
        mov     sp, x0
        mov     x0, #N
        bl      fib
        mov     x19, x0
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0

fib:
        cmp     x0, #2
        b.lt    known
        stp     x29, x30, [sp, #-32]!
        mov     x29, sp
        str     x19, [sp, #16]
        mov     x19, x0
        sub     x0, x0, #1
        bl      fib
        sub     x1, x19, #2
        mov     x19, x0
        mov     x0, x1
        bl      fib
        add     x0, x0, x19
        ldr     x19, [sp, #16]
        ldp     x29, x30, [sp], #32
known:
        ret
