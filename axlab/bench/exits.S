// exits: a guest that does one thing, what stands in place of EXIT, as often as x19 says. Its MMU is on, with devices and
// RAM as blocks of 1 GB, and so is its interrupt controller: it leaves as a driver does.

        .equ    RTC, 0x09010000
        .include "axlab.S"

        .global _start
_start:
        adr     x0, tables
        msr     ttbr0_el1, x0
        mov     x0, #0xff00                     // attribute 0: Device-nGnRnE, 1: Normal
        msr     mair_el1, x0
        mov     x0, #25                         // T0SZ: 39 bits, tables begin at level 1
        msr     tcr_el1, x0
        isb
        mrs     x0, sctlr_el1
        orr     x0, x0, #1
        msr     sctlr_el1, x0
        isb
        mov     x0, #0x08000000                 // PPI 27, the virtual timer
        bl      gic_enable
        ldr     x20, =UART_DR
        ldr     x21, =RTC
round:
        EXIT
        sub     x19, x19, #1
        cbnz    x19, round
        b       power_off

        .balign 4096
tables:
        .quad   0x00000000 + 0x401              // access flag, attribute 0, a block
        .quad   0x40000000 + 0x705              // access flag, inner shareable, attribute 1, a block
        .fill   510, 8, 0
