// Before and after a workload in C: a stack, and main's result in x19 when the VM is powered off.

        .equ    STACK, 0x40100000
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .section .text.start
        .global _start
_start:
        ldr     x0, =STACK
        mov     sp, x0
        bl      main
        mov     w19, w0
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
