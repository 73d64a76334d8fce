// The demo guest: what every guest does, in two pages.
//
// It prints on its UART, asks the hypervisor for its PSCI version, starts a second vCPU, lets the
// virtual timer interrupt it three times while it sleeps in WFI, and powers itself off.
// Entry: EL1h, interrupts masked, MMU off, x0 = address of the device tree.

        .equ    UART_DR, 0x09000000             // PL011 data register
        .equ    GICD_CTLR, 0x08000000           // distributor
        .equ    GICR_WAKER, 0x080a0014          // this vCPU's redistributor
        .equ    GICR_IGROUPR0, 0x080b0080       // its SGI and PPI frame
        .equ    GICR_ISENABLER0, 0x080b0100

        .equ    PSCI_VERSION, 0x84000000
        .equ    PSCI_CPU_ON, 0xc4000003
        .equ    PSCI_CPU_OFF, 0x84000002
        .equ    PSCI_SYSTEM_OFF, 0x84000008

        .equ    TIMER_INTID, 27                 // the virtual timer's PPI
        .equ    TICKS, 3

        .global _start
_start:
        mov     x19, x0
        adr     x0, stack_0
        mov     sp, x0
        adr     x0, vectors
        msr     vbar_el1, x0
        isb

        adr     x0, hello
        bl      print
        mov     x0, x19
        bl      print_hex
        adr     x0, newline
        bl      print

ask_the_hypervisor:
        adr     x0, version
        bl      print
        ldr     w0, =PSCI_VERSION
        hvc     #0                              // result: major in bits 31-16, minor below
        mov     w20, w0
        lsr     w0, w20, #16
        bl      print_digit
        mov     w0, '.'
        bl      print_char
        and     w0, w20, #0xffff
        bl      print_digit
        adr     x0, newline
        bl      print

start_the_second_vcpu:
        ldr     x0, =PSCI_CPU_ON
        mov     x1, #1                          // its MPIDR
        adr     x2, second
        mov     x3, #7                          // arrives there in x0
        hvc     #0
        adr     x21, second_is_done
        cbz     x0, sleep_and_tick
        str     w20, [x21]                      // a VM with one vCPU goes on alone

sleep_and_tick:                                 // asleep, not spinning: the second may need this physical CPU
        bl      enable_interrupts
        adr     x22, ticks
        bl      set_timer
1:      wfi
        ldr     w0, [x22]
        cmp     w0, #TICKS
        b.lo    1b
        ldar    w0, [x21]
        cbz     w0, 1b

        adr     x0, goodbye
        bl      print
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
        b       .                               // never reached

second:                                         // the second vCPU's entry; x0 = context id
        mov     x19, x0
        adr     x1, stack_1
        mov     sp, x1
        adr     x0, hello_from_second
        bl      print
        mov     x0, x19
        bl      print_digit
        adr     x0, newline
        bl      print
        adr     x21, second_is_done
        mov     w0, #1
        stlr    w0, [x21]
        ldr     w0, =PSCI_CPU_OFF
        hvc     #0
        b       .

enable_interrupts:
        ldr     x0, =GICD_CTLR
        mov     w1, #0x12                       // affinity routing, group 1
        str     w1, [x0]
        ldr     x0, =GICR_WAKER
        str     wzr, [x0]
        ldr     x0, =GICR_IGROUPR0
        mov     w1, #-1
        str     w1, [x0]
        ldr     x0, =GICR_ISENABLER0
        mov     w1, #1 << TIMER_INTID
        str     w1, [x0]
        mov     x0, #1
        msr     icc_sre_el1, x0
        isb
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        msr     daifclr, #2
        ret

set_timer:                                      // one millisecond from now
        mrs     x0, cntfrq_el0
        mov     x1, #1000
        udiv    x0, x0, x1
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
        ret

interrupt:
        stp     x0, x1, [sp, #-16]!
        stp     x2, x3, [sp, #-16]!
        stp     x22, x30, [sp, #-16]!
        mrs     x3, icc_iar1_el1
        adr     x22, ticks
        ldr     w0, [x22]
        add     w0, w0, #1
        str     w0, [x22]
        adr     x0, tick
        bl      print
        ldr     w0, [x22]
        bl      print_digit
        adr     x0, newline
        bl      print
        bl      set_timer
        msr     icc_eoir1_el1, x3
        ldp     x22, x30, [sp], #16
        ldp     x2, x3, [sp], #16
        ldp     x0, x1, [sp], #16
        eret

print:                                          // x0 = text that ends in 0; uses x0-x2
        ldr     x1, =UART_DR
1:      ldrb    w2, [x0], #1
        cbz     w2, 2f
        str     w2, [x1]
        b       1b
2:      ret

print_digit:                                    // w0 = 0 to 9
        add     w0, w0, '0'
print_char:
        ldr     x1, =UART_DR
        str     w0, [x1]
        ret

print_hex:                                      // x0, its lowest 32 bits
        mov     w2, #28
1:      lsr     w1, w0, w2
        and     w1, w1, #15
        cmp     w1, #10
        add     w3, w1, '0'
        add     w4, w1, 'a' - 10
        csel    w3, w3, w4, lo
        ldr     x1, =UART_DR
        str     w3, [x1]
        subs    w2, w2, #4
        b.pl    1b
        ret

        .ltorg

hello:                  .asciz "Hello from a guest at EL1. My device tree is at 0x"
version:                .asciz "The hypervisor speaks PSCI "
hello_from_second:      .asciz "Hello from the second vCPU, context id "
tick:                   .asciz "tick "
goodbye:                .asciz "Three ticks are enough. Good night.\n"
newline:                .asciz "\n"

        .balign 4
ticks:                  .word 0
second_is_done:         .word 0

        .balign 16
        .space  1024
stack_0:
        .space  1024
stack_1:

        .balign 2048
vectors:                                        // only IRQ from EL1 with SP_EL1 is used
        .space  0x280
        b       interrupt
        .balign 2048
