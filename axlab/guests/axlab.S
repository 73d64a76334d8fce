// What guests in assembly share: .include "axlab.S" anywhere in a source.
//
// The routines need no stack and change only x0 to x4, but for those that call the hypervisor: as after
// every HVC, x0 to x3 are its. The code goes behind the guest's own.

        .equ    UART_DR, 0x09000000             // PL011: data register
        .equ    UART_FR, 0x09000018             // flags; bit 4: nothing was typed

        .equ    GICD, 0x08000000                // GICv3: the distributor,
        .equ    GICR, 0x080a0000                // and a redistributor of 0x20000 bytes for each vCPU (MPIDR 0, 1, 2, ...)

        .equ    PSCI_VERSION, 0x84000000        // PSCI: hvc #0 with the function in x0, arguments in x1 to x3
        .equ    PSCI_CPU_OFF, 0x84000002
        .equ    PSCI_CPU_ON, 0xc4000003         // x1 = MPIDR, x2 = entry, x3 = what arrives there in x0
        .equ    PSCI_SYSTEM_OFF, 0x84000008
        .equ    PSCI_SYSTEM_RESET, 0x84000009

        .equ    HVC_DEBUG, 2                    // AxVisor's hypercalls: hvc #0 with the number in x0
        .equ    HVC_IVC_PUBLISH, 3              // key, where to put the address, where the size is
        .equ    HVC_IVC_SUBSCRIBE, 4            // publisher's VM, key, where to put the address, and the size
        .equ    HVC_IVC_UNPUBLISH, 5            // key
        .equ    HVC_IVC_UNSUBSCRIBE, 6          // publisher's VM, key

        .section .axlab

print:                                          // x0 = text that ends in 0
        ldr     x1, =UART_DR
1:      ldrb    w2, [x0], #1
        cbz     w2, 2f
        str     w2, [x1]
        b       1b
2:      ret

newline:
        mov     w0, '\n'
print_char:                                     // w0 = a character
        ldr     x1, =UART_DR
        str     w0, [x1]
        ret

read_char:                                      // -> w0 = the next character that was typed; waits for it
        ldr     x1, =UART_DR
1:      ldr     w0, [x1, #UART_FR - UART_DR]
        tbnz    w0, #4, 1b
        ldr     w0, [x1]
        ret

print_hex:                                      // x0, all 16 digits
        ldr     x1, =UART_DR
        mov     w2, #60
1:      lsr     x3, x0, x2
        and     w3, w3, #15
        cmp     w3, #10
        add     w4, w3, 'a' - 10
        add     w3, w3, '0'
        csel    w3, w3, w4, lo
        str     w3, [x1]
        subs    w2, w2, #4
        b.pl    1b
        ret

print_decimal:                                  // x0, without a sign
        ldr     x1, =UART_DR
        mov     x2, #1                          // the power of ten of the first digit
        mov     x4, #10
        udiv    x3, x0, x4
1:      cmp     x2, x3
        b.hi    2f
        mul     x2, x2, x4
        b       1b
2:      udiv    x3, x0, x2
        msub    x0, x3, x2, x0
        add     w3, w3, '0'
        str     w3, [x1]
        udiv    x2, x2, x4
        cbnz    x2, 2b
        ret

gic_enable:                                     // x0 = which private interrupts may come: bit n is number n (27: timer_in)
        ldr     x1, =GICD
        mov     w2, #0x12                       // affinity routing; group 1 is on
        str     w2, [x1]
        ldr     x1, =GICR
        mrs     x2, mpidr_el1
        and     x2, x2, #0xff
        add     x1, x1, x2, lsl #17             // that of this vCPU:
        str     wzr, [x1, #0x14]                // awake
        add     x1, x1, #0x10000                // its private interrupts:
        mov     w2, #-1
        str     w2, [x1, #0x80]                 // all are in group 1
        str     w0, [x1, #0x100]                // those that were asked for are enabled
        mov     x2, #0xff
        msr     icc_pmr_el1, x2                 // every priority is taken
        mov     x2, #1
        msr     icc_igrpen1_el1, x2             // and group 1
        ret

timer_in:                                       // x0 = counts of 16 ns from now on: then interrupt 27 comes
        mrs     x1, cntvct_el0
        add     x0, x0, x1
        msr     cntv_cval_el0, x0
        mov     x1, #1
        msr     cntv_ctl_el0, x1
        ret

timer_off:                                      // no interrupt 27 any more
        msr     cntv_ctl_el0, xzr
        ret

power_off:                                      // the whole VM
        ldr     w0, =PSCI_SYSTEM_OFF
        hvc     #0
        b       .

vcpu_off:                                       // the vCPU that calls this
        ldr     w0, =PSCI_CPU_OFF
        hvc     #0
        b       .

start_vcpu:                                     // x1 = its number, x2 = where it begins, x3 = its x0; -> x0 = 0 or an error
        ldr     x0, =PSCI_CPU_ON
        hvc     #0
        ret

        .ltorg
        .text
