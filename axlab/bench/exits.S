// exits: a guest that does one thing, what stands in place of EXIT, as often as x19 says. Its MMU is on, with devices and
// RAM as blocks of 1 GB, and so is its interrupt controller: it leaves as a driver does.

        .equ    UART, 0x09000000
        .equ    RTC, 0x09010000
        .equ    GICD_CTLR, 0x08000000
        .equ    GICR_WAKER, 0x080a0014
        .equ    GICR_IGROUPR0, 0x080b0080
        .equ    GICR_ISENABLER0, 0x080b0100
        .equ    PSCI_SYSTEM_OFF, 0x84000008

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
        ldr     x20, =UART
        ldr     x21, =RTC
        ldr     x0, =GICD_CTLR
        mov     w1, #0x12                       // ARE, group 1
        str     w1, [x0]
        ldr     x0, =GICR_WAKER
        str     wzr, [x0]
        mov     w1, #-1
        ldr     x0, =GICR_IGROUPR0
        str     w1, [x0]
        mov     w1, #0x08000000                 // PPI 27, the virtual timer
        ldr     x0, =GICR_ISENABLER0
        str     w1, [x0]
        mov     x0, #1
        msr     icc_sre_el1, x0
        isb
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
round:
        EXIT
        sub     x19, x19, #1
        cbnz    x19, round
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0

        .balign 4096
tables:
        .quad   0x00000000 + 0x401              // access flag, attribute 0, a block
        .quad   0x40000000 + 0x705              // access flag, inner shareable, attribute 1, a block
        .fill   510, 8, 0
